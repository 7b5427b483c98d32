//! The agent from start to stop: puts the parts together.

use std::{
    env,
    io::{IsTerminal, stdout},
    path::Path,
    sync::{Arc, Mutex, OnceLock},
    time::Instant,
};

use plugin_api::event::GAP;
use serde_json::json;
use tracing::{error, info, warn};

use crate::{
    clock::{self, Clock},
    config::Config,
    control::{self, Listener},
    error::{Error, Result},
    instance::{Holder, Lock},
    journal::{self, Journal, Record},
    policy::{self, Proof},
    route::{Role, Router},
    scan::{self, Found, Scan},
    stop::{self, Stop, Worker},
    upload::Upload,
};

mod keep;
mod reload;
mod shared;
mod signals;
mod units;

use shared::{Live, Shared, answer};
use units::Units;

/// Runs the agent until a signal stops it.
pub fn run(config: &Config, state: &Path) -> Result<()> {
    let begun = Instant::now();
    let stop = Arc::new(Stop::default());
    let running: Arc<OnceLock<Arc<Shared>>> = Arc::default();
    let reloads = running.clone();
    signals::handle(stop.clone(), move || match reloads.get().map(|shared| shared.reload(None)) {
        None | Some(Ok(_)) => {}
        Some(Err(why)) => error!(why, "config not reloaded"),
    })?;
    let clock = Clock::system();
    let holder = Holder { pid: std::process::id(), started: clock::rfc3339(clock.unix_ns()) };
    let _lock = Lock::take(state, &holder)?;
    let found = found(config, Some(state))?;
    let agent = Agent::start(config, state, &found, clock, holder, begun, stop)?;
    // Set once, here.
    let _ = running.set(agent.shared.clone());
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
        let accepted = policy::accepted(state);
        let settled = reload::settle(accepted.as_ref(), config, Proof::None, found);
        // What raises and was not agreed to waits; the rest runs as the file says.
        let file = config;
        let config = &settled.config;
        let (journal, recovery) = Journal::open(journal_options(config, state, clock.clone()))?;
        for finding in &recovery.findings {
            warn!("{finding}");
        }
        let journal = Arc::new(journal);
        let begun_mono_ns =
            clock.mono_ns().saturating_sub(u64::try_from(begun.elapsed().as_nanos()).unwrap_or(0));
        let router = Arc::new(Router::new(journal.clone(), clock));
        let units = Units::default();
        units.load(config, state, found, &router);
        let live = Live {
            config: file.clone(),
            running: config.clone(),
            accepted: settled.accepted.clone(),
            pending: settled.pending.clone(),
        };
        let shared = Shared {
            state: state.to_owned(),
            holder,
            begun,
            begun_mono_ns,
            on_terminal: stdout().is_terminal(),
            stop,
            router,
            journal: journal.clone(),
            units,
            live: Mutex::new(live),
            reloading: Mutex::default(),
            upload: OnceLock::new(),
            pause: Mutex::default(),
        };
        if accepted.as_ref() != Some(&settled.accepted) {
            policy::keep(state, &settled.accepted)
                .unwrap_or_else(|error| warn!(%error, "what is accepted is not noted"));
        }
        // Before anything is observed.
        shared.tell_start(&settled);
        let behind = shared.behind(&settled);
        shared.units.start(Role::Sink)?;
        let upload = Arc::new(Upload::start(journal.spool(), state, shared.targets(config))?);
        // Set once, here.
        let _ = shared.upload.set(Arc::downgrade(&upload));
        shared.tell_dropped(&settled, &behind);
        shared.units.start(Role::Detector)?;
        shared.units.start(Role::Source)?;
        let shared = Arc::new(shared);
        let others = others(&shared, &upload)?;
        keep::start(&shared)?;
        Ok(Self { shared, upload, others })
    }

    /// Stops in the order of the flow; who takes too long is left behind and named.
    fn finish(self) {
        let Self { shared, upload, others } = self;
        let mut late = shared.units.stop(Role::Source, stop::SOURCES);
        late.extend(shared.units.stop(Role::Detector, stop::DETECTORS));
        shared.resume("");
        for name in &late {
            let gap = json!({"reason": "did not stop in time: what it held is lost"});
            shared.router.host_record(GAP, name, &gap);
            warn!(plugin = name, "did not stop in time");
        }
        shared.router.close();
        upload.close();
        control::wake(&shared.state);
        shared.journal.spool().wake();
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
    if shared.on_terminal {
        let first = shared.clone();
        workers.push(worker("first shot", move || first.show_first())?);
        workers.push(worker("live", move || live.show_live())?);
    }
    Ok(workers)
}
