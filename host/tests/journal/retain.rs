//! What may be removed: what every sink has, by age and size; what a sink holds, after its time; nothing else.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use host::{
    clock::{Clock, Manual},
    journal::{Blob, Journal, Options, Record},
    outbox::Outbox,
    retain::{Limits, Rules, keep},
    seal::Manifest,
    show,
    spool::{Object, Seal},
    upload::{self, Delivered, Failure, Store, Target, Upload},
};
use plugin_api::{Fault, call::ReadAt, v1::Status};
use serde_json::Value;

use super::driver::{pixels, random};

const DAY: Duration = Duration::from_secs(86_400);

/// A store that takes so many objects.
#[derive(Default)]
pub struct Shelf {
    pub stored: Mutex<BTreeMap<String, u64>>,
    room: Mutex<usize>,
}

impl Store for Shelf {
    fn put(&self, object: &Object) -> Result<(), Failure> {
        let mut room = self.room.lock().expect("a lock");
        if *room == 0 {
            return Err(Failure::new(Status::RETRY, Fault::Network, "no room yet"));
        }
        *room -= 1;
        let mut bytes = vec![0; object.len as usize];
        assert_eq!(object.read_at(0, &mut bytes).expect("read"), bytes.len());
        self.stored.lock().expect("a lock").insert(object.key.clone(), object.len);
        Ok(())
    }

    fn stop(&self) {}

    fn list(&self, prefix: &str, each: &mut (dyn FnMut(&str, u64) + Send)) -> Result<(), Failure> {
        let stored = self.stored.lock().expect("a lock");
        stored.iter().filter(|(key, _)| key.starts_with(prefix)).for_each(|(key, len)| each(key, *len));
        Ok(())
    }

    fn remove(&self, key: &str) -> Result<(), Failure> {
        self.stored.lock().expect("a lock").remove(key);
        Ok(())
    }
}

/// A journal with a clock of its own, and sinks.
pub struct Desk {
    pub state: tempfile::TempDir,
    clock: Arc<Manual>,
    pub journal: Journal,
    pub shelves: BTreeMap<String, Arc<Shelf>>,
    upload: Option<Upload>,
}

impl Desk {
    pub fn new(sinks: &[&str], change: impl FnOnce(&mut Options)) -> Self {
        let state = tempfile::tempdir().expect("a folder");
        let (clock, manual) = Clock::manual(chrono_tz::Tz::UTC);
        // Files have the system's time; from there it goes on as told.
        manual.set(Clock::system().unix_ns());
        let mut options = Options::new(state.path(), clock);
        options.sinks = sinks.iter().map(|id| (*id).to_owned()).collect();
        change(&mut options);
        let journal = Journal::open(options.clone()).expect("opened").0;
        let shelves: BTreeMap<_, _> =
            options.sinks.iter().map(|id| (id.clone(), Arc::new(Shelf::default()))).collect();
        let target = |(id, shelf): (&String, &Arc<Shelf>)| Target {
            limits: upload::Limits::default(),
            id: id.clone(),
            kinds: None,
            store: shelf.clone(),
        };
        let targets = shelves.iter().map(target).collect();
        let upload = Upload::start(journal.spool(), state.path(), targets).expect("started");
        Self { state, clock: manual, journal, shelves, upload: Some(upload) }
    }

    /// Appends a record, with a blob if it is a screenshot.
    pub fn append(&self, kind: &str, n: u64) {
        let mut record = Record::new(kind, "test", format!("{{\"n\":{n},\"text\":\"{}\"}}", word(n)));
        if kind == "screenshot" {
            record.blob = Some(Blob { media_type: "image/jpeg".into(), bytes: pixels(n) });
        }
        self.journal.append(record).expect("taken");
    }

    pub fn seal(&self) {
        self.journal.seal().expect("sealed");
    }

