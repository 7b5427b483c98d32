//! The queue of a sink: who waits for whom, who does not, and what a restart finds.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use host::{
    clock::Clock,
    journal::{Blob, Journal, Options, Record},
    spool::Object,
    upload::{self, Failure, Limits, Progress, Store, Target, Upload},
};
use plugin_api::{Fault, call::ReadAt, v1::Status};

/// What a store answers to a key.
type Answer = dyn Fn(&str, usize) -> Result<(), Failure> + Send + Sync;

/// A store that answers as it is told, by the key and how often that was asked for.
struct Shelf {
    answer: Box<Answer>,
    asked: Mutex<Vec<String>>,
    stored: Mutex<BTreeMap<String, Vec<u8>>>,
    told: Mutex<Vec<Option<String>>>,
    /// How many puts run, and the most there were.
    running: (AtomicUsize, AtomicUsize),
}

impl Shelf {
    fn new(answer: impl Fn(&str, usize) -> Result<(), Failure> + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            answer: Box::new(answer),
            asked: Mutex::default(),
            stored: Mutex::default(),
            told: Mutex::default(),
            running: Default::default(),
        })
    }

    fn good() -> Arc<Self> {
        Self::new(|_, _| Ok(()))
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("a lock").clone()
    }

    fn has(&self, text: &str) -> usize {
        self.stored.lock().expect("a lock").keys().filter(|key| key.contains(text)).count()
    }
}

impl Store for Shelf {
    fn put(&self, object: &Object) -> Result<(), Failure> {
        let running = self.running.0.fetch_add(1, Ordering::SeqCst) + 1;
        self.running.1.fetch_max(running, Ordering::SeqCst);
        let times = {
            let mut asked = self.asked.lock().expect("a lock");
            asked.push(object.key.clone());
            asked.iter().filter(|key| **key == object.key).count()
        };
        let answer = (self.answer)(&object.key, times);
        self.running.0.fetch_sub(1, Ordering::SeqCst);
        answer?;
        let mut bytes = vec![0; 1 << 20];
        let read = object.read_at(0, &mut bytes).expect("read");
        bytes.truncate(read);
        let before = self.stored.lock().expect("a lock").insert(object.key.clone(), bytes);
        assert!(before.is_none(), "{} came twice", object.key);
        Ok(())
    }

    fn stop(&self) {}

    fn list(&self, _: &str, _: &mut (dyn FnMut(&str, u64) + Send)) -> Result<(), Failure> {
        Ok(())
    }

    fn remove(&self, _: &str) -> Result<(), Failure> {
        Ok(())
    }

    fn tell(&self, failure: Option<&Failure>) {
        self.told.lock().expect("a lock").push(failure.map(|failure| failure.text.clone()));
    }
}

fn failure(status: Status, fault: Fault, text: &str) -> Result<(), Failure> {
    Err(Failure::new(status, fault, text))
}

fn target(id: &str, store: &Arc<Shelf>, parallel: usize) -> Target {
    let limits = Limits { parallel, bandwidth: None };
    Target { id: id.into(), kinds: None, limits, store: store.clone() }
}

fn open(state: &Path) -> Journal {
    Journal::open(Options::new(state, Clock::system())).expect("opened").0
}

fn start(journal: &Journal, state: &Path, targets: Vec<Target>) -> Upload {
    Upload::start(journal.spool(), state, targets).expect("started")
}

fn seal(journal: &Journal, kinds: &[&str]) {
    for kind in kinds {
        let mut record = Record::new(*kind, "test", "{\"n\":1}");
        if *kind == "screenshot" {
            record.blob = Some(Blob { media_type: "image/jpeg".into(), bytes: vec![7; 5000] });
        }
        journal.append(record).expect("taken");
    }
    journal.seal().expect("sealed");
}

#[track_caller]
fn wait(upload: &Upload, what: &str, mut good: impl FnMut(&[Progress]) -> bool) -> Vec<Progress> {
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        let progress = upload.progress();
        if good(&progress) {
            return progress;
        }
        assert!(Instant::now() < until, "in vain for {what}: {progress:?}");
        std::thread::yield_now();
    }
}

