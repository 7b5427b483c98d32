//! What stays on this machine, and for how long.
//!
//! Three rules, each told in a record: what every sink has goes by age and size of its kind ([`run`]); what waits goes
//! only beyond the hard quota ([`quota`]); and what a sink holds goes after `keep` ([`keep`]). Data goes, manifests stay:
//! the spool's copy of one goes with the last of its data, once every sink has it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::{Duration, UNIX_EPOCH},
};

use serde::Serialize;
use serde_json::{Value, json};
use tracing::warn;

use crate::{
    clock::Clock,
    disk::{self, Doing},
    error::Result,
    spool::{Seal, Spool},
    upload::{self, Delivered},
};

pub mod keep;
pub mod quota;

/// How much of a kind stays, and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long after its seal.
    pub max_age: Duration,
    /// How many bytes at most.
    pub max_size: u64,
}

/// How much of every kind stays, and how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The limits of most kinds.
    pub usual: Limits,
    /// Those of the others.
    pub kinds: BTreeMap<String, Limits>,
    /// Where what goes is moved to.
    pub archive: Option<PathBuf>,
}

impl Rules {
    /// The same age for all, any size.
    pub fn age(max_age: Duration) -> Self {
        let usual = Limits { max_age, max_size: u64::MAX };
        Self { usual, kinds: BTreeMap::new(), archive: None }
    }

    /// The limits of a kind.
    pub fn of(&self, kind: &str) -> Limits {
        self.kinds.get(kind).copied().unwrap_or(self.usual)
    }

    /// How often it is looked at: often enough that nothing stays much longer than it may.
    pub fn every(&self) -> Duration {
        let ages = self.kinds.values().chain([&self.usual]).map(|limits| limits.max_age);
        ages.min().map_or(Duration::ZERO, |age| (age / 24).min(Duration::from_secs(3600)))
    }
}

/// What was removed of one kind for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Removed {
    /// The kind, or `_blob`.
    pub of: String,
    /// The device, where it is an earlier id of this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of_device: Option<String>,
    /// How many objects.
    pub count: u64,
    /// How many bytes they had.
    pub bytes: u64,
    /// The lowest number in them.
    pub from_seq: u64,
    /// The highest.
    pub to_seq: u64,
}

/// An object or blob of a seal that is here.
#[derive(Clone, Debug)]
struct Item {
    /// The number of its seal.
    seal: usize,
    key: String,
    /// Its records' kind.
    kind: String,
    /// The folder it is in: the kind, or `_blob`.
    of: String,
    first: u64,
    last: u64,
    bytes: u64,
}

impl Removed {
    /// Nothing yet of what an item is one of.
    fn of(item: &Item, device: &str, current: &str) -> Self {
        let of_device = (device != current).then(|| device.to_owned());
        Self { of: item.of.clone(), of_device, count: 0, bytes: 0, from_seq: item.first, to_seq: item.last }
    }

    fn add(&mut self, item: &Item) {
        self.count += 1;
        self.bytes += item.bytes;
        self.from_seq = self.from_seq.min(item.first);
        self.to_seq = self.to_seq.max(item.last);
    }
}

/// What of a seal is still here.
fn items(spool: &Spool, number: usize, seal: &Seal) -> Vec<Item> {
    let Ok(manifest) = spool.manifest(seal) else { return Vec::new() };
    let objects = manifest.objects.into_iter().map(|object| Item {
        seal: number,
        first: object.seq.iter().next().map_or(0, |run| run.0),
        last: object.seq.last().unwrap_or(0),
        of: object.kind.clone(),
        key: object.key,
        kind: object.kind,
        bytes: object.len,
    });
    let blobs = manifest.blobs.into_iter().map(|blob| Item {
        seal: number,
        first: blob.seq,
        last: blob.seq,
        of: "_blob".to_owned(),
        key: blob.key,
        kind: blob.kind,
        bytes: blob.len,
    });
    objects.chain(blobs).filter(|item| spool.path(&item.key).exists()).collect()
}

