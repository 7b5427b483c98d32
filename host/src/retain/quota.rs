//! The hard quota: what goes though a sink has not had it.
//!
//! Screenshots before records, oldest first; what a sink refused for good among them. What goes is declared before it is
//! removed, so that a crash in between leaves something that is declared and there, never something that is neither.

use std::{
    collections::{BTreeMap, VecDeque},
    fs, io,
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{Item, Removed, Seals, Turn, Work, items};
use crate::{
    disk::Doing,
    error::Result,
    outbox::{Entry, Outbox},
    spool::Spool,
    upload::Delivered,
};

/// How many objects are declared and removed at once.
const MANY: usize = 4096;

/// What is to go next.
#[derive(Debug, Default)]
pub struct Plan {
    /// Keys of sealed objects and blobs.
    pub keys: VecDeque<String>,
    /// What waits in the outbox.
    pub waiting: VecDeque<Entry>,
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
    let mut walk = Walk::new(spool);
    loop {
        if let Some(bytes) = walk.go_on(&mut Turn::default())? {
            return Ok(bytes);
        }
    }
}

/// A look at how many bytes there are in the spool and the outbox.
#[derive(Debug)]
pub struct Walk {
    folders: Vec<PathBuf>,
    open: Option<(PathBuf, fs::ReadDir)>,
    bytes: u64,
}

impl Walk {
    /// Begins one.
    pub fn new(spool: &Spool) -> Self {
        let state = spool.root().parent().unwrap_or(spool.root());
        Self { folders: vec![spool.root().to_owned(), state.join("outbox")], open: None, bytes: 0 }
    }

    /// Goes on for a turn; how many there are, once it is done.
    pub fn go_on(&mut self, turn: &mut Turn) -> Result<Option<u64>> {
        while !turn.is_over() {
            let Some((folder, entries)) = &mut self.open else {
                let Some(folder) = self.folders.pop() else { return Ok(Some(self.bytes)) };
                self.open = read(&folder)?.map(|entries| (folder, entries));
                continue;
            };
            turn.count();
            let Some(entry) = entries.next() else {
                self.open = None;
                continue;
            };
            let entry = entry.doing("list", folder)?;
            match entry.metadata() {
                Ok(data) if data.is_dir() => self.folders.push(entry.path()),
                Ok(data) => self.bytes += data.len(),
                // Removed meanwhile.
                Err(_) => {}
            }
        }
        Ok(None)
    }
}

/// The entries of a folder, if it is there.
fn read(folder: &Path) -> Result<Option<fs::ReadDir>> {
    match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some).doing("list", folder),
    }
}

/// What is looked for, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Blobs,
    Waiting,
    Records,
}

/// The search for what has to go.
#[derive(Debug)]
pub struct Search {
    seals: Seals,
    current: String,
    wanted: Wanted,
    at: usize,
    excess: u64,
    found: Vec<Item>,
    waiting: VecDeque<Entry>,
}

impl Search {
    /// Begins one, so that so many bytes become free.
    pub fn new(spool: &Spool, excess: u64) -> Result<Self> {
        let (current, _) = spool.sealed();
        let mut devices = spool.devices()?;
        devices.sort_by_key(|device| *device == current);
        let mut seals = Seals::default();
        for device in devices {
            let all = spool.seals_upto(&device, u64::MAX)?;
            seals.0.push((device, all));
        }
        let (wanted, waiting) = (Wanted::Blobs, VecDeque::new());
        Ok(Self { seals, current, wanted, at: 0, excess, found: Vec::new(), waiting })
    }

    /// Goes on for a turn; whether something is to be removed now, or nothing is left to find.
    pub fn go_on(&mut self, spool: &Spool, outbox: &Outbox, turn: &mut Turn) -> Result<bool> {
        while !self.is_over() {
            if turn.is_over() {
                return Ok(false);
            }
            turn.count();
            match (self.wanted, self.seals.get(self.at)) {
                (Wanted::Waiting, _) => {
                    for entry in outbox.waiting()? {
                        if self.excess == 0 {
                            break;
                        }
                        self.excess = self.excess.saturating_sub(entry.blob.len);
                        self.waiting.push_back(entry);
                    }
                    (self.wanted, self.at) = (Wanted::Records, 0);
                }
                (Wanted::Blobs, None) => self.wanted = Wanted::Waiting,
                (_, None) => return Ok(true),
                (wanted, Some(seal)) => {
                    let is_blob = wanted == Wanted::Blobs;
                    let all = items(spool, self.at, &seal).into_iter();
                    for item in all.filter(|item| (item.of == "_blob") == is_blob) {
                        // The seal's others are found when it is looked at again.
                        if self.is_over() {
                            return Ok(true);
                        }
                        self.excess = self.excess.saturating_sub(item.bytes);
                        self.found.push(item);
                    }
                    self.at += 1;
                }
            }
        }
        Ok(true)
    }

    fn is_over(&self) -> bool {
        self.excess == 0 || self.found.len() >= MANY
    }

    /// Whether more is to be found once this is removed.
    pub fn is_more(&self) -> bool {
        self.excess > 0 && (self.wanted != Wanted::Records || self.seals.get(self.at).is_some())
    }

    /// What is to go, and how it is told.
    pub fn plan(&mut self, sinks: &[(String, Delivered)]) -> Plan {
        let found = std::mem::take(&mut self.found);
        let mut sums = BTreeMap::<(Vec<String>, String, &str), Removed>::new();
        for item in &found {
            let Some(seal) = self.seals.get(item.seal) else { continue };
            let has = |sink: &Delivered| match item.of.as_str() {
                "_blob" => sink.has(&seal),
                _ => sink.has_records(&seal),
            };
            let without = sinks.iter().filter(|(_, sink)| !has(sink) || sink.is_refused(&item.key));
            let missing_from: Vec<String> = without.map(|(id, _)| id.clone()).collect();
            // Some sinks have the records before the blobs; that one has no more use for them is nobody's loss.
            if missing_from.is_empty() && !sinks.is_empty() {
                continue;
            }
            let sum = sums.entry((missing_from, seal.device.clone(), &item.of));
            sum.or_insert_with(|| Removed::of(item, &seal.device, &self.current)).add(item);
        }
        let gap = |((missing_from, _, _), removed)| Gap { reason: "quota", removed, missing_from };
        let gaps = sums.into_iter().map(gap).collect();
        let keys = found.into_iter().map(|item| item.key).collect();
        Plan { keys, waiting: std::mem::take(&mut self.waiting), gaps }
    }
}

/// Removes what of the plan is sealed, for a turn; whether that is done.
pub fn remove(plan: &mut Plan, work: &mut Work<'_>) -> Result<bool> {
    while let Some(key) = plan.keys.pop_front() {
        work.spool.remove(&key)?;
        work.turn.count();
        if work.turn.is_over() {
            return Ok(plan.keys.is_empty());
        }
    }
    Ok(true)
}
