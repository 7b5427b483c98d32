//! The keys of a device in the order of their numbers, a bounded part at a time. A store lists in any order, so each part
//! is one listing of which the lowest numbers are kept.

use std::collections::BTreeMap;

use super::Store;
use crate::{error::Result, seal::key};

/// How many keys are in memory at once.
const SIZE: usize = 100_000;

/// What a key stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A manifest.
    Manifest,
    /// An object of records.
    Object,
    /// A blob, whose manifest may come long after its number.
    Blob,
}

/// The keys that are here and in no manifest yet.
pub struct Window<'a> {
    store: &'a dyn Store,
    prefix: String,
    size: usize,
    /// By number and key: the length.
    keys: BTreeMap<(u64, String), u64>,
    /// By the first number: the last, of manifests.
    manifests: BTreeMap<(u64, u64), u64>,
    /// Every key whose number is at most this was read.
    upto: Option<u64>,
    /// Keys that are nothing of ours.
    pub foreign: Vec<String>,
}

impl<'a> Window<'a> {
    /// Of a device; `size` keys, or the usual number if that is 0.
    pub fn new(store: &'a dyn Store, device: &str, size: usize) -> Self {
        let size = if size == 0 { SIZE } else { size };
        let prefix = format!("v=1/device={device}/");
        let (keys, manifests) = (BTreeMap::new(), BTreeMap::new());
        Self { store, prefix, size, keys, manifests, upto: None, foreign: Vec::new() }
    }

    /// The next manifests, at most so many; none at the end. Every key up to their last number is here then.
    pub fn manifests(&mut self, most: usize) -> Result<Vec<(u64, u64)>> {
        loop {
            let upto = self.upto;
            let ready = self.manifests.keys().take_while(|(_, last)| upto.is_some_and(|upto| *last <= upto));
            let ready: Vec<_> = ready.take(most).copied().collect();
            if !ready.is_empty() || upto == Some(u64::MAX) {
                ready.iter().for_each(|range| _ = self.manifests.remove(range));
                return Ok(ready);
            }
            self.more()?;
        }
    }

    /// Takes a key out; its length if it is here.
    pub fn take(&mut self, number: u64, key: &str) -> Option<u64> {
        self.keys.remove(&(number, key.to_owned()))
    }

    /// Takes out the objects up to a number that no manifest has claimed, or every key.
    pub fn unclaimed(&mut self, upto: u64) -> Vec<(u64, String)> {
        let blob = format!("{}_blob/", self.prefix);
        let left = |key: &&(u64, String)| upto == u64::MAX || !key.1.starts_with(&blob);
        let keys: Vec<_> = self.keys.keys().take_while(|key| key.0 <= upto).filter(left).cloned().collect();
        keys.iter().for_each(|key| _ = self.keys.remove(key));
        keys
    }

    /// Reads the next part.
    fn more(&mut self) -> Result<()> {
        let after = self.upto;
        let (mut part, mut cut, mut foreign) = (BTreeMap::new(), u64::MAX, Vec::new());
        let (size, prefix) = (self.size, &self.prefix);
        self.store.list(prefix, &mut |key, len| {
            let Some((what, first, last)) = key.strip_prefix(prefix.as_str()).and_then(numbers) else {
                if after.is_none() && foreign.len() < 100 {
                    foreign.push(key.to_owned());
                }
                return;
            };
            if after.is_some_and(|after| first <= after) || first >= cut {
                return;
            }
            part.insert((first, key.to_owned()), (what, last, len));
            if part.len() > size
                && let Some(((highest, _), _)) = part.pop_last()
            {
                // Of a number that doesn't fit with all its keys none is taken.
                cut = highest;
                part.split_off(&(cut, String::new()));
            }
        })?;
        self.foreign.extend(foreign);
        if part.is_empty() && cut < u64::MAX {
            // More keys of one number than the window holds: it grows until they fit.
            self.size *= 2;
            return Ok(());
        }
        self.upto = Some(cut.saturating_sub(u64::from(cut < u64::MAX)));
        for ((first, key), (what, last, len)) in part {
            match what {
                What::Manifest => _ = self.manifests.insert((first, last), len),
                What::Object | What::Blob => _ = self.keys.insert((first, key), len),
            }
        }
        Ok(())
    }
}

/// What a key below its device's folder stands for, and its numbers.
pub fn numbers(key: &str) -> Option<(What, u64, u64)> {
    let (folder, name) = key.rsplit_once('/')?;
    let stem = name.split('.').next()?;
    match folder.split('/').next()? {
        "_manifest" => {
            let (first, last) = key::numbers(stem)?;
            Some((What::Manifest, first, last))
        }
        "_blob" => stem.parse().ok().map(|seq| (What::Blob, seq, seq)),
        kind if kind.starts_with("kind=") => {
            let (first, last) = key::numbers(stem)?;
            Some((What::Object, first, last))
        }
        _ => None,
    }
}
