//! Calls a detector.

use std::sync::Arc;

use abi_stable::std_types::RSlice;
use serde_json::Value;

use super::{Failure, Instance, Serve, call, missing, no_role};
use crate::v1::{self, Event, Plugin};

/// A running detector; one thread owns it.
pub struct Detector {
    instance: Instance,
    table: &'static v1::DetectorVtable,
}

impl Detector {
    /// Creates an instance.
    pub fn new(plugin: &'static Plugin, serve: Arc<dyn Serve>, config: &Value) -> Result<Self, Failure> {
        let table = plugin.detector.ok_or_else(|| no_role("detector"))?;
        Ok(Self { instance: Instance::new(table.create, table.destroy, serve, config)?, table })
    }

    /// Applies a changed config.
    pub fn configure(&mut self, config: &Value) -> Result<crate::Change, Failure> {
        self.instance.configure(self.table.configure, config)
    }

    /// Hands over signals.
    pub fn on_batch(&mut self, batch: &[Event<'_>]) -> Result<(), Failure> {
        let on_batch = self.table.on_batch.ok_or_else(|| missing("on_batch"))?;
        // SAFETY: `this` came from `create`; `&mut self` keeps other calls away.
        call(|| unsafe { on_batch(self.instance.this, RSlice::from_slice(batch)) }).map(drop)
    }

    /// Tells the time; answers when to be called next.
    pub fn tick(&mut self, mono_ns: u64, unix_ns: i64) -> Result<Option<u64>, Failure> {
        let Some(tick) = self.table.tick else { return Ok(None) };
        let mut next = 0;
        // SAFETY: as in `on_batch`.
        call(|| unsafe { tick(self.instance.this, mono_ns, unix_ns, &mut next) })?;
        Ok((next != 0).then_some(next))
    }

    /// The last chance to emit.
    pub fn finish(&mut self) -> Result<(), Failure> {
        self.instance.optional(self.table.finish)
    }
}