fn stop(upload: Upload) {
    assert_eq!(upload.stop(Duration::from_secs(5)), [""; 0], "stopped in time");
}

#[test]
fn object_that_fails_holds_up_only_itself_and_its_manifest() {
    let state = tempfile::tempdir().expect("a folder");
    let (journal, first) = (open(state.path()), Mutex::new(None::<String>));
    let shelf = Shelf::new(move |key, _| {
        let mut first = first.lock().expect("a lock");
        match key.contains("kind=activity") && first.get_or_insert_with(|| key.to_owned()) == key {
            true => failure(Status::RETRY, Fault::Network, "this one never gets through"),
            false => Ok(()),
        }
    });
    let upload = start(&journal, state.path(), vec![target("shelf", &shelf, 1)]);
    (0..5).for_each(|_| seal(&journal, &["activity", "finding"]));
    let progress = wait(&upload, "all others", |progress| progress[0].pending == 2);
    assert_eq!((shelf.has("kind=activity"), shelf.has("kind=finding"), shelf.has("_manifest")), (4, 5, 4));
    assert_eq!((progress[0].refused, &progress[0].class), (0, &Some("network".to_owned())));
    assert!(progress[0].oldest.is_some(), "{progress:?}");
    stop(upload);
    // What came after it is not sent again, and neither is it forgotten.
    drop(journal);
    let (journal, good) = (open(state.path()), Shelf::good());
    let upload = start(&journal, state.path(), vec![target("shelf", &good, 1)]);
    wait(&upload, "the rest", |progress| progress[0].pending == 0);
    assert!(good.has("kind=activity") >= 1 && good.has("_manifest") >= 1, "{:?}", good.asked());
    stop(upload);
}

#[test]
fn object_that_fails_again_and_again_while_others_get_through_is_set_aside() {
    let state = tempfile::tempdir().expect("a folder");
    let journal = open(state.path());
    let shelf = Shelf::new(|key, _| match key.contains("kind=finding") {
        true => failure(Status::PANIC, Fault::Other, "the plugin panics at this one"),
        false => Ok(()),
    });
    let upload = start(&journal, state.path(), vec![target("shelf", &shelf, 1)]);
    seal(&journal, &["finding"]);
    // Each seal brings something that gets through, and each hurry another try.
    wait(&upload, "the refusal", |progress| {
        seal(&journal, &["activity"]);
        upload.hurry();
        progress[0].refused == 1
    });
    wait(&upload, "the rest", |progress| progress[0].pending == 0);
    let refused = upload.refused().remove("shelf").expect("a list").remove(0);
    assert!(refused.text.contains("while others got through") && refused.class == "other", "{refused:?}");
    stop(upload);
}

#[test]
fn sink_that_is_configured_wrongly_refuses_no_object_and_gets_all_once_it_is_right() {
    let state = tempfile::tempdir().expect("a folder");
    let journal = open(state.path());
    let shelf = Shelf::new(|_, _| failure(Status::FATAL, Fault::Config, "no such bucket; request 4711"));
    let upload = start(&journal, state.path(), vec![target("shelf", &shelf, 4)]);
    (0..20).for_each(|_| seal(&journal, &["activity", "finding"]));
    let progress = wait(&upload, "a failure", |progress| progress[0].last_error.is_some());
    assert_eq!((progress[0].refused, progress[0].class.as_deref()), (0, Some("config")));
    for _ in 0..20 {
        upload.hurry();
        std::thread::yield_now();
    }
    let progress = upload.progress();
    assert_eq!((progress[0].pending, progress[0].refused), (61, 0), "{progress:?}");
    assert_eq!(
        *shelf.told.lock().expect("a lock"),
        [Some("no such bucket; request 4711".into())],
        "told once"
    );
    stop(upload);
    drop(journal);
    let (journal, good) = (open(state.path()), Shelf::good());
    let upload = start(&journal, state.path(), vec![target("shelf", &good, 4)]);
    wait(&upload, "everything", |progress| progress[0].pending == 0);
    assert_eq!(good.asked().len(), 61, "each once");
    stop(upload);
}

