//! The trait of detectors.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::{Change, Error, Event, Host, Out};

/// Draws conclusions from signals. Called from one thread; reads no clock: time comes with events and [`tick`](Detector::tick).
pub trait Detector: Sized + Send + 'static {
    /// Its part of the config file, defined with [`config!`](crate::config).
    type Config: DeserializeOwned + JsonSchema;
    /// The signals it wants: `pointer`, `button`, `wheel`, `key`, `device`, `focus`, `power`, `session`.
    const READS: &'static [&'static str];
    /// What it stores, in words for the person it runs for: completes "Candor collects …".
    const COLLECTS: &'static str = "";
    /// What it never stores: completes "Candor never collects …".
    const NEVER: &'static str = "";

    /// Creates an instance.
    fn new(config: Self::Config, host: &Host) -> Result<Self, Error>;

    /// Takes a changed config. Unless told otherwise the host finishes this instance and creates a new one.
    fn configure(&mut self, config: Self::Config) -> Result<Change, Error> {
        let _ = config;
        Ok(Change::Recreate)
    }

    /// Takes signals, in the order in which they came.
    fn on_batch(&mut self, batch: &[Event<'_>], out: &mut Out<'_>) -> Result<(), Error>;

    /// Told the time: once at the start, after each batch, and when the time it asked for has come.
    /// Answers when it wants to be told next; `None` is after the next batch.
    fn tick(&mut self, now_mono_ns: u64, out: &mut Out<'_>) -> Result<Option<u64>, Error> {
        let _ = (now_mono_ns, out);
        Ok(None)
    }

    /// The last chance to store something; `tick` has just told the time.
    fn finish(&mut self, out: &mut Out<'_>) -> Result<(), Error> {
        let _ = out;
        Ok(())
    }
}
