//! What a change of the config means for the person it runs for: which part raises what is collected, and what may be
//! applied of it.
//!
//! A plugin says by `x-raises` in its config's schema which change of an option raises (KINDS.md). Where it says nothing any
//! change counts as one, and so does a new instance; taking one away doesn't. Of its own tables the host knows it (`tables`).
//! What raises is applied only with proof; until then the value that was accepted before stays.

mod tables;

use std::{
    collections::BTreeMap,
    fmt, fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use plugin_api::units::{parse_duration, parse_size, show_duration};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tracing::warn;

use crate::{
    config::{Config, Entry},
    disk,
    error::Result,
    route::Role,
    upload::Limits,
};

pub use tables::Tables;

/// Whether somebody showed that the person agrees.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Proof {
    /// Nobody did.
    None,
    /// Confirmed on a terminal.
    Given,
}

/// One instance as it was accepted; options that were not set have their defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Terms {
    role: Role,
    plugin: String,
    kinds: Option<Vec<String>>,
    /// How long a sink keeps what it has; none: for ever.
    keep: Option<Duration>,
    /// How much at once, and how fast.
    #[serde(default)]
    limits: Limits,
    options: Map<String, Value>,
}

/// What was accepted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Accepted {
    /// Of the host's own tables.
    pub host: Tables,
    /// By instance.
    pub instances: BTreeMap<String, Terms>,
}

/// One difference between what was accepted and what a config asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The instance.
    pub instance: String,
    /// The option; none when the whole instance comes or goes.
    pub option: Option<String>,
    /// The value before; null: none.
    pub from: Value,
    /// The value asked for; null: none.
    pub to: Value,
    /// Whether more can be known of the person after it.
    pub raises: bool,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { instance, option, from, to, .. } = self;
        match option {
            None if from.is_null() => write!(f, "{instance} is added"),
            None => write!(f, "{instance} is taken away"),
            Some(option) => {
                let show =
                    |value: &Value| if value.is_null() { "not set".to_owned() } else { value.to_string() };
                write!(f, "{instance}: {option} from {} to {}", show(from), show(to))
            }
        }
    }
}

/// What may run of a config.
#[derive(Clone, Debug)]
pub struct Settled {
    /// The config, with accepted values in place of those that need proof.
    pub config: Config,
    /// What is accepted from now on.
    pub accepted: Accepted,
    /// What changes.
    pub changes: Vec<Change>,
    /// What needs proof.
    pub pending: Vec<Change>,
}

/// Settles what may run. `schemas` answers what a plugin says of its options; with nothing accepted yet, the config is
/// what the person installed.
pub fn settle(
    accepted: Option<&Accepted>,
    config: &Config,
    proof: Proof,
    schemas: &dyn Fn(&Entry, Role) -> Value,
) -> Settled {
    let mut settled = Settled {
        config: config.clone(),
        accepted: Accepted::default(),
        changes: Vec::new(),
        pending: Vec::new(),
    };
    let mut noted = |change: Change| {
        let waits = change.raises && proof == Proof::None;
        if waits {
            settled.pending.push(change)
        } else {
            settled.changes.push(change)
        }
        waits
    };
    if let Some(accepted) = accepted {
        accepted.host.settle(&mut settled.config, &mut noted);
    }
    settled.accepted.host = Tables::of(&settled.config);
    let lists = [
        (Role::Source, &mut settled.config.source),
        (Role::Detector, &mut settled.config.detector),
        (Role::Sink, &mut settled.config.sink),
    ];
    for (role, entries) in lists {
        entries.retain_mut(|entry| {
            if !entry.enabled {
                return false;
            }
            let schema = schemas(entry, role);
            let mut terms = terms(entry, role, &schema);
            let old = accepted.and_then(|accepted| accepted.instances.get(&entry.id));
            let same = |old: &&Terms| (old.role, &old.plugin) == (role, &entry.plugin);
            match (accepted, old.filter(same)) {
                (None, _) => {}
                (Some(_), None) => {
                    let to = Value::from(entry.plugin.as_str());
                    let change = Change {
                        instance: entry.id.clone(),
                        option: None,
                        from: Value::Null,
                        to,
                        raises: true,
                    };
                    if noted(change) {
                        return false;
                    }
                }
                (Some(_), Some(old)) => compare(entry, old, &mut terms, &schema, &mut noted),
            }
            settled.accepted.instances.insert(entry.id.clone(), terms);
            true
        });
    }
    for (id, old) in accepted.into_iter().flat_map(|accepted| &accepted.instances) {
        let stays = settled
            .accepted
            .instances
            .get(id)
            .is_some_and(|terms| (terms.role, &terms.plugin) == (old.role, &old.plugin));
        if !stays {
            let from = Value::from(old.plugin.as_str());
            settled.changes.push(Change {
                instance: id.clone(),
                option: None,
                from,
                to: Value::Null,
                raises: false,
            });
        }
    }
    settled
}

/// A config whose host tables are as they were accepted: what holds though no agent runs.
pub fn as_accepted(mut config: Config, state: &Path) -> Config {
    if let Some(accepted) = accepted(state) {
        accepted.host.settle(&mut config, &mut |change| change.raises);
    }
    config
}

