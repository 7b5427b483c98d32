//! Takes what plugins emit: checks it, sends signals to detectors and records to the journal.
//!
//! Signals end in the queues of the detectors that read their kind; nothing here can hold a source up. What breaks
//! its kind's table, or finds no room, is counted and told as a gap record.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use plugin_api::{
    Event, Kind,
    event::{self, DEVICE, DEVICE_RECORD, GAP, NOTICE, RECORDS, STATE},
    v1::Status,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tracing::{error, warn};

use crate::{
    batch::Queue,
    clock::Clock,
    journal::{Blob, Journal, Record},
};

/// How far ahead of the clock an event's time may be: clocks of devices and servers round.
const AHEAD_NS: u64 = 2_000_000_000;
/// So many kinds of vendors are numbered at the most.
const VENDOR_KINDS_MOST: usize = 1 << 10;
/// So many input devices are remembered at the most.
const DEVICES_MOST: usize = 256;

mod health;
mod live;
mod losses;
mod port;

pub use health::Health;
pub use live::Live;
pub use losses::Loss;
use losses::Losses;
pub use port::{Port, Pulse, Retry};

/// What an instance is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Observes.
    Source,
    /// Draws conclusions.
    Detector,
    /// Stores.
    Sink,
}

impl Role {
    /// The name of its table in the config.
    pub fn name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Detector => "detector",
            Self::Sink => "sink",
        }
    }
}

/// Where everything that plugins emit comes together.
pub struct Router {
    /// The clock everything is stamped by.
    pub clock: Clock,
    journal: Arc<Journal>,
    routes: RwLock<Vec<Route>>,
    vendor_kinds: Mutex<Vec<String>>,
    health: Mutex<BTreeMap<String, Health>>,
    /// The input devices there are, by `source`, for detectors that are created later.
    devices: Mutex<BTreeMap<u32, (Event<'static>, Vec<u8>)>>,
    paused: AtomicBool,
    sealed_off: AtomicBool,
    losses: Losses,
    /// What was counted since the last live line.
    pub live: Live,
}

struct Route {
    detector: String,
    reads: u16,
    queue: Arc<Queue>,
}

impl Router {
    /// Starts with no detectors.
    pub fn new(journal: Arc<Journal>, clock: Clock) -> Self {
        Self {
            clock,
            journal,
            routes: RwLock::default(),
            vendor_kinds: Mutex::default(),
            health: Mutex::default(),
            devices: Mutex::default(),
            paused: AtomicBool::new(false),
            sealed_off: AtomicBool::new(false),
            losses: Losses::default(),
            live: Live::default(),
        }
    }

    /// Sends signals of these kinds to a queue from now on.
    pub fn connect(&self, detector: &str, reads: &[Kind], queue: Arc<Queue>) {
        let reads = reads.iter().fold(0, |mask, kind| mask | bit(*kind));
        let mut routes = self.routes.write().unwrap_or_else(PoisonError::into_inner);
        routes.push(Route { detector: detector.to_owned(), reads, queue });
    }

    /// Tells a new instance of a detector which input devices there are.
    pub fn introduce(&self, detector: &str) {
        let devices = self.devices.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for route in self.routes.read().unwrap_or_else(PoisonError::into_inner).iter() {
            if route.detector == detector && route.reads & bit(DEVICE) != 0 {
                let event = |(event, name): &(Event<'static>, Vec<u8>)| (*event, name.clone());
                for (event, name) in devices.values().map(event) {
                    route.queue.push([Event { body: name[..].into(), ..event }].into_iter());
                }
            }
        }
    }

    /// Sends a detector no more signals.
    pub fn disconnect(&self, detector: &str) {
        self.routes
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|route| route.detector != detector);
    }

    /// Stores a record of the host's own.
    pub fn host_record(&self, kind: Kind, instance: &str, body: &Value) {
        self.store(
            kind.name().unwrap_or_default(),
            instance,
            env!("CARGO_PKG_VERSION"),
            0,
            0,
            body.to_string(),
            None,
        );
    }

