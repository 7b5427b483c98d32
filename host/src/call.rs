//! Calls plugins: a thread for each source and each detector, restarts after failures, one store for each sink.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use plugin_api::{
    Change, Fault, Kind,
    call::{self, Failure},
    event::GAP,
    read,
    v1::{Plugin, Status},
};
use serde_json::{Value, json};
use tracing::warn;

use crate::{
    batch::{Batch, Popped, Queue},
    route::{Health, Port, Role, Router},
    stop::Stop,
};

mod sink;

pub use sink::Sink;

/// The first wait before a restart; doubled by each further failure.
const WAIT_FIRST: Duration = Duration::from_secs(1);
/// The longest wait before a restart.
const WAIT_MOST: Duration = Duration::from_secs(60);
/// The least time between two ticks, whatever a detector asks for.
const TICK_LEAST: Duration = Duration::from_millis(10);
/// An instance that ran so long has made up for earlier failures.
const HEALED: Duration = Duration::from_secs(5 * 60);
/// Panics in a row after which an instance is left alone.
const PANICS_MOST: u32 = 5;

/// One instance the config asks for, its library loaded.
#[derive(Clone)]
pub struct Instance {
    /// Its way to the router.
    pub port: Arc<Port>,
    /// Its plugin.
    pub plugin: &'static Plugin,
    /// The library.
    pub library: PathBuf,
    config: Arc<Mutex<Value>>,
}

impl Instance {
    /// An instance with its config.
    pub fn new(port: Port, plugin: &'static Plugin, library: PathBuf, config: Value) -> Self {
        Self { port: Arc::new(port), plugin, library, config: Arc::new(Mutex::new(config)) }
    }

    /// Its config, as it was set last.
    pub fn config(&self) -> Value {
        self.config.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets what it is created with from now on.
    pub fn set_config(&self, config: Value) {
        *self.config.lock().unwrap_or_else(PoisonError::into_inner) = config;
    }

    /// Its plugin's name.
    pub fn name(&self) -> String {
        read::lossy(self.plugin.name)
    }

    /// The name of the thread that calls it.
    pub fn thread(&self) -> String {
        match self.port.role {
            Role::Sink => format!("sink {}", self.port.id),
            Role::Source | Role::Detector => self.port.id.clone(),
        }
    }

    fn router(&self) -> &Router {
        &self.port.router
    }

    fn health(&self, state: &str, cause: &str, fix: &str) {
        self.router().health(&self.port.id, state, cause, fix);
    }

    /// Says that it fails, and why.
    fn fails(&self, state: &str, failure: &Failure, fix: &str) {
        let (cause, code) = (failure.text.clone(), failure.cause.clone());
        self.router()
            .tell(&self.port.id, Health { state: state.to_owned(), cause, fix: fix.to_owned(), code });
    }
}

/// How often an instance failed, and how long to wait before the next try.
#[derive(Default)]
struct Patience {
    failures: u32,
    panics: u32,
}

/// What to do after a failure.
#[derive(PartialEq, Eq, Debug)]
enum Next {
    Wait(Duration),
    GiveUp,
}

impl Patience {
    /// Counts a failure of an instance that had run for `ran`, says it, and decides.
    fn after(&mut self, instance: &Instance, failure: &Failure, ran: Duration) -> Next {
        if ran >= HEALED {
            *self = Self::default();
        }
        let id = &instance.port.id;
        self.failures += 1;
        self.panics = if failure.panicked() { self.panics + 1 } else { 0 };
        if self.panics >= PANICS_MOST {
            let cause = format!("{PANICS_MOST} panics in a row, the last: {}", failure.text);
            warn!(plugin = id, cause, "disabled");
            instance.health(
                "disabled",
                &cause,
                "update the plugin or remove it from the config, then start the agent again",
            );
            return Next::GiveUp;
        }
        if failure.status == Status::FATAL {
            warn!(plugin = id, cause = failure.text, "failed");
            instance.fails("failed", failure, fix(failure.fault));
            return Next::GiveUp;
        }
        let doubled = WAIT_FIRST.saturating_mul(1 << (self.failures - 1).min(10)).min(WAIT_MOST);
        let wait = failure.retry_after.unwrap_or(doubled);
        warn!(plugin = id, cause = failure.text, wait_s = wait.as_secs_f64(), "restarting");
        let fix = format!("none needed now: it is tried again every {} s or less", WAIT_MOST.as_secs());
        instance.fails("degraded", failure, &fix);
        Next::Wait(wait)
    }
}

fn fix(fault: Fault) -> &'static str {
    match fault {
        Fault::Config => "correct the config (`candor check` tells the line) and run `candor reload`",
        Fault::Permission => "grant what it names, then start the agent again",
        _ => "see the log; update the plugin or remove it from the config",
    }
}

/// Where the running instance of a source is, for whoever pauses or stops it.
pub type Slot = Arc<Mutex<Option<Arc<call::Source>>>>;

/// Runs a source until the stop: on this thread, created anew after each failure.
pub fn source(instance: &Instance, slot: &Slot, stop: &Stop) {
    let mut patience = Patience::default();
    while !stop.stopped() {
        let started = Instant::now();
        let result = call::Source::new(instance.plugin, instance.port.clone(), &instance.config()).and_then(
            |source| {
                let source = Arc::new(source);
                *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(source.clone());
                // That it was started is no sign that it observes; that, it says itself.
                instance.port.begun();
                if instance.router().paused() {
                    source.pause()?;
                }
                // Looked at after the slot is filled, or a stop in between would find nothing to stop.
                if stop.stopped() { Ok(()) } else { source.run() }
            },
        );
        *slot.lock().unwrap_or_else(PoisonError::into_inner) = None;
        if stop.stopped() {
            return;
        }
        let ended = || Failure::new(Status::RETRY, Fault::Other, "ended though nobody stopped it");
        let failure = result.err().unwrap_or_else(ended);
        match patience.after(instance, &failure, started.elapsed()) {
            Next::Wait(wait) => drop(stop.wait_for(wait)),
            Next::GiveUp => return,
        }
    }
}

