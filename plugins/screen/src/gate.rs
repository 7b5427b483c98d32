//! What the host wants of `run`, and with which settings.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::config::Settings;

/// What the host wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wanted {
    Run,
    Pause,
    Stop,
}

/// Set from any thread; waited on by the one that runs.
pub struct Gate {
    now: Mutex<Now>,
    changed: Condvar,
}

struct Now {
    wanted: Wanted,
    settings: Settings,
    /// Counts changes of the above.
    version: u64,
}

impl Gate {
    pub fn new(settings: Settings) -> Self {
        let now = Now { wanted: Wanted::Run, settings, version: 0 };
        Self { now: Mutex::new(now), changed: Condvar::new() }
    }

    /// What is wanted, the settings, and how often either changed so far.
    pub fn read(&self) -> (Wanted, Settings, u64) {
        let now = self.lock();
        (now.wanted, now.settings.clone(), now.version)
    }

    /// Changes what is wanted. After a stop nothing else is.
    pub fn want(&self, wanted: Wanted) {
        let mut now = self.lock();
        if now.wanted != Wanted::Stop {
            now.wanted = wanted;
            now.version += 1;
            self.changed.notify_all();
        }
    }

    pub fn set(&self, settings: Settings) {
        let mut now = self.lock();
        now.settings = settings;
        now.version += 1;
        self.changed.notify_all();
    }

    /// Waits until something changed since that version, or the time is over.
    pub fn wait(&self, version: u64, time: Option<Duration>) {
        let now = self.lock();
        let time = time.unwrap_or(Duration::MAX);
        drop(self.changed.wait_timeout_while(now, time, |now| now.version == version));
    }

    fn lock(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
