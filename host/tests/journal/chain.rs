//! Seals interrupted at each step, state folders copied, and files lost: one chain stays one chain.

use std::{fs, path::Path};

use host::{
    clock::Clock,
    disk,
    identity::Origin,
    journal::{Blob, Journal, Options, Record, Recovery, files, frame},
    outbox::Outbox,
    seal::Head,
    spool::Spool,
};
use serde_json::Value;

use super::audit;

fn open(state: &Path) -> (Journal, Recovery) {
    Journal::open(Options::new(state, Clock::system())).expect("opened")
}

fn append(journal: &Journal, numbers: std::ops::Range<u64>) {
    for n in numbers {
        let mut record = Record::new("activity", "activity", format!("{{\"n\":{n}}}"));
        if n % 4 == 3 {
            record.kind = "screenshot".into();
            record.blob = Some(Blob { media_type: "image/webp".into(), bytes: vec![n as u8; 100] });
        }
        journal.append(record).expect("taken");
    }
    journal.sync().expect("durable");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).expect("copied");
        }
    }
}

/// A state whose second seal was made; the journal is given as it was just before.
struct Interrupted {
    state: tempfile::TempDir,
    sealed: files::Sealed,
}

fn interrupted() -> Interrupted {
    let state = tempfile::tempdir().expect("a folder");
    let before = tempfile::tempdir().expect("a folder");
    let (journal, _) = open(state.path());
    append(&journal, 0..5);
    journal.seal().expect("sealed");
    append(&journal, 5..12);
    copy(&state.path().join("journal"), before.path());
    journal.seal().expect("sealed");
    let spool = journal.spool();
    let (device, _) = spool.sealed();
    let seal = spool.seals(&device).expect("seals").pop().expect("two");
    drop(journal);
    fs::remove_dir_all(state.path().join("journal")).expect("removed");
    copy(before.path(), &state.path().join("journal"));
    let bytes = fs::read(spool.path(&seal.key())).expect("a manifest");
    let sha256 = disk::hex(&disk::sha256(&bytes));
    Interrupted {
        state,
        sealed: files::Sealed { first: seal.first, last: seal.last, key: seal.key(), sha256, bytes: 0 },
    }
}

fn add_frames(state: &Path, bytes: &[u8]) {
    let folder = files::Folder::at(state);
    let last = folder.generations().expect("files").pop().expect("a file");
    let mut log = fs::OpenOptions::new().append(true).open(folder.file(last)).expect("a file");
    std::io::Write::write_all(&mut log, bytes).expect("written");
}

fn manifests(state: &Path) -> Vec<Vec<u8>> {
    let spool = Spool::at(state);
    let device = spool.devices().expect("devices").pop().expect("one");
    let seals = spool.seals(&device).expect("seals");
    seals.iter().map(|seal| fs::read(spool.path(&seal.key())).expect("a manifest")).collect()
}

#[test]
fn seal_without_its_frame_is_discarded_and_made_again() {
    let interrupted = interrupted();
    let state = interrupted.state.path();
    let (journal, recovery) = open(state);
    assert!(recovery.findings.iter().any(|line| line.contains("unfinished seal")), "{:?}", recovery.findings);
    drop(journal);
    let audit = audit::settle(state);
    assert_eq!(audit.numbers(), (0..12).collect());
}

#[test]
fn seal_with_its_frame_is_never_made_again() {
    let mut frames = Vec::new();
    let interrupted = interrupted();
    files::sealed_frames(&mut frames, &interrupted.sealed);
    // Whole; or with a bit flipped in the first copy, or in the second.
    for flip in [None, Some(40), Some(frames.len() - 9)] {
        let state = tempfile::tempdir().expect("a folder");
        copy(interrupted.state.path(), state.path());
        let mut frames = frames.clone();
        if let Some(byte) = flip {
            frames[byte] ^= 4;
        }
        let before = manifests(state.path());
        add_frames(state.path(), &frames);
        let audit = audit::settle(state.path());
        assert_eq!(audit.numbers(), (0..12).collect(), "{flip:?}");
        assert_eq!(manifests(state.path())[..2], before, "{flip:?}: a sink may have these already");
    }
}

#[test]
fn orphaned_blob_goes_and_named_one_stays() {
    let state = tempfile::tempdir().expect("a folder");
    let (journal, _) = open(state.path());
    append(&journal, 0..4);
    let (device, _) = journal.spool().sealed();
    drop(journal);
    let path = state.path().join(format!("outbox/{device}/00000000000000000099.webp"));
    disk::write(&path, b"a crash came before its record").expect("written");
    let audit = audit::settle(state.path());
    assert!(!path.exists());
    assert_eq!(audit.numbers(), (0..4).collect());
}

