//! The config file.
//!
//! The host's own tables are refused when they hold a key it doesn't know; what stands in a `[[source]]`,
//! `[[detector]]` or `[[sink]]` beside the reserved keys belongs to the plugin, and is checked against the
//! plugin's own schema by [`check_options`] once the library is loaded.

mod entry;
mod place;
mod read;
mod schema;
mod seal;
mod storage;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use plugin_api::units;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::upload;

pub use place::find;
pub use schema::{check_options, suggest};
pub use seal::Seal;
pub use storage::{Limits, Outbox, Retain, Spool};
pub use units::{parse_duration, parse_size};

/// What `candor run` uses when there is no config file: the same text as `config/agent.toml`.
pub const BUILT_IN: &str = include_str!("../../config/agent.toml");

/// Keys of an entry that are the host's own; all others are the plugin's.
pub const RESERVED: [&str; 8] = ["plugin", "id", "enabled", "kinds", "isolate", "grant", "limits", "keep"];

/// A whole config.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Config {
    /// Where it was read from; None when it is the built-in one.
    pub file: Option<PathBuf>,
    /// The `[agent]` table.
    pub agent: Agent,
    /// The `[plugins]` table.
    pub plugins: Plugins,
    /// The `[journal]` table.
    pub journal: Journal,
    /// The `[seal]` table.
    pub seal: Seal,
    /// The `[outbox]` table.
    pub outbox: Outbox,
    /// The `[retain]` table.
    pub retain: Retain,
    /// The `[spool]` table.
    pub spool: Spool,
    /// Every `[[source]]`.
    pub source: Vec<Entry>,
    /// Every `[[detector]]`.
    pub detector: Vec<Entry>,
    /// Every `[[sink]]`.
    pub sink: Vec<Entry>,
}

/// The `[agent]` table.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Agent {
    /// Folder for identity, journal and objects; see [`Config::state`].
    #[schemars(extend("examples" = ["/var/lib/candor"]))]
    pub state: Option<PathBuf>,
    /// A name for this device, stored with its first record.
    #[schemars(extend("examples" = ["reception desk"]))]
    pub label: Option<String>,
}

/// The `[plugins]` table.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Plugins {
    /// Folders with plugin libraries; see [`Config::plugin_folders`].
    #[schemars(extend("examples" = [["/usr/lib/candor/plugins"]]))]
    pub paths: Option<Vec<PathBuf>>,
    /// Loads libraries that others may write to. Logged at every start.
    pub allow_unsafe: bool,
    /// When not empty, only libraries with one of these sha256 sums are loaded.
    #[schemars(extend("examples" = [["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"]]))]
    pub allow: Vec<String>,
}

/// The `[journal]` table.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Journal {
    /// How long records wait before they are sealed into objects.
    #[serde(with = "units::duration")]
    #[schemars(with = "String")]
    pub seal_every: Duration,
    /// How many bytes of records are sealed at once, whatever the time.
    #[serde(with = "units::size")]
    #[schemars(with = "String")]
    pub seal_size: u64,
}

impl Default for Journal {
    fn default() -> Self {
        Self { seal_every: Duration::from_secs(5 * 60), seal_size: 8_000_000 }
    }
}

/// One plugin instance the config asks for.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Entry {
    /// The plugin's name: its library is `candor_<plugin>`.
    pub plugin: String,
    /// The instance's name, unique in the config.
    pub id: String,
    /// Whether it is started.
    pub enabled: bool,
    /// Kinds of records a sink wants; None: all.
    pub kinds: Option<Vec<String>>,
    /// How long a sink keeps what it stored; None: for ever.
    pub keep: Option<Duration>,
    /// How much at once, and how fast, a sink is sent to.
    pub limits: upload::Limits,
    /// The plugin's own keys.
    pub options: Map<String, Value>,
    /// The line the entry starts at.
    pub line: usize,
    #[serde(skip)]
    lines: BTreeMap<String, usize>,
}

impl Config {
    /// Reads the given file, else the one [`find`] finds, else the built-in config.
    pub fn load(explicit: Option<&Path>) -> Result<Self> {
        match find(explicit)? {
            Some(file) => read::file(&file),
            None => Self::parse(BUILT_IN, None),
        }
    }

    /// Reads a config from text; `file` is what errors name and relative paths start from.
    pub fn parse(text: &str, file: Option<&Path>) -> Result<Self> {
        read::text(text, file)
    }

    /// The state folder: `[agent] state`, else the platform's own.
    pub fn state(&self) -> Result<PathBuf> {
        match &self.agent.state {
            Some(folder) => Ok(folder.clone()),
            None => place::state(&place::environment),
        }
    }

    /// Folders to look for plugins in, the first one first: `[plugins] paths`, else the default ones that exist.
    pub fn plugin_folders(&self) -> Vec<PathBuf> {
        match &self.plugins.paths {
            Some(folders) => folders.clone(),
            None => place::plugins(std::env::current_exe().ok().as_deref(), &place::environment),
        }
    }

    /// The file's name for messages.
    pub fn name(&self) -> PathBuf {
        read::name(self.file.as_deref())
    }

    /// Every entry, in the order of the flow.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.source.iter().chain(&self.detector).chain(&self.sink)
    }
}

impl Entry {
    /// The line of one of its keys, else that of the entry.
    pub fn line_of(&self, key: &str) -> usize {
        self.lines.get(key).copied().unwrap_or(self.line)
    }

    /// An error about one of its keys; an empty key means the whole entry.
    pub fn error(&self, file: &Path, key: &str, text: &str) -> Error {
        let name = if key.is_empty() { self.id.clone() } else { format!("{}.{key}", self.id) };
        Error::Config { file: file.to_owned(), line: self.line_of(key), text: format!("{name}: {text}") }
    }
}
