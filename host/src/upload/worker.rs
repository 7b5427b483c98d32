//! The threads of one sink: one that is always there and sleeps while nothing is to be sent, others as long as there is
//! more to send at once.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tracing::warn;

use super::{
    entry::Entry,
    look::Progress,
    news::News,
    plan::{Job, Next, Outcome, Plan},
    target::Target,
};
use crate::{
    error::Result,
    spool::{Pace, Seal, Spool},
};

/// How many seals are added to the queue at once.
const BATCH: usize = 64;
/// For how many milliseconds one who asks how it is going waits for the queue to be complete.
const PATIENCE: usize = 100;

/// The work for one sink.
#[derive(Clone)]
pub struct Run {
    /// Where the objects are.
    pub spool: Arc<Spool>,
    /// Where they go.
    pub target: Target,
    /// What is next.
    pub plan: Arc<Mutex<Plan>>,
    /// How fast.
    pub pace: Option<Arc<Pace>>,
    /// Held by whoever adds to the queue.
    pub adding: Arc<Mutex<()>>,
    /// How many further threads there are.
    pub others: Arc<AtomicUsize>,
    /// Thrown at the end.
    pub stop: Arc<AtomicBool>,
    /// Told what came of each object.
    pub news: Arc<News>,
}

impl Run {
    /// Works until it is told to stop. Sleeps while there is nothing to send.
    pub fn run(&self) {
        while !self.stopped() {
            let turn = self.spool.turn();
            let adding = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
            let caught_up = self.catch_up();
            drop(adding);
            if let Err(error) = caught_up {
                warn!(sink = self.target.id, %error, "spool can't be read, trying at the next seal");
            }
            let until = self.work();
            if !self.stopped() {
                self.spool.wait(turn, until);
            }
        }
        let mut plan = lock(&self.plan);
        if plan.is_unnoted() {
            plan.note();
        }
    }

    /// How the sink is doing, with what was sealed just now.
    pub fn progress(&self) -> Progress {
        // Unless the worker is at it and that takes its time, for it reads off many seals.
        for _ in 0..PATIENCE {
            if let Ok(_adding) = self.adding.try_lock() {
                if let Err(error) = self.catch_up() {
                    warn!(sink = self.target.id, %error, "spool can't be read");
                }
                break;
            }
            thread::park_timeout(Duration::from_millis(1));
        }
        lock(&self.plan).progress()
    }

    /// Tries at once what waits for its time.
    pub fn hurry(&self) {
        lock(&self.plan).hurry();
        self.spool.wake();
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    /// Adds to the queue what was sealed since.
    fn catch_up(&self) -> Result<()> {
        let behind = lock(&self.plan).behind()?;
        let (current, sealed) = self.spool.sealed();
        for (device, after) in behind {
            let next = Seal { device: device.clone(), first: after + 1, last: sealed };
            // Mostly it is the last seal alone, and its name is known.
            let seals = if device == current && self.spool.path(&next.key()).exists() {
                vec![(next.first, next.last)]
            } else {
                self.spool.seals_after(&device, after)?
            };
            for part in seals.chunks(BATCH) {
                let entries: Vec<_> = part
                    .iter()
                    .map(|(first, last)| Seal { device: device.clone(), first: *first, last: *last })
                    .map(|seal| Entry::of(&self.spool, seal, self.target.kinds.as_deref()))
                    .collect();
                let mut plan = lock(&self.plan);
                entries.into_iter().for_each(|entry| plan.push(entry));
                if self.stopped() {
                    return Ok(());
                }
            }
            if device != current {
                lock(&self.plan).push(Entry::end(&device));
            }
        }
        Ok(())
    }

    /// Sends until there is nothing to do now; when there will be.
    fn work(&self) -> Option<Instant> {
        loop {
            if self.stopped() {
                return None;
            }
            let next = lock(&self.plan).next(Instant::now());
            match next {
                Next::Wait(until) => return until,
                Next::Send(job) => {
                    self.help();
                    self.send(job);
                }
            }
        }
    }

    /// Starts another thread for what may be sent at the same time.
    fn help(&self) {
        if self.others.load(Ordering::SeqCst) + 1 >= self.target.limits.parallel
            || !lock(&self.plan).has_more()
        {
            return;
        }
        self.others.fetch_add(1, Ordering::SeqCst);
        let run = self.clone();
        let name = format!("sink {}", self.target.id);
        // With the usual stack: a cloud's SDK takes more than half a megabyte of it, if it is built without optimising.
        let started = thread::Builder::new().name(name).spawn(move || {
            run.work();
            run.others.fetch_sub(1, Ordering::SeqCst);
            // What it leaves waiting is the first thread's.
            run.spool.wake();
        });
        if started.is_err() {
            self.others.fetch_sub(1, Ordering::SeqCst);
        }
    }

    fn send(&self, job: Job) {
        let opened = match &job.part.sums {
            Some(sums) => self.spool.object(&job.part.key, job.part.len, sums),
            None => self.spool.whole_object(&job.part.key),
        };
        let outcome = match opened {
            Err(error) => Outcome::Unreadable(error),
            Ok(mut object) => {
                job.part.media_type.clone_into(&mut object.media_type);
                object.pace.clone_from(&self.pace);
                match self.target.store.put(&object) {
                    // Whatever the sink made of that: these bytes are never what was sealed.
                    _ if object.is_spoiled() => Outcome::Unreadable(self.spool.spoiled(&job.part.key)),
                    Ok(()) => Outcome::Sent,
                    Err(failure) => Outcome::Failed(failure),
                }
            }
        };
        let told = lock(&self.plan).done(job, outcome);
        self.news.tell();
        if let Some(failure) = told {
            if let Some(failure) = &failure {
                warn!(sink = self.target.id, error = failure.text, "not stored");
            }
            self.target.store.tell(failure.as_ref());
        }
    }
}

/// Locks a plan.
pub fn lock(plan: &Mutex<Plan>) -> MutexGuard<'_, Plan> {
    plan.lock().unwrap_or_else(PoisonError::into_inner)
}
