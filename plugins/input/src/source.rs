//! The source: picks a backend, runs it, and looks for one again when it is lost.

use std::{sync::Arc, time::Duration};

use plugin_api::prelude::*;

use crate::{
    backend::{self, Choice},
    batch::Batch,
    gate::{Gate, Wanted},
};

config! {
    /// How input is observed.
    pub struct Config {
        /// `auto`; `x11`, `evdev` and `rdev` on Linux, `x11` on BSD, `windows` and `rdev` on Windows, `rdev` on macOS.
        #[serde(default = "auto")]
        #[schemars(extend("x-raises" = [["x11", "windows", "rdev"], "auto", "evdev"]))]
        pub backend: String,
        /// The X display; `$DISPLAY` by default, or `:0` where that isn't set.
        #[serde(default)]
        pub display: Option<String>,
    }
}

fn auto() -> String {
    "auto".to_owned()
}

/// The first wait between two tries to find a backend; doubles up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Observes mouse and keyboard.
pub struct Input {
    choice: Choice,
    gate: Arc<Gate>,
}

impl Source for Input {
    type Config = Config;
    const COLLECTS: &'static str = "when and how far the pointer moves, clicks, wheel turns, key presses by class, and which input devices there are";
    const NEVER: &'static str = "which key is pressed, what is typed, or the clipboard";

    fn new(config: Config, _: &Host) -> Result<Self, Error> {
        let choice = Choice::new(config).map_err(|why| Error::new(Fault::Config, why))?;
        Ok(Self { choice, gate: Arc::new(Gate::new()?) })
    }

    fn run(&self, out: &Out<'_>) -> Result<(), Error> {
        let mut batch = Batch::new();
        let mut health = Said { last: None };
        let mut wait = FIRST_WAIT;
        loop {
            match self.gate.wanted() {
                Wanted::Stop => return Ok(()),
                Wanted::Pause => {
                    self.gate.wait(None);
                    continue;
                }
                Wanted::Run => {}
            }
            // Before the look, so that a display that comes in between is not missed.
            let watch = backend::watch(&self.choice);
            let lost = match backend::open(&self.choice, &self.gate) {
                Ok(mut backend) => {
                    info!(backend = backend.name(), blind = backend.blind(), "observing");
                    let cause = format!("{}; blind to {}", backend.name(), backend.blind());
                    let told = match backend.fix() {
                        None => Health::ok(cause),
                        Some(fix) => Health::degraded(cause, fix),
                    };
                    health.say(out, told)?;
                    wait = FIRST_WAIT;
                    match backend.run(&self.gate, &mut batch, out) {
                        Ok(()) => continue,
                        Err(lost) => lost,
                    }
                }
                Err(lost) => lost,
            };
            batch.flush(out);
            if self.gate.wanted() == Wanted::Run {
                health.say(out, Health::degraded(lost.cause, lost.fix))?;
                if watch.wait(&self.gate, wait) {
                    wait = FIRST_WAIT;
                } else {
                    wait = LONGEST_WAIT.min(wait * 2);
                }
            }
        }
    }

    fn pause(&self) {
        self.gate.set(Wanted::Pause);
    }

    fn resume(&self) {
        self.gate.set(Wanted::Run);
    }

    fn stop(&self) {
        self.gate.set(Wanted::Stop);
    }
}

/// What was said last, so that a state is told once.
struct Said {
    last: Option<Health>,
}

impl Said {
    fn say(&mut self, out: &Out<'_>, health: Health) -> Result<(), Error> {
        if self.last.as_ref() == Some(&health) {
            return Ok(());
        }
        if health.state != "ok" {
            warn!(cause = health.cause, fix = health.fix, "degraded");
        }
        out.health(&health)?;
        self.last = Some(health);
        Ok(())
    }
}
