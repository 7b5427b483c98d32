//! Blobs that wait: how long, what deleting leaves, and what kills in between can do.
//! The long form: `CANDOR_KILLS=100 cargo test -p candor-host --test journal outbox`.

use std::{collections::BTreeSet, fs, path::Path, sync::Arc, time::Duration};

use host::{
    clock::{Clock, Manual},
    journal::{Blob, Journal, Options, Record},
    outbox::Outbox,
    seal::Manifest,
};

use super::{
    audit::{self, Audit, Fate},
    crash,
    driver::{self, Driver, pixels},
};

const GRACE: Duration = Duration::from_secs(600);
const MINUTE: Duration = Duration::from_secs(60);

fn options(state: &Path) -> (Options, Arc<Manual>) {
    let (clock, manual) = Clock::manual(chrono_tz::Tz::UTC);
    manual.set(1_772_020_800_000_000_000);
    let mut options = Options::new(state, clock);
    options.grace = GRACE;
    (options, manual)
}

fn open(options: &Options) -> Journal {
    Journal::open(options.clone()).expect("opened").0
}

/// Appends a record with a blob; its number.
fn shot(journal: &Journal, n: u64) -> u64 {
    let blob = Blob { media_type: "image/jpeg".into(), bytes: pixels(n) };
    let record = Record::new("screenshot", "screen", format!("{{\"n\":{n}}}"));
    journal.append(Record { blob: Some(blob), ..record }).expect("taken");
    journal.sync().expect("durable")
}

/// Seals a further record; the manifest.
fn seal(journal: &Journal) -> Manifest {
    journal.append(Record::new("activity", "activity", "{}")).expect("taken");
    journal.seal().expect("sealed");
    let spool = journal.spool();
    let seal = spool.seals(&spool.sealed().0).expect("seals").pop().expect("one");
    spool.manifest(&seal).expect("a manifest")
}

/// The files below a folder that hold these bytes.
fn holding(folder: &Path, bytes: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(holding(&path, bytes));
        } else if fs::read(&path).expect("bytes").windows(bytes.len()).any(|window| window == bytes) {
            found.push(path.display().to_string());
        }
    }
    found
}

#[test]
fn blob_enters_the_manifest_of_the_seal_after_its_grace_and_its_record_seals_at_once() {
    let state = tempfile::tempdir().expect("a folder");
    let (options, clock) = options(state.path());
    let journal = open(&options);
    let seq = shot(&journal, 1);
    let manifest = seal(&journal);
    assert!(manifest.objects.iter().any(|object| object.kind == "screenshot" && object.seq.contains(seq)));
    assert_eq!((manifest.blobs.len(), manifest.tombstones.len()), (0, 0));
    let sum = host::disk::hex(&host::disk::sha256(&pixels(1)));
    assert_eq!(holding(&state.path().join("spool"), sum.as_bytes()), [""; 0], "its hash has not left");
    clock.advance(GRACE - MINUTE);
    let later = shot(&journal, 2);
    assert_eq!(seal(&journal).blobs.len(), 0, "a minute too soon");
    // A clock that is set forward, as a person or a time server would, releases nothing.
    clock.set(1_872_020_800_000_000_000);
    assert_eq!(seal(&journal).blobs.len(), 0, "the wall clock says nothing");
    clock.advance(MINUTE);
    let manifest = seal(&journal);
    let [blob] = &manifest.blobs[..] else { panic!("{manifest:?}") };
    assert_eq!((blob.seq, blob.sha256.as_str(), blob.kind.as_str()), (seq, sum.as_str(), "screenshot"));
    assert!(blob.seq < manifest.first);
    assert_eq!(fs::read(journal.spool().path(&blob.key)).expect("its bytes"), pixels(1));
    assert_eq!(holding(&state.path().join("outbox"), &pixels(1)), [""; 0]);
    drop(journal);
    // The clock of another boot knows nothing of the time before: the other one waits its time again.
    let (mut options, clock) = self::options(state.path());
    options.clock = clock_of_another_boot(&options.clock);
    let journal = open(&options);
    assert_eq!(seal(&journal).blobs.len(), 0);
    clock.advance(GRACE);
    assert_eq!(seal(&journal).blobs[0].seq, later);
    drop(journal);
    audit::audit(state.path());
}

fn clock_of_another_boot(clock: &Clock) -> Clock {
    clock.in_boot("another")
}