#[test]
fn sink_that_is_down_is_tried_by_one_object_at_a_time_and_holds_up_no_other_sink() {
    let state = tempfile::tempdir().expect("a folder");
    let journal = open(state.path());
    let down = Shelf::new(|_, _| failure(Status::RETRY, Fault::Network, "no way there"));
    let good = Shelf::good();
    let targets = vec![target("down", &down, 4), target("good", &good, 4)];
    let upload = start(&journal, state.path(), targets);
    (0..30).for_each(|_| seal(&journal, &["activity", "finding"]));
    wait(&upload, "the good one", |progress| progress[1].pending == 0);
    assert_eq!(good.has("_manifest"), 30);
    let progress = wait(&upload, "the wait", |progress| progress[0].retry_in_s.is_some());
    assert_eq!(progress[0].pending, 91);
    // It stays with few, however often it is tried.
    for _ in 0..200 {
        upload.hurry();
        std::thread::yield_now();
    }
    let mut keys = down.asked();
    keys.sort();
    keys.dedup();
    assert!(keys.len() <= 12, "{} objects were tried", keys.len());
    stop(upload);
}

#[test]
fn store_that_asks_for_time_gets_it() {
    let state = tempfile::tempdir().expect("a folder");
    let journal = open(state.path());
    let shelf = Shelf::new(|_, _| {
        let retry_after = Some(Duration::from_secs(900));
        Err(Failure { retry_after, ..Failure::new(Status::RETRY, Fault::Busy, "slow down") })
    });
    let upload = start(&journal, state.path(), vec![target("shelf", &shelf, 1)]);
    seal(&journal, &["activity", "finding"]);
    let progress = wait(&upload, "the wait", |progress| progress[0].retry_in_s.is_some());
    assert!(progress[0].retry_in_s > Some(800.0), "{progress:?}");
    seal(&journal, &["activity"]);
    assert_eq!(shelf.asked().len(), 1, "not even for what is new");
    stop(upload);
}

#[test]
fn records_come_before_screenshots_and_a_manifest_after_both() {
    let state = tempfile::tempdir().expect("a folder");
    let journal = open(state.path());
    drop(
        start(&journal, state.path(), vec![target("shelf", &Shelf::good(), 1)]).stop(Duration::from_secs(5)),
    );
    for _ in 0..4 {
        seal(&journal, &["screenshot", "activity"]);
        // The next seal lists what has waited long enough.
        seal(&journal, &["activity"]);
    }
    let shelf = Shelf::good();
    let upload = start(&journal, state.path(), vec![target("shelf", &shelf, 1)]);
    wait(&upload, "everything", |progress| progress[0].pending == 0);
    let asked = shelf.asked();
    let at = |text: &str| {
        let all = asked.iter().enumerate().filter(|(_, key)| key.contains(text));
        all.map(|(at, _)| at).collect::<Vec<_>>()
    };
    let (records, blobs) = (at("kind="), at("_blob"));
    assert_eq!(blobs.len(), 4, "{asked:?}");
    assert!(records.iter().all(|record| blobs.iter().all(|blob| record < blob)), "{asked:?}");
    let spool = journal.spool();
    for key in asked.iter().filter(|key| key.contains("_manifest")) {
        let manifest: serde_json::Value =
            serde_json::from_slice(&fs::read(spool.path(key)).expect("bytes")).expect("JSON");
        let listed = ["objects", "blobs"].iter().flat_map(|list| manifest[*list].as_array().expect("a list"));
        for listed in listed {
            let listed = listed["key"].as_str().expect("a key");
            assert!(at(listed)[0] < at(key)[0], "{listed} after {key}");
        }
    }
    stop(upload);
}

