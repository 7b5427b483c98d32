//! What a sink already has: `state/delivered/<sink>.json`. Losing the file costs an idempotent re-send.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use tracing::warn;

use super::file_name;
use crate::{
    disk::{self, Doing},
    error::Result,
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
    /// What it refused for good.
    pub refused: Vec<Refused>,
}

/// An object a store will not take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The object's key.
    pub key: String,
    /// What the store said.
    pub text: String,
    /// Whether the store holds other bytes under the same key.
    pub conflict: bool,
}

impl Refused {
    /// Under whose name the store holds something.
    pub fn device(&self) -> Option<&str> {
        self.key.split('/').find_map(|part| part.strip_prefix("device="))
    }
}

impl Delivered {
    /// Whether a seal is delivered as far as it will ever be.
    pub fn has(&self, seal: &Seal) -> bool {
        self.done.get(&seal.device).is_some_and(|done| seal.last <= *done)
    }

    /// Notes a delivered seal.
    pub fn add(&mut self, seal: &Seal) {
        let done = self.done.entry(seal.device.clone()).or_default();
        *done = seal.last.max(*done);
    }

    /// Whether an object was refused.
    pub fn is_refused(&self, key: &str) -> bool {
        self.refused.iter().any(|refused| refused.key == key)
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
