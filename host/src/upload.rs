//! Hands objects to sinks: a worker each, retry with back-off.
//!
//! Per sink, oldest first, objects before their manifest. What a store refuses for good is noted and passed over, what
//! may pass is tried again until it does.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use plugin_api::call;
use serde::Serialize;
use tracing::warn;

use crate::{
    disk,
    error::{Error, Result},
    seal::{Manifest, media_type},
    spool::{Object, Seal, Shares, Spool},
};

mod backoff;
mod delivered;
mod worker;

pub use backoff::Backoff;
pub use call::Failure;
pub use delivered::{Delivered, Refused};

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
    /// The sink.
    pub store: Arc<dyn Store>,
}

impl Target {
    fn wants(&self, kind: &str) -> bool {
        kind == "notice" || self.kinds.as_ref().is_none_or(|kinds| kinds.iter().any(|want| want == kind))
    }
}

/// How a sink is doing.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Progress {
    /// The sink's id.
    pub id: String,
    /// How many objects wait.
    pub pending: u64,
    /// How many bytes they have.
    pub pending_bytes: u64,
    /// How many objects it took since the start.
    pub sent: u64,
    /// How many objects it refused for good.
    pub refused: u64,
    /// What it said last, if the last try failed.
    pub last_error: Option<String>,
    /// In how many seconds it is tried again, if it is waiting to.
    pub retry_in_s: Option<f64>,
}

#[derive(Default)]
struct Shared {
    sent: u64,
    delivered: Delivered,
    error: Option<String>,
    retry_at: Option<Instant>,
}

struct Worker {
    target: Target,
    shared: Arc<Mutex<Shared>>,
    thread: JoinHandle<()>,
}

/// All workers.
pub struct Upload {
    spool: Arc<Spool>,
    workers: Vec<Worker>,
    stop: Arc<AtomicBool>,
}

impl Upload {
    /// Starts a worker for each sink. A sink that is new starts at the next seal.
    pub fn start(spool: Arc<Spool>, state: &Path, targets: Vec<Target>) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let mut workers = Vec::new();
        let mut shares = BTreeMap::new();
        for target in targets {
            let path = delivered::path(state, &target.id);
            let delivered = delivered::read_or_start(&path, &spool)?;
            let from = delivered.from.clone();
            shares.insert(target.id.clone(), Shares { kinds: target.kinds.clone(), from });
            // The run before may have ended before it could take a new id.
            let device = spool.sealed().0;
            if delivered.refused.iter().any(|refused| refused.conflict && refused.device() == Some(&device)) {
                spool.dispute(&device);
            }
            let shared = Arc::new(Mutex::new(Shared { delivered, ..Shared::default() }));
            let run = worker::Run {
                spool: spool.clone(),
                path,
                target: target.clone(),
                shared: shared.clone(),
                stop: stop.clone(),
                backoff: Backoff::default(),
            };
            let name = format!("sink {}", target.id);
            let thread = thread::Builder::new().name(name).spawn(move || run.run()).map_err(|source| {
                Error::State { doing: "start a sink's thread", path: PathBuf::new(), source }
            })?;
            workers.push(Worker { target, shared, thread });
        }
        spool.share(shares);
        Ok(Self { spool, workers, stop })
    }

    /// How each sink is doing.
    pub fn progress(&self) -> Vec<Progress> {
        self.workers.iter().map(|worker| worker.progress(&self.spool)).collect()
    }

    /// What each sink refused for good.
    pub fn refused(&self) -> BTreeMap<String, Vec<Refused>> {
        let list =
            |worker: &Worker| (worker.target.id.clone(), lock(&worker.shared).delivered.refused.clone());
        self.workers.iter().map(list).collect()
    }

    /// Tries what waits at once, for example when the network is back.
    pub fn hurry(&self) {
        for worker in &self.workers {
            lock(&worker.shared).retry_at = None;
        }
        self.spool.wake();
    }

    /// Stops all workers; the ids of those still busy after the deadline.
    pub fn stop(self, deadline: Duration) -> Vec<String> {
        let until = Instant::now() + deadline;
        self.stop.store(true, Ordering::SeqCst);
        self.spool.wake();
        let stoppers: Vec<_> = self.workers.iter().map(|worker| worker.target.store.clone()).collect();
        thread::spawn(move || stoppers.iter().for_each(|store| store.stop()));
        let mut late = Vec::new();
        for worker in self.workers {
            while !worker.thread.is_finished() && Instant::now() < until {
                thread::park_timeout(Duration::from_millis(5));
            }
            if worker.thread.is_finished() {
                let _ = worker.thread.join();
            } else {
                late.push(worker.target.id);
            }
        }
        late
    }
}

impl Worker {
    fn progress(&self, spool: &Spool) -> Progress {
        let shared = lock(&self.shared);
        let mut progress = Progress {
            id: self.target.id.clone(),
            sent: shared.sent,
            refused: shared.delivered.refused.len() as u64,
            last_error: shared.error.clone(),
            retry_in_s: shared.retry_at.map(|at| at.saturating_duration_since(Instant::now()).as_secs_f64()),
            ..Progress::default()
        };
        let delivered = shared.delivered.clone();
        drop(shared);
        for seal in todo(spool, &delivered).unwrap_or_default() {
            let Ok(manifest) = spool.manifest(&seal) else { continue };
            for part in parts(&manifest).filter(|part| self.target.wants(part.kind)) {
                progress.pending += 1;
                progress.pending_bytes += part.len;
            }
            progress.pending += 1;
        }
        progress
    }
}

/// An object or blob of a seal.
struct Part<'a> {
    key: &'a str,
    kind: &'a str,
    len: u64,
    sha256: &'a str,
    media_type: &'a str,
}

fn parts(manifest: &Manifest) -> impl Iterator<Item = Part<'_>> {
    let objects = manifest.objects.iter().map(|object| Part {
        key: &object.key,
        kind: &object.kind,
        len: object.len,
        sha256: &object.sha256,
        media_type: media_type(&object.key),
    });
    let blobs = manifest.blobs.iter().map(|blob| Part {
        key: &blob.key,
        kind: &blob.kind,
        len: blob.len,
        sha256: &blob.sha256,
        media_type: &blob.media_type,
    });
    blobs.chain(objects)
}

/// The seals a sink has not had, oldest first; chains that ended before the one that is being written.
fn todo(spool: &Spool, delivered: &Delivered) -> Result<Vec<Seal>> {
    let (current, _) = spool.sealed();
    let mut devices = spool.devices()?;
    devices.sort_by_key(|device| *device == current);
    let mut seals = Vec::new();
    for device in devices {
        seals.extend(spool.seals(&device)?.into_iter().filter(|seal| !delivered.has(seal)));
    }
    Ok(seals)
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a sink of a state folder has; nothing if that was never noted.
pub fn delivered(state: &Path, id: &str) -> Delivered {
    delivered::read(&delivered::path(state, id)).unwrap_or_default()
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