#[test]
fn refused_object_is_sent_when_somebody_asks_for_it_before_or_after_a_restart() {
    for restart in [false, true] {
        let state = tempfile::tempdir().expect("a folder");
        let journal = open(state.path());
        let shelf = Shelf::new(|key, times| match key.contains("kind=activity") && times == 1 {
            true => failure(Status::FATAL, Fault::Malformed, "not today"),
            false => Ok(()),
        });
        let mut upload = start(&journal, state.path(), vec![target("shelf", &shelf, 2)]);
        seal(&journal, &["activity", "finding"]);
        wait(&upload, "the refusal", |progress| progress[0].refused == 1 && progress[0].pending == 0);
        assert_eq!(shelf.told.lock().expect("a lock").last(), Some(&Some("not today".into())));
        if restart {
            stop(upload);
            assert_eq!(upload::retry_later(state.path(), "shelf", None).expect("noted"), 1);
            upload = start(&journal, state.path(), vec![target("shelf", &shelf, 2)]);
        } else {
            assert_eq!(upload.retry(Some("other"), None), 0);
            assert_eq!(upload.retry(None, None), 1);
        }
        wait(&upload, "the object", |progress| progress[0].refused == 0 && progress[0].pending == 0);
        assert_eq!(shelf.has("kind=activity"), 1, "{restart}");
        stop(upload);
        assert!(upload::Delivered::of(state.path(), "shelf").again.is_empty());
    }
}

#[test]
fn damaged_or_lost_queue_is_read_off_the_manifests() {
    for damage in 0..3 {
        let state = tempfile::tempdir().expect("a folder");
        let journal = open(state.path());
        let down = Shelf::new(|_, _| failure(Status::RETRY, Fault::Network, "no way there"));
        let upload = start(&journal, state.path(), vec![target("shelf", &down, 1)]);
        (0..10).for_each(|_| seal(&journal, &["activity"]));
        wait(&upload, "the queue", |progress| progress[0].pending == 21);
        stop(upload);
        let file = state.path().join("queue/shelf.index");
        let mut bytes = fs::read(&file).expect("a queue");
        match damage {
            0 => fs::remove_file(&file).expect("removed"),
            1 => {
                bytes[300] ^= 64;
                fs::write(&file, &bytes).expect("written");
            }
            _ => fs::write(&file, &bytes[..200]).expect("written"),
        }
        let waits = upload::look(state.path(), "shelf", None).expect("readable");
        assert_eq!(waits.pending, 21, "{damage}: as seen without an agent");
        let good = Shelf::good();
        let upload = start(&journal, state.path(), vec![target("shelf", &good, 1)]);
        wait(&upload, "everything", |progress| progress[0].pending == 0);
        assert_eq!(good.asked().len(), 21, "{damage}: each once");
        stop(upload);
        assert!(fs::metadata(&file).expect("a queue").len() < 100, "given back");
    }
}

#[test]
fn several_go_at_once_but_never_more_than_the_limit() {
    let state = tempfile::tempdir().expect("a folder");
    let journal = open(state.path());
    drop(
        start(&journal, state.path(), vec![target("shelf", &Shelf::good(), 1)]).stop(Duration::from_secs(5)),
    );
    (0..20).for_each(|_| seal(&journal, &["activity", "finding", "state"]));
    // The first waits until there are three at once.
    let gate = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0)));
    let at = gate.clone();
    let shelf = Shelf::new(move |_, _| {
        at.0.fetch_add(1, Ordering::SeqCst);
        let until = Instant::now() + Duration::from_secs(20);
        while at.0.load(Ordering::SeqCst) < 3 {
            assert!(Instant::now() < until, "nobody else came");
            std::thread::yield_now();
        }
        Ok(())
    });
    let upload = start(&journal, state.path(), vec![target("shelf", &shelf, 3)]);
    wait(&upload, "everything", |progress| progress[0].pending == 0);
    assert_eq!(shelf.running.1.load(Ordering::SeqCst), 3);
    assert_eq!(shelf.has("_manifest"), 20);
    stop(upload);
}

#[test]
fn bandwidth_counts_what_is_read_not_what_there_would_be_room_for() {
    let state = tempfile::tempdir().expect("a folder");
    let (journal, shelf) = (open(state.path()), Shelf::good());
    let mut target = target("shelf", &shelf, 2);
    target.limits.bandwidth = Some(20_000); // By the room of its buffer each object would take a minute.
    let upload = start(&journal, state.path(), vec![target]);
    (0..10).for_each(|_| seal(&journal, &["activity"]));
    wait(&upload, "everything", |progress| progress[0].pending == 0);
    stop(upload);
}
