//! What a sink already has: `state/delivered/<sink>.json`. Losing the file costs an idempotent re-send.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::{
    disk::{self, Doing},
    error::Result,
    seal::Sums,
    spool::{Seal, Spool},
};

/// What a sink has, or will not get.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivered {
    /// By device: the last number of the last seal it has. Those before it have their seals too, or were there before it.
    pub done: BTreeMap<String, u64>,
    /// By device: the first number of what it is to have, where it was not there from the beginning.
    #[serde(default)]
    pub from: BTreeMap<String, u64>,
    /// By device: as `done`, for its records without the blobs, which may come later.
    #[serde(default)]
    pub records: BTreeMap<String, u64>,
    /// What it refused for good.
    pub refused: Vec<Refused>,
    /// What it refused and is asked to take again.
    #[serde(default)]
    pub again: Vec<Refused>,
}

/// An object a store will not take.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Refused {
    /// The object's key.
    pub key: String,
    /// What the store said.
    pub text: String,
    /// Whether the store holds other bytes under the same key.
    pub conflict: bool,
    /// What kind of failure it was.
    pub class: String,
    /// The cause as a word for programs, if the sink named one.
    pub code: Option<String>,
    /// When, RFC 3339.
    pub time: String,
    /// Length in bytes.
    pub len: u64,
    /// By what its bytes are told, where a manifest says so.
    pub sums: Option<Sums>,
    /// For example `application/zstd`.
    pub media_type: String,
}

impl Refused {
    /// Under whose name the store holds something.
    pub fn device(&self) -> Option<&str> {
        self.key.split('/').find_map(|part| part.strip_prefix("device="))
    }
}

impl Delivered {
    /// What a sink of a state folder has; nothing if that was never noted.
    pub fn of(state: &Path, id: &str) -> Self {
        read(&path(state, id)).unwrap_or_default()
    }

    /// Whether a seal is delivered as far as it will ever be.
    pub fn has(&self, seal: &Seal) -> bool {
        self.done.get(&seal.device).is_some_and(|done| seal.last <= *done)
    }

    /// Whether the records of a seal are delivered as far as they will ever be.
    pub fn has_records(&self, seal: &Seal) -> bool {
        self.has(seal) || self.records.get(&seal.device).is_some_and(|done| seal.last <= *done)
    }

    /// Notes a delivered seal.
    pub fn add(&mut self, seal: &Seal) {
        add(&mut self.done, seal);
    }

    /// Notes a seal whose records are delivered.
    pub fn add_records(&mut self, seal: &Seal) {
        add(&mut self.records, seal);
    }

    /// Whether an object was refused, so that this may be the only place where it is.
    pub fn is_refused(&self, key: &str) -> bool {
        self.refused.iter().chain(&self.again).any(|refused| refused.key == key)
    }

    /// Asks the sink to take what it refused once more: all, or one object. How many.
    pub fn retry(&mut self, key: Option<&str>) -> usize {
        let (again, refused): (Vec<_>, Vec<_>) = std::mem::take(&mut self.refused)
            .into_iter()
            .partition(|refused| key.is_none_or(|key| refused.key == key));
        self.refused = refused;
        let count = again.len();
        self.again.extend(again);
        count
    }
}

fn add(done: &mut BTreeMap<String, u64>, seal: &Seal) {
    match done.get_mut(&seal.device) {
        Some(done) => *done = seal.last.max(*done),
        None => _ = done.insert(seal.device.clone(), seal.last),
    }
}

/// The file of a sink.
pub fn path(state: &Path, id: &str) -> PathBuf {
    state.join("delivered").join(file_name(id))
}

/// Reads what a sink has, if the file can be read.
pub fn read(path: &Path) -> Option<Delivered> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// Reads what a sink has. A sink that is new has everything there is now: it starts at the next seal. One whose file is
/// damaged is sent everything that is still here.
pub fn read_or_start(path: &Path, spool: &Spool) -> Result<Delivered> {
    match fs::read(path) {
        Ok(bytes) => return Ok(serde_json::from_slice(&bytes).unwrap_or_default()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).doing("read", path),
    }
    let mut delivered = Delivered::default();
    for device in spool.devices()? {
        if let Some(seal) = spool.seals(&device)?.last() {
            delivered.add(seal);
        }
    }
    let (device, sealed) = spool.sealed();
    if sealed > 0 {
        delivered.from.insert(device.clone(), sealed + 1);
    }
    delivered.done.insert(device, sealed);
    if let Err(error) = write(path, &delivered) {
        warn!(%error, "a new sink's start is not noted");
    }
    Ok(delivered)
}

/// Writes what a sink has.
pub fn write(path: &Path, delivered: &Delivered) -> Result<()> {
    disk::write(path, serde_json::json!(delivered).to_string().as_bytes())
}

/// Notes for the next start that a sink is to be asked again to take what it refused; how many objects.
pub fn retry_later(state: &Path, id: &str, key: Option<&str>) -> Result<usize> {
    let path = path(state, id);
    let Some(mut delivered) = read(&path) else { return Ok(0) };
    let count = delivered.retry(key);
    write(&path, &delivered)?;
    Ok(count)
}

/// The name of a sink's file, which must not leave its folder whatever the id is, nor be another's where case is ignored.
pub fn file_name(id: &str) -> String {
    let plain =
        |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "-_".contains(letter);
    if !id.is_empty() && id.len() <= 64 && id.chars().all(plain) {
        format!("{id}.json")
    } else {
        format!("{}.json", disk::hex(&disk::sha256(id.as_bytes())))
    }
}
