//! Hands objects to sinks: a queue each, retry with back-off.
//!
//! Per sink, records before blobs, oldest first, objects before their manifest; `plan` decides. What a store refuses for
//! good is set aside and passed over, what may pass is tried again until it does.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use plugin_api::call;
use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::{
    clock,
    disk::{self, Doing},
    error::Result,
    seal::{Manifest, Sums, cipher::SUFFIX, media_type},
    spool::{Object, Seal, Spool},
};

mod backoff;
mod change;
mod delivered;
mod index;
mod news;
mod pace;
mod plan;
mod worker;

pub use call::Failure;
pub use delivered::{Delivered, Refused};
pub use pace::Pace;
pub use plan::class;

use index::Entry;
use news::News;
use plan::{Part, Plan};
use worker::{Run, lock};

/// After what time one hears of progress who waits for it.
const SOON: Duration = Duration::from_millis(200);
/// The same if there is none.
const LATE: Duration = Duration::from_secs(5);

/// Where objects go.
pub trait Store: Send + Sync {
    /// Stores an object; OK only once it is durable there.
    fn put(&self, object: &Object) -> Result<(), Failure>;
    /// Makes a running `put` return soon.
    fn stop(&self);
    /// Lists keys with their lengths, if it can.
    fn list(&self, prefix: &str, each: &mut (dyn FnMut(&str, u64) + Send)) -> Result<(), Failure>;
    /// Removes an object, if it can.
    fn remove(&self, key: &str) -> Result<(), Failure>;
    /// Makes a running `put` return soon, and goes on with what comes then.
    fn restart(&self) {}
    /// Is told when it begins to fail, fails otherwise, or works again.
    fn tell(&self, failure: Option<&Failure>) {
        let _ = failure;
    }
    /// Takes what to do when it learns that what was in the way may be gone.
    fn on_retry(&self, now: Box<dyn Fn() + Send + Sync>) {
        drop(now);
    }
}

impl Store for call::Sink {
    fn put(&self, object: &Object) -> Result<(), Failure> {
        self.put(&call::Object {
            key: &object.key,
            len: object.len,
            sha256: object.sha256,
            media_type: &object.media_type,
            metadata: "{}",
            bytes: object,
        })
    }

    fn stop(&self) {
        if let Err(error) = self.stop() {
            warn!(%error, "sink did not stop as asked");
        }
    }

    fn list(&self, prefix: &str, each: &mut (dyn FnMut(&str, u64) + Send)) -> Result<(), Failure> {
        self.list(prefix, each)
    }

    fn remove(&self, key: &str) -> Result<(), Failure> {
        self.remove(key)
    }
}

/// A sink as the uploader knows it.
#[derive(Clone)]
pub struct Target {
    /// The sink's id in the config.
    pub id: String,
    /// The kinds it wants; all if not said. Manifests and notices it gets in any case.
    pub kinds: Option<Vec<String>>,
    /// How much at once, and how fast.
    pub limits: Limits,
    /// The sink.
    pub store: Arc<dyn Store>,
}

/// The `limits` of a sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// How many objects at once.
    pub parallel: usize,
    /// How many bytes a second; any number if not said.
    pub bandwidth: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { parallel: 8, bandwidth: None }
    }
}

impl Target {
    fn wants(&self, kind: &str) -> bool {
        wants(self.kinds.as_deref(), kind)
    }
}

/// How a sink is doing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// The sink's id.
    pub id: String,
    /// How many objects wait.
    pub pending: u64,
    /// How many bytes they have, manifests aside.
    pub pending_bytes: u64,
    /// How many objects it took since the start.
    pub sent: u64,
    /// How many objects it refused for good.
    pub refused: u64,
    /// When the oldest that waits was sealed, RFC 3339.
    pub oldest: Option<String>,
    /// What it said last, if the last try failed or it refused something.
    pub last_error: Option<String>,
    /// What kind of failure that was.
    pub class: Option<String>,
    /// The cause as a word for programs, if the sink named one: what `candor doctor` calls it.
    #[serde(default)]
    pub code: Option<String>,
    /// In how many seconds it is tried again, if it is waiting to.
    pub retry_in_s: Option<f64>,
}

