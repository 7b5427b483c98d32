//! Calls a source.

use std::sync::Arc;

use serde_json::Value;

use super::{Failure, Instance, Serve, call, missing, no_role, reporting};
use crate::v1::{self, Plugin, RequestVtable, Status};

/// A running source; any thread may call it.
pub struct Source {
    instance: Instance,
    table: &'static v1::SourceVtable,
    request: Option<&'static RequestVtable>,
}

impl Source {
    /// Creates an instance.
    pub fn new(plugin: &'static Plugin, serve: Arc<dyn Serve>, config: &Value) -> Result<Self, Failure> {
        let table = plugin.source.ok_or_else(|| no_role("source"))?;
        let instance = Instance::new(table.create, table.destroy, serve, config)?;
        Ok(Self { instance, table, request: requests(plugin) })
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

    /// Asks for something, and waits until it is done.
    pub fn ask(&self, name: &str, options: &Value) -> Result<Value, Failure> {
        let request = self.request.ok_or_else(|| no_role("source that can be asked for something"))?;
        ask(request, &self.instance, name, &options.to_string())
    }
}

/// Asks an instance for something by name, and waits until it is done.
pub(super) fn ask(
    request: &RequestVtable,
    instance: &Instance,
    name: &str,
    options: &str,
) -> Result<Value, Failure> {
    let mut bytes = Vec::new();
    reporting(&mut |piece| bytes.extend_from_slice(piece), |report| {
        // SAFETY: `this` came from `create` and `destroy` has not run; what is passed lives through the call.
        call(|| unsafe { (request.ask)(instance.this, name.into(), options.into(), report) })
    })?;
    let malformed = |error| {
        let text = format!("answered {name:?} with what is not JSON: {error}");
        Failure::new(Status::FATAL, crate::Fault::Malformed, text)
    };
    serde_json::from_slice(&bytes).map_err(malformed)
}

/// Whether a source of this plugin can be asked for something by this name.
pub fn knows(plugin: &'static Plugin, name: &str) -> bool {
    // SAFETY: it takes no instance, and the name lives through the call.
    requests(plugin).is_some_and(|request| unsafe { (request.knows)(name.into()) } == Status::OK)
}

fn requests(plugin: &'static Plugin) -> Option<&'static RequestVtable> {
    // SAFETY: a plugin answers `request/1` with null or a `RequestVtable` that is never freed.
    plugin.extension.and_then(|get| unsafe { get("request/1".into()).cast::<RequestVtable>().as_ref() })
}
