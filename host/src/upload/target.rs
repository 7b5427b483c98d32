//! A sink as the uploader knows it.

use std::sync::Arc;

use plugin_api::call::{self, Failure};
use serde::{Deserialize, Serialize};
use tracing::warn;

use super::listed::wants;
use crate::spool::Object;

/// Where objects go.
pub trait Store: Send + Sync {
    /// Stores an object; OK only once it is durable there.
    fn put(&self, object: &Object) -> Result<(), Failure>;
    /// Makes a running `put` return soon.
    fn stop(&self);
    /// Lists keys with their lengths, if it can.
    fn list(&self, prefix: &str, each: &mut (dyn FnMut(&str, u64) + Send)) -> Result<(), Failure>;
    /// Removes an object, if it can.
    fn remove(&self, key: &str) -> Result<(), Failure>;
    /// Makes a running `put` return soon, and goes on with what comes then.
    fn restart(&self) {}
    /// Is told when it begins to fail, fails otherwise, or works again.
    fn tell(&self, failure: Option<&Failure>) {
        let _ = failure;
    }
    /// Takes what to do when it learns that what was in the way may be gone.
    fn on_retry(&self, now: Box<dyn Fn() + Send + Sync>) {
        drop(now);
    }
}

impl Store for call::Sink {
    fn put(&self, object: &Object) -> Result<(), Failure> {
        self.put(&call::Object {
            key: &object.key,
            len: object.len,
            sha256: object.sha256,
            media_type: &object.media_type,
            metadata: "{}",
            bytes: object,
        })
    }

    fn stop(&self) {
        if let Err(error) = self.stop() {
            warn!(%error, "sink did not stop as asked");
        }
    }

    fn list(&self, prefix: &str, each: &mut (dyn FnMut(&str, u64) + Send)) -> Result<(), Failure> {
        self.list(prefix, each)
    }

    fn remove(&self, key: &str) -> Result<(), Failure> {
        self.remove(key)
    }
}

/// A sink as the uploader knows it.
#[derive(Clone)]
pub struct Target {
    /// The sink's id in the config.
    pub id: String,
    /// The kinds it wants; all if not said. Manifests and notices it gets in any case.
    pub kinds: Option<Vec<String>>,
    /// How much at once, and how fast.
    pub limits: Limits,
    /// The sink.
    pub store: Arc<dyn Store>,
}

/// The `limits` of a sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// How many objects at once.
    pub parallel: usize,
    /// How many bytes a second; any number if not said.
    pub bandwidth: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { parallel: 8, bandwidth: None }
    }
}

impl Target {
    /// Whether it wants records of a kind.
    pub fn wants(&self, kind: &str) -> bool {
        wants(self.kinds.as_deref(), kind)
    }
}
