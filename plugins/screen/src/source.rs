//! The source: waits until a shot is due, takes it, and says how that went.

use std::time::{Duration, Instant};

use plugin_api::{event::SCREENSHOT, prelude::*};

pub use crate::config::Config;
use crate::{
    config::{Redact, Settings},
    gate::{Ask, Gate, Refused, Taken, Wanted},
    schedule::Schedule,
    shot::{Order, Report, Shooter},
    worker::Worker,
};

/// The first wait before another try when the screen can't be read; doubles up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// How long somebody who asks for a shot is kept waiting: less than the agent's own patience. Last in the queue of a busy
/// machine a shot takes long.
const ASK_LIMIT: Duration = Duration::from_secs(30);

/// Takes screenshots.
pub struct Screen {
    gate: Gate,
    host: Host,
}

impl Source for Screen {
    type Config = Config;
    const COLLECTS: &'static str = "screenshots of every monitor at intervals and on request, blurred until no text can be read unless configured otherwise";
    const NEVER: &'static str = "window titles, sound or video, or on X11 with a window manager the windows of password managers and private browsing";

    const REQUESTS: &'static [&'static str] = &["shot"];

    fn new(config: Config, host: &Host) -> Result<Self, Error> {
        Ok(Self { gate: Gate::new(settings(config)?), host: *host })
    }

    fn configure(&self, config: Config) -> Result<Change, Error> {
        self.gate.set(settings(config)?);
        Ok(Change::Applied)
    }

    fn run(&self, out: &Out<'_>) -> Result<(), Error> {
        #[cfg(target_os = "linux")]
        crate::sys::keep_no_large_memory();
        let start = Instant::now();
        // A host of before it told its clock stamps records itself.
        let now = || out.mono_ns().unwrap_or_else(|| start.elapsed().as_nanos() as u64);
        let (_, mut settings, _) = self.gate.read();
        let mut schedule = Schedule::new(settings.every, settings.jitter, now(), &mut random);
        let mut worker = Worker::default();
        let mut told: Option<Health> = None;
        tell_health(out, &mut told, Health::ok("no shot was due yet"))?;
        // When a shot that failed is tried again, and how long to wait after that.
        let mut again: Option<(u64, Duration)> = None;
        let mut version = 0;
        loop {
            let (wanted, new, seen) = self.gate.read();
            if seen != version {
                version = seen;
                schedule.change(new.every, new.jitter, now(), &mut random);
                worker.shooter().forget();
                settings = new;
            }
            match wanted {
                Wanted::Stop => return Ok(()),
                Wanted::Pause => {
                    self.gate.wait(version, None);
                    // A shot that was due meanwhile is not made up for.
                    if schedule.due() <= now() {
                        schedule.taken(now(), &mut random);
                    }
                    again = None;
                    continue;
                }
                Wanted::Run => {}
            }
            if let Some(ask) = self.gate.asked() {
                if let Some(health) = self.shoot_for(ask, &settings, &mut worker, now(), version) {
                    tell_health(out, &mut told, health)?;
                }
                continue;
            }
            let due = again.map_or(u64::MAX, |(at, _)| at).min(schedule.due());
            if let Some(left) = due.checked_sub(now()).filter(|left| *left > 0) {
                self.gate.wait(version, Some(Duration::from_nanos(left)));
                continue;
            }
            let is_due = schedule.due() <= now();
            // What changes meanwhile counts for this shot too: it is thrown away, and taken again if it is still due.
            let order = Order {
                settings: settings.clone(),
                reason: "interval",
                mono_ns: now(),
                begun: Instant::now(),
            };
            let Some(ended) = worker.shoot(&order, || self.gate.read().2 == version) else { continue };
            if is_due {
                schedule.taken(now(), &mut random);
            }
            for report in ended.reports {
                // Of tries in between only success is worth a record.
                if is_due || report.record.outcome != "capture_failed" {
                    self.emit(&report, worker.shooter());
                }
            }
            trim();
            again = ended.lost.then(|| {
                let wait = again.map_or(FIRST_WAIT, |(_, wait)| LONGEST_WAIT.min(wait * 2));
                (now().saturating_add(wait.as_nanos() as u64), wait)
            });
            tell_health(out, &mut told, ended.health)?;
        }
    }

    fn pause(&self) {
        self.gate.want(Wanted::Pause);
    }

    fn resume(&self) {
        self.gate.want(Wanted::Run);
    }

    fn stop(&self) {
        self.gate.want(Wanted::Stop);
    }

    fn request(&self, name: &str, options: Value) -> Result<Value, Error> {
        if name != "shot" {
            return Err(Error::new(Fault::Config, format!("knows no request {name:?}; it knows shot")));
        }
        let ask: Ask = plugin_api::runtime::parse(options)?;
        let error = |fault, text: &str| Error::new(fault, text);
        let shots = self.gate.ask(ask, ASK_LIMIT).map_err(|why| match why {
            Refused::Paused => error(Fault::Missing, "observing is paused; run candor resume first"),
            Refused::Stopping => error(Fault::Missing, "it is about to stop"),
            Refused::Late => error(Fault::Busy, "no shot within 30 s; see candor status, or try again"),
        })?;
        Ok(json!({ "shots": shots }))
    }
}

