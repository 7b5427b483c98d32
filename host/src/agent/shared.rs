//! What the agent's threads share, and what may be asked of it while it runs.

use std::{
    env,
    io::{Write, stdout},
    path::PathBuf,
    sync::{Arc, Mutex, OnceLock, PoisonError, Weak},
    time::{Duration, Instant},
};

use plugin_api::event::{GAP, NOTICE};
use serde_json::{Value, json};
use tracing::{info, warn};

use super::{
    units::{Place, Units},
    worker,
};
use crate::{
    call::{self, Instance, Slot},
    clock,
    config::Config,
    control::{Answer, Request},
    error::{Error, Result},
    instance::Holder,
    journal::{self, Journal},
    meter, notice,
    outbox::Outbox,
    policy::{Accepted, Change, Settled},
    queue,
    route::{Health, Router},
    shot,
    status::{Lost, Plugin, Status},
    stop::Stop,
    upload::{Progress, Upload},
};

/// When the first live line comes, and how often the next ones do.
const LIVE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(60));
/// A call of a detector that runs so long is worth telling.
const STUCK: Duration = Duration::from_secs(5);

/// What its threads share.
pub struct Shared {
    /// The state folder.
    pub state: PathBuf,
    /// Who this process is to others.
    pub holder: Holder,
    /// When it started.
    pub begun: Instant,
    /// The same on the monotonic clock.
    pub begun_mono_ns: u64,
    /// Whether somebody sees what it prints.
    pub on_terminal: bool,
    /// Thrown when it is to end.
    pub stop: Arc<Stop>,
    /// Where everything that plugins emit comes together.
    pub router: Arc<Router>,
    /// Where records go.
    pub journal: Arc<Journal>,
    /// What runs.
    pub units: Units,
    /// The config it runs by.
    pub live: Mutex<Live>,
    /// Held while a config is taken over.
    pub reloading: Mutex<()>,
    /// What sends to sinks, as long as it is there.
    pub upload: OnceLock<Weak<Upload>>,
    /// Whether capture is paused.
    pub pause: Mutex<Pause>,
}

/// The config that runs.
#[derive(Clone)]
pub struct Live {
    /// As it was read at the start: what only counts from a start on goes by it.
    pub config: Config,
    /// What everything else goes by: the last that was read, as far as the person accepted it.
    pub running: Config,
    /// What the person accepted.
    pub accepted: Accepted,
    /// What waits until the person agrees.
    pub pending: Vec<Change>,
}

/// Whether capture is paused.
#[derive(Default)]
pub struct Pause {
    /// Since when, on the monotonic clock.
    since: Option<u64>,
    /// Counts pauses, so that a timer of an earlier one ends nothing.
    number: u64,
}

/// Answers one request of the control socket.
pub fn answer(shared: &Arc<Shared>, upload: &Upload, request: &Request) -> Answer {
    match request {
        Request::Status => match serde_json::to_value(shared.status(upload)) {
            Ok(status) => Answer::Ok(status),
            Err(error) => Answer::Error(error.to_string()),
        },
        Request::Pause { for_s } => match shared.pause(*for_s) {
            Ok(text) => Answer::Ok(text.into()),
            Err(error) => Answer::Error(error.to_string()),
        },
        Request::Delete { id, why } => match shared.delete(*id, why) {
            Ok(()) => Answer::Ok(json!(true)),
            Err(error) => Answer::Error(error.to_string()),
        },
        Request::Resume => Answer::Ok(shared.resume("observing again").into()),
        Request::Queue => Answer::Ok(json!(waiting(upload.progress(), upload))),
        Request::Progress { within_ms } => {
            let most = Duration::from_millis(*within_ms);
            Answer::Ok(json!(waiting(upload.next_progress(most), upload)))
        }
        Request::Flush => match shared.journal.seal() {
            Ok(()) => {
                upload.hurry();
                Answer::Ok(json!(waiting(upload.progress(), upload)))
            }
            Err(error) => Answer::Error(error.to_string()),
        },
        Request::Retry { sink, key } => Answer::Ok(upload.retry(sink.as_deref(), key.as_deref()).into()),
        Request::Reload { proof } => match shared.reload(proof.as_deref()) {
            Ok(done) => Answer::Ok(json!(done)),
            Err(error) => Answer::Error(error),
        },
        Request::Ask { name, options } => match shared.ask(name, options) {
            Ok(answers) => Answer::Ok(answers),
            Err(error) => Answer::Error(error),
        },
    }
}

