//! The source.

use std::{
    path::PathBuf,
    sync::{
        Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use plugin_api::prelude::*;

use crate::{Faults, absurd, block, garbage};

config! {
    /// What the source does.
    pub enum SourceDoes {
        Nothing, Count, Spin, Burst, Records, Pictures, Steady, Garbage, Absurd, Deaf, Stuck, Retry, Fatal,
        PanicNew, PanicRun, PanicPause, PanicStop, PanicDrop,
    }
}

config! {
    /// The source's config.
    pub struct SourceConfig {
        /// What it does.
        pub does: SourceDoes,
        /// How often it goes wrong before it behaves; always when not given.
        #[serde(default)]
        pub times: Option<u32>,
        /// How many key signals `count`, `burst` and `steady` emit.
        #[serde(default)]
        pub count: u32,
        /// The file that ends what blocks.
        #[serde(default)]
        pub until: Option<PathBuf>,
    }
}

/// A source that goes wrong; when it doesn't, it emits `count` keys and waits.
pub struct FaultySource {
    config: SourceConfig,
    stopped: Mutex<bool>,
    wake: Condvar,
    spinning: AtomicBool,
}

static FAULTS: Faults = Faults::new();

fn now() -> u64 {
    // Any clock that only goes forward does for a test; the host sees nanoseconds.
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    u64::try_from(START.get_or_init(Instant::now).elapsed().as_nanos()).unwrap_or(u64::MAX) + 1
}

fn key() -> Event<'static> {
    Event::key_class(now(), Origin::Physical, 0, KeyClass::Letter, true)
}

impl FaultySource {
    fn wait(&self) {
        let stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        let _guard =
            self.wake.wait_while(stopped, |stopped| !*stopped).unwrap_or_else(PoisonError::into_inner);
    }

    /// Waits a moment, or for the stop.
    fn rest(&self) -> bool {
        let stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.wake.wait_timeout_while(stopped, Duration::from_millis(1), |stopped| !*stopped);
        !*waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn count(&self, out: &Out<'_>) {
        (0..self.config.count).for_each(|_| {
            out.emit(&[key()]);
        });
    }
}

impl Source for FaultySource {
    type Config = SourceConfig;
    const COLLECTS: &'static str = "made-up keys";
    const NEVER: &'static str = "anything real";

    fn new(config: SourceConfig, _: &Host) -> Result<Self, Error> {
        if config.does == SourceDoes::PanicNew && FAULTS.due(config.times) {
            panic!("the source panics in new");
        }
        let (stopped, wake) = (Mutex::new(false), Condvar::new());
        Ok(Self { config, stopped, wake, spinning: AtomicBool::new(true) })
    }

    fn run(&self, out: &Out<'_>) -> Result<(), Error> {
        let due = || FAULTS.due(self.config.times);
        match self.config.does {
            SourceDoes::PanicRun if due() => panic!("the source panics in run"),
            SourceDoes::Retry if due() => {
                return Err(Error::new(Fault::Missing, "not there yet; plug it in"));
            }
            SourceDoes::Fatal if due() => {
                return Err(Error::new(Fault::Config, "never will be; change the config"));
            }
            SourceDoes::Stuck => {
                block(self.config.until.as_deref());
                self.count(out);
            }
            SourceDoes::Spin => {
                while self.spinning.load(Ordering::Relaxed) {
                    out.emit(&[key(); 64]);
                }
            }
            SourceDoes::Records => {
                let mut number = 0_u32;
                while self.rest() {
                    number += 1;
                    out.vendor(
                        "faulty.tick",
                        &json!({"number": number, "text": "x".repeat(number as usize % 500)}),
                    )?;
                }
            }
            SourceDoes::Pictures => {
                let fields = json!({"outcome": "stored", "reason": "interval", "monitor": "made-up"});
                while (0..200).all(|_| self.rest()) {
                    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                    let picture = format!("<picture {:020}>", unix.as_nanos()).repeat(2000);
                    out.blob(event::SCREENSHOT, &fields, "image/jpeg", picture.as_bytes())?;
                }
            }
            SourceDoes::Steady => {
                let mut left = self.config.count;
                while left > 0 && self.rest() {
                    let now = left.min(20);
                    out.emit(&vec![key(); now as usize]);
                    left -= now;
                }
            }
            SourceDoes::Burst => {
                out.emit(&vec![key(); self.config.count as usize]);
            }
            SourceDoes::Garbage => {
                self.count(out);
                garbage(now(), out);
                // One bad signal may not take its neighbours along.
                out.emit(&[key(), Event { args: [99, 0, 0, 0], ..key() }, key()]);
            }
            SourceDoes::Absurd => absurd(out),
            SourceDoes::Deaf => {
                self.count(out);
                block(self.config.until.as_deref());
            }
            _ => self.count(out),
        }
        self.wait();
        Ok(())
    }

    fn pause(&self) {
        assert!(self.config.does != SourceDoes::PanicPause, "the source panics in pause");
    }

    fn stop(&self) {
        self.spinning.store(false, Ordering::Relaxed);
        *self.stopped.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.wake.notify_all();
        if self.config.does == SourceDoes::PanicStop {
            panic!("the source panics in stop");
        }
    }
}

impl Drop for FaultySource {
    fn drop(&mut self) {
        if self.config.does == SourceDoes::PanicDrop {
            panic!("the source panics in drop");
        }
    }
}