impl Screen {
    /// A shot that somebody asked for: stored whatever it shows, and no part of the schedule.
    fn shoot_for(
        &self,
        ask: Ask,
        settings: &Settings,
        worker: &mut Worker,
        mono_ns: u64,
        version: u64,
    ) -> Option<Health> {
        let is_bare = ask.redacted && settings.redact == Redact::None;
        let redact = if is_bare { Redact::Blur } else { settings.redact };
        let settings = Settings { redact, ..settings.clone() };
        let order = Order { settings, reason: "request", mono_ns, begun: Instant::now() };
        let Some(ended) = worker.shoot(&order, || self.gate.read().2 == version) else {
            self.gate.put_back(ask);
            return None;
        };
        let mut taken = Vec::new();
        for report in ended.reports {
            let mut told = Taken::new(report.mono_ns, &report.record);
            if !self.emit(&report, worker.shooter()) {
                told.outcome = "capture_failed";
                told.cause = Some("the agent did not take it".to_owned());
                told.fix = Some("see its log".to_owned());
            }
            taken.push(told);
        }
        trim();
        if is_bare {
            // What was stored is not what the schedule would have stored, so nothing may be the same as it.
            worker.shooter().forget();
        }
        self.gate.answer(taken);
        Some(ended.health)
    }

    /// Hands a report to the host; says whether that took it.
    fn emit(&self, report: &Report, shooter: &mut Shooter) -> bool {
        let stamp = self.host.out(0).mono_ns().map_or(0, |_| report.mono_ns);
        let out = self.host.out(stamp);
        let sent = match &report.image {
            Some(image) => out.blob(SCREENSHOT, &report.record, image.media_type, &image.bytes),
            None => out.record(SCREENSHOT, &report.record),
        };
        if let Err(why) = &sent {
            warn!(%why, "screenshot not stored");
        }
        if let Some(monitor) = &report.record.monitor {
            match (&sent, &report.image) {
                (Ok(_), Some(_)) => shooter.stored(monitor, report.mono_ns),
                (Ok(_), None) => {}
                (Err(_), _) => shooter.forget_one(monitor),
            }
        }
        sent.is_ok()
    }
}

fn tell_health(out: &Out<'_>, told: &mut Option<Health>, health: Health) -> Result<(), Error> {
    if told.as_ref() == Some(&health) {
        return Ok(());
    }
    if health.state != "ok" {
        warn!(cause = health.cause, fix = health.fix, "screenshots degraded");
    }
    out.health(&health)?;
    *told = Some(health);
    Ok(())
}

fn settings(config: Config) -> Result<Settings, Error> {
    Settings::new(config).map_err(|why| Error::new(Fault::Config, why))
}

fn random(limit: u64) -> u64 {
    // Without a source of randomness the shot comes when the interval starts.
    getrandom::u64().unwrap_or(0) % limit.max(1)
}

fn trim() {
    #[cfg(target_os = "linux")]
    crate::sys::trim();
}
