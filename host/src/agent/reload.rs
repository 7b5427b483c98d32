//! Taking over a changed config while the agent runs.

use std::{
    collections::BTreeMap,
    sync::{PoisonError, Weak},
};

use plugin_api::event::{GAP, NOTICE};
use serde_json::{Value, json};
use tracing::{info, warn};

use super::{
    found, journal_options,
    shared::{Live, Shared, say},
    units::Place,
};
use crate::{
    call::Instance,
    check,
    config::{Config, Entry},
    disk, journal, notice,
    policy::{self, Accepted, Change, Proof, Settled},
    reload::Reloaded,
    route::Role,
    scan::Found,
    upload::{self, Target},
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
        let live = self.live();
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
        let behind = self.behind(&settled);
        self.units.apply(&settled.config, &self.state, &found, &self.router).map_err(said)?;
        // Before a new sink is sent anything: what it is to have must not be taken for delivered.
        let options = journal_options(&settled.config, &self.state, self.router.clock.clone());
        self.journal.change(options).map_err(said)?;
        let mut later = later(&live.config, &config);
        if let Some(upload) = self.upload.get().and_then(Weak::upgrade) {
            let busy = upload.change(self.targets(&settled.config)).map_err(said)?;
            later.extend(busy.into_iter().map(|sink| format!("{sink}: is busy; what changed of it")));
        }
        self.tell_dropped(&settled, &behind);
        if let Err(error) = policy::keep(&self.state, &settled.accepted) {
            warn!(%error, "what was accepted is not noted: the next start may ask again");
        }
        let Settled { config: running, accepted, pending, .. } = settled.clone();
        *self.live.lock().unwrap_or_else(PoisonError::into_inner) =
            Live { config: live.config, running, accepted, pending };
        if !settled.changes.is_empty() || settled.pending != live.pending {
            self.tell_change(&settled);
        }
        let waits = (!settled.pending.is_empty()).then(|| token(&settled.pending));
        Ok(Reloaded { changes: settled.changes, pending: settled.pending, later, token: waits })
    }

    /// The sinks that run, and what each is to have.
    pub fn targets(&self, config: &Config) -> Vec<Target> {
        let target = |(instance, place): (Instance, Place)| {
            let Place::Sink(store) = place else { return None };
            let id = instance.port.id.clone();
            let entry = config.sink.iter().find(|entry| entry.id == id)?;
            Some(Target { kinds: entry.kinds.clone(), limits: entry.limits, id, store })
        };
        self.units.each().into_iter().filter_map(target).collect()
    }

    /// From which number on sinks have not had everything whose kinds change.
    pub fn behind(&self, settled: &Settled) -> BTreeMap<String, u64> {
        let device = self.journal.spool().sealed().0;
        let kinds = settled.changes.iter().filter(|change| change.option.as_deref() == Some("kinds"));
        let from = |sink: &String| {
            upload::Delivered::of(&self.state, sink).done.get(&device).copied().unwrap_or(0) + 1
        };
        kinds.map(|change| (change.instance.clone(), from(&change.instance))).collect()
    }

    /// Declares what sinks no longer get though it waited for them: kinds that were taken out of their lists.
    pub fn tell_dropped(&self, settled: &Settled, behind: &BTreeMap<String, u64>) {
        let spool = self.journal.spool();
        let (device, sealed) = spool.sealed();
        let kinds = spool.kinds(&device).unwrap_or_default();
        for (sink, from) in behind.iter().filter(|(_, from)| **from <= sealed) {
            let entry = settled.config.sink.iter().find(|entry| entry.id == *sink);
            let Some(wanted) = entry.and_then(|entry| entry.kinds.as_ref()) else { continue };
            let is_dropped = |kind: &&String| *kind != "notice" && !wanted.contains(kind);
            // The blobs of a kind lie beside those of all others.
            let blobs = (!wanted.iter().any(|kind| kind == "screenshot")).then_some("_blob");
            for of in kinds.iter().filter(is_dropped).map(String::as_str).chain(blobs) {
                let gap = json!({
                    "reason": "kinds", "of": of, "from_seq": from, "to_seq": sealed, "missing_from": [sink],
                });
                self.router.host_record(GAP, journal::INSTANCE, &gap);
            }
        }
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

/// What takes effect only at the next start: where state and plugins are, and what the device is called.
fn later(before: &Config, new: &Config) -> Vec<String> {
    let (old, now) = (json!(before), json!(new));
    let mut later = Vec::new();
    for table in ["agent", "plugins"] {
        let keys = now[table].as_object().into_iter().flatten();
        let changed = keys.filter(|(key, value)| old[table][key.as_str()] != **value);
        later.extend(changed.map(|(key, _)| format!("[{table}] {key}")));
    }
    later
}
