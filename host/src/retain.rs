//! What stays on this machine, and for how long.
//!
//! Three rules, each told in a record: what every sink has goes by age and size of its kind (`sweep`); what waits goes
//! only beyond the hard quota ([`quota`]); and what a sink holds goes after `keep` ([`keep`]). Data goes, manifests stay:
//! the spool's copy of one goes with the last of its data, once every sink has it.
//!
//! There may be a million files. So the first two work a [`Turn`] at a time, and the journal does its own work between.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    clock::Clock,
    spool::{Seal, Spool},
    upload::Delivered,
};

pub mod keep;
pub mod quota;
mod sweep;

pub use sweep::Sweep;

/// How many files a turn looks at or removes at most.
pub const TURN: usize = 256;
/// After what time a turn ends in any case: on a slow disk.
const LONG: Duration = Duration::from_millis(50);

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

/// How much may be done until the journal does its own work again.
#[derive(Debug)]
pub struct Turn {
    left: usize,
    until: Instant,
}

impl Default for Turn {
    fn default() -> Self {
        Self { left: TURN, until: Instant::now() + LONG }
    }
}

impl Turn {
    /// Whether the rest is for the next one.
    pub fn is_over(&self) -> bool {
        self.left == 0 || Instant::now() >= self.until
    }

    /// Notes that a file was looked at or removed.
    pub fn count(&mut self) {
        self.left = self.left.saturating_sub(1);
    }
}

/// What a turn has to do with.
pub struct Work<'a> {
    /// Where the files are.
    pub spool: &'a Spool,
    /// What age goes by.
    pub clock: &'a Clock,
    /// Where it is noted what went.
    pub sums: &'a mut Sums,
    /// How much yet.
    pub turn: &'a mut Turn,
}

/// Seals of all devices in order: two numbers each, since there may be very many.
#[derive(Debug, Default)]
struct Seals(Vec<(String, Vec<(u64, u64)>)>);

impl Seals {
    fn get(&self, mut at: usize) -> Option<Seal> {
        for (device, seals) in &self.0 {
            if let Some(&(first, last)) = seals.get(at) {
                return Some(Seal { device: device.clone(), first, last });
            }
            at -= seals.len();
        }
        None
    }
}

/// What was removed and is not told yet.
#[derive(Debug, Default)]
pub struct Sums(BTreeMap<(&'static str, String, String), Removed>);

impl Sums {
    fn add(&mut self, reason: &'static str, item: &Item, device: &str, current: &str) {
        let place = (reason, device.to_owned(), item.of.clone());
        self.0.entry(place).or_insert_with(|| Removed::of(item, device, current)).add(item);
    }

    /// All of it, by reason; from here on it is told.
    pub fn take(&mut self) -> Vec<(&'static str, Removed)> {
        let sums = std::mem::take(&mut self.0);
        sums.into_iter().map(|((reason, _, _), removed)| (reason, removed)).collect()
    }
}

/// A notice of what was removed.
pub fn notice(removed: &[(&'static str, Removed)], archive: Option<&Path>) -> Value {
    let list = removed.iter().map(|(reason, removed)| {
        let mut fields = json!(removed);
        fields["reason"] = (*reason).into();
        fields
    });
    let list: Vec<Value> = list.collect();
    json!({"cause": "retain", "removed": list, "archive": archive.map(|path| path.display().to_string())})
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
    sinks.iter().map(|id| Delivered::of(state, id)).collect()
}
