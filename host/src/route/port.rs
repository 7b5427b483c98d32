//! One instance's way to the router.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use plugin_api::{
    Event, Kind,
    call::Serve,
    event::{DEVICE, STATE},
    v1::Status,
};

use super::{Role, Router};
use crate::journal::Blob;

/// One instance's way to the router: what its host is.
pub struct Port {
    /// The router.
    pub router: Arc<Router>,
    /// The instance's number, the upper half of its events' `source`.
    pub number: u16,
    /// The instance's id.
    pub id: String,
    /// What it is for.
    pub role: Role,
    /// Its plugin's version.
    pub version: String,
    /// The agent's state folder.
    pub state_folder: String,
    /// The most verbose level that is logged.
    pub level: u32,
    /// What its thread is doing.
    pub pulse: Pulse,
    /// Has what a sink failed at tried again now.
    pub retry: Retry,
}

/// What to do when a sink says that what was in its way may be gone.
#[derive(Default)]
pub struct Retry(Mutex<Option<Box<dyn Fn() + Send + Sync>>>);

impl Retry {
    /// Sets it.
    pub fn set(&self, now: Box<dyn Fn() + Send + Sync>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    }
}

/// What an instance's thread is doing, for whoever looks from outside.
#[derive(Default)]
pub struct Pulse {
    /// When the running call began, on the monotonic clock; 0: none runs.
    busy: AtomicU64,
    /// When it last stored something, or was created.
    told: AtomicU64,
    /// Whether a source that was started has yet to emit something.
    silent: AtomicBool,
}

#[deny(clippy::missing_trait_methods)]
impl Serve for Port {
    fn level(&self) -> u32 {
        self.level
    }

    fn log(&self, level: u32, module: &str, text: &str) {
        crate::log::plugin_line(&self.id, level, module, text);
    }

    fn kind(&self, name: &str) -> Kind {
        self.router.number(name)
    }

    fn emit(&self, events: &[Event<'_>]) -> Status {
        self.heard(events);
        let paused = self.role == Role::Source && self.router.paused();
        let mut worst = Status::OK;
        for run in events.chunk_by(|a, b| a.kind.is_record() == b.kind.is_record()) {
            let status = match (run[0].kind.is_record(), self.role) {
                (false, Role::Source) if paused => only_devices(self, run),
                (false, Role::Source) => self.router.signals(self, run),
                (false, _) => {
                    let (why, count) = ("signal dropped: only sources emit signals", run.len() as u64);
                    self.router.losses.add(&self.id, why, count, self.router.clock.mono_ns());
                    Status::DROPPED
                }
                (true, _) => {
                    run.iter().fold(Status::OK, |worst, event| match self.record_unless(paused, event) {
                        Status::OK => worst,
                        status => status,
                    })
                }
            };
            if status != Status::OK {
                worst = status;
            }
        }
        worst
    }

    fn emit_blob(&self, event: &Event<'_>, media_type: &str, bytes: &[u8]) -> Status {
        self.heard(&[*event]);
        if self.router.paused() {
            return Status::OK;
        }
        let blob = Blob { media_type: media_type.to_owned(), bytes: bytes.to_owned() };
        self.router.record(self, event, Some(blob))
    }

    fn state_folder(&self) -> Option<&str> {
        Some(&self.state_folder)
    }

    fn mono_ns(&self) -> u64 {
        self.router.clock.mono_ns()
    }

    /// For those who tune a detector; nobody looks at it here.
    fn gauge(&self, _: &str, _: f64) {}

    fn retry(&self) {
        self.retry.0.lock().unwrap_or_else(PoisonError::into_inner).iter().for_each(|now| now());
    }
}

impl Port {
    /// Makes a call of the plugin; passes the time on, and lets others see for how long it has run.
    pub fn busy<R>(&self, f: impl FnOnce(u64) -> R) -> R {
        let now = self.router.clock.mono_ns();
        self.pulse.busy.store(now, Ordering::Relaxed);
        let result = f(now);
        self.pulse.busy.store(0, Ordering::Relaxed);
        result
    }

    /// For how long the running call of the plugin has run.
    pub fn busy_for(&self) -> Option<Duration> {
        let since = self.pulse.busy.load(Ordering::Relaxed);
        (since > 0).then(|| Duration::from_nanos(self.router.clock.mono_ns().saturating_sub(since)))
    }

    /// When the instance last stored something, or was created.
    pub fn told_mono_ns(&self) -> u64 {
        self.pulse.told.load(Ordering::Relaxed)
    }

    /// Notes that the instance was created, or stored something, just now.
    pub fn told(&self) {
        self.pulse.told.store(self.router.clock.mono_ns(), Ordering::Relaxed);
    }

    /// Notes that a source was started: it runs once something comes from it.
    pub fn begun(&self) {
        self.pulse.silent.store(true, Ordering::Relaxed);
    }

    /// A source that emits works, whether or not it says so too.
    fn heard(&self, events: &[Event<'_>]) {
        let is_first =
            self.pulse.silent.load(Ordering::Relaxed) && self.pulse.silent.swap(false, Ordering::Relaxed);
        if is_first && !events.iter().any(|event| event.kind == STATE) {
            self.router.health(&self.id, "ok", "running", "");
        }
    }

    fn record_unless(&self, paused: bool, event: &Event<'_>) -> Status {
        // A source's health isn't something it observed of the person.
        if paused && event.kind != STATE { Status::OK } else { self.router.record(self, event, None) }
    }
}

/// While paused a detector still learns which devices there are, or it would misname them afterwards.
fn only_devices(port: &Port, events: &[Event<'_>]) -> Status {
    let devices: Vec<Event<'_>> = events.iter().filter(|event| event.kind == DEVICE).copied().collect();
    if devices.is_empty() { Status::OK } else { port.router.signals(port, &devices) }
}
