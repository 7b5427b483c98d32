//! The traits of sinks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{Change, Error, Host};

pub use crate::shim::Object;

/// Stores objects. Calls may come from any thread and overlap.
pub trait Sink: Sized + Send + Sync + 'static {
    /// Its part of the config file, defined with [`config!`](crate::config).
    type Config: DeserializeOwned + JsonSchema;
    /// Where it stores, in words for the person it runs for: completes "What is collected goes to …".
    const COLLECTS: &'static str;
    /// The scheme of URLs that `candor verify` may open by this plugin, for example `s3`; none if empty. Of
    /// `s3://bucket/prefix?option=value` it makes a config of `bucket`, `prefix` and these options.
    const SCHEME: &'static str = "";

    /// Creates an instance.
    fn new(config: Self::Config, host: &Host) -> Result<Self, Error>;

    /// Takes a changed config. Unless told otherwise the host stops this instance and creates a new one.
    fn configure(&self, config: Self::Config) -> Result<Change, Error> {
        let _ = config;
        Ok(Change::Recreate)
    }

    /// Tests the way to the store; reports each step as an object with `step`, `ok` and `text`.
    fn probe(&self, report: &mut dyn FnMut(Value)) -> Result<(), Error> {
        let _ = report;
        Ok(())
    }

    /// Stores one object; returns once it is durable. What can't be read to its end must not be stored: so the host says
    /// that it is damaged. The same object again is fine, other bytes under the same key are [`Fault::Conflict`](crate::Fault::Conflict).
    fn put(&self, object: &Object<'_>) -> Result<(), Error>;

    /// Makes running calls return soon.
    fn stop(&self) {}

    /// Reading back, if the store can be read with what the sink has.
    fn store(&self) -> Option<&dyn Store> {
        None
    }

    /// What opens its store, if the sink can keep that in the key store of the operating system.
    fn secrets(&self) -> Option<&dyn Secrets> {
        None
    }
}

/// Reading back what a sink stored (`store/1`).
pub trait Store {
    /// Lists every key under a prefix with its length, in any order.
    fn list(&self, prefix: &str, each: &mut dyn FnMut(&str, u64)) -> Result<(), Error>;
    /// Reads one object front to back, in pieces.
    fn get(&self, key: &str, each: &mut dyn FnMut(&[u8])) -> Result<(), Error>;
    /// Removes one object; fine when it isn't there.
    fn remove(&self, key: &str) -> Result<(), Error>;
}

/// What a sink keeps in the key store of the operating system, so that no file holds it (`secret/1`). `candor secret`
/// asks the person for it.
pub trait Secrets {
    /// What is asked for, in this order.
    fn asked(&self) -> Vec<Asked>;
    /// Keeps the answers instead of those that were kept; says in a sentence what that does.
    fn set(&self, answers: Vec<String>) -> Result<String, Error>;
    /// Forgets them; fine when there are none.
    fn delete(&self) -> Result<(), Error>;
    /// Whether there are any.
    fn is_set(&self) -> Result<bool, Error>;
}

/// One thing to ask for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Asked {
    /// What to give, in words.
    pub text: String,
    /// How it is given.
    pub form: Form,
}

/// How something that is asked for is given.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// A line that may be seen while it is typed.
    Shown,
    /// A line that may not.
    Hidden,
    /// All that comes, as of a file.
    Whole,
}
