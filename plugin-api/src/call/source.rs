//! Calls a source.

use std::sync::Arc;

use serde_json::Value;

use super::{Failure, Instance, Serve, missing, no_role};
use crate::v1::{self, Plugin};

/// A running source; any thread may call it.
pub struct Source {
    instance: Instance,
    table: &'static v1::SourceVtable,
}

impl Source {
    /// Creates an instance.
    pub fn new(plugin: &'static Plugin, serve: Arc<dyn Serve>, config: &Value) -> Result<Self, Failure> {
        let table = plugin.source.ok_or_else(|| no_role("source"))?;
        Ok(Self { instance: Instance::new(table.create, table.destroy, serve, config)?, table })
    }

    /// Applies a changed config.
    pub fn configure(&self, config: &Value) -> Result<crate::Change, Failure> {
        self.instance.configure(self.table.configure, config)
    }

    /// Runs it on this thread until [`stop`](Source::stop).
    pub fn run(&self) -> Result<(), Failure> {
        self.table.run.ok_or_else(|| missing("run"))?;
        self.instance.optional(self.table.run)
    }

    /// Stops observing, not `run`.
    pub fn pause(&self) -> Result<(), Failure> {
        self.instance.optional(self.table.pause)
    }

    /// Observes again.
    pub fn resume(&self) -> Result<(), Failure> {
        self.instance.optional(self.table.resume)
    }

    /// Makes `run` return soon.
    pub fn stop(&self) -> Result<(), Failure> {
        self.instance.optional(self.table.stop)
    }
}
