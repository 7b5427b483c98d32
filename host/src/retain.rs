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

/// Adds items up by device and folder, in order.
fn sum<'a>(items: impl IntoIterator<Item = (&'a Item, &'a str)>, current: &str) -> Vec<Removed> {
    let mut sums = BTreeMap::<(&str, &str), Removed>::new();
    for (item, device) in items {
        let sum = sums.entry((device, &item.of)).or_insert_with(|| Removed {
            of: item.of.clone(),
            of_device: (device != current).then(|| device.to_owned()),
            count: 0,
            bytes: 0,
            from_seq: item.first,
            to_seq: item.last,
        });
        sum.count += 1;
        sum.bytes += item.bytes;
        sum.from_seq = sum.from_seq.min(item.first);
        sum.to_seq = sum.to_seq.max(item.last);
    }
    sums.into_values().collect()
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
    let (mut seals, mut all) = (Vec::new(), Vec::new());
    if sinks.is_empty() {
        return Ok(Vec::new());
    }
    for device in spool.devices()? {
        for seal in spool.each_seal(&device)? {
            if !sinks.iter().all(|sink| sink.has(&seal)) {
                break;
            }
            all.extend(items(spool, seals.len(), &seal));
            seals.push((age(&spool.path(&seal.key()), clock), seal));
        }
    }
    let refused = |key: &str| sinks.iter().any(|sink| sink.is_refused(key));
    let (held, here): (Vec<Item>, Vec<Item>) = all.into_iter().partition(|item| refused(&item.key));
    let (old, here): (Vec<Item>, Vec<Item>) =
        here.into_iter().partition(|item| seals[item.seal].0 >= rules.of(&item.kind).max_age);
    let mut sizes = BTreeMap::<&str, u64>::new();
    here.iter().for_each(|item| *sizes.entry(&item.kind).or_default() += item.bytes);
    let mut large = Vec::new();
    for item in &here {
        let size = sizes.entry(&item.kind).or_default();
        if *size > rules.of(&item.kind).max_size {
            *size -= item.bytes;
            large.push(item.clone());
        }
    }
    for item in old.iter().chain(&large) {
        remove(spool, &item.key, rules.archive.as_deref())?;
    }
    let kept = |number: usize| {
        let stays = |item: &&Item| item.seal == number && !large.iter().any(|gone| gone.key == item.key);
        held.iter().any(|item| item.seal == number) || here.iter().any(|item| stays(&item))
    };
    for (number, (age, seal)) in seals.iter().enumerate() {
        if *age >= rules.usual.max_age && !refused(&seal.key()) && !kept(number) {
            remove(spool, &seal.key(), rules.archive.as_deref())?;
        }
    }
    let current = spool.sealed().0;
    let of = |items: &[Item], reason| {
        let items: Vec<_> = items.iter().map(|item| (item, seals[item.seal].1.device.as_str())).collect();
        sum(items, &current).into_iter().map(|removed| (reason, removed)).collect::<Vec<_>>()
    };
    Ok([of(&old, "age"), of(&large, "size")].concat())
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
