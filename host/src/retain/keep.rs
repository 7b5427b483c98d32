//! `keep` of a sink: removes from its store what this device stored longer ago.
//!
//! By the date in the key, a whole day at a time, through the sink's `store/1`. Only this device's own data: somebody
//! else's may be in the same store. Manifests stay, so that it can still be told what there was.

use std::collections::BTreeMap;

use chrono::{DateTime, Days, NaiveDate};
use serde::Serialize;
use std::time::Duration;

use super::Removed;
use crate::upload::{Failure, Store};

/// What a gap says of what a sink no longer holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// Always `keep`.
    pub reason: &'static str,
    /// What.
    #[serde(flatten)]
    pub removed: Removed,
    /// The sink, in a list of one.
    pub missing_from: [String; 1],
}

/// Removes what is older; what went, by folder. `id` is the sink's.
///
/// What went before an error is told all the same.
pub fn run(
    store: &dyn Store,
    id: &str,
    device: &str,
    keep: Duration,
    unix_ns: i64,
) -> (Vec<Gap>, Result<(), Failure>) {
    let mut gone = BTreeMap::<String, Removed>::new();
    let done = remove(store, device, keep, unix_ns, &mut gone);
    let gap = |removed| Gap { reason: "keep", removed, missing_from: [id.to_owned()] };
    (gone.into_values().map(gap).collect(), done)
}

fn remove(
    store: &dyn Store,
    device: &str,
    keep: Duration,
    unix_ns: i64,
    gone: &mut BTreeMap<String, Removed>,
) -> Result<(), Failure> {
    let days = keep.as_secs().div_ceil(86_400);
    let today = DateTime::from_timestamp_nanos(unix_ns).date_naive();
    let Some(first_kept) = today.checked_sub_days(Days::new(days)) else { return Ok(()) };
    for folder in ["kind=", "_blob/"] {
        let mut old = Vec::new();
        store.list(&format!("v=1/device={device}/{folder}"), &mut |key, bytes| {
            if let Some(part) = Part::of(key).filter(|part| part.date < first_kept) {
                old.push((key.to_owned(), part, bytes));
            }
        })?;
        for (key, part, bytes) in old {
            store.remove(&key)?;
            let removed = gone.entry(part.of.clone()).or_insert_with(|| Removed {
                of: part.of,
                of_device: None,
                count: 0,
                bytes: 0,
                from_seq: part.first,
                to_seq: part.last,
            });
            removed.count += 1;
            removed.bytes += bytes;
            removed.from_seq = removed.from_seq.min(part.first);
            removed.to_seq = removed.to_seq.max(part.last);
        }
    }
    Ok(())
}

/// What a key of data says.
struct Part {
    of: String,
    date: NaiveDate,
    first: u64,
    last: u64,
}

impl Part {
    /// Of `v=1/device=…/kind=…/date=…/<first>-<last>.…` or `…/_blob/date=…/<seq>.…`; none of any other key.
    fn of(key: &str) -> Option<Self> {
        let parts: Vec<&str> = key.split('/').collect();
        let [_, _, folder, date, name] = parts[..] else { return None };
        let of = match folder {
            "_blob" => folder,
            _ => folder.strip_prefix("kind=")?,
        };
        let stem = name.split('.').next()?;
        let (first, last) = stem.split_once('-').unwrap_or((stem, stem));
        Some(Self {
            of: of.to_owned(),
            date: date.strip_prefix("date=")?.parse().ok()?,
            first: first.parse().ok()?,
            last: last.parse().ok()?,
        })
    }
}
