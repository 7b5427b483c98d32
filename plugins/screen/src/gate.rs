//! What the host wants of `run`, and with which settings; shots that are asked for.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use crate::{config::Settings, record::Record};

/// What the host wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wanted {
    Run,
    Pause,
    Stop,
}

/// A shot that is asked for: the options of the request.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ask {
    /// Redacted even if the settings say `none`.
    pub redacted: bool,
}

/// What came of such a shot on one monitor: the part of its record that tells how to find the rest.
#[derive(Clone, Serialize)]
pub struct Taken {
    /// The stamp of the record.
    pub mono_ns: u64,
    pub monitor: Option<String>,
    pub outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

impl Taken {
    pub fn new(mono_ns: u64, record: &Record) -> Self {
        let Record { monitor, outcome, cause, fix, .. } = record.clone();
        Self { mono_ns, monitor, outcome, cause, fix }
    }
}

/// Why there is no shot though it was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    Paused,
    Stopping,
    Late,
}

/// Set from any thread; waited on by the one that runs.
pub struct Gate {
    now: Mutex<Now>,
    changed: Condvar,
    /// Held by the one who asks.
    asking: Mutex<()>,
}

struct Now {
    wanted: Wanted,
    settings: Settings,
    /// Counts changes of the above.
    version: u64,
    ask: Option<Ask>,
    answer: Option<Vec<Taken>>,
}

impl Gate {
    pub fn new(settings: Settings) -> Self {
        let now = Now { wanted: Wanted::Run, settings, version: 0, ask: None, answer: None };
        Self { now: Mutex::new(now), changed: Condvar::new(), asking: Mutex::new(()) }
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

    /// Waits until something changed since that version, a shot is asked for, or the time is over.
    pub fn wait(&self, version: u64, time: Option<Duration>) {
        let now = self.lock();
        let time = time.unwrap_or(Duration::MAX);
        let idle = |now: &mut Now| now.version == version && now.ask.is_none();
        drop(self.changed.wait_timeout_while(now, time, idle));
    }

    /// Asks for a shot and waits until it is taken. One after the other.
    pub fn ask(&self, ask: Ask, limit: Duration) -> Result<Vec<Taken>, Refused> {
        let _asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        let end = Instant::now() + limit;
        let mut now = self.lock();
        (now.ask, now.answer) = (Some(ask), None);
        self.changed.notify_all();
        loop {
            let refused = match (now.answer.take(), now.wanted) {
                (Some(answer), _) => return Ok(answer),
                (None, Wanted::Pause) => Some(Refused::Paused),
                (None, Wanted::Stop) => Some(Refused::Stopping),
                (None, Wanted::Run) => (Instant::now() >= end).then_some(Refused::Late),
            };
            if let Some(refused) = refused {
                now.ask = None;
                return Err(refused);
            }
            let left = end.saturating_duration_since(Instant::now());
            now = self.changed.wait_timeout(now, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The shot that is asked for, if one is.
    pub fn asked(&self) -> Option<Ask> {
        self.lock().ask.take()
    }

    /// Asks again for a shot that was thrown away, unless the one who asked was refused.
    pub fn put_back(&self, ask: Ask) {
        let mut now = self.lock();
        if now.wanted == Wanted::Run {
            now.ask.get_or_insert(ask);
        }
    }

    /// Tells the one who asked what came of it.
    pub fn answer(&self, taken: Vec<Taken>) {
        self.lock().answer = Some(taken);
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
