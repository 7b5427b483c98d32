//! The agent from start to stop: puts the parts together.

use std::{
    collections::BTreeMap,
    env,
    io::{IsTerminal, Write, stdout},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use plugin_api::event::{GAP, NOTICE};
use serde_json::json;
use tracing::{debug, error, info, warn};

use crate::{
    batch::Queue,
    call::{self, Instance, Sink, Slot},
    check,
    clock::{self, Clock},
    config::Config,
    control::{self, Answer, Listener, Request},
    error::{Error, Result},
    instance::{Holder, Lock},
    journal::{self, Journal},
    load, log, meter, notice,
    route::{Health, Port, Pulse, Role, Router},
    scan::{self, Found, Scan},
    status::{Lost, Plugin, Status},
    stop::{self, Stop, Worker},
    upload::{Target, Upload},
};

/// When the first live line comes, and how often the next ones do.
const LIVE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(60));

/// A call of a detector that runs so long is worth telling.
const STUCK: Duration = Duration::from_secs(5);

/// Runs the agent until a signal stops it.
pub fn run(config: &Config) -> Result<()> {
    let begun = Instant::now();
    let stop = Arc::new(Stop::default());
    let switch = stop.clone();
    ctrlc::set_handler(move || switch.stop()).map_err(|error| Error::Signals { text: error.to_string() })?;
    let state = config.state()?;
    let clock = Clock::system();
    let holder = Holder { pid: std::process::id(), started: clock::rfc3339(clock.unix_ns()) };
    let _lock = Lock::take(&state, &holder)?;
    let found = found(config, Some(&state))?;
    let agent = Agent::start(config, &state, &found, clock, holder, begun, stop)?;
    agent.shared.stop.wait();
    info!("stopping");
    agent.finish();
    Ok(())
}

/// Looks at the plugin folders; with a state folder, remembers what it found.
pub fn found(config: &Config, state: Option<&Path>) -> Result<Vec<Found>> {
    let program = env::current_exe().map_err(|source| Error::Executable { source })?;
    let folders = config.plugin_folders();
    let found = scan::find(&Scan { folders: &folders, rules: &config.plugins, state, program: &program });
    for found in &found {
        for doubt in &found.doubts {
            warn!(plugin = found.name, doubt, "loaded all the same, since allow_unsafe is set");
        }
    }
    Ok(found)
}

/// A running agent.
struct Agent {
    shared: Arc<Shared>,
    upload: Arc<Upload>,
    sources: Vec<Worker>,
    detectors: Vec<Worker>,
    others: Vec<Worker>,
}

/// What its threads share.
struct Shared {
    state: PathBuf,
    config: Option<PathBuf>,
    holder: Holder,
    begun: Instant,
    begun_mono_ns: u64,
    stop: Arc<Stop>,
    router: Arc<Router>,
    journal: Arc<Journal>,
    device: String,
    instances: Vec<Instance>,
    /// Entries of the config that can't run.
    unmatched: Vec<Plugin>,
    slots: BTreeMap<String, Slot>,
    queues: BTreeMap<String, Arc<Queue>>,
    pause: Mutex<Pause>,
}

/// Whether capture is paused.
#[derive(Default)]
struct Pause {
    /// Since when, on the monotonic clock.
    since: Option<u64>,
    /// Counts pauses, so that a timer of an earlier one ends nothing.
    number: u64,
}

