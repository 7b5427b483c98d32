//! What of the host's own tables lets more be known of the person: it waits like an option of a plugin.
//!
//! Not here are `[agent]` and `[plugins]`, which say nothing of what is known and count from a start on.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Change, raises};
use crate::config::{Config, Journal, Outbox, Retain, Seal, Spool};

/// The tables as they were accepted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tables {
    journal: Journal,
    seal: Seal,
    outbox: Outbox,
    retain: Retain,
    spool: Spool,
}

impl Tables {
    /// Those of a config.
    pub fn of(config: &Config) -> Self {
        let Config { journal, seal, outbox, retain, spool, .. } = config.clone();
        Self { journal, seal, outbox, retain, spool }
    }

    /// Puts the accepted value where a new one has to wait.
    pub fn settle(&self, config: &mut Config, noted: &mut dyn FnMut(Change) -> bool) {
        let old = self;
        // One key: what of it is more, and how it becomes what it was.
        macro_rules! key {
            ($table:ident.$key:ident, $raises:expr) => {
                if old.$table.$key != config.$table.$key {
                    let change = Change {
                        instance: concat!("[", stringify!($table), "]").to_owned(),
                        option: Some(stringify!($key).to_owned()),
                        from: value(&old.$table, stringify!($key)),
                        to: value(&config.$table, stringify!($key)),
                        raises: $raises,
                    };
                    if noted(change) {
                        config.$table.$key.clone_from(&old.$table.$key);
                    }
                }
            };
        }
        // By these records leave sooner or later, and nothing else.
        key!(journal.seal_every, false);
        key!(journal.seal_size, false);
        let by = |rule: &str, from: Value, to: Value| raises(&rule.into(), &from, &to);
        key!(seal.encrypt_to, by("wider", json!(old.seal.encrypt_to), json!(config.seal.encrypt_to)));
        let (from, to) = (json!(old.seal.encrypt_kinds), json!(config.seal.encrypt_kinds));
        key!(seal.encrypt_kinds, !old.seal.encrypt_to.is_empty() && by("narrower", from.clone(), to.clone()));
        key!(outbox.grace, config.outbox.grace < old.outbox.grace);
        key!(outbox.delete, old.outbox.delete);
        key!(retain.max_age, config.retain.max_age > old.retain.max_age);
        key!(retain.max_size, config.retain.max_size > old.retain.max_size);
        key!(retain.kinds, keeps_more(&old.retain, &config.retain));
        key!(retain.archive, config.retain.archive.is_some());
        key!(spool.max, config.spool.max > old.spool.max);
    }
}

fn value(table: &impl Serialize, key: &str) -> Value {
    json!(table)[key].take()
}

/// Whether any kind with limits of its own stays longer, or more of it.
fn keeps_more(old: &Retain, new: &Retain) -> bool {
    let kinds: BTreeSet<&String> = old.kinds.keys().chain(new.kinds.keys()).collect();
    let (old, new) = (old.rules(), new.rules());
    kinds.into_iter().any(|kind| {
        let (old, new) = (old.of(kind), new.of(kind));
        new.max_age > old.max_age || new.max_size > old.max_size
    })
}