    /// Waits for what the journal does between its own work.
    pub fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        let until = Instant::now() + Duration::from_secs(60);
        while !is_so() {
            assert!(Instant::now() < until, "{what}");
            std::thread::yield_now();
        }
    }

    /// Lets a sink take so many more objects.
    pub fn take(&self, id: &str, objects: usize) {
        *self.shelves[id].room.lock().expect("a lock") += objects;
        self.hurry();
    }

    fn hurry(&self) {
        self.upload.iter().for_each(Upload::hurry);
    }

    /// Waits until a sink has everything.
    pub fn drain(&self, id: &str) {
        self.take(id, 1_000_000);
        let until = Instant::now() + Duration::from_secs(60);
        let pending =
            || self.upload.iter().flat_map(Upload::progress).any(|sink| sink.id == id && sink.pending > 0);
        while pending() {
            assert!(Instant::now() < until, "still pending");
            self.hurry();
            std::thread::yield_now();
        }
        *self.shelves[id].room.lock().expect("a lock") = 0;
    }

    pub fn manifests(&self) -> Vec<Manifest> {
        self.seals().into_iter().map(|(_, manifest)| manifest).collect()
    }

    /// The seals that are here, but for those the journal removes meanwhile.
    fn seals(&self) -> Vec<(Seal, Manifest)> {
        let spool = self.journal.spool();
        let seals = spool.seals(&spool.sealed().0).expect("seals");
        let read = |seal: Seal| match spool.manifest(&seal) {
            Ok(manifest) => Some((seal, manifest)),
            Err(why) => {
                assert!(!self.is_here(&seal.key()), "{why}");
                None
            }
        };
        seals.into_iter().filter_map(read).collect()
    }

    fn delivered(&self, id: &str) -> Delivered {
        Delivered::of(self.state.path(), id)
    }

    fn shown(&self, kind: &str) -> Vec<Value> {
        let all = show::records(self.state.path(), None).expect("records");
        all.filter(|record| record["kind"] == kind).collect()
    }

    pub fn is_here(&self, key: &str) -> bool {
        self.journal.spool().path(key).exists()
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        if let Some(upload) = self.upload.take() {
            let late = upload.stop(Duration::from_secs(10));
            assert!(std::thread::panicking() || late.is_empty(), "{late:?}");
        }
    }
}

/// Something that does not compress to nothing.
fn word(n: u64) -> String {
    host::disk::hex(&host::disk::sha256(&n.to_le_bytes())).repeat(4)
}

/// Every object and blob: its kind and key.
pub fn keys(manifest: &Manifest) -> Vec<(String, String)> {
    let objects = manifest.objects.iter().map(|object| (object.kind.clone(), object.key.clone()));
    objects.chain(manifest.blobs.iter().map(|blob| (blob.kind.clone(), blob.key.clone()))).collect()
}

fn limits(max_age: Duration, max_size: u64) -> Limits {
    Limits { max_age, max_size }
}

#[test]
fn delivered_objects_stay_as_long_as_their_kind_may_and_what_went_is_told() {
    let archive = tempfile::tempdir().expect("a folder");
    let desk = Desk::new(&["a"], |options| {
        options.rules = Rules {
            usual: limits(DAY, u64::MAX),
            kinds: [("screenshot".to_owned(), limits(3 * DAY, 9000))].into(),
            archive: Some(archive.path().to_owned()),
        };
    });
    for n in 0..5 {
        desk.append("screenshot", n);
        desk.append("activity", n);
        desk.seal();
        desk.drain("a");
    }
    desk.clock.advance(DAY - Duration::from_secs(60));
    desk.append("activity", 5);
    desk.seal();
    let manifests = desk.manifests();
    let here = |kind: &str| -> Vec<bool> {
        let all = manifests.iter().flat_map(keys).filter(|(of, _)| of == kind);
        all.map(|(_, key)| desk.is_here(&key)).collect()
    };
    // Five with their records are more than 9,000 bytes: the oldest go.
    let blobs = || -> Vec<bool> {
        let all = manifests.iter().flat_map(|manifest| &manifest.blobs);
        all.map(|blob| desk.is_here(&blob.key)).collect()
    };
    desk.until("two go", || blobs() == [false, false, true, true, true]);
    assert_eq!(here("screenshot").iter().filter(|here| **here).count(), 6);
    assert_eq!(here("activity"), [true; 6], "a minute too soon");
    assert!(archive.path().join(&manifests[0].blobs[0].key).exists());

    desk.clock.advance(Duration::from_secs(3600));
    desk.append("activity", 6);
    desk.seal();
    desk.until("they go", || here("activity") == [false, false, false, false, false, true]);
    assert_eq!(here("device"), [false]);
    assert!(archive.path().join(&manifests[0].objects[0].key).exists());
    desk.drain("a");
    desk.clock.advance(3 * DAY);
    desk.append("activity", 7);
    desk.seal();
    desk.until("all go", || manifests.iter().flat_map(keys).all(|(_, key)| !desk.is_here(&key)));
    let manifest = archive.path().join(manifests[0].key());
    desk.until("the manifest goes with the last of its data", || manifest.exists());

    desk.seal();
    let notices = desk.shown("notice");
    let told = |of: &str, reason: &str| -> u64 {
        let all = notices.iter().filter(|notice| notice["cause"] == "retain");
        let lists = all.flat_map(|notice| notice["removed"].as_array().expect("a list"));
        lists
            .filter(|removed| removed["of"] == of && removed["reason"] == reason)
            .map(|removed| removed["count"].as_u64().expect("a number"))
            .sum()
    };
    // The notices that tell of the first are gone themselves by now, but for the last one.
    assert!(told("activity", "age") > 0, "{notices:#?}");
}

