//! Room on the disk: what every sink has goes by the rules, what waits only beyond the hard quota. Both are told.

use std::time::Duration;

use serde_json::to_value;
use tracing::{info, warn};

use super::Writer;
use crate::{
    clock,
    error::Result,
    journal::tail,
    retain::{self, Rules, quota},
    seal::Tombstone,
};

/// What part of the quota is made free at once, so that not every new object has another one removed.
const PART: u64 = 50;

impl Writer {
    /// Removes what the rules no longer keep, if it is time to look.
    pub(super) fn retain(&mut self) {
        let now = self.options.clock.mono_ns();
        let every = self.options.rules.every();
        if self.retained.is_some_and(|last| Duration::from_nanos(now.saturating_sub(last)) < every) {
            return;
        }
        self.retained = Some(now);
        let rules = self.options.rules.clone();
        if let Err(error) = self.remove_delivered(&rules) {
            warn!(%error, "not cleaned up");
        }
    }

    fn remove_delivered(&mut self, rules: &Rules) -> Result<()> {
        let sinks = retain::delivered(&self.spool, &self.options.sinks);
        let removed = retain::run(&self.spool, &sinks, rules, &self.options.clock)?;
        if !removed.is_empty() {
            self.append(&tail::own("notice", &retain::notice(&removed, rules.archive.as_deref())));
        }
        Ok(())
    }

    /// Makes room when the spool and the outbox have more than they may. Looks only when enough has come to them since
    /// the last look.
    pub(super) fn hold_quota(&mut self) {
        let max = self.options.max;
        let due = match self.used {
            None => self.grown > 0,
            // Where the last look found nothing to remove, only after more has come.
            Some(used) if used > max => self.grown >= max / PART,
            Some(used) => used.saturating_add(self.grown) > max,
        };
        if max == u64::MAX || !due {
            return;
        }
        self.grown = 0;
        if let Err(error) = self.make_room_below(max) {
            warn!(%error, "no room made, though the quota is reached");
        }
    }

    fn make_room_below(&mut self, max: u64) -> Result<()> {
        let mut used = quota::used(&self.spool)?;
        self.used = Some(used);
        if used <= max {
            return Ok(());
        }
        let archive = self.options.rules.archive.clone();
        self.remove_delivered(&Rules { archive, ..Rules::age(Duration::ZERO) })?;
        used = quota::used(&self.spool)?;
        if used > max {
            self.remove_waiting(used - (max - max / PART))?;
            used = quota::used(&self.spool)?;
        }
        self.used = Some(used);
        Ok(())
    }

    /// Removes so many bytes of what waits: declared first, so that a crash leaves nothing missing that isn't.
    fn remove_waiting(&mut self, excess: u64) -> Result<()> {
        self.commit();
        let sinks = retain::delivered(&self.spool, &self.options.sinks);
        let sinks: Vec<_> = self.options.sinks.iter().cloned().zip(sinks).collect();
        let plan = quota::plan(&self.spool, &self.tail.outbox, &sinks, excess)?;
        let lost = self.lost.count;
        for gap in &plan.gaps {
            let fields = to_value(gap).unwrap_or_default();
            warn!(gap = %fields, "quota reached: removed before every sink had it");
            self.append(&tail::own("gap", &fields));
        }
        self.commit();
        if self.lost.count > lost {
            info!("nothing is removed that can't be declared");
            return Ok(());
        }
        for key in &plan.keys {
            self.spool.remove(key)?;
        }
        for entry in plan.waiting.into_iter().filter(|entry| !self.told.contains(&entry.blob.seq)) {
            let stone = Tombstone {
                seq: entry.blob.seq,
                kind: entry.blob.kind,
                key: entry.blob.key,
                time: clock::rfc3339(self.options.clock.unix_ns()),
                reason: "quota".to_owned(),
                text: "removed before it could leave: [spool] max is reached".to_owned(),
            };
            warn!(seq = stone.seq, "quota reached: a screenshot is removed before it could leave");
            self.tail.outbox.delete(&stone, &self.spool)?;
        }
        Ok(())
    }
}
