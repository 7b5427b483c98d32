//! What is lost: counted where it could not be written, until it can be told as a gap.

use serde_json::{Value, json};
use tracing::error;

use crate::{clock::Clock, seal::Runs};

/// Records that could not be written.
#[derive(Default)]
pub struct Lost {
    /// How many.
    pub count: u64,
    /// When the first was lost, since 1970 UTC.
    pub from: i64,
    /// When the last was.
    pub to: i64,
    /// Why the first was.
    pub cause: String,
    /// Whether a caller of `sync` has yet to hear of it.
    pub unheard: bool,
}

impl Lost {
    /// Counts records that are lost now.
    pub fn add(&mut self, count: u64, cause: &str, clock: &Clock) {
        if count == 0 {
            return;
        }
        let now = clock.unix_ns();
        if self.count == 0 {
            self.from = now;
            cause.clone_into(&mut self.cause);
            error!(%cause, "records are being lost; free some space or mend the disk");
        }
        self.count += count;
        self.to = now;
        self.unheard = true;
    }
}

/// Gaps for numbers whose frames can't be read.
pub fn damaged(missing: &Runs) -> Vec<Value> {
    let gap = |(first, last)| {
        let text = "the journal was damaged here; the records can't be read";
        json!({"reason": "damaged", "first_seq": first, "last_seq": last, "count": last - first + 1, "text": text})
    };
    missing.iter().map(gap).collect()
}
