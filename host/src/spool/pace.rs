//! How fast a sink may be sent to.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// How long a reader sleeps at most before it looks whether it is to stop.
const NAP: Duration = Duration::from_millis(100);

/// How much is read at once at least.
const LEAST: usize = 4 << 10;

/// A rate that all readers of one sink share.
#[derive(Debug)]
pub struct Pace {
    bytes_per_s: u64,
    /// When the next byte may be read.
    next: Mutex<Option<Instant>>,
    stopped: AtomicBool,
}

impl Pace {
    /// So many bytes a second.
    pub fn new(bytes_per_s: u64) -> Self {
        Self { bytes_per_s: bytes_per_s.max(1), next: Mutex::new(None), stopped: AtomicBool::new(false) }
    }

    /// How much is read at once: what goes in a moment.
    pub fn piece(&self) -> usize {
        usize::try_from(self.bytes_per_s / 4).unwrap_or(usize::MAX).max(LEAST)
    }

    /// Waits until so many bytes may be read.
    pub fn take(&self, bytes: usize) {
        let mut until = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let from = next.map_or(now, |next| next.max(now));
            *next = Some(from + Duration::from_secs_f64(bytes as f64 / self.bytes_per_s as f64));
            from.saturating_duration_since(now)
        };
        while !until.is_zero() && !self.stopped.load(Ordering::Relaxed) {
            let nap = until.min(NAP);
            thread::park_timeout(nap);
            until -= nap;
        }
    }

    /// Lets everybody go.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_share_the_rate() {
        let pace = Pace::new(1_000_000);
        let begun = Instant::now();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..5).for_each(|_| pace.take(10_000)));
            }
        });
        // The last of twenty waits for the nineteen before it.
        assert!(begun.elapsed() >= Duration::from_millis(180), "{:?}", begun.elapsed());
        let slow = Pace::new(1);
        slow.take(1000);
        slow.stop();
        slow.take(1);
    }
}