/// What the sinks of a state folder have.
pub fn delivered(spool: &Spool, sinks: &[String]) -> Vec<Delivered> {
    let state = spool.root().parent().unwrap_or(spool.root());
    sinks.iter().map(|id| upload::delivered(state, id)).collect()
}

/// Removes what every one of these sinks has, by age and size of its kind; what went, by reason. Without sinks nothing
/// is delivered, so nothing is removed. What a sink refused stays.
pub fn run(
    spool: &Spool,
    sinks: &[Delivered],
    rules: &Rules,
    clock: &Clock,
) -> Result<Vec<(&'static str, Removed)>> {
    let mut seals = Vec::new();
    for device in spool.devices()? {
        let upto = sinks.iter().map(|sink| sink.done.get(&device).copied().unwrap_or(0)).min();
        seals.extend(spool.seals_upto(&device, upto.unwrap_or(0))?);
    }
    let mut work = Work { spool, sinks, rules, current: spool.sealed().0, sums: BTreeMap::new() };
    if let Err(error) = work.run(&seals, clock) {
        warn!(%error, "the rest stays until the next time");
    }
    Ok(work.sums.into_iter().map(|((reason, _, _), removed)| (reason, removed)).collect())
}

/// One look at what every sink has: a seal at a time, since there may be very many.
struct Work<'a> {
    spool: &'a Spool,
    sinks: &'a [Delivered],
    rules: &'a Rules,
    current: String,
    /// What went, by reason, device and folder.
    sums: BTreeMap<(&'static str, String, String), Removed>,
}

impl Work<'_> {
    fn run(&mut self, seals: &[Seal], clock: &Clock) -> Result<()> {
        let mut sizes = BTreeMap::<String, u64>::new();
        for seal in seals {
            let age = age(&self.spool.path(&seal.key()), clock);
            let mut left = false;
            for item in items(self.spool, 0, seal) {
                if age >= self.rules.of(&item.kind).max_age && !self.is_refused(&item.key) {
                    self.remove("age", seal, &item)?;
                } else {
                    *sizes.entry(item.kind).or_default() += item.bytes;
                    left = true;
                }
            }
            let key = seal.key();
            if !left && age >= self.rules.usual.max_age && !self.is_refused(&key) {
                remove(self.spool, &key, self.rules.archive.as_deref())?;
            }
        }
        for seal in seals {
            if sizes.iter().all(|(kind, size)| *size <= self.rules.of(kind).max_size) {
                break;
            }
            for item in items(self.spool, 0, seal) {
                let size = sizes.entry(item.kind.clone()).or_default();
                if *size > self.rules.of(&item.kind).max_size && !self.is_refused(&item.key) {
                    *size = size.saturating_sub(item.bytes);
                    self.remove("size", seal, &item)?;
                }
            }
        }
        Ok(())
    }

    fn is_refused(&self, key: &str) -> bool {
        self.sinks.iter().any(|sink| sink.is_refused(key))
    }

    fn remove(&mut self, reason: &'static str, seal: &Seal, item: &Item) -> Result<()> {
        remove(self.spool, &item.key, self.rules.archive.as_deref())?;
        let place = (reason, seal.device.clone(), item.of.clone());
        let sum = self.sums.entry(place).or_insert_with(|| Removed::of(item, &seal.device, &self.current));
        sum.add(item);
        Ok(())
    }
}

/// A notice of what [`run`] removed.
pub fn notice(removed: &[(&'static str, Removed)], archive: Option<&Path>) -> Value {
    let list = removed.iter().map(|(reason, removed)| {
        let mut fields = json!(removed);
        fields["reason"] = (*reason).into();
        fields
    });
    let list: Vec<Value> = list.collect();
    json!({"cause": "retain", "removed": list, "archive": archive.map(|path| path.display().to_string())})
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
