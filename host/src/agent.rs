//! The agent from start to stop: puts the parts together.

use std::{
    collections::BTreeMap,
    env,
    io::{IsTerminal, stdout},
    path::Path,
    sync::{Arc, Mutex},
    time::Instant,
};

use plugin_api::event::GAP;
use serde_json::json;
use tracing::{debug, error, info, warn};

use crate::{
    batch::Queue,
    call::{self, Instance, Sink, Slot},
    check,
    clock::{self, Clock},
    config::Config,
    control::{self, Listener},
    error::{Error, Result},
    instance::{Holder, Lock},
    journal::{self, Journal, Record},
    load, log,
    route::{Port, Pulse, Role, Router},
    scan::{self, Found, Scan},
    status::Plugin,
    stop::{self, Stop, Worker},
    upload::{Target, Upload},
};

mod keep;
mod shared;

use keep::Kept;
use shared::{Shared, answer};

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

/// How a config has the journal opened.
pub fn journal_options(config: &Config, state: &Path, clock: Clock) -> journal::Options {
    let sinks = config.sink.iter().filter(|entry| entry.enabled);
    journal::Options {
        label: config.agent.label.clone(),
        seal_every: config.journal.seal_every,
        seal_size: config.journal.seal_size,
        grace: config.outbox.grace,
        cipher: config.seal.cipher(),
        rules: config.retain.rules(),
        max: config.spool.max,
        sinks: sinks.map(|entry| entry.id.clone()).collect(),
        ..journal::Options::new(state, clock)
    }
}

/// A running agent.
struct Agent {
    shared: Arc<Shared>,
    upload: Arc<Upload>,
    sources: Vec<Worker>,
    detectors: Vec<Worker>,
    others: Vec<Worker>,
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
        let (journal, recovery) = Journal::open(journal_options(config, state, clock.clone()))?;
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
            instances,
            unmatched,
            slots: BTreeMap::new(),
            queues: BTreeMap::new(),
            may_delete: config.outbox.delete,
            pause: Mutex::default(),
        };
        // Before anything is observed.
        shared.tell_start();
        let entry = |id: &str| config.sink.iter().find(|entry| entry.id == id);
        let targets = shared.of(Role::Sink).map(|sink| {
            let (id, store) = (sink.port.id.clone(), Arc::new(Sink::new(sink.clone())));
            let (kinds, limits) =
                entry(&id).map(|entry| (entry.kinds.clone(), entry.limits)).unwrap_or_default();
            Target { kinds, limits, id, store }
        });
        let targets: Vec<Target> = targets.collect();
        let kept = kept(config, &targets);
        let upload = Upload::start(journal.spool(), state, targets)?;
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
        keep::start(&shared, kept)?;
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
        let mut late = stop::join(others, stop::OTHERS);
        shared.router.seal_off();
        if let Err(error) = shared.journal.seal_within(stop::JOURNAL) {
            warn!(%error, "not sealed at the end");
        }
        match Arc::into_inner(upload) {
            Some(upload) => late.extend(upload.stop(stop::SINKS)),
            // The control thread has it, and is among the late ones.
            None => warn!("sinks are not stopped but left to end with the process"),
        }
        for name in late {
            let gap = json!({"reason": "did not stop in time: what it was doing is done at the next start"});
            let gap = Record::new("gap", &*name, gap.to_string());
            let told = shared.journal.append(gap);
            warn!(thread = name, error = told.err().map(|error| error.to_string()), "did not stop in time");
        }
        if let Err(error) = shared.journal.close(stop::LAST) {
            error!(%error, "journal not closed");
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

/// The sinks that are to keep what they have only so long.
fn kept(config: &Config, targets: &[Target]) -> Vec<Kept> {
    let of = |target: &Target| {
        let keep = config.sink.iter().find(|entry| entry.id == target.id)?.keep?;
        Some(Kept { id: target.id.clone(), keep, store: target.store.clone() })
    };
    targets.iter().filter_map(of).collect()
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
        let first = shared.clone();
        workers.push(worker("first shot", move || first.show_first())?);
        workers.push(worker("live", move || live.show_live())?);
    }
    Ok(workers)
}
