//! Begins seals, ends them, and notes how far everything is done.

use std::collections::VecDeque;

use plugin_api::{Fault, call::Failure, v1::Status};

use super::{NOTE, OPEN, OPEN_FAILING, Phase, Place, Plan, Task};
use crate::{
    spool::Seal,
    upload::listed::{Listed, Part, parts},
};

impl Plan {
    /// Begins the next seal of a phase; false if there is none, or too many are begun.
    pub(super) fn begin(&mut self, phase: Phase) -> bool {
        let most = if self.failures > 0 { OPEN_FAILING } else { OPEN };
        let (at, end) = match phase {
            Phase::Records => (self.next.0, self.index.len()),
            Phase::Blobs => (self.next.1, self.next.0),
        };
        if at >= end || self.open.len() >= most {
            return false;
        }
        // An entry that can't be read now is read off its manifest after a restart.
        let Some(entry) = self.index.get(at) else { return false };
        match phase {
            Phase::Records => self.next.0 += 1,
            Phase::Blobs => self.next.1 += 1,
        }
        if entry.is_end || (phase == Phase::Blobs && entry.blobs == 0) {
            self.advance();
            return true;
        }
        let mut task = Task {
            fresh: VecDeque::new(),
            waiting: Vec::new(),
            flying: 0,
            ends: phase == Phase::Blobs || entry.blobs == 0,
            seal: Some(entry.seal.clone()),
        };
        match self.spool.manifest(&entry.seal) {
            Ok(manifest) => {
                let wanted = parts(&manifest)
                    .filter(|part| self.target.wants(part.kind) && part.is_blob == (phase == Phase::Blobs));
                task.fresh = wanted.map(Listed::part).collect();
            }
            Err(error) if error.is_gone() => {
                let left = if phase == Phase::Blobs { entry.blobs } else { entry.objects };
                self.pending = self.pending.saturating_sub(u64::from(left) + u64::from(task.ends));
                task.ends = false;
            }
            Err(error) => {
                let part = manifest(&entry.seal);
                let failure = Failure::new(Status::FATAL, Fault::Malformed, error.to_string());
                let _ = self.refuse(part, failure);
            }
        }
        self.open.insert((phase, at), task);
        self.finish((phase, at));
        self.advance();
        true
    }

    /// Ends a task that has nothing left but perhaps its manifest.
    pub(super) fn finish(&mut self, place: Place) {
        let Some(task) = self.open.get_mut(&place) else { return };
        if task.flying > 0 || !task.fresh.is_empty() || !task.waiting.is_empty() {
            return;
        }
        let ends = std::mem::take(&mut task.ends);
        let (Some(seal), true) = (task.seal.clone(), ends) else {
            self.open.remove(&place);
            return;
        };
        let records = (Phase::Records, place.1);
        if place.0 == Phase::Blobs && self.open.contains_key(&records) {
            // Its records are held up: they bring the manifest.
            self.open.remove(&place);
            if let Some(task) = self.open.get_mut(&records) {
                task.ends = true;
            }
        } else if let Some(task) = self.open.get_mut(&place) {
            let manifest = manifest(&seal);
            // A manifest that can't be read was set aside before.
            if self.delivered.is_refused(&manifest.key) {
                self.open.remove(&place);
            } else {
                task.fresh.push_back(manifest);
            }
        }
    }

    /// Notes how far everything is done.
    pub(super) fn advance(&mut self) {
        // A seal without blobs is done with its records, without a turn of its own.
        while self.next.1 < self.next.0
            && self.index.get(self.next.1).is_some_and(|entry| entry.is_end || entry.blobs == 0)
        {
            self.next.1 += 1;
        }
        let first = |phase| self.open.range((phase, 0)..(phase, u64::MAX)).next().map(|(place, _)| place.1);
        let records = first(Phase::Records).unwrap_or(u64::MAX).min(self.next.0);
        let blobs = first(Phase::Blobs).unwrap_or(u64::MAX).min(self.next.1).min(records);
        for at in self.done.0..records {
            if let Some(entry) = self.index.get(at).filter(|entry| !entry.is_end) {
                self.delivered.add_records(&entry.seal);
            }
            self.unnoted = true;
        }
        for at in self.done.1..blobs {
            if let Some(entry) = self.index.get(at).filter(|entry| !entry.is_end) {
                self.delivered.add(&entry.seal);
            }
            self.unnoted = true;
        }
        self.done = (self.done.0.max(records), self.done.1.max(blobs));
        let drained = self.open.is_empty() && self.done.1 == self.index.len();
        if drained {
            (self.pending, self.pending_bytes) = (0, 0);
        }
        if self.unnoted && (drained || self.noted.is_none_or(|noted| noted.elapsed() >= NOTE)) {
            self.note();
        }
        if drained && self.index.len() > 0 && !self.unnoted {
            self.index.clear();
            (self.next, self.done) = ((0, 0), (0, 0));
        }
    }
}

/// The manifest of a seal, to send.
fn manifest(seal: &Seal) -> Part {
    Part { key: seal.key(), sums: None, media_type: "application/json".into(), len: 0 }
}
