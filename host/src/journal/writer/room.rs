//! Room on the disk: what every sink has goes by the rules, what waits only beyond the hard quota. Both are told.
//!
//! All of it a turn at a time, after the journal's own work: however much has to go, what is emitted meanwhile is durable
//! a moment later.

use std::time::Duration;

use serde_json::to_value;
use tracing::{info, warn};

use super::Writer;
use crate::{
    clock,
    error::Result,
    journal::tail,
    retain::{
        self, Rules, Sweep, Turn, Work,
        quota::{self, Plan, Search, Walk},
    },
    seal::Tombstone,
};

/// What part of the quota is made free at once, so that not every new object has another one removed.
const PART: u64 = 50;

/// What is under way.
pub(super) enum Room {
    /// What every sink has goes by the rules.
    Sweep(Sweep),
    /// All of it goes, since the quota is reached or nothing can be sealed.
    Clear(Sweep),
    /// How much there is, and what comes then if that is too much.
    Measure(Walk, Then),
    /// What waits is looked for.
    Search(Search),
    /// It is declared, and goes.
    Take(Plan, Search),
}

/// What comes when there is too much.
#[derive(Clone, Copy)]
pub(super) enum Then {
    Clear,
    Search,
    Nothing,
}

impl Writer {
    /// Has looked for what the rules no longer keep, if it is time to.
    pub(super) fn retain(&mut self) {
        let now = self.options.clock.mono_ns();
        let every = self.options.rules.every();
        let last = self.retained.map(|last| Duration::from_nanos(now.saturating_sub(last)));
        if last.is_none_or(|last| last >= every) {
            self.retained = Some(now);
            self.sweep_due = true;
        }
    }

    /// Has all go that every sink has, to have room to seal.
    pub(super) fn clear(&mut self) {
        if matches!(self.room, None | Some(Room::Sweep(_))) {
            self.room = self.clearing().map(Some).unwrap_or_else(|error| {
                warn!(%error, "nothing removed to make room");
                None
            });
        }
    }

    /// Whether there is a turn to do.
    pub(super) fn is_making_room(&self) -> bool {
        self.room.is_some() || self.sweep_due
    }

    /// Removes for a turn what has to go.
    pub(super) fn make_room(&mut self) {
        let mut turn = Turn::default();
        while !turn.is_over() {
            let next = match self.room.take() {
                Some(room) => self.go_on(room, &mut turn),
                None => self.begin(),
            };
            match next {
                Ok(Some(room)) => self.room = Some(room),
                Ok(None) => break,
                Err(error) => warn!(%error, "not cleaned up; the rest stays until the next time"),
            }
        }
        if self.room.is_none() && self.tail.is_well() {
            self.tell_removed();
        }
    }

    /// Tells what went so far.
    pub(super) fn tell_removed(&mut self) {
        let removed = self.removed.take();
        if !removed.is_empty() {
            let notice = retain::notice(&removed, self.options.rules.archive.as_deref());
            self.append(&tail::own("notice", &notice));
        }
    }

    /// What is to be done, if anything is. The quota is looked at only when enough has come since the last look.
    fn begin(&mut self) -> Result<Option<Room>> {
        let max = self.options.max;
        let is_reached = match self.used {
            None => self.grown > 0,
            // Where the last look found nothing to remove, only after more has come.
            Some(used) if used > max => self.grown >= max / PART,
            Some(used) => used.saturating_add(self.grown) > max,
        };
        if max < u64::MAX && is_reached {
            return Ok(Some(self.measure(Then::Clear)));
        }
        if std::mem::take(&mut self.sweep_due) {
            return self.sweep(self.options.rules.clone()).map(|sweep| Some(Room::Sweep(sweep)));
        }
        Ok(None)
    }

    fn measure(&mut self, then: Then) -> Room {
        self.grown = 0;
        Room::Measure(Walk::new(&self.spool), then)
    }

    fn clearing(&self) -> Result<Room> {
        let archive = self.options.rules.archive.clone();
        self.sweep(Rules { archive, ..Rules::age(Duration::ZERO) }).map(Room::Clear)
    }

    fn sweep(&self, rules: Rules) -> Result<Sweep> {
        let sinks = retain::delivered(&self.spool, &self.options.sinks);
        Sweep::new(&self.spool, sinks, rules)
    }

    /// Goes on with what is under way; what then is, if it isn't done.
    fn go_on(&mut self, room: Room, turn: &mut Turn) -> Result<Option<Room>> {
        let (spool, clock) = (self.spool.clone(), self.options.clock.clone());
        let mut work = Work { spool: &spool, clock: &clock, sums: &mut self.removed, turn: &mut *turn };
        Ok(match room {
            Room::Sweep(mut sweep) => (!sweep.go_on(&mut work)?).then_some(Room::Sweep(sweep)),
            Room::Clear(mut sweep) => Some(match sweep.go_on(&mut work)? {
                true => self.measure(Then::Search),
                false => Room::Clear(sweep),
            }),
            Room::Measure(mut walk, then) => match walk.go_on(work.turn)? {
                Some(used) => self.measured(used, then)?,
                None => Some(Room::Measure(walk, then)),
            },
            Room::Search(mut search) => match search.go_on(&spool, &self.tail.outbox, work.turn)? {
                true => self.declare(search)?,
                false => Some(Room::Search(search)),
            },
            Room::Take(mut plan, search) => {
                let is_done = quota::remove(&mut plan, &mut work)? && self.bury(&mut plan, turn)?;
                Some(match is_done {
                    false => Room::Take(plan, search),
                    true if search.is_more() => Room::Search(search),
                    true => self.measure(Then::Nothing),
                })
            }
        })
    }

    fn measured(&mut self, used: u64, then: Then) -> Result<Option<Room>> {
        self.used = Some(used);
        let max = self.options.max;
        if used <= max {
            return Ok(None);
        }
        Ok(match then {
            Then::Clear => Some(self.clearing()?),
            Then::Search => Some(Room::Search(Search::new(&self.spool, used - (max - max / PART))?)),
            Then::Nothing => None,
        })
    }

    /// Declares what was found before any of it is removed, so that a crash leaves nothing missing that isn't.
    fn declare(&mut self, mut search: Search) -> Result<Option<Room>> {
        self.commit();
        let sinks = retain::delivered(&self.spool, &self.options.sinks);
        let sinks: Vec<_> = self.options.sinks.iter().cloned().zip(sinks).collect();
        let plan = search.plan(&sinks);
        let lost = self.lost.count;
        for gap in &plan.gaps {
            let fields = to_value(gap).unwrap_or_default();
            warn!(gap = %fields, "quota reached: removed before every sink had it");
            self.append(&tail::own("gap", &fields));
        }
        self.commit();
        if self.lost.count > lost {
            info!("nothing is removed that can't be declared");
            return Ok(None);
        }
        Ok(Some(Room::Take(plan, search)))
    }

    /// Removes for a turn what of a plan waits in the outbox, but for its tombstones; whether that is done.
    fn bury(&mut self, plan: &mut Plan, turn: &mut Turn) -> Result<bool> {
        while let Some(entry) = plan.waiting.pop_front() {
            // Told by a seal meanwhile, or deleted by somebody.
            if self.told.contains(&entry.blob.seq) || self.tail.outbox.get(entry.blob.seq).is_none() {
                continue;
            }
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
            turn.count();
            if turn.is_over() {
                return Ok(plan.waiting.is_empty());
            }
        }
        Ok(true)
    }
}