impl Agent {
    fn start(
        config: &Config,
        state: &Path,
        found: &[Found],
        clock: Clock,
        holder: Holder,
        begun: Instant,
        stop: Arc<Stop>,
    ) -> Result<Self> {
        let sinks = config.sink.iter().filter(|entry| entry.enabled);
        let options = journal::Options {
            label: config.agent.label.clone(),
            seal_every: config.journal.seal_every,
            seal_size: config.journal.seal_size,
            sinks: sinks.clone().map(|entry| entry.id.clone()).collect(),
            ..journal::Options::new(state, clock.clone())
        };
        let (journal, recovery) = Journal::open(options)?;
        for finding in &recovery.findings {
            warn!("{finding}");
        }
        let journal = Arc::new(journal);
        let begun_mono_ns =
            clock.mono_ns().saturating_sub(u64::try_from(begun.elapsed().as_nanos()).unwrap_or(0));
        let router = Arc::new(Router::new(journal.clone(), clock));
        let (instances, unmatched) = instances(config, state, found, &router);

        let mut shared = Shared {
            state: state.to_owned(),
            config: config.file.clone(),
            holder,
            begun,
            begun_mono_ns,
            stop,
            router: router.clone(),
            journal: journal.clone(),
            device: recovery.identity.id.clone(),
            instances,
            unmatched,
            slots: BTreeMap::new(),
            queues: BTreeMap::new(),
            pause: Mutex::default(),
        };
        // Before anything is observed.
        shared.tell_start();
        let kinds =
            |id: &str| config.sink.iter().find(|entry| entry.id == id).and_then(|entry| entry.kinds.clone());
        let targets = shared.of(Role::Sink).map(|sink| {
            let (id, store) = (sink.port.id.clone(), Arc::new(Sink::new(sink.clone())));
            Target { kinds: kinds(&id), id, store }
        });
        let upload = Upload::start(journal.spool(), state, targets.collect())?;
        let mut detectors = Vec::new();
        for detector in shared.of(Role::Detector).cloned().collect::<Vec<_>>() {
            let queue = Arc::new(Queue::default());
            router.connect(&detector.port.id, &call::reads(detector.plugin), queue.clone());
            shared.queues.insert(detector.port.id.clone(), queue.clone());
            let stop = shared.stop.clone();
            detectors
                .push(worker(&detector.port.id.clone(), move || call::detector(&detector, &queue, &stop))?);
        }
        let mut sources = Vec::new();
        for source in shared.of(Role::Source).cloned().collect::<Vec<_>>() {
            let slot = Slot::default();
            shared.slots.insert(source.port.id.clone(), slot.clone());
            let stop = shared.stop.clone();
            sources.push(worker(&source.port.id.clone(), move || call::source(&source, &slot, &stop))?);
        }
        let shared = Arc::new(shared);
        let upload = Arc::new(upload);
        let others = others(&shared, &upload)?;
        Ok(Self { shared, upload, sources, detectors, others })
    }

    /// Stops in the order of the flow; who takes too long is left behind and named.
    fn finish(self) {
        let Self { shared, upload, sources, detectors, others } = self;
        shared.each_source(call::stop);
        let mut late = stop::join(sources, stop::SOURCES);
        shared.queues.values().for_each(|queue| queue.close());
        late.extend(stop::join(detectors, stop::DETECTORS));
        shared.resume("");
        for name in &late {
            let gap = json!({"reason": "did not stop in time: what it held is lost"});
            shared.router.host_record(GAP, name, &gap);
            warn!(plugin = name, "did not stop in time");
        }
        shared.router.close();
        control::wake(&shared.state);
        let mut late = stop::join(others, stop::SINKS);
        shared.router.seal_off();
        if let Err(error) = shared.journal.close(stop::JOURNAL) {
            error!(%error, "journal not closed");
        }
        // The control thread has ended, so this is the last one who knows it.
        late.extend(
            Arc::into_inner(upload).map_or(vec!["control".to_owned()], |upload| upload.stop(stop::SINKS)),
        );
        for name in late {
            warn!(thread = name, "did not stop in time");
        }
    }
}

fn worker(name: &str, f: impl FnOnce() + Send + 'static) -> Result<Worker> {
    Worker::start(name, f).map_err(|source| Error::Thread { name: name.to_owned(), source })
}

