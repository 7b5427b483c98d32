//! The hard quota: what goes though a sink has not had it.
//!
//! Screenshots before records, oldest first; what a sink refused for good among them. What goes is declared before it is removed, so that a crash in between
//! leaves something that is declared and there, never something that is neither.

use std::{collections::BTreeMap, fs, path::Path};

use serde::Serialize;

use super::{Item, Removed, items};
use crate::{
    disk,
    error::Result,
    outbox::{Entry, Outbox},
    spool::{Seal, Spool},
    upload::Delivered,
};

/// What is to go.
#[derive(Debug, Default)]
pub struct Plan {
    /// Keys of sealed objects and blobs.
    pub keys: Vec<String>,
    /// What waits in the outbox.
    pub waiting: Vec<Entry>,
    /// A gap for each kind and set of sinks that miss it.
    pub gaps: Vec<Gap>,
}

/// What a gap says of objects that are gone though some sinks have not had them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// Always `quota`.
    pub reason: &'static str,
    /// What.
    #[serde(flatten)]
    pub removed: Removed,
    /// Ids of the sinks that have not had it.
    pub missing_from: Vec<String>,
}

/// How many bytes there are in the spool and the outbox.
pub fn used(spool: &Spool) -> Result<u64> {
    let state = spool.root().parent().unwrap_or(spool.root());
    [spool.root().to_owned(), state.join("outbox")].iter().try_fold(0, |sum, folder| Ok(sum + size(folder)?))
}

fn size(folder: &Path) -> Result<u64> {
    let (mut bytes, mut folders) = (0, Vec::new());
    disk::each_name(folder, |name| match fs::symlink_metadata(folder.join(name)) {
        Ok(entry) if entry.is_dir() => folders.push(folder.join(name)),
        Ok(entry) => bytes += entry.len(),
        // Removed meanwhile.
        Err(_) => {}
    })?;
    folders.iter().try_fold(bytes, |sum, folder| Ok(sum + size(folder)?))
}

/// Finds what has to go so that so many bytes become free.
pub fn plan(spool: &Spool, outbox: &Outbox, sinks: &[(String, Delivered)], mut excess: u64) -> Result<Plan> {
    let (current, _) = spool.sealed();
    let mut devices = spool.devices()?;
    devices.sort_by_key(|device| *device == current);
    let mut seals = Vec::<Seal>::new();
    for device in devices {
        seals.extend(spool.seals(&device)?);
    }
    let mut plan = Plan::default();
    let mut gone = take(spool, &seals, &mut excess, |item| item.of == "_blob");
    for entry in outbox.waiting()? {
        if excess == 0 {
            break;
        }
        excess = excess.saturating_sub(entry.blob.len);
        plan.waiting.push(entry);
    }
    gone.extend(take(spool, &seals, &mut excess, |item| item.of != "_blob"));
    let mut sums = BTreeMap::<(Vec<String>, &str, &str), Removed>::new();
    for item in &gone {
        let seal = &seals[item.seal];
        let has = |sink: &Delivered| match item.of.as_str() {
            "_blob" => sink.has(seal),
            _ => sink.has_records(seal),
        };
        let without = sinks.iter().filter(|(_, sink)| !has(sink) || sink.is_refused(&item.key));
        let missing_from: Vec<String> = without.map(|(id, _)| id.clone()).collect();
        // Some sinks have the records before the blobs; that one has no more use for them is nobody's loss.
        if missing_from.is_empty() && !sinks.is_empty() {
            continue;
        }
        let sum = sums.entry((missing_from, &seal.device, &item.of));
        sum.or_insert_with(|| Removed::of(item, &seal.device, &current)).add(item);
    }
    let gap = |((missing_from, _, _), removed)| Gap { reason: "quota", removed, missing_from };
    plan.gaps = sums.into_iter().map(gap).collect();
    plan.keys = gone.into_iter().map(|item| item.key).collect();
    Ok(plan)
}

/// The oldest that are wanted, until they are enough.
fn take(spool: &Spool, seals: &[Seal], excess: &mut u64, wanted: impl Fn(&Item) -> bool) -> Vec<Item> {
    let mut taken = Vec::new();
    for (number, seal) in seals.iter().enumerate() {
        for item in items(spool, number, seal).into_iter().filter(&wanted) {
            if *excess == 0 {
                return taken;
            }
            *excess = excess.saturating_sub(item.bytes);
            taken.push(item);
        }
        if *excess == 0 {
            break;
        }
    }
    taken
}