struct Worker {
    run: Run,
    thread: JoinHandle<()>,
}

/// All workers.
pub struct Upload {
    spool: Arc<Spool>,
    state: PathBuf,
    workers: Mutex<Vec<Worker>>,
    news: Arc<News>,
}

impl Upload {
    /// Starts a worker for each sink. A sink that is new starts at the next seal.
    pub fn start(spool: Arc<Spool>, state: &Path, targets: Vec<Target>) -> Result<Self> {
        let upload = Self { spool, state: state.to_owned(), workers: Mutex::default(), news: Arc::default() };
        upload.change(targets)?;
        Ok(upload)
    }

    /// How each sink is doing.
    pub fn progress(&self) -> Vec<Progress> {
        self.runs().iter().map(Run::progress).collect()
    }

    /// The same as soon as nothing waits, or a moment later if something was sent, else after some seconds; within a
    /// time in any case.
    pub fn next_progress(&self, most: Duration) -> Vec<Progress> {
        let (begun, first) = (Instant::now(), self.news.turn());
        let mut turn = first;
        loop {
            let progress = self.progress();
            let until = begun + most.min(if turn == first { LATE } else { SOON });
            let is_over = progress.iter().all(|sink| sink.pending == 0) || Instant::now() >= until;
            if is_over || self.news.is_closed() {
                return progress;
            }
            turn = self.news.wait(turn, until);
        }
    }

    /// Lets nobody wait for progress any more.
    pub fn close(&self) {
        self.news.close();
    }

    /// What each sink refused for good.
    pub fn refused(&self) -> BTreeMap<String, Vec<Refused>> {
        let list = |run: &Run| (run.target.id.clone(), lock(&run.plan).delivered().refused.clone());
        self.runs().iter().map(list).collect()
    }

    /// Has sinks asked again to take what they refused: one or all of them, one object or all. How many.
    pub fn retry(&self, sink: Option<&str>, key: Option<&str>) -> usize {
        let runs = self.runs();
        let asked = runs.iter().filter(|run| sink.is_none_or(|sink| run.target.id == sink));
        let count = asked.map(|run| lock(&run.plan).retry(key)).sum();
        self.spool.wake();
        count
    }

    /// Tries what waits at once, for example when the network is back.
    pub fn hurry(&self) {
        self.runs().iter().for_each(Run::hurry);
    }

    /// Stops all workers; the ids of those still busy after the deadline.
    pub fn stop(self, deadline: Duration) -> Vec<String> {
        let workers = self.workers.into_inner().unwrap_or_else(PoisonError::into_inner);
        let stores: Vec<_> = workers.iter().map(|worker| worker.run.target.store.clone()).collect();
        change::halt(&self.spool, &workers);
        thread::spawn(move || stores.iter().for_each(|store| store.stop()));
        let late = change::join(workers, Instant::now() + deadline);
        late.into_iter().map(|worker| worker.run.target.id).collect()
    }

    fn runs(&self) -> Vec<Run> {
        let workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        workers.iter().map(|worker| worker.run.clone()).collect()
    }
}

/// An object or blob of a seal.
struct Listed<'a> {
    key: &'a str,
    kind: &'a str,
    len: u64,
    sums: Sums,
    media_type: &'a str,
    is_blob: bool,
}

impl Listed<'_> {
    fn part(self) -> Part {
        Part {
            key: self.key.to_owned(),
            sums: Some(self.sums),
            media_type: self.media_type.to_owned(),
            len: self.len,
        }
    }
}