    /// Notes an instance's health; stored when it changed.
    pub fn health(&self, instance: &str, state: &str, cause: &str, fix: &str) {
        let (state, cause, fix) = (state.to_owned(), cause.to_owned(), fix.to_owned());
        self.tell(instance, Health { state, cause, fix, code: None });
    }

    /// The same, with the cause as a word for programs.
    pub fn tell(&self, instance: &str, health: Health) {
        if self.note(instance, &health) {
            self.host_record(STATE, instance, &json!(health));
        }
    }

    /// Forgets an instance that is no longer there.
    pub fn forget(&self, instance: &str) {
        self.health.lock().unwrap_or_else(PoisonError::into_inner).remove(instance);
    }

    /// The last word of each instance.
    pub fn healths(&self) -> BTreeMap<String, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Drops every signal and source's record until told otherwise.
    pub fn pause(&self, paused: bool) {
        self.paused.store(paused, Ordering::SeqCst);
    }

    /// Whether capture is paused.
    pub fn paused(&self) -> bool {
        self.paused.load(Ordering::SeqCst)
    }

    /// What was lost on the way so far, by instance and reason.
    pub fn lost(&self) -> Vec<Loss> {
        self.losses.total()
    }

    /// Tells losses as gap records until [`close`](Router::close); sleeps while there are none.
    pub fn tell_losses(&self) {
        while let Some(losses) = self.losses.wait() {
            for loss in losses {
                self.host_record(GAP, &loss.instance.clone(), &json!(loss));
            }
        }
    }

    /// Stores nothing more: the journal is about to close, and what sinks say of themselves after that is for the
    /// log only.
    pub fn seal_off(&self) {
        self.sealed_off.store(true, Ordering::SeqCst);
    }

    /// Makes [`tell_losses`](Router::tell_losses) tell what is left and return.
    pub fn close(&self) {
        self.losses.close();
    }

    fn note(&self, instance: &str, health: &Health) -> bool {
        let mut all = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(instance.to_owned(), health.clone()).as_ref() != Some(health)
    }

    fn kind_name(&self, kind: Kind) -> Option<String> {
        match kind.0 {
            0x8000.. => {
                let names = self.vendor_kinds.lock().unwrap_or_else(PoisonError::into_inner);
                names.get(usize::from(kind.0 - 0x8000)).cloned()
            }
            _ => RECORDS.iter().find(|(known, _)| *known == kind).map(|(_, name)| (*name).to_owned()),
        }
    }

    fn number(&self, name: &str) -> Kind {
        if let Some(kind) = Kind::record(name) {
            return kind;
        }
        if !event::is_vendor_name(name) {
            return Kind(0);
        }
        let mut names = self.vendor_kinds.lock().unwrap_or_else(PoisonError::into_inner);
        let known = names.iter().position(|known| known == name);
        if known.is_none() && names.len() < VENDOR_KINDS_MOST {
            names.push(name.to_owned());
        }
        let index = known.unwrap_or(names.len() - 1);
        if names[index] == name { Kind(0x8000 + index as u16) } else { Kind(0) }
    }

    fn signals(&self, port: &Port, events: &[Event<'_>]) -> Status {
        let now = self.clock.mono_ns();
        let mut seen = 0;
        let mut faults = 0;
        for event in events {
            match fault(event, now) {
                None => seen |= bit(event.kind),
                Some(why) => {
                    faults += 1;
                    self.losses.add(&port.id, why, 1, now);
                }
            }
        }
        self.live.count(events, now, faults);
        let source = u32::from(port.number) << 16;
        if seen & bit(DEVICE) != 0 {
            self.note_devices(source, events);
        }
        let mut dropped = 0;
        for route in self.routes.read().unwrap_or_else(PoisonError::into_inner).iter() {
            if route.reads & seen == 0 {
                continue;
            }
            // Checked again only if something was wrong: a good batch is the rule.
            let wanted = |event: &&Event<'_>| {
                route.reads & bit(event.kind) != 0 && (faults == 0 || fault(event, now).is_none())
            };
            let numbered = |event: &Event<'_>| source | event.source & 0xffff;
            let lost = route.queue.push(events.iter().filter(wanted).map(|event| Event {
                seq: 0,
                source: numbered(event),
                ..*event
            }));
            if lost > 0 {
                self.losses.add(&route.detector, "detector too slow: its queue was full", lost, now);
            }
            dropped += lost;
        }
        if dropped + faults > 0 { Status::DROPPED } else { Status::OK }
    }