#[test]
fn blob_that_vanished_or_changed_is_told_in_the_manifest() {
    let state = tempfile::tempdir().expect("a folder");
    let (journal, _) = open(state.path());
    append(&journal, 0..4);
    append(&journal, 4..8);
    append(&journal, 8..12);
    let (device, _) = journal.spool().sealed();
    let outbox = Outbox::of(state.path(), &device);
    let waiting = outbox.waiting().expect("entries");
    fs::remove_file(outbox.file(&waiting[0].blob)).expect("removed");
    fs::write(outbox.file(&waiting[1].blob), "other bytes").expect("written");
    outbox.forget(&[waiting[2].blob.seq].into()).expect("removed");
    journal.seal().expect("sealed");
    drop(journal);
    let text = String::from_utf8(manifests(state.path()).remove(0)).expect("text");
    assert_eq!(text.matches("blob_lost").count(), 3, "{text}");
    audit::settle(state.path());
}

fn move_to_another_machine(state: &Path) {
    let path = state.join("identity.json");
    let mut identity: Value = serde_json::from_slice(&fs::read(&path).expect("read")).expect("JSON");
    identity["holder"] = "f00".into();
    fs::write(path, identity.to_string()).expect("written");
}

#[test]
fn copied_state_gets_a_new_chain_and_takes_over_what_was_unsealed() {
    let state = tempfile::tempdir().expect("a folder");
    let (journal, _) = open(state.path());
    append(&journal, 0..5);
    journal.seal().expect("sealed");
    append(&journal, 5..12);
    let (old, sealed) = journal.spool().sealed();
    drop(journal);
    move_to_another_machine(state.path());
    let (journal, recovery) = open(state.path());
    if recovery.identity.origin == Origin::Kept {
        println!("skipped: this machine tells no machine id");
        return;
    }
    assert_eq!(recovery.identity.origin, Origin::Moved { from: old.clone() });
    drop(journal);
    let audit = audit::settle(state.path());
    assert_eq!(audit.numbers(), (0..12).collect());
    let new = &recovery.identity.id;
    let of = |device: &str| audit.records.keys().filter(|(owner, _)| owner == device).count() as u64;
    assert_eq!(of(&old), sealed, "the old chain ends at its last seal");
    assert_eq!(audit.records[&(new.clone(), 1)]["previous_device"], old.as_str());
    assert_eq!(audit.records[&(new.clone(), 2)]["kind"], "notice");
    assert_eq!(audit.gaps("blob_lost").len(), 0);
}

#[test]
fn lost_journal_or_identity_begins_a_new_chain_and_says_so() {
    for lost in ["journal", "identity.json"] {
        let state = tempfile::tempdir().expect("a folder");
        let (journal, _) = open(state.path());
        append(&journal, 0..5);
        journal.seal().expect("sealed");
        append(&journal, 5..7);
        drop(journal);
        let path = state.path().join(lost);
        if path.is_dir() {
            fs::remove_dir_all(path).expect("removed");
        } else {
            fs::remove_file(path).expect("removed");
        }
        let (journal, recovery) = open(state.path());
        assert!(!recovery.findings.is_empty(), "{lost}");
        drop(journal);
        let audit = audit::settle(state.path());
        let kept = if lost == "journal" { 5 } else { 7 };
        assert_eq!(audit.numbers(), (0..kept).collect(), "{lost}");
    }
}

#[test]
fn clean_end_leaves_no_gap() {
    let state = tempfile::tempdir().expect("a folder");
    for start in 0..3 {
        let (journal, recovery) = open(state.path());
        assert!(recovery.clean && recovery.findings.is_empty(), "{:?}", recovery.findings);
        append(&journal, start * 3..start * 3 + 3);
        journal.close(std::time::Duration::from_secs(10)).expect("closed");
    }
    let audit = audit::settle(state.path());
    assert_eq!(audit.records.values().filter(|record| record["kind"] == "gap").count(), 0);
    assert_eq!(audit.numbers(), (0..9).collect());
}

#[test]
fn later_file_makes_the_end_of_an_earlier_one_void() {
    let state = tempfile::tempdir().expect("a folder");
    let (journal, _) = open(state.path());
    append(&journal, 0..3);
    let (device, _) = journal.spool().sealed();
    drop(journal);
    // A sync failed after number 3: what was not acknowledged went into another file, and 4 became another record.
    let folder = files::Folder::at(state.path());
    let head = Head { device, sealed: 0, manifest: None };
    let mut bytes = Vec::new();
    files::open_frames(
        &mut bytes,
        &files::Open { head, first: 4, time: "2026-01-01T00:00:00.000000Z".into(), reserve: false },
    );
    let line = "activity 2026-01-01\n{\"seq\":4,\"time\":\"2026-01-01T00:00:00.000000Z\",\"n\":77}";
    frame::encode(&mut bytes, frame::Type::Record, 4, line.as_bytes());
    fs::write(folder.file(2), bytes).expect("written");
    let audit = audit::settle(state.path());
    assert_eq!(audit.numbers(), [0, 1, 77].into());
    assert_eq!(audit.missing(), 0);
}
