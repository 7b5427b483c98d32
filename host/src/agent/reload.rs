//! Taking over a changed config while the agent runs.

use std::sync::PoisonError;

use plugin_api::event::NOTICE;
use serde_json::{Value, json};
use tracing::{info, warn};

use super::{
    found,
    shared::{Live, Shared, say},
};
use crate::{
    check,
    config::{Config, Entry},
    disk, journal, notice,
    policy::{self, Accepted, Change, Proof, Settled},
    reload::Reloaded,
    route::Role,
    scan::Found,
};

/// Settles what may run of a config with the plugins found.
pub fn settle(accepted: Option<&Accepted>, config: &Config, proof: Proof, found: &[Found]) -> Settled {
    let schema = |entry: &Entry, role: Role| {
        let info = found.iter().find(|found| found.name == entry.plugin).and_then(Found::info);
        info.map_or(Value::Null, |info| info.schema[role.name()].clone())
    };
    policy::settle(accepted, config, proof, &schema)
}

impl Shared {
    /// Reads the config again and takes over what may be: what raises only with proof, which is the token that an
    /// earlier answer gave for just that. A config that is wrong changes nothing.
    pub fn reload(&self, proof: Option<&str>) -> Result<Reloaded, String> {
        // One at a time; what runs may be asked for meanwhile.
        let _reloading = self.reloading.lock().unwrap_or_else(PoisonError::into_inner);
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if self.stop.stopped() {
            return Err("the agent is about to stop".to_owned());
        }
        let said = |error: crate::error::Error| error.to_string();
        let config = Config::load(live.config.file.as_deref()).map_err(said)?;
        // Where plugins come from is the host's own, like its other tables: as it was at the start.
        let config = Config { plugins: live.config.plugins.clone(), ..config };
        let found = found(&config, Some(&self.state)).map_err(said)?;
        let problems = check::problems(&config, &found);
        if !problems.is_empty() {
            return Err(format!("nothing was changed:\n{}", problems.join("\n")));
        }
        let accepted = Some(&live.accepted);
        let mut settled = settle(accepted, &config, Proof::None, &found);
        match proof {
            None => {}
            Some(proof) if proof == token(&settled.pending) => {
                settled = settle(accepted, &config, Proof::Given, &found);
            }
            Some(_) => return Err("the config was changed meanwhile; run `candor reload` again".to_owned()),
        }
        self.units.apply(&settled.config, &self.state, &found, &self.router).map_err(said)?;
        let later = later(&live.config, &config, &settled.changes);
        if let Err(error) = policy::keep(&self.state, &settled.accepted) {
            warn!(%error, "what was accepted is not noted: the next start may ask again");
        }
        let Settled { accepted, pending, .. } = settled.clone();
        *self.live.lock().unwrap_or_else(PoisonError::into_inner) =
            Live { config: live.config, accepted, pending };
        if !settled.changes.is_empty() || settled.pending != live.pending {
            self.tell_change(&settled);
        }
        let waits = (!settled.pending.is_empty()).then(|| token(&settled.pending));
        Ok(Reloaded { changes: settled.changes, pending: settled.pending, later, token: waits })
    }

    fn tell_change(&self, settled: &Settled) {
        let notice = notice::notice(&self.instances()).changed("config", settled);
        info!(changes = ?notice.changes, pending = ?notice.pending, "config changed");
        self.router.host_record(NOTICE, journal::INSTANCE, &json!(notice));
        if self.on_terminal {
            say(&notice::text(&notice, &self.state, &self.commands()));
        }
    }
}

/// What proof is given for: another list is another token.
fn token(pending: &[Change]) -> String {
    disk::hex(&disk::sha256(json!(pending).to_string().as_bytes()))
}

/// What takes effect only at the next start: the host's own tables, and which sinks there are.
fn later(before: &Config, new: &Config, changes: &[Change]) -> Vec<String> {
    let tables = |config: &Config| match json!(config) {
        Value::Object(mut tables) => {
            for list in ["file", "source", "detector", "sink"] {
                tables.remove(list);
            }
            tables
        }
        _ => serde_json::Map::new(),
    };
    let (old, now) = (tables(before), tables(new));
    let mut later = Vec::new();
    for (table, values) in &now {
        for (key, value) in values.as_object().into_iter().flatten() {
            if old[table][key] != *value {
                later.push(format!("[{table}] {key}"));
            }
        }
    }
    let limits =
        |config: &Config, id: &str| config.sink.iter().find(|sink| sink.id == id).map(|sink| sink.limits);
    let was = |id: &str| limits(before, id);
    let other = new.sink.iter().filter(|sink| was(&sink.id).is_some_and(|limits| limits != sink.limits));
    later.extend(other.map(|sink| format!("{}: limits", sink.id)));
    let is_sink = |change: &&Change| new.sink.iter().any(|sink| sink.id == change.instance);
    let waits = |change: &&Change| match change.option.as_deref() {
        None => change.from.is_null(),
        Some(option) => ["keep", "kinds"].contains(&option),
    };
    later.extend(changes.iter().filter(is_sink).filter(waits).map(ToString::to_string));
    later
}
