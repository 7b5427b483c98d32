//! The trait of sources.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Change, Error, Fault, Host, Out};

/// Observes. [`run`](Source::run) has a thread of its own; the other calls may come from any thread meanwhile.
pub trait Source: Sized + Send + Sync + 'static {
    /// Its part of the config file, defined with [`config!`](crate::config).
    type Config: DeserializeOwned + JsonSchema;
    /// What it observes, in words for the person it runs for: completes "Candor collects …".
    const COLLECTS: &'static str;
    /// What it never observes: completes "Candor never collects …".
    const NEVER: &'static str;
    /// The names of the requests it knows (`request/1`). `shot`, which `candor shot` asks for, is described in `KINDS.md`.
    const REQUESTS: &'static [&'static str] = &[];

    /// Creates an instance; observes nothing yet.
    fn new(config: Self::Config, host: &Host) -> Result<Self, Error>;

    /// Takes a changed config. Unless told otherwise the host stops this instance and creates a new one.
    fn configure(&self, config: Self::Config) -> Result<Change, Error> {
        let _ = config;
        Ok(Change::Recreate)
    }

    /// Observes until [`stop`](Source::stop). An error whose fault may pass has the host run it again later.
    fn run(&self, out: &Out<'_>) -> Result<(), Error>;

    /// Stops observing for a while. The host drops what comes all the same.
    fn pause(&self) {}

    /// Observes again.
    fn resume(&self) {}

    /// Makes `run` return soon. May come before `run` and more than once.
    fn stop(&self);

    /// Does what is asked for by one of [`REQUESTS`](Source::REQUESTS), and answers with an object once it is done.
    fn request(&self, name: &str, options: Value) -> Result<Value, Error> {
        let _ = options;
        Err(Error::new(Fault::Config, format!("knows no request {name:?}")))
    }
}