#[test]
fn chain_goes_on_though_nothing_of_its_beginning_is_left_here() {
    let desk = Desk::new(&["a"], |options| options.rules = Rules::age(Duration::ZERO));
    let count = || desk.manifests().len();
    desk.append("activity", 1);
    desk.seal();
    desk.drain("a");
    desk.append("activity", 2);
    desk.seal();
    desk.until("the first seal was delivered and goes", || count() <= 1);
    desk.append("activity", 3);
    desk.seal();
    desk.journal.close(Duration::from_secs(10)).expect("closed");
    let kept = count();
    assert!(kept >= 2, "what nobody has stays");
    let (journal, _) = Journal::open(Options::new(desk.state.path(), Clock::system())).expect("opened");
    journal.append(Record::new("activity", "test", "{}")).expect("taken");
    journal.seal().expect("sealed");
    let spool = journal.spool();
    let seals = spool.seals(&spool.sealed().0).expect("seals");
    assert!(seals.len() > kept);
    for pair in seals.windows(2) {
        let before = host::disk::sha256(&std::fs::read(spool.path(&pair[0].key())).expect("bytes"));
        let manifest = spool.manifest(&pair[1]).expect("a manifest");
        assert_eq!(manifest.previous, Some(host::disk::hex(&before)));
        assert_eq!(pair[0].last + 1, pair[1].first);
    }
}

/// Small steps in any order: whatever was not delivered to both sinks must be here.
#[test]
fn nothing_undelivered_goes_below_the_quota_whatever_the_rules() {
    for round in 0..4 {
        let desk = Desk::new(&["a", "b"], |options| {
            options.rules = Rules {
                usual: limits(Duration::from_secs([0, 60, 600, 0][round]), [0, 2000, 5000, u64::MAX][round]),
                kinds: [("finding".to_owned(), limits(Duration::ZERO, 0))].into(),
                archive: None,
            };
            options.max = 50_000_000;
            options.grace = Duration::from_secs(60 * round as u64);
        });
        let mut all = BTreeMap::new();
        for n in 0..60 {
            match random(8) {
                0..2 => desk.append("screenshot", n),
                2 => desk.append("finding", n),
                3..5 => desk.append("activity", n),
                5 => desk.take(["a", "b"][random(2) as usize], random(12) as usize),
                6 => desk.clock.advance(Duration::from_secs(random(120))),
                _ => desk.drain(["a", "b"][random(2) as usize]),
            }
            if random(3) > 0 {
                continue;
            }
            // What they have can only become more until it is looked at.
            let had = [desk.delivered("a"), desk.delivered("b")];
            let before: Vec<_> = desk.manifests();
            desk.seal();
            let spool = desk.journal.spool();
            all.extend(desk.seals());
            let (device, last) = spool.sealed();
            assert!(before.iter().all(|manifest| manifest.device == device && manifest.last <= last));
            let now = [desk.delivered("a"), desk.delivered("b")];
            for (seal, manifest) in &all {
                if now.iter().all(|sink| sink.has(seal)) {
                    continue;
                }
                assert!(had.iter().any(|sink| !sink.has(seal)));
                assert!(desk.is_here(&seal.key()));
                let gone: Vec<_> = keys(manifest).into_iter().filter(|(_, key)| !desk.is_here(key)).collect();
                assert!(gone.is_empty(), "round {round}: undelivered and gone: {gone:?}");
            }
        }
        let outbox = Outbox::of(desk.state.path(), &desk.journal.spool().sealed().0);
        assert!(outbox.stones().expect("stones").is_empty());
    }
}

