//! What the live line shows: counts since the last one.

use std::sync::atomic::{AtomicU64, Ordering};

use plugin_api::{
    Event, Origin,
    event::{BUTTON, DEVICE, KEY},
};

/// What was counted since the live line was last shown; counts only, so that it can be on anybody's screen.
#[derive(Default)]
pub struct Live {
    first: AtomicU64,
    second: AtomicU64,
    active_s: AtomicU64,
    keys: AtomicU64,
    clicks: AtomicU64,
    origins: [AtomicU64; 4],
}

impl Live {
    /// Counts signals.
    pub fn count(&self, events: &[Event<'_>], now: u64, faults: u64) {
        if faults > 0 {
            return;
        }
        self.first.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed).ok();
        for event in events.iter().filter(|event| event.kind != DEVICE && event.kind.0 <= KEY.0) {
            self.origins[event.origin() as usize].fetch_add(1, Ordering::Relaxed);
            let second = event.mono_ns / 1_000_000_000;
            if self.second.swap(second, Ordering::Relaxed) != second {
                self.active_s.fetch_add(1, Ordering::Relaxed);
            }
            let pressed = event.args[1] == 1;
            match event.kind {
                KEY if pressed && event.args[2] == 0 => self.keys.fetch_add(1, Ordering::Relaxed),
                BUTTON if pressed => self.clicks.fetch_add(1, Ordering::Relaxed),
                _ => 0,
            };
        }
    }

    /// When the first signal came, on the monotonic clock; 0 before.
    pub fn first_mono_ns(&self) -> u64 {
        self.first.load(Ordering::Relaxed)
    }

    /// The line, for example `active 41 s, 122 keys, 9 clicks, physical`; starts counting anew.
    pub fn line(&self) -> String {
        let take = |counter: &AtomicU64| counter.swap(0, Ordering::Relaxed);
        let (active, keys, clicks) = (take(&self.active_s), take(&self.keys), take(&self.clicks));
        let origins = Origin::ALL.into_iter().filter(|origin| take(&self.origins[*origin as usize]) > 0);
        let origins: Vec<&str> = origins.map(Origin::name).collect();
        match origins.is_empty() {
            true => "no input".to_owned(),
            false => format!("active {active} s, {keys} keys, {clicks} clicks, {}", origins.join(" and ")),
        }
    }
}
