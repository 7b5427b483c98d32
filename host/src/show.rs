//! Reads back what the host holds: journal and objects.
//!
//! Only reads, so it works beside a running agent. The journal is read before the spool: what is sealed meanwhile is
//! then in both, and shown once.

use std::{
    collections::{BTreeMap, VecDeque},
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};
use tracing::warn;

use crate::{
    clock::{self, Clock},
    disk::Doing,
    error::Result,
    journal::{files::Folder, line, mark::Mark, scan::Scan},
    outbox::Outbox,
    seal::cipher::SUFFIX,
    spool::{Seal, Spool},
};

mod row;

/// How to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// The records a host holds, oldest first: sealed ones, then those still in the journal.
pub struct Records {
    spool: Spool,
    since: Option<String>,
    seals: VecDeque<Seal>,
    journal: BTreeMap<u64, Value>,
    device: String,
    /// By device: the last number given out.
    given: BTreeMap<String, u64>,
    ready: VecDeque<Value>,
    /// How many records are sealed for others to read, and not for this machine.
    pub encrypted: u64,
}

/// Reads the records of a state folder that happened at `since` (nanoseconds since 1970 UTC) or later. Each has its
/// `kind` and `device` beside its own fields.
pub fn records(state: &Path, since: Option<i64>) -> Result<Records> {
    let folder = Folder::at(state);
    let scan = Scan::read(&folder)?;
    let device = scan.head().map(|head| head.device).unwrap_or_default();
    // In this boot the mark says what was acknowledged; after another, what is there has survived.
    let mark = Mark::read(&folder.path(), &device).filter(|mark| mark.is_of(Clock::system().boot()));
    let durable = mark.map_or(u64::MAX, |mark| mark.durable);
    let journal = scan.records.range(..=durable).filter_map(|(seq, _)| {
        let (kind, _, line) = line::split(scan.payload(*seq)?)?;
        Some((*seq, value(line, kind, &device)?))
    });
    let journal = journal.collect();
    let spool = Spool::at(state);
    let mut devices = spool.devices()?;
    devices.sort_by_key(|other| *other == device);
    let mut seals = VecDeque::new();
    for device in devices {
        seals.extend(spool.seals(&device)?);
    }
    let since = since.map(clock::rfc3339);
    Ok(Records {
        spool,
        since,
        seals,
        journal,
        device,
        given: BTreeMap::new(),
        ready: VecDeque::new(),
        encrypted: 0,
    })
}

impl Iterator for Records {
    type Item = Value;

    fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(value) = self.ready.pop_front() {
                return Some(value);
            }
            if let Some(seal) = self.seals.pop_front() {
                self.open(&seal);
            } else if self.journal.is_empty() {
                return None;
            } else {
                let given = self.given.get(&self.device).copied().unwrap_or(0);
                let journal = std::mem::take(&mut self.journal).split_off(&(given + 1));
                self.ready =
                    journal.into_values().filter(|value| is_since(value, self.since.as_deref())).collect();
            }
        }
    }
}

impl Records {
    /// Reads one seal. A file that is gone was delivered and had stayed long enough.
    fn open(&mut self, seal: &Seal) {
        let Ok(manifest) = self.spool.manifest(seal) else { return };
        let given = self.given.entry(seal.device.clone()).or_default();
        let after = *given;
        *given = seal.last.max(after);
        let mut values = Vec::new();
        for object in &manifest.objects {
            if self.since.as_ref().is_some_and(|since| date(&object.key) < &since[..10]) {
                continue;
            }
            if object.key.ends_with(SUFFIX) {
                // For others to read; here it is no longer.
                self.encrypted += object.records;
                continue;
            }
            match lines(&self.spool.path(&object.key)) {
                Ok(text) => {
                    values.extend(text.lines().filter_map(|line| value(line, &object.kind, &seal.device)));
                }
                Err(error) if error.is_gone() => {}
                Err(error) => warn!(%error, "object can't be read"),
            }
        }
        values.retain(|value| seq(value) > after && is_since(value, self.since.as_deref()));
        values.sort_by_key(seq);
        self.ready = values.into();
    }
}

/// The file that holds a record's blob, while the host has it.
pub fn blob(state: &Path, record: &Value) -> Option<PathBuf> {
    let outbox = Outbox::of(state, record["device"].as_str()?);
    let waiting = outbox.get(seq(record)).map(|entry| outbox.file(&entry.blob));
    let sealed = Spool::at(state).path(record["blob"].as_str()?);
    [waiting, Some(sealed)].into_iter().flatten().find(|file| file.is_file())
}

fn lines(path: &Path) -> Result<String> {
    let file = fs::File::open(path).doing("open", path)?;
    let bytes = zstd::decode_all(file).doing("unpack", path)?;
    String::from_utf8(bytes).map_err(|_| io::ErrorKind::InvalidData.into()).doing("read as text", path)
}

fn date(key: &str) -> &str {
    key.split_once("/date=").and_then(|(_, rest)| rest.get(..10)).unwrap_or("9999-99-99")
}

fn value(line: &str, kind: &str, device: &str) -> Option<Value> {
    let mut fields: Map<String, Value> = serde_json::from_str(line).ok()?;
    fields.insert("kind".into(), kind.into());
    fields.insert("device".into(), device.into());
    Some(Value::Object(fields))
}

fn seq(value: &Value) -> u64 {
    value["seq"].as_u64().unwrap_or(0)
}

fn is_since(value: &Value, since: Option<&str>) -> bool {
    since.is_none_or(|since| value["time"].as_str().is_some_and(|time| time >= since))
}

/// Prints the records of a state folder that happened at `since` or later.
pub fn print(state: &Path, since: Option<i64>, style: Style, out: &mut dyn Write) -> Result<()> {
    let mut shown = 0_u64;
    let mut records = records(state, since)?;
    for value in records.by_ref() {
        let text = match style {
            Style::Json => value.to_string(),
            Style::Text => row::row(&value),
        };
        shown += 1;
        if let Err(error) = writeln!(out, "{text}") {
            // A reader such as `head` may have seen enough.
            return if error.kind() == io::ErrorKind::BrokenPipe {
                Ok(())
            } else {
                Err(error).doing("print", state)
            };
        }
    }
    if records.encrypted > 0 {
        warn!(
            count = records.encrypted,
            "records are encrypted and can't be shown here; see `candor decrypt`"
        );
    }
    if shown == 0 && style == Style::Text {
        writeln!(out, "no records here yet").doing("print", state)?;
    }
    Ok(())
}