    fn note_devices(&self, source: u32, events: &[Event<'_>]) {
        let mut devices = self.devices.lock().unwrap_or_else(PoisonError::into_inner);
        let devices_only = |event: &&Event<'_>| event.kind == DEVICE && event::signal_fault(event).is_none();
        for event in events.iter().filter(devices_only) {
            let source = source | event.source & 0xffff;
            let name = event.bytes().to_vec();
            if event.args[3] == 0 {
                devices.remove(&source);
            } else if devices.len() < DEVICES_MOST {
                let event = Event { source, seq: 0, body: (&[][..]).into(), ..*event };
                devices.insert(source, (event, name));
            }
        }
    }

    fn record(&self, port: &Port, event: &Event<'_>, blob: Option<Blob>) -> Status {
        let refuse = |why: &str| {
            let reason = "record refused: it breaks the rules for records";
            // Once per gap record: a plugin that emits nothing else would fill the log.
            if self.losses.add(&port.id, reason, 1, self.clock.mono_ns()) {
                warn!(plugin = port.id, why, "record refused");
            }
            Status::FATAL
        };
        if [GAP, NOTICE, DEVICE_RECORD].contains(&event.kind) {
            return refuse("that kind is the host's own");
        }
        let Some(kind) = self.kind_name(event.kind) else {
            return refuse("a kind nobody asked a number for");
        };
        if let Some(why) = event::record_fault(event.bytes()) {
            return refuse(&why);
        }
        // `record_fault` has seen that it is JSON, so it is UTF-8.
        let body = String::from_utf8_lossy(event.bytes()).into_owned();
        if event.kind == STATE {
            let field = |name: &str| {
                event.json().and_then(|v| v[name].as_str().map(str::to_owned)).unwrap_or_default()
            };
            let code = Some(field("code")).filter(|code| !code.is_empty());
            let health = Health { state: field("state"), cause: field("cause"), fix: field("fix"), code };
            if !self.note(&port.id, &health) {
                return Status::OK;
            }
        }
        port.told();
        let ahead = event.mono_ns > self.clock.mono_ns() + AHEAD_NS;
        let (mono_ns, unix_ns) = if ahead { (0, 0) } else { (event.mono_ns, event.unix_ns) };
        self.store(&kind, &port.id, &port.version, mono_ns, unix_ns, body, blob)
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of one record, named where it is built")]
    fn store(
        &self,
        kind: &str,
        instance: &str,
        version: &str,
        mono_ns: u64,
        unix_ns: i64,
        body: String,
        blob: Option<Blob>,
    ) -> Status {
        if self.sealed_off.load(Ordering::SeqCst) {
            return Status::DROPPED;
        }
        let record = Record {
            kind: kind.to_owned(),
            mono_ns: if mono_ns == 0 { self.clock.mono_ns() } else { mono_ns },
            unix_ns,
            instance: instance.to_owned(),
            plugin_version: version.to_owned(),
            body: body.into_bytes(),
            blob,
        };
        match self.journal.append(record) {
            Ok(()) => Status::OK,
            Err(error) => {
                error!(%error, kind, "record not journaled");
                Status::RETRY
            }
        }
    }
}

fn bit(kind: Kind) -> u16 {
    if kind.0 < 16 { 1 << kind.0 } else { 0 }
}

fn fault(event: &Event<'_>, now: u64) -> Option<&'static str> {
    match event.mono_ns {
        0 => Some("signal dropped: it has no time"),
        at if at > now.saturating_add(AHEAD_NS) => Some("signal dropped: its time is in the future"),
        _ => event::signal_fault(event).map(reason),
    }
}

/// The texts of `signal_fault` as reasons of a gap.
fn reason(why: &'static str) -> &'static str {
    match why {
        "a body where none may be" => "signal dropped: a body where none may be",
        _ => "signal dropped: it breaks its kind's table",
    }
}
