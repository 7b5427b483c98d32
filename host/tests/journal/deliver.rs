//! From the spool to a sink: order, retries, refusals, restarts, and what may be removed after.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use host::{
    clock::Clock,
    journal::{Journal, Options, Record},
    retain::Rules,
    show,
    spool::Object,
    upload::{Failure, Limits, Store, Target, Upload},
};
use plugin_api::{Fault, call::ReadAt, v1::Status};

/// A store that answers as it is told.
#[derive(Default)]
struct Shelf {
    /// Every key it was asked to store, in order.
    asked: Mutex<Vec<String>>,
    stored: Mutex<BTreeMap<String, Vec<u8>>>,
    /// What to answer a key that contains this text: so many times.
    answers: Mutex<Vec<(&'static str, Status, usize)>>,
}

impl Shelf {
    fn answers(text: &'static str, status: Status, times: usize) -> Arc<Self> {
        Arc::new(Self { answers: Mutex::new(vec![(text, status, times)]), ..Self::default() })
    }

    fn keys(&self) -> Vec<String> {
        self.stored.lock().expect("a lock").keys().cloned().collect()
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("a lock").clone()
    }
}

impl Store for Shelf {
    fn put(&self, object: &Object) -> Result<(), Failure> {
        self.asked.lock().expect("a lock").push(object.key.clone());
        for (text, status, times) in self.answers.lock().expect("a lock").iter_mut() {
            if object.key.contains(*text) && *times > 0 {
                *times -= 1;
                let fault = if *status == Status::FATAL { Fault::Conflict } else { Fault::Network };
                return Err(Failure::new(*status, fault, "as told"));
            }
        }
        let mut bytes = vec![0; object.len as usize];
        match object.read_at(0, &mut bytes) {
            Ok(read) => assert_eq!(read, bytes.len()),
            Err(error) => return Err(Failure::new(Status::FATAL, Fault::Malformed, error.to_string())),
        }
        assert_eq!(host::disk::sha256(&bytes), object.sha256);
        self.stored.lock().expect("a lock").insert(object.key.clone(), bytes);
        Ok(())
    }

    fn stop(&self) {}

    fn list(&self, prefix: &str, each: &mut (dyn FnMut(&str, u64) + Send)) -> Result<(), Failure> {
        let stored = self.stored.lock().expect("a lock");
        stored
            .iter()
            .filter(|(key, _)| key.starts_with(prefix))
            .for_each(|(key, bytes)| each(key, bytes.len() as u64));
        Ok(())
    }

