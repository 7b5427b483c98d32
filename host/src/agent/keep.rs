//! Once a day, removes from each sink what is older than its `keep`.

use std::{sync::Arc, time::Duration};

use plugin_api::event::GAP;
use serde_json::json;
use tracing::{info, warn};

use super::{shared::Shared, worker};
use crate::{error::Result, journal, retain::keep, upload::Store};

/// How long after the start it is first looked at: what comes up has other things to do.
const FIRST: Duration = Duration::from_secs(60);
/// How often after that.
const EVERY: Duration = Duration::from_secs(86_400);
/// When it is tried again after it failed.
const AGAIN: Duration = Duration::from_secs(3600);

/// A sink that is to keep what it has for so long.
pub struct Kept {
    /// Its id.
    pub id: String,
    /// For how long.
    pub keep: Duration,
    /// The sink.
    pub store: Arc<dyn Store>,
}

/// Starts the thread, if any sink has a `keep`. It is not waited for at the stop: what it has not removed then, the next
/// run does.
pub fn start(shared: &Arc<Shared>, sinks: Vec<Kept>) -> Result<()> {
    if sinks.is_empty() {
        return Ok(());
    }
    let shared = shared.clone();
    worker("keep", move || {
        let mut wait = FIRST;
        while !shared.stop.wait_for(wait) {
            let failed = sinks.iter().filter(|sink| !remove(&shared, sink)).count();
            wait = if failed == 0 { EVERY } else { AGAIN };
        }
    })
    .map(drop)
}

/// Whether all went that was to go.
fn remove(shared: &Shared, sink: &Kept) -> bool {
    let device = shared.journal.spool().sealed().0;
    let (gaps, done) = keep::run(&*sink.store, &sink.id, &device, sink.keep, shared.router.clock.unix_ns());
    for gap in &gaps {
        let removed = &gap.removed;
        info!(
            sink = sink.id,
            of = removed.of,
            count = removed.count,
            bytes = removed.bytes,
            "removed: older than keep"
        );
        shared.router.host_record(GAP, journal::INSTANCE, &json!(gap));
    }
    if let Err(failure) = &done {
        let fix = "tried again in an hour; if this sink can't list and remove, take `keep` out of its config";
        warn!(sink = sink.id, error = failure.text, fix, "what is older than keep stays");
    }
    done.is_ok()
}
