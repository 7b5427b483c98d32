//! Looks at unknown libraries in a child process, and remembers what was found.
//!
//! Opening a library runs its code, so the agent opens none that hasn't been opened once by a process that may
//! die of it. What was found holds until the file changes: an unchanged library costs one `stat` at start.

mod cache;
mod check;
mod child;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tracing::debug;

use crate::{config::Plugins, elf, error::Error, load, trust};
use cache::Cache;
pub use check::{conform_main, plugin_check, print_plugins};
pub use child::probe_main;

/// How long a library may take to be loaded.
pub const LIMIT: Duration = Duration::from_secs(5);

/// How many libraries are looked at at once.
const AT_ONCE: usize = 8;

/// What to look at and how.
pub struct Scan<'a> {
    /// The plugin folders, the first one first.
    pub folders: &'a [PathBuf],
    /// Whom to trust.
    pub rules: &'a Plugins,
    /// The state folder, which holds what earlier scans found; None remembers nothing.
    pub state: Option<&'a Path>,
    /// What to run as the child: `candor` itself.
    pub program: &'a Path,
}

/// A library in a plugin folder.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Found {
    /// The library.
    pub path: PathBuf,
    /// The plugin's name, from the file's.
    pub name: String,
    /// What speaks against it, though `allow_unsafe` lets it pass; to be logged at every start.
    pub doubts: Vec<String>,
    /// Whether it may and can be loaded.
    pub outcome: Outcome,
}

/// What became of looking at a library.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It can be loaded.
    Ok(Info),
    /// It can't be loaded as it is; it is looked at again at the next start.
    Refused(String),
    /// It may not be loaded: somebody else may have written it, or nobody allowed it.
    Untrusted(String),
    /// It crashed, hung, ended the process or lied; it isn't touched again until it changes.
    Blocked(String),
}

/// What a library says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Info {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it can be: `source`, `detector`, `sink`.
    pub roles: Vec<String>,
    /// The signals it reads.
    pub reads: Vec<String>,
    /// The JSON Schema of its config by role.
    pub schema: Value,
}

impl Found {
    /// What it says of itself, if it can be loaded.
    pub fn info(&self) -> Option<&Info> {
        match &self.outcome {
            Outcome::Ok(info) => Some(info),
            _ => None,
        }
    }

    /// Why it can't be loaded, if it can't.
    pub fn error(&self) -> Option<Error> {
        let (plugin, path) = (self.name.clone(), self.path.clone());
        match &self.outcome {
            Outcome::Ok(_) => None,
            Outcome::Refused(text) => Some(Error::Library { plugin, path, text: text.clone() }),
            Outcome::Untrusted(what) => Some(Error::Untrusted { plugin, what: what.clone() }),
            Outcome::Blocked(text) => {
                Some(Error::Lies { plugin, path, text: format!("{text}; blocked until the file changes") })
            }
        }
    }
}

/// Looks at every library in the plugin folders, by name; of two of one name the first is taken.
pub fn find(scan: &Scan<'_>) -> Vec<Found> {
    let mut cache = Cache::read(scan.state, scan.program);
    let mut first: HashMap<String, PathBuf> = HashMap::new();
    let mut found = Vec::new();
    let mut unknown = Vec::new();
    for (name, path) in libraries(scan.folders) {
        let mut doubts = Vec::new();
        let outcome = match first.get(&name) {
            Some(other) => Some(Outcome::Refused(format!(
                "{} has this name too and comes first; remove one of them",
                other.display()
            ))),
            None => {
                let (some, end) = before(scan.rules, &name, &path);
                doubts = some;
                end.or_else(|| cache.get(&path))
            }
        };
        first.entry(name.clone()).or_insert_with(|| path.clone());
        match outcome {
            Some(outcome) => found.push(Found { path, name, doubts, outcome }),
            None => unknown.push((name, path, doubts)),
        }
    }
    for some in unknown.chunks(AT_ONCE) {
        let outcomes: Vec<Outcome> = std::thread::scope(|scope| {
            let looks: Vec<_> =
                some.iter().map(|(_, path, _)| scope.spawn(|| child::probe(scan.program, path))).collect();
            let gone = || Outcome::Refused("the look at it failed; start again".to_owned());
            looks.into_iter().map(|look| look.join().unwrap_or_else(|_| gone())).collect()
        });
        for ((name, path, doubts), outcome) in some.iter().zip(outcomes) {
            debug!(plugin = name, path = %path.display(), ?outcome, "looked at");
            cache.put(path, &outcome);
            found.push(Found { path: path.clone(), name: name.clone(), doubts: doubts.clone(), outcome });
        }
    }
    cache.write();
    found.sort_by(|a, b| (&a.name, &a.path).cmp(&(&b.name, &b.path)));
    found
}

/// What can be said of a library without opening it: what speaks against it, and whether that ends it here.
fn before(rules: &Plugins, name: &str, path: &Path) -> (Vec<String>, Option<Outcome>) {
    let doubts = match trust::check(name, path, rules) {
        Ok(trusted) => trusted.doubts.iter().map(ToString::to_string).collect(),
        Err(error) => return (Vec::new(), Some(Outcome::Untrusted(plain(&error)))),
    };
    let end = match elf::fault(path) {
        Ok(fault) => fault.map(Outcome::Refused),
        Err(error) => Some(Outcome::Refused(format!("can't be read ({error}); check its permissions"))),
    };
    (doubts, end)
}

/// An error without the plugin and path it starts with, which a table shows beside it.
fn plain(error: &Error) -> String {
    match error {
        Error::Library { text, .. } | Error::Lies { text, .. } => text.clone(),
        Error::Untrusted { what, .. } => what.clone(),
        other => other.to_string(),
    }
}

/// Every file that is named like a plugin's library.
fn libraries(folders: &[PathBuf]) -> Vec<(String, PathBuf)> {
    let mut all = Vec::new();
    for folder in folders {
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => {
                debug!(folder = %folder.display(), %error, "plugin folder can't be read");
                continue;
            }
        };
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        all.extend(paths.into_iter().filter_map(|path| Some((load::name(&path)?.to_owned(), path))));
    }
    all
}