/// Compares an entry with what was accepted of it, and puts the old value where a new one has to wait.
fn compare(
    entry: &mut Entry,
    old: &Terms,
    terms: &mut Terms,
    schema: &Value,
    noted: &mut dyn FnMut(Change) -> bool,
) {
    let change = |option: &str, from: &Value, to: &Value, raises| Change {
        instance: entry.id.clone(),
        option: Some(option.to_owned()),
        from: from.clone(),
        to: to.clone(),
        raises,
    };
    let mut kept = Vec::new();
    let mut keys: Vec<String> = old.options.keys().chain(terms.options.keys()).cloned().collect();
    keys.sort();
    keys.dedup();
    for key in keys {
        let null = Value::Null;
        let (from, to) = (old.options.get(&key).unwrap_or(&null), terms.options.get(&key).unwrap_or(&null));
        let property = &schema["properties"][&key];
        // What a new version of the plugin knows more or no longer is no change that somebody made.
        let is_new = from.is_null() && !entry.options.contains_key(&key);
        let is_gone = schema["properties"].is_object() && property.is_null();
        if from == to || is_new || is_gone {
            continue;
        }
        if noted(change(&key, from, to, raises(&property["x-raises"], from, to))) {
            kept.push((key, from.clone()));
        }
    }
    let list =
        |kinds: &Option<Vec<String>>| kinds.as_ref().map_or(Value::Null, |kinds| Value::from(kinds.clone()));
    let (from, to) = (list(&old.kinds), list(&terms.kinds));
    let more = raises(&"wider".into(), &from, &to);
    if from != to && noted(change("kinds", &from, &to, more)) {
        entry.kinds.clone_from(&old.kinds);
        terms.kinds.clone_from(&old.kinds);
    }
    let time = |keep: Option<Duration>| keep.map_or(Value::Null, |keep| show_duration(keep).into());
    let longer = terms.keep.unwrap_or(Duration::MAX) > old.keep.unwrap_or(Duration::MAX);
    if terms.keep != old.keep && noted(change("keep", &time(old.keep), &time(terms.keep), longer)) {
        entry.keep = old.keep;
        terms.keep = old.keep;
    }
    if terms.limits != old.limits {
        noted(change("limits", &json!(old.limits), &json!(terms.limits), false));
    }
    for (key, value) in kept {
        for options in [&mut entry.options, &mut terms.options] {
            match value.is_null() {
                true => options.remove(&key),
                false => options.insert(key.clone(), value.clone()),
            };
        }
    }
}

fn terms(entry: &Entry, role: Role, schema: &Value) -> Terms {
    let mut options = entry.options.clone();
    for (key, property) in schema["properties"].as_object().into_iter().flatten() {
        if let Some(default) = property.get("default").filter(|default| !default.is_null()) {
            options.entry(key.clone()).or_insert_with(|| default.clone());
        }
    }
    let (plugin, kinds) = (entry.plugin.clone(), entry.kinds.clone());
    Terms { role, plugin, kinds, keep: entry.keep, limits: entry.limits, options }
}

/// Whether a change of an option raises, by what its plugin says.
fn raises(rule: &Value, from: &Value, to: &Value) -> bool {
    let lacks = |list: &Value, item: &Value| !list.as_array().into_iter().flatten().any(|one| one == item);
    let more = |a: &Value, b: &Value| a.as_array().into_iter().flatten().any(|item| lacks(b, item));
    let is_all = |list: &Value| list.as_array().is_none_or(Vec::is_empty);
    match rule {
        Value::Array(order) => {
            let is = |place: &Value, value: &Value| place == value || !lacks(place, value);
            let rank = |value: &Value| order.iter().position(|place| is(place, value));
            !matches!((rank(from), rank(to)), (Some(from), Some(to)) if to <= from)
        }
        Value::String(word) => match (word.as_str(), number(from), number(to)) {
            ("never", ..) => false,
            ("up", Some(from), Some(to)) => to > from,
            ("down", Some(from), Some(to)) => to < from,
            ("addition", ..) => more(to, from),
            ("removal", ..) => more(from, to),
            ("given", ..) => !to.is_null(),
            ("wider", ..) => !is_all(from) && (is_all(to) || more(to, from)),
            ("narrower", ..) => !to.is_null() && (from.is_null() || more(from, to)),
            _ => true,
        },
        _ => true,
    }
}

/// A number, a duration or a size.
fn number(value: &Value) -> Option<f64> {
    let text = value.as_str().unwrap_or_default();
    let duration = || parse_duration(text).ok().map(|time| time.as_secs_f64());
    value.as_f64().or_else(duration).or_else(|| parse_size(text).ok().map(|size| size as f64))
}

/// What was accepted on a state folder; none before the first start.
pub fn accepted(state: &Path) -> Option<Accepted> {
    match fs::read(file(state)) {
        Ok(bytes) => Some(serde_json::from_slice(&bytes).unwrap_or_else(|error| {
            // Taking all for accepted would be easy to bring about.
            warn!(%error, file = %file(state).display(), "can't be read: nothing counts as accepted");
            Accepted::default()
        })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => {
            warn!(%error, file = %file(state).display(), "can't be read: nothing counts as accepted");
            Some(Accepted::default())
        }
    }
}

/// Keeps what is accepted, for this user only.
pub fn keep(state: &Path, accepted: &Accepted) -> Result<()> {
    disk::write(&file(state), json!(accepted).to_string().as_bytes())
}

fn file(state: &Path) -> PathBuf {
    state.join("accepted.json")
}

#[cfg(test)]
mod tests;