/// Loads the library of every entry that matches one; the others run not, and say why.
fn instances(
    config: &Config,
    state: &Path,
    found: &[Found],
    router: &Arc<Router>,
) -> (Vec<Instance>, Vec<Plugin>) {
    let mut instances = Vec::new();
    let mut unmatched = Vec::new();
    for (number, matched) in (1..).zip(check::matches(config, found)) {
        let (entry, role) = (matched.entry, matched.role);
        let loaded = matched.outcome.and_then(|(found, _)| load::open(&found.path));
        match loaded {
            Ok(loaded) => {
                let port = Port {
                    router: router.clone(),
                    number,
                    id: entry.id.clone(),
                    role,
                    version: loaded.version.clone(),
                    state_folder: state.display().to_string(),
                    level: log::number(),
                    pulse: Pulse::default(),
                };
                debug!(plugin = entry.id, version = port.version, library = %loaded.path.display(), "loaded");
                let (plugin, library) = (loaded.plugin, loaded.path);
                instances.push(Instance {
                    port: Arc::new(port),
                    plugin,
                    library,
                    config: check::options(entry),
                });
            }
            Err(error) => {
                error!(plugin = entry.id, %error, "not loaded");
                let fix = "correct it (`candor check` says more) and start the agent again";
                router.health(&entry.id, "failed", &error.to_string(), fix);
                unmatched.push(Plugin::unloaded(&entry.id, role, &entry.plugin));
            }
        }
    }
    (instances, unmatched)
}

/// The threads that are neither source nor detector nor sink.
fn others(shared: &Arc<Shared>, upload: &Arc<Upload>) -> Result<Vec<Worker>> {
    let listener = Listener::new(&shared.state)?;
    let (control, up) = (shared.clone(), upload.clone());
    let (losses, live) = (shared.clone(), shared.clone());
    let mut workers = vec![
        worker("control", move || {
            let stopped = || control.stop.stopped();
            listener.run(&stopped, &|request| answer(&control, &up, &request));
        })?,
        worker("losses", move || losses.router.tell_losses())?,
    ];
    if stdout().is_terminal() {
        workers.push(worker("live", move || live.show_live())?);
    }
    Ok(workers)
}

fn answer(shared: &Arc<Shared>, upload: &Upload, request: &Request) -> Answer {
    match request {
        Request::Status => match serde_json::to_value(shared.status(upload)) {
            Ok(status) => Answer::Ok(status),
            Err(error) => Answer::Error(error.to_string()),
        },
        Request::Pause { for_s } => match shared.pause(*for_s) {
            Ok(text) => Answer::Ok(text.into()),
            Err(error) => Answer::Error(error.to_string()),
        },
        Request::Resume => Answer::Ok(shared.resume("observing again").into()),
    }
}

impl Shared {
    fn of(&self, role: Role) -> impl Iterator<Item = &Instance> {
        self.instances.iter().filter(move |instance| instance.port.role == role)
    }

    /// Tells the person what is collected: on the terminal, and as a record.
    fn tell_start(&self) {
        let notice = notice::notice(&self.instances);
        self.router.host_record(NOTICE, journal::INSTANCE, &json!(notice));
        if stdout().is_terminal() {
            say(&notice::text(&notice, &self.state, &self.commands()));
        } else {
            info!(collects = ?notice.collects, never = ?notice.never, goes_to = ?notice.goes_to, "notice");
        }
    }

    fn commands(&self) -> Vec<String> {
        let exe = env::current_exe().unwrap_or_else(|_| "candor".into());
        let default = Config::default().state().ok();
        notice::commands(&exe, &self.state, default.as_deref())
    }

    /// Shows what was counted: soon after the start, then once a minute.
    fn show_live(&self) {
        let mut wait = LIVE.0;
        while !self.stop.wait_for(wait) {
            let stamp = self.router.clock.stamp(0, 0);
            let local = self.router.clock.unix_ns() + i64::from(stamp.offset_s) * 1_000_000_000;
            let time = &clock::rfc3339(local)[11..16];
            let paused = if self.router.paused() { "paused, " } else { "" };
            say(&format!("{time} {paused}{}\n", self.router.live.line()));
            if wait == LIVE.0 {
                say(&format!("Try: {}\n", self.commands().join("\n     ")));
            }
            wait = LIVE.1;
        }
    }