#[test]
fn disk_is_given_back_when_a_backlog_has_drained() {
    let desk = Desk::new(&["a"], |options| options.rules = Rules::age(DAY));
    // What waited for a month while the sink was away: 40 MB.
    for _ in 0..10 {
        for n in 0..40 {
            let blob = Blob { media_type: "image/jpeg".into(), bytes: pixels(n).repeat(40) };
            let record = Record::new("screenshot", "test", "{}");
            desk.journal.append(Record { blob: Some(blob), ..record }).expect("taken");
        }
        desk.seal();
    }
    let size = || size(desk.state.path());
    assert!(size() > 40_000_000);
    desk.clock.advance(30 * DAY);
    desk.append("activity", 1);
    desk.seal();
    assert!(size() > 40_000_000, "nothing goes before the sink has it");
    desk.drain("a");
    desk.append("activity", 2);
    desk.clock.advance(Duration::from_secs(3600));
    desk.seal();
    desk.until("the disk is given back", || size() <= 2_000_000);
}

/// The bytes of all files below a folder.
fn size(folder: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries
        .map(|path| if path.is_dir() { size(&path) } else { path.metadata().map_or(0, |file| file.len()) })
        .sum()
}

#[test]
fn keep_removes_this_devices_old_data_from_a_store_and_no_manifest() {
    let shelf = Shelf::default();
    let put = |key: String| _ = shelf.stored.lock().expect("a lock").insert(key, 10);
    for (device, day) in [("me", 1), ("me", 2), ("me", 20), ("other", 1)] {
        let date = format!("date=2026-01-{day:02}");
        put(format!("v=1/device={device}/kind=activity/{date}/{day:020}-{:020}.ndjson.zst", day + 5));
        put(format!("v=1/device={device}/_blob/{date}/{day:020}.jpg"));
        put(format!("v=1/device={device}/_manifest/{day:020}-{:020}.json", day + 5));
    }
    put("v=1/device=me/kind=activity/not-ours.txt".to_owned());
    let before = shelf.stored.lock().expect("a lock").len();
    // On the 11th, ten days reach back to the 1st.
    let day = |day: &str| host::clock::parse(&format!("2026-01-{day}T12:00:00Z")).expect("a moment");
    let (gaps, done) = keep::run(&shelf, "s", "me", 10 * DAY, day("11"));
    assert!(done.is_ok() && gaps.is_empty(), "{gaps:?}");
    let (gaps, done) = keep::run(&shelf, "s", "me", 10 * DAY, day("13"));
    done.expect("removed");
    let gaps: Vec<Value> = gaps.iter().map(|gap| serde_json::json!(gap)).collect();
    let gap = |of: &str, to: u64| serde_json::json!({"reason": "keep", "of": of, "count": 2, "bytes": 20, "from_seq": 1, "to_seq": to, "missing_from": ["s"]});
    assert_eq!(gaps, [gap("_blob", 2), gap("activity", 7)]);
    let left = shelf.stored.lock().expect("a lock");
    assert_eq!(left.len(), before - 4);
    assert!(left.keys().filter(|key| key.contains("_manifest")).count() == 4);
    assert!(
        left.keys().any(|key| key.contains("device=other/kind"))
            && left.keys().any(|key| key.contains("not-ours"))
    );
}