fn parts(manifest: &Manifest) -> impl Iterator<Item = Listed<'_>> {
    let objects = manifest.objects.iter().map(|object| Listed {
        key: &object.key,
        kind: &object.kind,
        len: object.len,
        sums: object.sums(),
        media_type: media_type(&object.key),
        is_blob: false,
    });
    let blobs = manifest.blobs.iter().map(|blob| Listed {
        key: &blob.key,
        kind: &blob.kind,
        len: blob.len,
        sums: blob.sums(),
        media_type: if blob.key.ends_with(SUFFIX) { media_type(&blob.key) } else { &blob.media_type },
        is_blob: true,
    });
    objects.chain(blobs)
}

fn moment(seconds: u64) -> String {
    clock::rfc3339(i64::try_from(seconds).unwrap_or(0).saturating_mul(1_000_000_000))
}

/// What a sink of a state folder has; nothing if that was never noted.
pub fn delivered(state: &Path, id: &str) -> Delivered {
    delivered::read(&delivered::path(state, id)).unwrap_or_default()
}

/// How a sink is doing, from the state folder of an agent that doesn't run.
pub fn look(state: &Path, id: &str, kinds: Option<&[String]>) -> Result<Progress> {
    let (delivered, spool) = (delivered(state, id), Spool::at(state));
    let mut progress = Progress { id: id.to_owned(), ..Progress::default() };
    let mut last = delivered.done.clone();
    let mut oldest: Option<u64> = None;
    let path = index_path(state, id);
    let mut add = |entry: &Entry, has_records: bool| {
        let (objects, bytes) = if has_records { (entry.objects, entry.object_bytes) } else { (0, 0) };
        progress.pending += entry.count() - u64::from(objects);
        progress.pending_bytes += entry.object_bytes + entry.blob_bytes - bytes;
        oldest.get_or_insert(entry.time);
    };
    index::read(&path, &index::header(kinds), |entry| {
        if entry.is_end || delivered.has(&entry.seal) {
            return;
        }
        add(&entry, delivered.has_records(&entry.seal));
        let last = last.entry(entry.seal.device).or_default();
        *last = entry.seal.last.max(*last);
    })
    .doing("read", &path)?;
    for device in spool.devices()? {
        for (first, end) in spool.seals_after(&device, last.get(&device).copied().unwrap_or(0))? {
            let entry = Entry::of(&spool, Seal { device: device.clone(), first, last: end }, kinds);
            add(&entry, false);
        }
    }
    progress.refused = delivered.refused.len() as u64;
    progress.oldest = oldest.map(moment);
    let refused = delivered.refused.last();
    progress.last_error = refused.map(|refused| refused.text.clone());
    progress.class = refused.map(|refused| refused.class.clone());
    progress.code = refused.and_then(|refused| refused.code.clone());
    Ok(progress)
}

/// Notes for the next start that a sink is to be asked again to take what it refused; how many objects.
pub fn retry_later(state: &Path, id: &str, key: Option<&str>) -> Result<usize> {
    let path = delivered::path(state, id);
    let Some(mut delivered) = delivered::read(&path) else { return Ok(0) };
    let count = delivered.retry(key);
    delivered::write(&path, &delivered)?;
    Ok(count)
}

fn index_path(state: &Path, id: &str) -> PathBuf {
    state.join("queue").join(file_name(id)).with_extension("index")
}

fn wants(kinds: Option<&[String]>, kind: &str) -> bool {
    kind == "notice" || kinds.is_none_or(|kinds| kinds.iter().any(|want| want == kind))
}

/// The name of a sink's file, which must not leave its folder whatever the id is, nor be another's where case is ignored.
fn file_name(id: &str) -> String {
    let plain =
        |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "-_".contains(letter);
    if !id.is_empty() && id.len() <= 64 && id.chars().all(plain) {
        format!("{id}.json")
    } else {
        format!("{}.json", disk::hex(&disk::sha256(id.as_bytes())))
    }
}
