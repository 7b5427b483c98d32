//! How sinks are doing.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{delivered::Delivered, entry::Entry, index};
use crate::{
    clock,
    disk::Doing,
    error::Result,
    spool::{Seal, Spool},
};

/// How a sink is doing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// The sink's id.
    pub id: String,
    /// How many objects wait.
    pub pending: u64,
    /// How many bytes they have, manifests aside.
    pub pending_bytes: u64,
    /// How many objects it took since the start.
    pub sent: u64,
    /// How many objects it refused for good.
    pub refused: u64,
    /// When the oldest that waits was sealed, RFC 3339.
    pub oldest: Option<String>,
    /// What it said last, if the last try failed or it refused something.
    pub last_error: Option<String>,
    /// What kind of failure that was.
    pub class: Option<String>,
    /// The cause as a word for programs, if the sink named one: what `candor doctor` calls it.
    #[serde(default)]
    pub code: Option<String>,
    /// In how many seconds it is tried again, if it is waiting to.
    pub retry_in_s: Option<f64>,
}

/// How a sink is doing, from the state folder of an agent that doesn't run.
pub fn look(state: &Path, id: &str, kinds: Option<&[String]>) -> Result<Progress> {
    let (delivered, spool) = (Delivered::of(state, id), Spool::at(state));
    let mut progress = Progress { id: id.to_owned(), ..Progress::default() };
    let mut last = delivered.done.clone();
    let mut oldest: Option<u64> = None;
    let path = index::path(state, id);
    let mut add = |entry: &Entry, has_records: bool| {
        let (objects, bytes) = if has_records { (entry.objects, entry.object_bytes) } else { (0, 0) };
        progress.pending += entry.count() - u64::from(objects);
        progress.pending_bytes += entry.object_bytes + entry.blob_bytes - bytes;
        oldest.get_or_insert(entry.time);
    };
    index::read(&path, &index::header(kinds), |entry| {
        if entry.is_end || delivered.has(&entry.seal) {
            return;
        }
        add(&entry, delivered.has_records(&entry.seal));
        let last = last.entry(entry.seal.device).or_default();
        *last = entry.seal.last.max(*last);
    })
    .doing("read", &path)?;
    for device in spool.devices()? {
        for (first, end) in spool.seals_after(&device, last.get(&device).copied().unwrap_or(0))? {
            let entry = Entry::of(&spool, Seal { device: device.clone(), first, last: end }, kinds);
            add(&entry, false);
        }
    }
    progress.refused = delivered.refused.len() as u64;
    progress.oldest = oldest.map(moment);
    let refused = delivered.refused.last();
    progress.last_error = refused.map(|refused| refused.text.clone());
    progress.class = refused.map(|refused| refused.class.clone());
    progress.code = refused.and_then(|refused| refused.code.clone());
    Ok(progress)
}

/// So many seconds since 1970, RFC 3339.
pub fn moment(seconds: u64) -> String {
    clock::rfc3339(i64::try_from(seconds).unwrap_or(0).saturating_mul(1_000_000_000))
}
