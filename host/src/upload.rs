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

use crate::{error::Result, spool::Spool};

mod backoff;
mod change;
mod delivered;
mod entry;
mod index;
mod listed;
mod look;
mod news;
mod plan;
mod target;
mod worker;

pub use plugin_api::call::Failure;

pub use delivered::{Delivered, Refused, retry_later};
pub use look::{Progress, look};
pub use plan::class;
pub use target::{Limits, Store, Target};

use news::News;
use worker::{Run, lock};

/// After what time one hears of progress who waits for it.
const SOON: Duration = Duration::from_millis(200);
/// The same if there is none.
const LATE: Duration = Duration::from_secs(5);

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