#[test]
fn deleted_blob_leaves_a_tombstone_and_nothing_of_itself() {
    let state = tempfile::tempdir().expect("a folder");
    let (options, _) = options(state.path());
    let journal = open(&options);
    let (before, seq) = (shot(&journal, 1), shot(&journal, 2));
    seal(&journal);
    journal.delete(seq, "my bank").expect("deleted");
    assert_eq!(holding(state.path(), b"<pixels of 2>"), [""; 0]);
    let sum = host::disk::hex(&host::disk::sha256(&pixels(2)));
    assert_eq!(holding(state.path(), sum.as_bytes()), [""; 0], "not even a hash to compare with");
    let again = journal.delete(seq, "twice").expect_err("gone").to_string();
    assert!(again.contains("candor outbox list"), "{again}");
    journal.delete(before + 1000, "never was").expect_err("unknown");
    let manifest = seal(&journal);
    let [stone] = &manifest.tombstones[..] else { panic!("{manifest:?}") };
    assert_eq!((stone.seq, stone.reason.as_str(), stone.text.as_str()), (seq, "deleted", "my bank"));
    assert_eq!(stone.time, "2026-02-25T12:00:00.000000Z");
    assert_eq!(seal(&journal).tombstones.len(), 0, "told once");
    drop(journal);
    let audit = audit::settle(state.path());
    assert_eq!(audit.blobs.len(), 2);
    let notices = audit.records.values().filter(|record| record["cause"] == "delete");
    assert_eq!(notices.map(|notice| notice["of_seq"].as_u64()).collect::<Vec<_>>(), [Some(seq)]);
}

#[test]
fn blob_that_has_left_can_not_be_deleted_any_more() {
    let state = tempfile::tempdir().expect("a folder");
    let (options, clock) = options(state.path());
    let journal = open(&options);
    let seq = shot(&journal, 1);
    clock.advance(GRACE);
    seal(&journal);
    journal.delete(seq, "too late").expect_err("it has left");
    assert_eq!(seal(&journal).tombstones.len(), 0);
}

/// Checks that each blob of a stored record is either listed with its own bytes or deleted, as was said.
fn check(audit: &Audit, state: &Path, deleting: &BTreeSet<u64>, deleted: &BTreeSet<u64>) {
    for ((device, seq), record) in audit.records.iter().filter(|(_, record)| record["blob"].is_string()) {
        let n = record["n"].as_u64().expect("a record of the driver");
        match &audit.blobs[&(device.clone(), *seq)] {
            Fate::Listed(bytes) => {
                assert!(!deleted.contains(seq), "{seq} was deleted and is back");
                assert_eq!(*bytes, pixels(n), "{seq}");
            }
            Fate::Deleted(why) => {
                assert!(deleting.contains(seq) && why == "mine", "nobody deleted {seq}");
                assert_eq!(holding(state, format!("<pixels of {n}>").as_bytes()), [""; 0]);
            }
            Fate::Lost => panic!("the blob of {seq} is lost"),
        }
    }
    assert!(
        deleted.iter().all(|seq| audit.blobs.keys().any(|(_, told)| told == seq)),
        "a deletion is not told"
    );
}

#[test]
fn kill_while_blobs_wait_leave_or_are_deleted_loses_none_and_brings_none_back() {
    let state = tempfile::tempdir().expect("a folder");
    let rounds = driver::rounds("CANDOR_KILLS", 10);
    let (mut acknowledged, mut deleting, mut deleted) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    for round in 0..rounds {
        let first = round * 1_000_000;
        let mut driver = Driver::start_waiting(state.path(), first, [0, 20, 60][round as usize % 3]);
        driver.run(round, 60);
        driver.kill();
        acknowledged.push(driver.before(first, u64::MAX));
        deleting.extend(&driver.deleting);
        deleted.extend(&driver.deleted);
    }
    let audit = audit::settle(state.path());
    crash::check(&audit, &acknowledged);
    check(&audit, state.path(), &deleting, &deleted);
    let listed = audit.blobs.values().filter(|fate| matches!(fate, Fate::Listed(_))).count();
    println!("{rounds} kills, {listed} blobs left, {} deleted", deleted.len());
    assert!(listed > 0 && !deleted.is_empty());
    let device = &audit.records.first_key_value().expect("records").0.0;
    assert_eq!(Outbox::of(state.path(), device).waiting().expect("entries").len(), 0);
}
