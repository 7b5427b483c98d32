//! The removal of what every sink has, by age and size of its kind.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    time::{Duration, UNIX_EPOCH},
};

use super::{Item, Rules, Seals, Work, items};
use crate::{
    clock::Clock,
    disk::{self, Doing},
    error::Result,
    spool::{Seal, Spool},
    upload::Delivered,
};

/// By what it is decided, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Age,
    Size,
}

/// One look at what every sink has. What a crash leaves of it, the next one finds: a manifest is there longer than what
/// it lists.
#[derive(Debug)]
pub struct Sweep {
    sinks: Vec<Delivered>,
    rules: Rules,
    current: String,
    seals: Seals,
    by: By,
    at: usize,
    /// How many bytes of each kind stay, as far as it has come.
    sizes: BTreeMap<String, u64>,
}

impl Sweep {
    /// Begins one. Without sinks nothing is delivered, so nothing is removed. What a sink refused stays.
    pub fn new(spool: &Spool, sinks: Vec<Delivered>, rules: Rules) -> Result<Self> {
        let mut seals = Seals::default();
        for device in spool.devices()? {
            let upto = sinks.iter().map(|sink| sink.done.get(&device).copied().unwrap_or(0)).min();
            let delivered = spool.seals_upto(&device, upto.unwrap_or(0))?;
            seals.0.push((device, delivered));
        }
        let (current, _) = spool.sealed();
        Ok(Self { sinks, rules, current, seals, by: By::Age, at: 0, sizes: BTreeMap::new() })
    }

    /// Goes on for a turn; whether it is done.
    pub fn go_on(&mut self, work: &mut Work<'_>) -> Result<bool> {
        while let Some(seal) = self.next() {
            if work.turn.is_over() {
                return Ok(false);
            }
            work.turn.count();
            let is_through = match self.by {
                By::Age => self.by_age(work, &seal)?,
                By::Size => self.by_size(work, &seal)?,
            };
            if !is_through {
                return Ok(false);
            }
            self.at += 1;
        }
        Ok(true)
    }

    /// The next seal to look at, if there still is a reason to.
    fn next(&mut self) -> Option<Seal> {
        if self.by == By::Age {
            let seal = self.seals.get(self.at);
            if seal.is_some() {
                return seal;
            }
            (self.by, self.at) = (By::Size, 0);
        }
        let is_more = self.sizes.iter().any(|(kind, size)| *size > self.rules.of(kind).max_size);
        if is_more { self.seals.get(self.at) } else { None }
    }

    /// Whether it came through the seal; if not, it begins with it anew, and what went is gone.
    fn by_age(&mut self, work: &mut Work<'_>, seal: &Seal) -> Result<bool> {
        let age = age(&work.spool.path(&seal.key()), work.clock);
        let mut left = BTreeMap::<String, u64>::new();
        for item in items(work.spool, 0, seal) {
            if age < self.rules.of(&item.kind).max_age || self.is_refused(&item.key) {
                *left.entry(item.kind).or_default() += item.bytes;
            } else if work.turn.is_over() {
                return Ok(false);
            } else {
                self.remove("age", work, seal, &item)?;
            }
        }
        let key = seal.key();
        if left.is_empty() && age >= self.rules.usual.max_age && !self.is_refused(&key) {
            work.turn.count();
            remove(work.spool, &key, self.rules.archive.as_deref())?;
        }
        left.into_iter().for_each(|(kind, bytes)| *self.sizes.entry(kind).or_default() += bytes);
        Ok(true)
    }

    fn by_size(&mut self, work: &mut Work<'_>, seal: &Seal) -> Result<bool> {
        for item in items(work.spool, 0, seal) {
            let size = self.sizes.get(&item.kind).copied().unwrap_or(0);
            if size <= self.rules.of(&item.kind).max_size || self.is_refused(&item.key) {
                continue;
            }
            if work.turn.is_over() {
                return Ok(false);
            }
            self.remove("size", work, seal, &item)?;
            self.sizes.insert(item.kind, size.saturating_sub(item.bytes));
        }
        Ok(true)
    }

    fn is_refused(&self, key: &str) -> bool {
        self.sinks.iter().any(|sink| sink.is_refused(key))
    }

    fn remove(&self, reason: &'static str, work: &mut Work<'_>, seal: &Seal, item: &Item) -> Result<()> {
        work.turn.count();
        remove(work.spool, &item.key, self.rules.archive.as_deref())?;
        work.sums.add(reason, item, &seal.device, &self.current);
        Ok(())
    }
}

/// How long ago a file was written.
fn age(path: &Path, clock: &Clock) -> Duration {
    let written = fs::metadata(path).and_then(|file| file.modified());
    let written = written.ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    let now = Duration::from_nanos(u64::try_from(clock.unix_ns()).unwrap_or(0));
    now.saturating_sub(written)
}

/// Removes a file of the spool, or moves it to the archive.
fn remove(spool: &Spool, key: &str, archive: Option<&Path>) -> Result<()> {
    let Some(archive) = archive else { return spool.remove(key) };
    let (from, to) = (spool.path(key), archive.join(key));
    if disk::rename(&from, &to).is_err() && from.exists() {
        // On another disk.
        let bytes = fs::read(&from).doing("read for the archive", &from)?;
        disk::write(&to, &bytes)?;
    }
    spool.remove(key)
}
