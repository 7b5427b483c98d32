//! What was lost on the way: gathered a little, then told as gap records.

use std::{
    collections::BTreeMap,
    mem,
    sync::{Condvar, Mutex, PoisonError},
    time::{Duration, Instant},
};

use serde::Serialize;

/// How long losses gather before they are told.
const GATHER: Duration = Duration::from_secs(5);

/// Something that was lost, and why.
#[derive(Clone, Debug, Serialize)]
pub struct Loss {
    #[serde(skip)]
    /// Whose.
    pub instance: String,
    /// Why.
    pub reason: String,
    /// How many.
    pub count: u64,
    /// When the first was lost, on the monotonic clock.
    pub from_mono_ns: u64,
    /// When the last was lost.
    pub to_mono_ns: u64,
}

type Ledger = BTreeMap<(String, &'static str), Loss>;

/// What was lost: since it was last told, and in all.
#[derive(Default)]
pub struct Losses {
    open: Mutex<(Ledger, bool)>,
    total: Mutex<Ledger>,
    changed: Condvar,
}

impl Losses {
    /// Adds to what was lost; whether it is the first of its kind since losses were told.
    pub fn add(&self, instance: &str, reason: &'static str, count: u64, now: u64) -> bool {
        let add = |ledger: &mut Ledger| {
            let loss = ledger.entry((instance.to_owned(), reason)).or_insert_with(|| Loss {
                instance: instance.to_owned(),
                reason: reason.to_owned(),
                count: 0,
                from_mono_ns: now,
                to_mono_ns: now,
            });
            let first = loss.count == 0;
            loss.count += count;
            loss.to_mono_ns = now;
            first
        };
        add(&mut self.total.lock().unwrap_or_else(PoisonError::into_inner));
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.0.is_empty() {
            self.changed.notify_all();
        }
        add(&mut open.0)
    }

    /// Waits for losses and lets them gather; `None` when closed and told.
    pub fn wait(&self) -> Option<Vec<Loss>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        while open.0.is_empty() && !open.1 {
            open = self.changed.wait(open).unwrap_or_else(PoisonError::into_inner);
        }
        let until = Instant::now() + GATHER;
        while !open.1 && Instant::now() < until {
            let wait = until.saturating_duration_since(Instant::now());
            open = self.changed.wait_timeout(open, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
        if open.0.is_empty() {
            return None;
        }
        Some(mem::take(&mut open.0).into_values().collect())
    }

    /// What was lost in all, by instance and reason.
    pub fn total(&self) -> Vec<Loss> {
        self.total.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Makes `wait` hand out what is left, and then nothing more.
    pub fn close(&self) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).1 = true;
        self.changed.notify_all();
    }
}
