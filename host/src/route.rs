//! Takes what plugins emit: checks it, sends signals to detectors and records to the journal.
//!
//! Signals end in the queues of the detectors that read their kind; nothing here can hold a source up. What breaks
//! its kind's table, or finds no room, is counted and told as a gap record.

use std::{
    collections::BTreeMap,
    mem,
    sync::{
        Arc, Condvar, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use plugin_api::{
    Event, Kind, Origin,
    call::Serve,
    event::{self, BUTTON, DEVICE, DEVICE_RECORD, GAP, KEY, NOTICE, RECORDS, STATE},
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
/// How long losses gather before they are told.
const GATHER: Duration = Duration::from_secs(5);

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

/// The last word of an instance about itself.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Health {
    /// `ok`, `degraded`, `failed`, `disabled`, `starting`.
    pub state: String,
    /// Why.
    pub cause: String,
    /// What to do.
    pub fix: String,
}

impl Health {
    /// A plugin that hasn't come back from a call for so long.
    pub fn stuck(time: Duration) -> Self {
        Self {
            state: "stuck".to_owned(),
            cause: format!(
                "in one call for {} s; signals it has no room for are counted as lost",
                time.as_secs()
            ),
            fix: "if it does not come back: update the plugin or remove it, and start the agent again"
                .to_owned(),
        }
    }
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
        let health = Health { state: state.to_owned(), cause: cause.to_owned(), fix: fix.to_owned() };
        if self.note(instance, &health) {
            self.host_record(STATE, instance, &json!(health));
        }
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
        self.losses.total.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
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
        let index = names.iter().position(|known| known == name).unwrap_or_else(|| {
            names.push(name.to_owned());
            names.len() - 1
        });
        u16::try_from(0x8000 + index).map_or(Kind(0), Kind)
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

    fn record(&self, port: &Port, event: &Event<'_>, blob: Option<Blob>) -> Status {
        let refuse = |why: &str| {
            warn!(plugin = port.id, why, "record refused");
            self.losses.add(
                &port.id,
                "record refused: it breaks the rules for records",
                1,
                self.clock.mono_ns(),
            );
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
            let health = Health { state: field("state"), cause: field("cause"), fix: field("fix") };
            if !self.note(&port.id, &health) {
                return Status::OK;
            }
        }
        port.pulse.told.store(self.clock.mono_ns(), Ordering::Relaxed);
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
}

/// What an instance's thread is doing, for whoever looks from outside.
#[derive(Default)]
pub struct Pulse {
    /// When the running call began, on the monotonic clock; 0: none runs.
    busy: AtomicU64,
    /// When it last stored something, or was created.
    told: AtomicU64,
}

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
        if self.router.paused() {
            return Status::OK;
        }
        let blob = Blob { media_type: media_type.to_owned(), bytes: bytes.to_owned() };
        self.router.record(self, event, Some(blob))
    }

    fn state_folder(&self) -> Option<&str> {
        Some(&self.state_folder)
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

    /// Notes that the instance is created now.
    pub fn created(&self) {
        self.pulse.told.store(self.router.clock.mono_ns(), Ordering::Relaxed);
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

#[derive(Default)]
struct Losses {
    open: Mutex<(Ledger, bool)>,
    total: Mutex<Ledger>,
    changed: Condvar,
}

impl Losses {
    fn add(&self, instance: &str, reason: &'static str, count: u64, now: u64) {
        let add = |ledger: &mut Ledger| {
            let loss = ledger.entry((instance.to_owned(), reason)).or_insert_with(|| Loss {
                instance: instance.to_owned(),
                reason: reason.to_owned(),
                count: 0,
                from_mono_ns: now,
                to_mono_ns: now,
            });
            loss.count += count;
            loss.to_mono_ns = now;
        };
        add(&mut self.total.lock().unwrap_or_else(PoisonError::into_inner));
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        add(&mut open.0);
        self.changed.notify_all();
    }

    /// Waits for losses and lets them gather; `None` when closed and told.
    fn wait(&self) -> Option<Vec<Loss>> {
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

    fn close(&self) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).1 = true;
        self.changed.notify_all();
    }
}

/// What was counted since the live line was last shown; counts only, so that it can be on anybody's screen.
#[derive(Default)]
pub struct Live {
    first: AtomicU64,
    second: AtomicU64,
    active_s: AtomicU64,
    keys: AtomicU64,
    clicks: AtomicU64,
    origins: [AtomicU64; 4],
}

impl Live {
    fn count(&self, events: &[Event<'_>], now: u64, faults: u64) {
        if faults > 0 {
            return;
        }
        self.first.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed).ok();
        for event in events.iter().filter(|event| event.kind != DEVICE && event.kind.0 <= KEY.0) {
            self.origins[event.origin() as usize].fetch_add(1, Ordering::Relaxed);
            let second = event.mono_ns / 1_000_000_000;
            if self.second.swap(second, Ordering::Relaxed) != second {
                self.active_s.fetch_add(1, Ordering::Relaxed);
            }
            let pressed = event.args[1] == 1;
            match event.kind {
                KEY if pressed && event.args[2] == 0 => self.keys.fetch_add(1, Ordering::Relaxed),
                BUTTON if pressed => self.clicks.fetch_add(1, Ordering::Relaxed),
                _ => 0,
            };
        }
    }

    /// When the first signal came, on the monotonic clock; 0 before.
    pub fn first_mono_ns(&self) -> u64 {
        self.first.load(Ordering::Relaxed)
    }

    /// The line, for example `active 41 s, 122 keys, 9 clicks, physical`; starts counting anew.
    pub fn line(&self) -> String {
        let take = |counter: &AtomicU64| counter.swap(0, Ordering::Relaxed);
        let (active, keys, clicks) = (take(&self.active_s), take(&self.keys), take(&self.clicks));
        let origins = Origin::ALL.into_iter().filter(|origin| take(&self.origins[*origin as usize]) > 0);
        let origins: Vec<&str> = origins.map(Origin::name).collect();
        match origins.is_empty() {
            true => "no input".to_owned(),
            false => format!("active {active} s, {keys} keys, {clicks} clicks, {}", origins.join(" and ")),
        }
    }
}
