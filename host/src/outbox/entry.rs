//! What waits before it may leave, and for how long.

use std::time::Duration;

use plugin_api::units;
use serde::{Deserialize, Serialize};

use crate::{
    clock::Clock,
    seal::{BlobEntry, Tombstone},
};

/// A blob that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// How its manifest will list it.
    #[serde(flatten)]
    pub blob: BlobEntry,
    /// Who made it.
    pub instance: String,
    /// When it was made, RFC 3339.
    pub time: String,
    /// When it began to wait, on the monotonic clock.
    pub since_mono_ns: u64,
    /// Which run of that clock.
    pub boot: String,
}

impl Entry {
    /// How long it has waited for certain. Of a time before this boot only that it was before is certain: the wall clock
    /// may have been set.
    pub fn waited(&self, clock: &Clock) -> Duration {
        let since = if self.boot == clock.boot() { self.since_mono_ns } else { 0 };
        Duration::from_nanos(clock.mono_ns().saturating_sub(since))
    }
}

/// What waits, at a glance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// How many, those deleted among them until a seal has told it.
    pub count: usize,
    /// In how many seconds the first may leave, if any waits.
    pub first_leaves_in_s: Option<u64>,
    /// The same of the last.
    pub last_leaves_in_s: Option<u64>,
}

/// What is to be listed by the next seal.
#[derive(Debug, Default)]
pub struct Ripe {
    /// What has waited long enough.
    pub released: Vec<Entry>,
    /// What was deleted meanwhile.
    pub deleted: Vec<Tombstone>,
    /// Numbers of what can't be told any more.
    pub lost: Vec<u64>,
}

impl Ripe {
    /// All their numbers.
    pub fn numbers(&self) -> impl Iterator<Item = u64> {
        let released = self.released.iter().map(|entry| entry.blob.seq);
        released.chain(self.deleted.iter().map(|stone| stone.seq)).chain(self.lost.iter().copied())
    }
}

/// So many seconds, for people.
pub fn roughly(seconds: u64) -> String {
    match seconds {
        0 => "the next seal".to_owned(),
        1..120 => format!("{seconds}s"),
        _ => units::show_duration(Duration::from_secs(seconds / 60 * 60)),
    }
}
