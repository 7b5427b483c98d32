//! The sink.

use std::{
    fs,
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use plugin_api::prelude::*;

use crate::{Faults, inside};

config! {
    /// What the sink does.
    pub enum SinkDoes {
        Store, Retry, Fatal, Conflict, Hang, Deaf, PanicNew, PanicPut, PanicStop, PanicDrop,
    }
}

config! {
    /// The sink's config.
    pub struct SinkConfig {
        /// What it does.
        pub does: SinkDoes,
        /// How often it goes wrong before it behaves; always when not given.
        #[serde(default)]
        pub times: Option<u32>,
        /// Where it stores when it behaves, `/` in keys written as `+`; absolute.
        #[serde(default)]
        pub path: Option<PathBuf>,
        /// The file that ends what blocks.
        #[serde(default)]
        pub until: Option<PathBuf>,
    }
}

/// A sink that goes wrong; when it doesn't, it stores each object as a file.
pub struct FaultySink {
    config: SinkConfig,
    stopped: AtomicBool,
}

static FAULTS: Faults = Faults::new();

impl FaultySink {
    fn due(&self) -> bool {
        FAULTS.due(self.config.times)
    }

    /// Blocks until the file is there; `Hang` ends with `stop`, `Deaf` doesn't.
    fn block(&self) {
        let there = || self.config.until.as_ref().is_some_and(|file| file.exists());
        let stopped = || self.config.does == SinkDoes::Hang && self.stopped.load(Ordering::Relaxed);
        while !there() && !stopped() {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Sink for FaultySink {
    type Config = SinkConfig;
    const COLLECTS: &'static str = "a folder of a test";

    fn new(config: SinkConfig, _: &Host) -> Result<Self, Error> {
        if config.does == SinkDoes::PanicNew && FAULTS.due(config.times) {
            panic!("the sink panics in new");
        }
        Ok(Self { config, stopped: AtomicBool::new(false) })
    }

    fn put(&self, object: &Object<'_>) -> Result<(), Error> {
        match self.config.does {
            SinkDoes::PanicPut if self.due() => panic!("the sink panics in put"),
            SinkDoes::Retry if self.due() => {
                return Err(Error::new(Fault::Network, "no way there; check the cable"));
            }
            SinkDoes::Fatal if self.due() => {
                return Err(Error::new(Fault::Config, "no such bucket; create it"));
            }
            SinkDoes::Conflict if self.due() => return Err(Error::new(Fault::Conflict, "holds other bytes")),
            SinkDoes::Hang | SinkDoes::Deaf if self.due() => self.block(),
            _ => {}
        }
        let Some(folder) = &self.config.path else { return Ok(()) };
        let mut bytes = vec![0; usize::try_from(object.len()).unwrap_or_default()];
        let mut read = 0;
        while read < bytes.len() {
            match object.read_at(read as u64, &mut bytes[read..])? {
                0 => return Err(Error::new(Fault::Malformed, "shorter than it says")),
                n => read += n,
            }
        }
        fs::create_dir_all(folder)?;
        Ok(fs::write(inside(folder, object.key()?), bytes)?)
    }

    fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        assert!(self.config.does != SinkDoes::PanicStop, "the sink panics in stop");
    }
}

impl Drop for FaultySink {
    fn drop(&mut self) {
        if self.config.does == SinkDoes::PanicDrop {
            panic!("the sink panics in drop");
        }
    }
}