    fn remove(&self, key: &str) -> Result<(), Failure> {
        self.stored.lock().expect("a lock").remove(key);
        Ok(())
    }
}

fn target(store: &Arc<Shelf>, kinds: Option<&[&str]>) -> Target {
    let kinds = kinds.map(|kinds| kinds.iter().map(|kind| (*kind).to_owned()).collect());
    Target {
        id: "shelf".into(),
        kinds,
        limits: Limits { parallel: 1, bandwidth: None },
        store: store.clone(),
    }
}

fn options(state: &Path) -> Options {
    let mut options = Options::new(state, Clock::system());
    options.sinks = vec!["shelf".into()];
    options
}

fn open(state: &Path) -> Journal {
    Journal::open(options(state)).expect("opened").0
}

fn seal(journal: &Journal, kinds: &[&str]) {
    for kind in kinds {
        journal.append(Record::new(*kind, "test", "{\"n\":1}")).expect("taken");
    }
    journal.seal().expect("sealed");
}

/// Waits until nothing is pending, trying at once whatever waits for its time.
fn drain(upload: &Upload) {
    let until = Instant::now() + Duration::from_secs(20);
    while upload.progress().iter().any(|sink| sink.pending > 0) {
        assert!(Instant::now() < until, "still pending: {:?}", upload.progress());
        upload.hurry();
        std::thread::yield_now();
    }
}

fn stop(upload: Upload) {
    assert_eq!(upload.stop(Duration::from_secs(5)), [""; 0], "stopped in time");
}

#[test]
fn objects_come_oldest_first_and_before_their_manifest() {
    let state = tempfile::tempdir().expect("a folder");
    let (journal, shelf) = (open(state.path()), Arc::new(Shelf::default()));
    let upload = Upload::start(journal.spool(), state.path(), vec![target(&shelf, None)]).expect("started");
    for _ in 0..4 {
        seal(&journal, &["activity", "finding", "notice"]);
    }
    drain(&upload);
    let asked = shelf.asked();
    let manifests: Vec<_> = asked.iter().filter(|key| key.contains("_manifest")).collect();
    assert!(manifests.is_sorted() && manifests.len() == 4, "{manifests:?}");
    // Each manifest comes right after the objects of its seal.
    let firsts: Vec<usize> =
        asked.iter().enumerate().filter(|(_, key)| key.contains("_manifest")).map(|(at, _)| at).collect();
    assert_eq!(firsts, [4, 8, 12, 16], "{asked:?}");
    stop(upload);
}

#[test]
fn sink_gets_its_kinds_and_always_notices_and_manifests() {
    let state = tempfile::tempdir().expect("a folder");
    let (journal, shelf) = (open(state.path()), Arc::new(Shelf::default()));
    let targets = vec![target(&shelf, Some(&["finding"]))];
    let upload = Upload::start(journal.spool(), state.path(), targets).expect("started");
    seal(&journal, &["activity", "finding", "notice"]);
    drain(&upload);
    let keys = shelf.keys();
    let has = |text: &str| keys.iter().any(|key| key.contains(text));
    assert!(has("kind=finding") && has("kind=notice") && has("_manifest"), "{keys:?}");
    assert!(!has("kind=activity") && !has("kind=device"), "{keys:?}");
    stop(upload);
}

#[test]
fn what_may_pass_is_tried_until_it_does() {
    let state = tempfile::tempdir().expect("a folder");
    let (journal, shelf) = (open(state.path()), Shelf::answers("kind=activity", Status::RETRY, 7));
    let upload = Upload::start(journal.spool(), state.path(), vec![target(&shelf, None)]).expect("started");
    seal(&journal, &["activity"]);
    drain(&upload);
    assert_eq!(shelf.asked().iter().filter(|key| key.contains("kind=activity")).count(), 8);
    let progress = upload.progress().remove(0);
    assert_eq!((progress.last_error, progress.refused, progress.retry_in_s), (None, 0, None));
    stop(upload);
}

#[test]
fn failing_sink_says_what_and_when_and_stops_at_once() {
    let state = tempfile::tempdir().expect("a folder");
    let (journal, shelf) = (open(state.path()), Shelf::answers("v=1", Status::RETRY, usize::MAX));
    let upload = Upload::start(journal.spool(), state.path(), vec![target(&shelf, None)]).expect("started");
    seal(&journal, &["activity"]);
    let until = Instant::now() + Duration::from_secs(10);
    while upload.progress()[0].last_error.is_none() {
        assert!(Instant::now() < until);
        std::thread::yield_now();
    }
    let progress = upload.progress().remove(0);
    assert_eq!((progress.last_error.as_deref(), progress.pending, progress.sent), (Some("as told"), 3, 0));
    stop(upload);
}

#[test]
fn refused_object_is_noted_left_here_and_passed_over() {
    let state = tempfile::tempdir().expect("a folder");
    let shelf = Shelf::answers("kind=activity", Status::FATAL, usize::MAX);
    let mut options = options(state.path());
    options.rules = Rules::age(Duration::ZERO);
    let journal = Journal::open(options).expect("opened").0;
    let upload = Upload::start(journal.spool(), state.path(), vec![target(&shelf, None)]).expect("started");
    seal(&journal, &["activity", "finding"]);
    seal(&journal, &["finding"]);
    drain(&upload);
    assert_eq!(
        shelf.keys().iter().filter(|key| key.contains("_manifest")).count(),
        2,
        "both seals came through"
    );
    assert_eq!(
        shelf.asked().iter().filter(|key| key.contains("kind=activity")).count(),
        1,
        "not asked again"
    );
    let refused = upload.refused().remove("shelf").expect("a list");
    assert!(refused.len() == 1 && refused[0].conflict && refused[0].key.contains("kind=activity"));
    seal(&journal, &["finding"]);
    drain(&upload);
    assert!(journal.spool().path(&refused[0].key).exists(), "undelivered evidence stays");
    stop(upload);
}

/// Waits until the journal writes the chain of another device than this one; its id.
fn wait_renewed(journal: &Journal, old: &str) -> String {
    let deadline = Instant::now() + Duration::from_secs(20);
    while journal.spool().sealed().0 == old {
        assert!(Instant::now() < deadline, "still {old}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
    journal.spool().sealed().0
}

#[test]
fn store_with_other_bytes_under_a_name_means_a_new_id_and_chain_at_once() {
    let state = tempfile::tempdir().expect("a folder");
    let shelf = Shelf::answers("kind=activity", Status::FATAL, 1);
    let journal = open(state.path());
    let old = journal.spool().sealed().0;
    let upload = Upload::start(journal.spool(), state.path(), vec![target(&shelf, None)]).expect("started");
    seal(&journal, &["activity", "finding"]);
    let new = wait_renewed(&journal, &old);
    // What the store does not refuse of the old chain still goes there under the old id.
    drain(&upload);
    assert!(shelf.keys().iter().any(|key| key.contains(&old) && key.contains("kind=finding")));
    assert!(shelf.keys().iter().any(|key| key.contains(&old) && key.contains("_manifest")));
    seal(&journal, &["activity"]);
    drain(&upload);
    for kind in ["activity", "device", "notice"] {
        let key = format!("device={new}/kind={kind}");
        assert!(shelf.keys().iter().any(|held| held.contains(&key)), "{key}: {:?}", shelf.keys());
    }
    let told = show::records(state.path(), None).expect("records");
    let seqs: Vec<u64> =
        told.filter(|row| row["device"] == *new).filter_map(|row| row["seq"].as_u64()).collect();
    assert_eq!(seqs, (1..=journal.durable()).collect::<Vec<_>>(), "the new chain counts from one");
    // The next start goes on with the new id: that one met no conflict.
    stop(upload);
    journal.close(Duration::from_secs(5)).expect("closed");
    let (_, recovery) = Journal::open(options(state.path())).expect("opened");
    assert_eq!((recovery.identity.id, recovery.clean), (new, true));
}

#[test]
fn an_id_that_could_not_be_changed_goes_on_and_is_changed_at_the_next_start() {
    let state = tempfile::tempdir().expect("a folder");
    let shelf = Shelf::answers("kind=activity", Status::FATAL, 1);
    let journal = open(state.path());
    let old = journal.spool().sealed().0;
    let upload = Upload::start(journal.spool(), state.path(), vec![target(&shelf, None)]).expect("started");
    let (file, kept) = (state.path().join("identity.json"), state.path().join("kept"));
    fs::rename(&file, &kept).expect("renamed");
    fs::create_dir(&file).expect("a folder in its place");
    seal(&journal, &["activity"]);
    drain(&upload);
    // Its last record comes after the dispute, so that was answered.
    seal(&journal, &["finding"]);
    drain(&upload);
    assert_eq!(journal.spool().sealed().0, old);
    stop(upload);
    journal.close(Duration::from_secs(5)).expect("closed");
    fs::remove_dir(&file).expect("removed");
    fs::rename(&kept, &file).expect("renamed");

    let journal = open(state.path());
    let upload = Upload::start(journal.spool(), state.path(), vec![target(&shelf, None)]).expect("started");
    let new = wait_renewed(&journal, &old);
    seal(&journal, &["activity"]);
    drain(&upload);
    assert!(shelf.keys().iter().any(|key| key.contains(&old) && key.contains("kind=finding")));
    assert!(shelf.keys().iter().any(|key| key.contains(&new) && key.contains("kind=activity")));
    stop(upload);
}

#[test]
fn what_waits_unsealed_when_the_id_changes_goes_into_the_new_chain_once() {
    let state = tempfile::tempdir().expect("a folder");
    let journal = open(state.path());
    let old = journal.spool().sealed().0;
    seal(&journal, &["activity"]);
    for number in 0..100 {
        let body = format!("{{\"n\":{number}}}");
        journal.append(Record::new("acme.note", "test", body)).expect("taken");
    }
    journal.spool().dispute(&old);
    let new = wait_renewed(&journal, &old);
    // Disputes of a chain that has ended, and of the one that replaced it, change nothing more.
    journal.spool().dispute(&old);
    journal.spool().dispute(&new);
    journal.append(Record::new("acme.note", "test", "{\"n\":100}")).expect("taken");
    journal.seal().expect("sealed");
    assert_eq!(journal.spool().sealed().0, new);
    journal.close(Duration::from_secs(5)).expect("closed");
    let notes: Vec<_> = show::records(state.path(), None)
        .expect("records")
        .filter(|row| row["kind"] == "acme.note")
        .map(|row| (row["device"] == *new, row["n"].as_u64().expect("a number")))
        .collect();
    assert_eq!(notes, (0..=100).map(|number| (true, number)).collect::<Vec<_>>());
    assert_eq!(host::identity::load(state.path()).expect("read").id, new);
}

#[test]
fn damaged_object_is_never_sent() {
    let state = tempfile::tempdir().expect("a folder");
    let (journal, shelf) = (open(state.path()), Arc::new(Shelf::default()));
    drop(Upload::start(journal.spool(), state.path(), vec![target(&shelf, None)]).map(stop));
    seal(&journal, &["activity"]);
    let spool = journal.spool();
    let seals = spool.seals(&spool.sealed().0).expect("seals");
    let manifest = spool.manifest(&seals[0]).expect("a manifest");
    let hit = manifest.objects.iter().find(|object| object.kind == "activity").expect("one");
    let mut bytes = fs::read(spool.path(&hit.key)).expect("bytes");
    bytes[20] ^= 1;
    fs::write(spool.path(&hit.key), bytes).expect("written");
    let upload = Upload::start(spool, state.path(), vec![target(&shelf, None)]).expect("started");
    drain(&upload);
    assert!(!shelf.keys().contains(&hit.key));
    assert_eq!(upload.progress()[0].refused, 1);
    stop(upload);
}

#[test]
fn restart_sends_nothing_again_and_a_new_sink_starts_at_the_next_seal() {
    let state = tempfile::tempdir().expect("a folder");
    let (journal, shelf) = (open(state.path()), Arc::new(Shelf::default()));
    let upload = Upload::start(journal.spool(), state.path(), vec![target(&shelf, None)]).expect("started");
    seal(&journal, &["activity"]);
    drain(&upload);
    stop(upload);
    let sent = shelf.asked().len();
    journal.close(Duration::from_secs(10)).expect("closed");

    let journal = open(state.path());
    let late = Arc::new(Shelf::default());
    let targets = vec![
        target(&shelf, None),
        Target { id: "late/..".into(), kinds: None, limits: Limits::default(), store: late.clone() },
    ];
    let upload = Upload::start(journal.spool(), state.path(), targets).expect("started");
    drain(&upload);
    assert_eq!((shelf.asked().len(), late.asked().len()), (sent, 0));
    seal(&journal, &["activity"]);
    drain(&upload);
    assert_eq!((shelf.asked().len(), late.asked().len()), (sent + 2, 2));
    stop(upload);
}

#[test]
fn show_prints_sealed_and_unsealed_once_and_only_what_was_acknowledged() {
    let state = tempfile::tempdir().expect("a folder");
    let journal = open(state.path());
    seal(&journal, &["activity", "finding"]);
    journal.append(Record::new("acme.note", "test", "{\"n\":2,\"text\":\"a\\u001b[31mb\"}")).expect("taken");
    journal.sync().expect("durable");
    let mut out = Vec::new();
    show::print(state.path(), None, show::Style::Json, &mut out).expect("printed");
    let text = String::from_utf8(out).expect("text");
    let seqs: Vec<u64> = text
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).expect("JSON")["seq"].as_u64().expect("a number")
        })
        .collect();
    assert_eq!(seqs, [1, 2, 3, 4]);
    let mut out = Vec::new();
    show::print(state.path(), None, show::Style::Text, &mut out).expect("printed");
    let text = String::from_utf8(out).expect("text");
    assert!(text.lines().count() == 4 && text.contains("n=2") && !text.contains('\u{1b}'), "{text}");
    let mut out = Vec::new();
    let soon = Clock::system().unix_ns() + 1_000_000_000;
    show::print(state.path(), Some(soon), show::Style::Json, &mut out).expect("printed");
    assert_eq!(out, b"");
    // A frame that is in the file and not acknowledged is nobody's business yet.
    let folder = host::journal::files::Folder::at(state.path());
    let last = folder.generations().expect("files").pop().expect("a file");
    let mut bytes = Vec::new();
    let line = "activity 2026-01-01\n{\"seq\":5,\"time\":\"2026-01-01T00:00:00.000000Z\"}";
    host::journal::frame::encode(&mut bytes, host::journal::frame::Type::Record, 5, line.as_bytes());
    let mut log = fs::OpenOptions::new().append(true).open(folder.file(last)).expect("a file");
    std::io::Write::write_all(&mut log, &bytes).expect("written");
    assert_eq!(show::records(state.path(), None).expect("records").count(), 4);
}
