//! What runs: each instance with what calls it. Changes while the agent runs, as the config does.

use std::{
    mem,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use plugin_api::event::GAP;
use serde_json::{Value, json};
use tracing::{debug, error, info, warn};

use super::worker;
use crate::{
    batch::Queue,
    call::{self, Instance, Sink, Slot},
    check,
    config::{Config, Entry},
    error::Result,
    load::{self, Loaded},
    log,
    route::{Port, Pulse, Retry, Role, Router},
    scan::Found,
    status::Plugin,
    stop::{self, Stop, Worker},
};

/// Where an instance is called.
#[derive(Clone)]
pub enum Place {
    /// Loaded, not started.
    None,
    /// What runs of a source.
    Source(Slot),
    /// What waits for a detector.
    Detector(Arc<Queue>),
    /// A sink; its thread is the uploader's.
    Sink(Arc<Sink>),
}

struct Unit {
    instance: Instance,
    place: Place,
    stop: Arc<Stop>,
    worker: Option<Worker>,
}

/// All instances, in the order of the flow.
#[derive(Default)]
pub struct Units {
    all: Mutex<Vec<Unit>>,
    /// Entries of the config that can't run.
    unmatched: Mutex<Vec<Plugin>>,
}

impl Unit {
    fn start(&mut self) -> Result<()> {
        let (instance, stop) = (self.instance.clone(), self.stop.clone());
        let port = instance.port.clone();
        match port.role {
            Role::Source => {
                let slot = Slot::default();
                self.place = Place::Source(slot.clone());
                self.worker = Some(worker(&port.id, move || call::source(&instance, &slot, &stop))?);
            }
            Role::Detector => {
                let queue = Arc::new(Queue::default());
                queue.pause(port.router.paused());
                port.router.connect(&port.id, &call::reads(instance.plugin), queue.clone());
                self.place = Place::Detector(queue.clone());
                self.worker = Some(worker(&port.id, move || call::detector(&instance, &queue, &stop))?);
            }
            Role::Sink => self.place = Place::Sink(Arc::new(Sink::new(instance))),
        }
        Ok(())
    }

    /// Makes it end; the thread to wait for, if it has one of its own.
    fn halt(&mut self) -> Option<Worker> {
        let port = &self.instance.port;
        self.stop.stop();
        match mem::replace(&mut self.place, Place::None) {
            Place::None => {}
            Place::Source(slot) => {
                if let Some(cause) = call::stop(&slot) {
                    warn!(plugin = port.id, cause, "a source did not do as it was told");
                }
            }
            Place::Detector(queue) => {
                port.router.disconnect(&port.id);
                queue.close();
            }
            Place::Sink(sink) => sink.close(),
        }
        self.worker.take()
    }
}

impl Units {
    /// Loads the library of every entry that matches one; the others run not, and say why.
    pub fn load(&self, config: &Config, state: &Path, found: &[Found], router: &Arc<Router>) {
        for matched in check::matches(config, found) {
            let (entry, role) = (matched.entry, matched.role);
            match matched.outcome.and_then(|(found, _)| load::open(&found.path)) {
                Ok(loaded) => {
                    let mut all = self.all();
                    let number = 1 + all.iter().map(|unit| unit.instance.port.number).max().unwrap_or(0);
                    let instance = instance(entry, role, loaded, number, state, router);
                    all.push(Unit { instance, place: Place::None, stop: Arc::default(), worker: None });
                }
                Err(error) => {
                    error!(plugin = entry.id, %error, "not loaded");
                    let fix = "correct it (`candor check` says more), then run `candor reload`";
                    router.health(&entry.id, "failed", &error.to_string(), fix);
                    self.unmatched().push(Plugin::unloaded(&entry.id, role, &entry.plugin));
                }
            }
        }
    }

    /// Starts all of a role that are not started.
    pub fn start(&self, role: Role) -> Result<()> {
        let mut all = self.all();
        let new = |unit: &&mut Unit| unit.instance.port.role == role && matches!(unit.place, Place::None);
        all.iter_mut().filter(new).try_for_each(Unit::start)
    }

    /// Every instance and where it is called.
    pub fn each(&self) -> Vec<(Instance, Place)> {
        self.all().iter().map(|unit| (unit.instance.clone(), unit.place.clone())).collect()
    }

    /// Entries of the config that can't run.
    pub fn unmatched(&self) -> MutexGuard<'_, Vec<Plugin>> {
        self.unmatched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with what runs of each source.
    pub fn each_source(&self, f: fn(&Slot) -> Option<String>) {
        for (instance, place) in self.each() {
            let Place::Source(slot) = place else { continue };
            if let Some(cause) = f(&slot) {
                // The router drops what comes all the same.
                warn!(plugin = instance.port.id, cause, "a source did not do as it was told");
            }
        }
    }

    /// Pauses or resumes what waits for detectors.
    pub fn pause_queues(&self, paused: bool) {
        for (_, place) in self.each() {
            if let Place::Detector(queue) = place {
                queue.pause(paused);
            }
        }
    }

    /// Stops all of a role; the names of those that took too long.
    pub fn stop(&self, role: Role, time: Duration) -> Vec<String> {
        let mut of: Vec<Unit> = {
            let mut all = self.all();
            let (of, others) =
                mem::take(&mut *all).into_iter().partition(|unit| unit.instance.port.role == role);
            *all = others;
            of
        };
        stop::join(of.iter_mut().filter_map(Unit::halt).collect(), time)
    }

    /// Makes what runs what a config asks for; an instance of which nothing changed goes on undisturbed.
    pub fn apply(&self, config: &Config, state: &Path, found: &[Found], router: &Arc<Router>) -> Result<()> {
        for mut unit in self.take_gone(config, found) {
            let port = unit.instance.port.clone();
            let time = if port.role == Role::Detector { stop::DETECTORS } else { stop::SOURCES };
            for name in stop::join(unit.halt().into_iter().collect(), time) {
                let gap = json!({"reason": "did not stop in time: what it held is lost"});
                router.host_record(GAP, &name, &gap);
                warn!(plugin = name, "did not stop in time");
            }
            router.forget(&port.id);
            info!(plugin = port.id, "ended");
        }
        self.unmatched().clear();
        let running: Vec<String> =
            self.each().into_iter().map(|(instance, _)| instance.port.id.clone()).collect();
        let mut new = config.clone();
        new.source.retain(|entry| !running.contains(&entry.id));
        new.detector.retain(|entry| !running.contains(&entry.id));
        new.sink.retain(|entry| !running.contains(&entry.id));
        self.load(&new, state, found, router);
        [Role::Sink, Role::Detector, Role::Source].into_iter().try_for_each(|role| self.start(role))
    }

    /// Passes changed options on, and takes out what a config no longer asks for or what has to be created anew.
    fn take_gone(&self, config: &Config, found: &[Found]) -> Vec<Unit> {
        let matches = check::matches(config, found);
        let mut gone = Vec::new();
        for (instance, place) in self.each() {
            let port = &instance.port;
            let is_its = |one: &&check::Match<'_>| {
                (one.role, &one.entry.id, &one.entry.plugin) == (port.role, &port.id, &instance.name())
            };
            let options = matches.iter().find(is_its).map(|one| check::options(one.entry));
            let stays = options.is_some_and(|options| {
                options == instance.config() || configure(&instance, &place, &options)
            });
            if !stays {
                gone.push(port.number);
            }
        }
        let mut all = self.all();
        let is_gone = |unit: &Unit| gone.contains(&unit.instance.port.number);
        let (gone, kept) = mem::take(&mut *all).into_iter().partition(is_gone);
        *all = kept;
        gone
    }

    fn all(&self) -> MutexGuard<'_, Vec<Unit>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Passes changed options on. False when the instance has to be created anew.
fn configure(instance: &Instance, place: &Place, options: &Value) -> bool {
    instance.set_config(options.clone());
    let applied = match place {
        Place::None => true,
        Place::Source(slot) => call::configure(slot, options),
        // Done by its own thread, which creates it anew if need be: what waits for it isn't lost.
        Place::Detector(queue) => queue.change(),
        Place::Sink(sink) => {
            sink.configure(options);
            true
        }
    };
    info!(plugin = instance.port.id, applied, "options changed");
    applied
}

fn instance(
    entry: &Entry,
    role: Role,
    loaded: Loaded,
    number: u16,
    state: &Path,
    router: &Arc<Router>,
) -> Instance {
    let port = Port {
        router: router.clone(),
        number,
        id: entry.id.clone(),
        role,
        version: loaded.version,
        state_folder: state.display().to_string(),
        level: log::number(),
        pulse: Pulse::default(),
        retry: Retry::default(),
    };
    debug!(plugin = entry.id, version = port.version, library = %loaded.path.display(), "loaded");
    Instance::new(port, loaded.plugin, loaded.path, check::options(entry))
}
