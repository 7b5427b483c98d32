//! One detector over one trace: batches and ticks as the agent gives them, on the recording's own time.

use std::sync::{Arc, Mutex, PoisonError};

use plugin_api::{
    Event, Kind,
    call::{self, Failure, Serve},
    event::{self, FINDING},
    v1::{Plugin, Status},
};
use serde_json::Value;

use super::trace::{BEGIN, Recorded, Trace};
use crate::{
    call::reads,
    error::{Error, Result},
    log,
};

/// A batch holds what happened in this time, as sources drain every 20 ms, …
const BATCH_NS: u64 = 20_000_000;
/// … and at most so many signals.
const BATCH_MAX: usize = 64;
/// The least time between two ticks, as in the agent.
const TICK_LEAST: u64 = 10_000_000;

/// What came of a trace.
pub struct Played {
    /// Findings, each with the seconds since the trace's begin.
    pub findings: Vec<(f64, Value)>,
    /// The highest score told, if any was.
    pub told: Option<f64>,
    /// Signals replayed.
    pub signals: u64,
    /// How long the recording is.
    pub seconds: f64,
}

impl Played {
    /// How sure the detector was at most: its own `score` if it told one, else the confidence of its flags.
    pub fn score(&self) -> f64 {
        let sure = |(_, finding): &(f64, Value)| finding["confidence"].as_f64().unwrap_or(0.0);
        let flags = || self.flags().map(sure).fold(0.0, f64::max);
        self.told.unwrap_or_else(flags).clamp(0.0, 1.0)
    }

    /// When it first flagged something; what it only noted doesn't count.
    pub fn first_flag(&self) -> Option<f64> {
        self.flags().map(|(at, _)| *at).next()
    }

    fn flags(&self) -> impl Iterator<Item = &(f64, Value)> {
        self.findings.iter().filter(|(_, finding)| finding["severity"] != "note")
    }
}

/// Replays a trace through a new instance of a detector.
pub fn play(mut trace: Trace<'_>, plugin: &'static Plugin, options: &Value) -> Result<Played> {
    let name = trace.name().to_owned();
    let failed = |failure: Failure| Error::Trace {
        place: name.clone(),
        text: format!("the detector failed: {}; mend it or its options", failure.text),
    };
    let wanted = reads(plugin);
    let listener = Arc::new(Listener::default());
    let mut detector = call::Detector::new(plugin, listener.clone(), options).map_err(failed)?;
    let mut player = Player { now: BEGIN, due: None };
    player.due = player.tick(&mut detector).map_err(failed)?;
    let (mut signals, mut batch) = (0, Vec::<Recorded>::with_capacity(BATCH_MAX));
    let mut next = trace.signal()?;
    while let Some(first) = next.take() {
        let until = first.mono_ns().saturating_add(BATCH_NS);
        let begin = first.mono_ns();
        batch.clear();
        batch.push(first);
        next = trace.signal()?;
        while batch.len() < BATCH_MAX {
            match next.take() {
                Some(signal) if (begin..until).contains(&signal.mono_ns()) => batch.push(signal),
                other => {
                    next = other;
                    break;
                }
            }
            next = trace.signal()?;
        }
        signals += batch.len() as u64;
        player.wait(&mut detector, begin).map_err(failed)?;
        let events: Vec<Event<'_>> =
            batch.iter().map(Recorded::event).filter(|event| wanted.contains(&event.kind)).collect();
        player.now = events.iter().map(|event| event.mono_ns).fold(player.now, u64::max);
        if !events.is_empty() {
            detector.on_batch(&events).map_err(failed)?;
            player.due = player.tick(&mut detector).map_err(failed)?;
        }
    }
    player.tick(&mut detector).map_err(failed)?;
    detector.finish().map_err(failed)?;
    drop(detector);
    let seconds = since_begin(player.now);
    let heard = std::mem::take(&mut *listener.0.lock().unwrap_or_else(PoisonError::into_inner));
    let at = |(mono_ns, finding): (u64, Value)| match mono_ns {
        // What came at the very end has no stamp.
        0 => (seconds, finding),
        _ => (since_begin(mono_ns), finding),
    };
    Ok(Played { findings: heard.findings.into_iter().map(at).collect(), told: heard.told, signals, seconds })
}

fn since_begin(mono_ns: u64) -> f64 {
    mono_ns.saturating_sub(BEGIN) as f64 / 1e9
}

/// Keeps the time.
struct Player {
    now: u64,
    /// When the detector wants to be told next.
    due: Option<u64>,
}

impl Player {
    fn tick(&self, detector: &mut call::Detector) -> Result<Option<u64>, Failure> {
        let next = detector.tick(self.now, 0)?;
        Ok(next.map(|at| at.max(self.now.saturating_add(TICK_LEAST))))
    }

    /// Lets the time pass until then, telling it when asked to.
    fn wait(&mut self, detector: &mut call::Detector, until: u64) -> Result<(), Failure> {
        while let Some(due) = self.due.filter(|due| *due < until) {
            self.now = due;
            self.due = self.tick(detector)?;
        }
        Ok(())
    }
}

/// Hears what the detector emits.
#[derive(Default)]
struct Listener(Mutex<Heard>);

#[derive(Default)]
struct Heard {
    findings: Vec<(u64, Value)>,
    told: Option<f64>,
}

impl Serve for Listener {
    fn level(&self) -> u32 {
        log::number()
    }

    fn log(&self, level: u32, module: &str, text: &str) {
        log::plugin_line("replay", level, module, text);
    }

    fn kind(&self, name: &str) -> Kind {
        if event::is_vendor_name(name) { Kind(0x8000) } else { Kind::record(name).unwrap_or(Kind(0)) }
    }

    fn emit(&self, events: &[Event<'_>]) -> Status {
        for event in events.iter().filter(|event| event.kind == FINDING) {
            let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            heard.findings.push((event.mono_ns, event.json().unwrap_or_default()));
        }
        Status::OK
    }

    fn emit_blob(&self, _: &Event<'_>, _: &str, _: &[u8]) -> Status {
        Status::OK
    }

    fn state_folder(&self) -> Option<&str> {
        None
    }

    fn mono_ns(&self) -> u64 {
        BEGIN
    }

    fn gauge(&self, name: &str, value: f64) {
        if name == "score" && value.is_finite() {
            let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            heard.told = Some(heard.told.map_or(value, |told| told.max(value)));
        }
    }
}