/// Pauses what runs in a slot; why that failed, if it did.
pub fn pause(slot: &Slot) -> Option<String> {
    running(slot)?.pause().err().map(|failure| failure.text)
}

/// Resumes what runs in a slot; why that failed, if it did.
pub fn resume(slot: &Slot) -> Option<String> {
    running(slot)?.resume().err().map(|failure| failure.text)
}

/// Stops what runs in a slot; why that failed, if it did.
pub fn stop(slot: &Slot) -> Option<String> {
    running(slot)?.stop().err().map(|failure| failure.text)
}

/// Passes a changed config on to what runs in a slot. False when a new instance is to take it.
pub fn configure(slot: &Slot, config: &Value) -> bool {
    match running(slot).map(|source| source.configure(config)) {
        Some(Ok(Change::Applied)) => true,
        Some(Ok(Change::Recreate)) | None => false,
        Some(Err(failure)) => {
            warn!(cause = failure.text, "a changed config was refused: creating anew");
            false
        }
    }
}

/// What runs in a slot.
pub fn running(slot: &Slot) -> Option<Arc<call::Source>> {
    slot.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// The signals a detector reads.
pub fn reads(plugin: &'static Plugin) -> Vec<Kind> {
    let names = plugin.detector.map(|table| read::slice(table.reads)).unwrap_or_default();
    names.iter().filter_map(|name| Kind::signal(read::text(*name)?)).collect()
}

/// Runs a detector until its queue closes: on this thread, created anew after each panic.
pub fn detector(instance: &Instance, queue: &Queue, stop: &Stop) {
    let mut patience = Patience::default();
    loop {
        let started = Instant::now();
        let failure = match detect(instance, queue) {
            Ok(Ended::Closed) => return,
            // A new instance counts from the resume on, so that the pause is nobody's idle time.
            Ok(Ended::Paused) if queue.rest() => continue,
            Ok(Ended::Paused) => return,
            Ok(Ended::Changed) => continue,
            Err(failure) => failure,
        };
        if failure.panicked() {
            let now = instance.router().clock.mono_ns();
            let why = "detector panicked: what it counted since its last record is lost";
            let gap = json!({"reason": why, "from_mono_ns": instance.port.told_mono_ns(), "to_mono_ns": now});
            instance.router().host_record(GAP, &instance.port.id, &gap);
        }
        match patience.after(instance, &failure, started.elapsed()) {
            Next::Wait(wait) => {
                if stop.wait_for(wait) {
                    return;
                }
            }
            Next::GiveUp => {
                instance.router().disconnect(&instance.port.id);
                queue.close();
                return;
            }
        }
    }
}

/// Why an instance of a detector came to its end.
enum Ended {
    Closed,
    Paused,
    /// Another one is to take its changed config.
    Changed,
}

/// Runs one instance of a detector to its end.
fn detect(instance: &Instance, queue: &Queue) -> Result<Ended, Failure> {
    let clock = &instance.router().clock;
    // It gets the newest config, so no earlier change is to be told.
    queue.unchanged();
    let mut detector = call::Detector::new(instance.plugin, instance.port.clone(), &instance.config())?;
    instance.port.told();
    instance.health("ok", "running", "");
    instance.router().introduce(&instance.port.id);
    let mut batch = Batch::default();
    let mut failed: Option<Instant> = None;
    let ended = loop {
        let deadline = instance.port.busy(|now| {
            let next = detector.tick(now, clock.unix_ns())?;
            Ok(next.map(|at| Duration::from_nanos(at.saturating_sub(now)).max(TICK_LEAST)))
        })?;
        match queue.pop(&mut batch, deadline.map(|wait| Instant::now() + wait)) {
            Popped::Closed => break Ended::Closed,
            Popped::Paused => break Ended::Paused,
            Popped::Deadline => {}
            Popped::Changed => match instance.port.busy(|_| detector.configure(&instance.config())) {
                Ok(Change::Applied) => {}
                Ok(Change::Recreate) => break Ended::Changed,
                Err(failure) if failure.panicked() => return Err(failure),
                Err(failure) => {
                    warn!(
                        plugin = instance.port.id,
                        cause = failure.text,
                        "changed config refused: creating anew"
                    );
                    break Ended::Changed;
                }
            },
            Popped::Signals => match instance.port.busy(|_| batch.with(|events| detector.on_batch(events))) {
                // An error that isn't a panic leaves the instance whole: it goes on without that batch.
                Err(failure) if !failure.panicked() => {
                    if failed.replace(Instant::now()).is_none() {
                        warn!(plugin = instance.port.id, cause = failure.text, "batch failed");
                        instance.health("degraded", &failure.text, fix(failure.fault));
                    }
                }
                result => result?,
            },
        }
        if failed.is_some_and(|last| last.elapsed() >= WAIT_MOST) {
            failed = None;
            instance.health("ok", "running", "");
        }
    };
    // It reads no clock: without this it would not know how far its last, partial sum goes.
    instance.port.busy(|now| detector.tick(now, clock.unix_ns()).and_then(|_| detector.finish()))?;
    Ok(ended)
}
