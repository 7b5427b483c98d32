//! The detector.

use std::{path::PathBuf, thread, time::Duration};

use plugin_api::prelude::*;

use crate::{Faults, absurd, block, garbage};

config! {
    /// What the detector does.
    pub enum DetectorDoes {
        Count, Stuck, Slow, Garbage, Absurd, Retry, Fatal, TickNow, PanicNew, PanicBatch, PanicTick, PanicFinish, PanicDrop,
    }
}

config! {
    /// The detector's config.
    pub struct DetectorConfig {
        /// What it does.
        pub does: DetectorDoes,
        /// How often it goes wrong before it behaves; always when not given.
        #[serde(default)]
        pub times: Option<u32>,
        /// How long `slow` takes for a batch.
        #[serde(default)]
        pub slow_ms: u64,
        /// The file that ends what blocks.
        #[serde(default)]
        pub until: Option<PathBuf>,
    }
}

/// A detector that goes wrong; when it doesn't, it stores how many signals it saw as it finishes.
pub struct FaultyDetector {
    config: DetectorConfig,
    signals: u64,
}

static FAULTS: Faults = Faults::new();

impl FaultyDetector {
    fn due(&self) -> bool {
        FAULTS.due(self.config.times)
    }
}

impl Detector for FaultyDetector {
    type Config = DetectorConfig;
    const READS: &'static [&'static str] = &["pointer", "button", "wheel", "key", "device"];
    const COLLECTS: &'static str = "how many signals there were";
    const NEVER: &'static str = "what they were";

    fn new(config: DetectorConfig, _: &Host) -> Result<Self, Error> {
        let detector = Self { config, signals: 0 };
        if detector.config.does == DetectorDoes::PanicNew && detector.due() {
            // Its drop may not count: there is no instance yet.
            std::mem::forget(detector);
            panic!("the detector panics in new");
        }
        Ok(detector)
    }

    fn on_batch(&mut self, batch: &[Event<'_>], out: &mut Out<'_>) -> Result<(), Error> {
        self.signals += batch.len() as u64;
        let mono_ns = batch.last().map_or(0, |event| event.mono_ns);
        match self.config.does {
            DetectorDoes::PanicBatch if self.due() => panic!("the detector panics in on_batch"),
            DetectorDoes::Retry if self.due() => {
                return Err(Error::new(Fault::Busy, "not now; wait a little"));
            }
            DetectorDoes::Fatal if self.due() => {
                return Err(Error::new(Fault::Config, "no more; change the config"));
            }
            DetectorDoes::Stuck => block(self.config.until.as_deref()),
            DetectorDoes::Slow => thread::sleep(Duration::from_millis(self.config.slow_ms)),
            DetectorDoes::Garbage if self.due() => garbage(mono_ns, out),
            DetectorDoes::Absurd if self.due() => absurd(out),
            _ => {}
        }
        Ok(())
    }

    fn tick(&mut self, now_mono_ns: u64, _: &mut Out<'_>) -> Result<Option<u64>, Error> {
        match self.config.does {
            DetectorDoes::PanicTick if self.due() => panic!("the detector panics in tick"),
            // A host that obeys would call it without end.
            DetectorDoes::TickNow => Ok(Some(now_mono_ns)),
            _ => Ok(None),
        }
    }

    fn finish(&mut self, out: &mut Out<'_>) -> Result<(), Error> {
        if self.config.does == DetectorDoes::PanicFinish && self.due() {
            panic!("the detector panics in finish");
        }
        out.vendor("faulty.count", &json!({"signals": self.signals}))
    }
}

impl Drop for FaultyDetector {
    fn drop(&mut self) {
        if self.config.does == DetectorDoes::PanicDrop {
            panic!("the detector panics in drop");
        }
    }
}