fn waiting(sinks: Vec<Progress>, upload: &Upload) -> queue::Queue {
    queue::Queue { running: true, sinks, refused: upload.refused() }
}

impl Shared {
    /// Every instance whose library is loaded.
    pub fn instances(&self) -> Vec<Instance> {
        self.units.each().into_iter().map(|(instance, _)| instance).collect()
    }

    /// The config as it is now.
    pub fn live(&self) -> Live {
        self.live.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sources that know a request, with what runs of each.
    fn who_know(&self, request: &str) -> Vec<(String, Slot)> {
        let knows = |(instance, place): (Instance, Place)| match place {
            Place::Source(slot) if plugin_api::call::knows(instance.plugin, request) => {
                Some((instance.port.id.clone(), slot))
            }
            _ => None,
        };
        self.units.each().into_iter().filter_map(knows).collect()
    }

    /// Tells the person what is collected: on the terminal, and as a record.
    pub fn tell_start(&self, settled: &Settled) {
        let notice = notice::notice(&self.instances()).changed("start", settled);
        self.router.host_record(NOTICE, journal::INSTANCE, &json!(notice));
        if self.on_terminal {
            say(&notice::text(&notice, &self.state, &self.commands()));
        } else {
            info!(collects = ?notice.collects, never = ?notice.never, goes_to = ?notice.goes_to, "notice");
        }
        if !notice.pending.is_empty() {
            warn!(pending = ?notice.pending, "waits until it is allowed: run `candor reload` on a terminal");
        }
    }

    pub fn commands(&self) -> Vec<String> {
        let exe = env::current_exe().unwrap_or_else(|_| "candor".into());
        let default = Config::default().state().ok();
        notice::commands(&exe, &self.state, default.as_deref())
    }

    /// Shows what was counted: soon after the start, then once a minute.
    pub fn show_live(&self) {
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
        self.units.each_source(call::pause);
        self.units.pause_queues(true);
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

    fn delete(&self, id: u64, why: &str) -> Result<()> {
        let live = self.live();
        if !live.running.outbox.delete {
            let text = "deleting is off: [outbox] delete = false; ask whoever manages this device";
            return Err(Error::Forbidden { text });
        }
        self.journal.delete(id, why)
    }

    /// Ends a pause, if there is one, and records it as the gap it is.
    pub fn resume(&self, done: &str) -> String {
        let since = self.pause.lock().unwrap_or_else(PoisonError::into_inner).since.take();
        let Some(since) = since else { return "was not paused".to_owned() };
        let gap =
            json!({"reason": "paused", "from_mono_ns": since, "to_mono_ns": self.router.clock.mono_ns()});
        self.router.host_record(GAP, journal::INSTANCE, &gap);
        self.router.pause(false);
        self.units.pause_queues(false);
        if !self.stop.stopped() {
            self.units.each_source(call::resume);
            self.router.host_record(NOTICE, journal::INSTANCE, &json!({"cause": "resume"}));
            info!("resumed");
        }
        done.to_owned()
    }

    /// Has every source that knows a request do what it asks for, and waits until what comes of it is durable.
    pub fn ask(&self, name: &str, options: &Value) -> Result<Value, String> {
        if self.router.paused() {
            return Err("observing is paused; run `candor resume` first".to_owned());
        }
        let ask = |(id, slot): (String, Slot)| match call::running(&slot) {
            None => {
                let health = self.router.healths().remove(&id).unwrap_or_default();
                json!({"instance": id, "error": format!("does not run now: {}; {}", health.cause, health.fix)})
            }
            Some(running) => match running.ask(name, options) {
                Ok(answer) => json!({"instance": id, "answer": answer}),
                Err(failure) => json!({"instance": id, "error": failure.text}),
            },
        };
        let answers: Vec<Value> = self.who_know(name).into_iter().map(ask).collect();
        if answers.is_empty() {
            return Err(format!(
                "no source in the config knows the request {name:?}; add a plugin that does (`candor plugins` lists \
                 what is there) and run `candor reload`"
            ));
        }
        self.journal.sync().map_err(|error| error.to_string())?;
        Ok(answers.into())
    }

    /// The first time on a terminal: has a screenshot taken, redacted whatever the config says, so that the person sees
    /// what is kept.
    pub fn show_first(&self) {
        let sources = self.who_know(shot::REQUEST);
        if shot::was_shown(&self.state) || sources.is_empty() {
            return;
        }
        for _ in 0..100 {
            if sources.iter().all(|(_, slot)| call::running(slot).is_some()) {
                break;
            }
            if self.stop.wait_for(Duration::from_millis(50)) {
                return;
            }
        }
        let told = self.ask(shot::REQUEST, &json!({"redacted": true}));
        let told = told.and_then(|answers| shot::shots(&self.state, &answers).map_err(|why| why.to_string()));
        match told {
            Ok(shots) => {
                let stored = shots.iter().any(|shot| shot.file.is_some());
                let title = if stored {
                    "A first screenshot, so that you can see what is kept"
                } else {
                    "No first screenshot yet"
                };
                say(&format!("{title}:\n{}", shot::lines(&shots)));
                if let Err(error) = if stored { shot::note_shown(&self.state) } else { Ok(()) } {
                    warn!(%error, "the next start will show a first screenshot again");
                }
            }
            Err(why) => say(&format!("No first screenshot: {why}\n")),
        }
    }

    fn status(&self, upload: &Upload) -> Status {
        let healths = self.router.healths();
        let loaded = self.units.each().into_iter().map(|(instance, place)| {
            let port = &instance.port;
            let plugin = Plugin {
                version: port.version.clone(),
                cpu_s: meter::thread_cpu_s(&instance.thread()),
                waiting: if let Place::Detector(queue) = place { queue.waiting() } else { 0 },
                ..Plugin::unloaded(&port.id, port.role, &instance.name())
            };
            match port.busy_for().filter(|busy| *busy >= STUCK) {
                Some(busy) => plugin.with(Some(&Health::stuck(busy))),
                None => plugin.with(healths.get(&port.id)),
            }
        });
        let mut plugins: Vec<Plugin> = loaded.collect();
        plugins
            .extend(self.units.unmatched().iter().map(|plugin| plugin.clone().with(healths.get(&plugin.id))));
        let live = self.live();
        let (config, pending) =
            (live.config.file.clone(), live.pending.iter().map(ToString::to_string).collect());
        let device = self.journal.spool().sealed().0;
        let outbox = Outbox::of(&self.state, &device);
        let first = self.router.live.first_mono_ns();
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: self.holder.pid,
            started: self.holder.started.clone(),
            uptime_s: self.begun.elapsed().as_secs_f64(),
            outbox: outbox.look(&self.router.clock, live.running.outbox.grace),
            device,
            state_folder: self.state.clone(),
            config,
            pending,
            paused: self.router.paused(),
            durable: self.journal.durable(),
            trouble: self.journal.trouble(),
            first_signal_ms: (first > 0).then(|| first.saturating_sub(self.begun_mono_ns) as f64 / 1e6),
            cost: meter::process(),
            plugins,
            lost: self.router.lost().into_iter().map(Lost::from).collect(),
            sinks: upload.progress().into_iter().map(|sink| (sink.id.clone(), json!(sink))).collect(),
        }
    }
}

/// Writes to standard output.
pub fn say(text: &str) {
    let mut out = stdout().lock();
    // A terminal that went away isn't worth stopping for.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
