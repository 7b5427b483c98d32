//! Once a day, removes from each sink what is older than its `keep`: first after the first seal of a run, since what comes
//! up has other things to do.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use plugin_api::event::GAP;
use serde_json::json;
use tracing::{info, warn};

use super::{shared::Shared, units::Place};
use crate::{
    call::{Instance, Sink},
    error::{Error, Result},
    journal,
    retain::keep,
};

/// How often it is looked at.
const EVERY: Duration = Duration::from_secs(86_400);
/// When it is tried again after it failed.
const AGAIN: Duration = Duration::from_secs(3600);

/// A sink that is to keep what it has for so long.
struct Kept {
    id: String,
    keep: Duration,
    store: Arc<Sink>,
}

/// When it is time.
#[derive(Debug, Default)]
struct Daily {
    /// Which sinks it is for, and how long they keep.
    of: Vec<(String, Duration)>,
    /// The next time, on the monotonic clock; none: after the next seal.
    next: Option<u64>,
}

impl Daily {
    /// Whether it is time: a day after the last, or after a seal where there was none yet for just these sinks.
    fn is_due(&mut self, of: Vec<(String, Duration)>, sealed: bool, now: u64) -> bool {
        if self.of != of {
            *self = Self { of, next: None };
        }
        !self.of.is_empty() && self.next.map_or(sealed, |next| now >= next)
    }

    fn done(&mut self, failed: bool, now: u64) {
        let wait = if failed { AGAIN } else { EVERY };
        self.next = Some(now.saturating_add(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX)));
    }

    fn left(&self, now: u64) -> Option<Duration> {
        self.next.map(|next| Duration::from_nanos(next.saturating_sub(now)))
    }
}

/// Starts the thread, with the stack that a cloud's SDK may need. It is not waited for at the stop: what it has not removed
/// then, the next run does.
pub fn start(shared: &Arc<Shared>) -> Result<()> {
    let (shared, name) = (shared.clone(), "keep".to_owned());
    let started = thread::Builder::new().name(name.clone()).spawn(move || run(&shared));
    started.map(drop).map_err(|source| Error::Thread { name, source })
}

fn run(shared: &Shared) {
    let spool = shared.journal.spool();
    let (mut daily, mut seen) = (Daily::default(), spool.sealed().1);
    loop {
        let (turn, sealed) = (spool.turn(), spool.sealed().1);
        if shared.stop.stopped() {
            return;
        }
        let sinks = sinks(shared);
        let of = sinks.iter().map(|sink| (sink.id.clone(), sink.keep)).collect();
        let now = shared.router.clock.mono_ns();
        if daily.is_due(of, sealed != seen, now) {
            let failed = sinks.iter().filter(|sink| !remove(shared, sink)).count() > 0;
            daily.done(failed, now);
        }
        seen = sealed;
        spool.wait(turn, daily.left(now).map(|left| Instant::now() + left));
    }
}

/// The sinks with a `keep`, as the config is now.
fn sinks(shared: &Shared) -> Vec<Kept> {
    let config = shared.live().running;
    let of = |(instance, place): (Instance, Place)| {
        let Place::Sink(store) = place else { return None };
        let id = instance.port.id.clone();
        let keep = config.sink.iter().find(|entry| entry.id == id)?.keep?;
        Some(Kept { id, keep, store })
    };
    shared.units.each().into_iter().filter_map(of).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[test]
    fn it_is_time_after_the_first_seal_and_then_once_a_day() {
        let (clock, hand) = Clock::manual(chrono_tz::Tz::UTC);
        let sinks = |days: u64| vec![("local".to_owned(), EVERY * u32::try_from(days).expect("few"))];
        let mut daily = Daily::default();
        assert!(!daily.is_due(sinks(7), false, clock.mono_ns()), "nothing sealed yet");
        assert!(daily.is_due(sinks(7), true, clock.mono_ns()));
        daily.done(false, clock.mono_ns());
        for _ in 0..3 {
            hand.advance(EVERY - Duration::from_secs(1));
            assert!(!daily.is_due(sinks(7), true, clock.mono_ns()));
            hand.advance(Duration::from_secs(1));
            // Though nothing was sealed meanwhile.
            assert!(daily.is_due(sinks(7), false, clock.mono_ns()));
            daily.done(false, clock.mono_ns());
        }
        daily.done(true, clock.mono_ns());
        assert_eq!(daily.left(clock.mono_ns()), Some(AGAIN), "sooner after it failed");
        assert!(daily.is_due(sinks(1), true, clock.mono_ns()), "another `keep` is looked at anew");
        daily.done(false, clock.mono_ns());
        assert!(!daily.is_due(Vec::new(), true, clock.mono_ns()) && daily.left(clock.mono_ns()).is_none());
    }
}
