//! Which sinks there are: workers that come, go, or begin anew while the others go on.

use std::{
    collections::BTreeMap,
    mem,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::{
    Upload, Worker, delivered,
    plan::Plan,
    target::Target,
    worker::{Run, lock},
};
use crate::{
    error::{Error, Result},
    spool::{Pace, Shares, Spool},
};

/// How long a worker may take to let go of its sink.
const PATIENCE: Duration = Duration::from_secs(10);

impl Target {
    /// Whether nothing of it changed.
    fn is(&self, other: &Self) -> bool {
        let same = (&self.id, &self.kinds, self.limits) == (&other.id, &other.kinds, other.limits);
        same && Arc::ptr_eq(&self.store, &other.store)
    }
}

impl Upload {
    /// Makes these the sinks. One of which nothing changed goes on undisturbed, one that is new starts at the next seal.
    /// The ids of those that could not be changed, since they are still busy.
    pub fn change(&self, targets: Vec<Target>) -> Result<Vec<String>> {
        let all = || self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        let is_kept = |worker: &Worker| targets.iter().any(|target| target.is(&worker.run.target));
        let (kept, gone): (Vec<_>, Vec<_>) = mem::take(&mut *all()).into_iter().partition(is_kept);
        *all() = kept;
        halt(&self.spool, &gone);
        gone.iter().for_each(|worker| worker.run.target.store.restart());
        let late = join(gone, Instant::now() + PATIENCE);
        let ids: Vec<String> = late.iter().map(|worker| worker.run.target.id.clone()).collect();
        all().extend(late);
        for target in targets {
            if !all().iter().any(|worker| worker.run.target.id == target.id) {
                let worker = self.begin(target)?;
                all().push(worker);
            }
        }
        let mut shares = BTreeMap::new();
        for run in self.runs() {
            let from = lock(&run.plan).delivered().from.clone();
            shares.insert(run.target.id.clone(), Shares { kinds: run.target.kinds.clone(), from });
        }
        self.spool.share(shares);
        Ok(ids)
    }

    fn begin(&self, target: Target) -> Result<Worker> {
        let spool = &self.spool;
        let delivered = delivered::read_or_start(&delivered::path(&self.state, &target.id), spool)?;
        // The run before may have ended before it could take a new id.
        let device = spool.sealed().0;
        if delivered.refused.iter().any(|refused| refused.conflict && refused.device() == Some(&device)) {
            spool.dispute(&device);
        }
        let plan = Plan::open(spool.clone(), target.clone(), &self.state, delivered)?;
        let name = format!("sink {}", target.id);
        let run = Run {
            spool: spool.clone(),
            plan: Arc::new(Mutex::new(plan)),
            pace: target.limits.bandwidth.map(|rate| Arc::new(Pace::new(rate))),
            adding: Arc::default(),
            others: Arc::new(AtomicUsize::new(0)),
            stop: Arc::new(AtomicBool::new(false)),
            news: self.news.clone(),
            target,
        };
        // Not to keep each other: the sink holds this, and the plan the sink.
        let (plan, spool) = (Arc::downgrade(&run.plan), spool.clone());
        run.target.store.on_retry(Box::new(move || {
            if let Some(plan) = plan.upgrade() {
                lock(&plan).hurry();
                spool.wake();
            }
        }));
        let worker = run.clone();
        let thread = thread::Builder::new().name(name).spawn(move || worker.run()).map_err(|source| {
            Error::State { doing: "start a sink's thread", path: PathBuf::new(), source }
        })?;
        Ok(Worker { run, thread })
    }
}

/// Has workers end after what they are at.
pub fn halt(spool: &Spool, workers: &[Worker]) {
    for Worker { run, .. } in workers {
        run.stop.store(true, Ordering::SeqCst);
        run.pace.iter().for_each(|pace| pace.stop());
    }
    spool.wake();
}

/// Waits until workers have ended; those that have not by then.
pub fn join(workers: Vec<Worker>, until: Instant) -> Vec<Worker> {
    let mut late = Vec::new();
    for worker in workers {
        let is_done = || worker.thread.is_finished() && worker.run.others.load(Ordering::SeqCst) == 0;
        while !is_done() && Instant::now() < until {
            thread::park_timeout(Duration::from_millis(5));
        }
        if is_done() {
            let _ = worker.thread.join();
        } else {
            late.push(worker);
        }
    }
    late
}