    fn pause(self: &Arc<Self>, for_s: Option<u64>) -> Result<String> {
        let number = {
            let mut pause = self.pause.lock().unwrap_or_else(PoisonError::into_inner);
            pause.since.get_or_insert_with(|| self.router.clock.mono_ns());
            pause.number += 1;
            pause.number
        };
        self.router.pause(true);
        self.each_source(call::pause);
        let notice = json!({"cause": "pause", "for_s": for_s});
        self.router.host_record(NOTICE, journal::INSTANCE, &notice);
        info!(for_s, "paused");
        let Some(seconds) = for_s else { return Ok("paused until `candor resume`".to_owned()) };
        let shared = self.clone();
        // Not joined at the stop: it waits for that too, and then has nothing left to do.
        worker("pause", move || {
            if !shared.stop.wait_for(Duration::from_secs(seconds)) && shared.pause_number() == number {
                shared.resume("");
            }
        })?;
        Ok(format!("paused for {seconds} s; `candor resume` ends it sooner"))
    }

    fn pause_number(&self) -> u64 {
        self.pause.lock().unwrap_or_else(PoisonError::into_inner).number
    }

    /// Ends a pause, if there is one, and records it as the gap it is.
    fn resume(&self, done: &str) -> String {
        let since = self.pause.lock().unwrap_or_else(PoisonError::into_inner).since.take();
        let Some(since) = since else { return "was not paused".to_owned() };
        let gap =
            json!({"reason": "paused", "from_mono_ns": since, "to_mono_ns": self.router.clock.mono_ns()});
        self.router.host_record(GAP, journal::INSTANCE, &gap);
        self.router.pause(false);
        if !self.stop.stopped() {
            self.each_source(call::resume);
            self.router.host_record(NOTICE, journal::INSTANCE, &json!({"cause": "resume"}));
            info!("resumed");
        }
        done.to_owned()
    }

    fn each_source(&self, f: fn(&Slot) -> Option<String>) {
        for (id, slot) in &self.slots {
            if let Some(cause) = f(slot) {
                // The router drops what comes all the same.
                warn!(plugin = id, cause, "a source did not do as it was told");
            }
        }
    }

    fn status(&self, upload: &Upload) -> Status {
        let healths = self.router.healths();
        let unmatched = self.unmatched.iter().map(|plugin| plugin.clone().with(healths.get(&plugin.id)));
        let loaded = self.instances.iter().map(|instance| {
            let port = &instance.port;
            let plugin = Plugin {
                version: port.version.clone(),
                cpu_s: meter::thread_cpu_s(&instance.thread()),
                waiting: self.queues.get(&port.id).map_or(0, |queue| queue.waiting()),
                ..Plugin::unloaded(&port.id, port.role, &instance.name())
            };
            match port.busy_for().filter(|busy| *busy >= STUCK) {
                Some(busy) => plugin.with(Some(&Health::stuck(busy))),
                None => plugin.with(healths.get(&port.id)),
            }
        });
        let plugins = loaded.chain(unmatched);
        let first = self.router.live.first_mono_ns();
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: self.holder.pid,
            started: self.holder.started.clone(),
            uptime_s: self.begun.elapsed().as_secs_f64(),
            device: self.device.clone(),
            state_folder: self.state.clone(),
            config: self.config.clone(),
            paused: self.router.paused(),
            durable: self.journal.durable(),
            trouble: self.journal.trouble(),
            first_signal_ms: (first > 0).then(|| first.saturating_sub(self.begun_mono_ns) as f64 / 1e6),
            cost: meter::process(),
            plugins: plugins.collect(),
            lost: self.router.lost().into_iter().map(Lost::from).collect(),
            sinks: upload.progress().into_iter().map(|sink| (sink.id.clone(), json!(sink))).collect(),
        }
    }
}

fn say(text: &str) {
    let mut out = stdout().lock();
    // A terminal that went away isn't worth stopping for.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
