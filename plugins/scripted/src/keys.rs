//! One keyboard as it is watched: when keys go down and how long they are held, never which.
//!
//! People hold a key for 50 to 250 ms, each time another time, and pause as they think. Limits on holds are from
//! published figures (see the README); limits on intervals from recorded sessions.

use plugin_api::event::Key;

use crate::{order::Ordered, period::Beat};

/// How many intervals and holds are looked at.
pub const INTERVALS: usize = 64;
pub const HOLDS: usize = 48;
/// So many of them tell whether they are too short.
pub const SHORT: usize = 20;
/// In seconds: a longer interval is a pause, and ends a burst.
const PAUSE: f32 = 2.0;
/// In seconds: what is pressed again so soon and without a release is a key that is held and repeats.
const REPEAT: f32 = 0.07;
/// In seconds: a longer hold is no keystroke.
const HELD: f32 = 2.0;
/// What is remarkable must last for so many seconds of typing or bursts, because password managers and text
/// expanders type too.
const LASTS: f32 = 15.0;
const BURSTS: u32 = 6;

/// What was measured when a press came.
#[derive(Clone, Copy, Default, Debug)]
pub struct Measured {
    /// The share of intervals that equal the one before within 3 %.
    pub even: Option<f32>,
    /// The longest interval but one over the middle one.
    pub tail: Option<f32>,
    /// The middle hold, and between how much the middle four fifths of them lie, in milliseconds.
    pub hold: Option<f32>,
    pub hold_range: Option<f32>,
}

/// One keyboard.
pub struct Keys {
    last: Option<u64>,
    /// The last press of each class, as long as it is down; the oldest first.
    down: [[u64; 3]; 9],
    held: Option<usize>,
    /// Whether this keyboard tells releases.
    releases: bool,
    intervals: Ordered<f32, INTERVALS>,
    /// One bit for each of the last intervals: whether it equals the one before.
    even: u64,
    holds: Ordered<f32, HOLDS>,
    /// The last of them.
    short: Ordered<f32, SHORT>,
    pub beat: Beat,
}

impl Keys {
    pub fn new() -> Self {
        Self {
            last: None,
            down: [[0; 3]; 9],
            held: None,
            releases: false,
            intervals: Ordered::new(),
            even: 0,
            holds: Ordered::new(),
            short: Ordered::new(),
            beat: Beat::new(8),
        }
    }

    /// Takes a key; answers the seconds since the last press when one was counted.
    pub fn push(&mut self, now: u64, key: Key) -> Option<f32> {
        let class = key.class as usize;
        if !key.pressed {
            (self.releases, self.held) = (true, None);
            let down = &mut self.down[class];
            let pressed = std::mem::take(&mut down[0]);
            down.rotate_left(1);
            let hold = now.saturating_sub(pressed) as f32 / 1e9;
            if pressed > 0 && pressed <= now && hold <= HELD {
                self.holds.push(hold * 1e3);
                self.short.push(hold * 1e3);
            }
            return None;
        }
        let interval = self.last.and_then(|last| now.checked_sub(last)).map(|interval| interval as f32 / 1e9);
        let soon = self.releases || interval.is_some_and(|interval| interval < REPEAT);
        if key.repeat || (self.held == Some(class) && soon) {
            self.last = self.last.map(|_| now);
            return None;
        }
        self.held = Some(class);
        let down = &mut self.down[class];
        if let Some(free) = down.iter_mut().find(|at| **at == 0) {
            *free = now;
        } else {
            *down = [now, 0, 0];
        }
        if key.class == plugin_api::KeyClass::Modifier {
            // It belongs to the key that follows; how long it is held counts.
            return interval;
        }
        self.last = Some(now);
        self.beat.push(now);
        match interval {
            Some(interval) => {
                let before = self.intervals.last().back(0).unwrap_or(f32::MAX);
                let even = interval >= 0.004 && (before - interval).abs() <= (0.03 * interval).max(0.001);
                self.even = self.even << 1 | u64::from(even);
                self.intervals.push(interval);
            }
            // The clock was set back, or it is the first one.
            None => self.intervals.clear(),
        }
        interval
    }

    /// What the last keys measure.
    pub fn measure(&self) -> Measured {
        let mut measured = Measured::default();
        let sorted = self.intervals.sorted();
        if sorted.len() == INTERVALS {
            // The oldest has none before it.
            let even = (self.even & (u64::MAX >> (65 - INTERVALS))).count_ones();
            measured.even = Some(even as f32 / (INTERVALS - 1) as f32);
            let (middle, late) = (self.intervals.quantile(0.5), sorted[INTERVALS - 2]);
            // Intervals that a coarse clock made are no tail.
            measured.tail = middle.filter(|middle| *middle >= 0.03).map(|middle| late / middle);
        }
        measured.hold = self.short.quantile(0.5).filter(|_| self.short.sorted().len() == SHORT);
        if self.holds.sorted().len() == HOLDS {
            let range = self.holds.quantile(0.9).zip(self.holds.quantile(0.1));
            measured.hold_range = range.map(|(high, low)| high - low);
        }
        measured
    }
}

/// Whether something goes on for long enough, however it is spread over bursts.
#[derive(Clone, Copy, Default)]
pub struct Lasting {
    typed: f32,
    bursts: u32,
    from: u64,
}

impl Lasting {
    /// Takes whether it is so, and the seconds since the last press; answers since when, once that is long enough.
    pub fn push(&mut self, now: u64, interval: f32, so: bool) -> Option<u64> {
        if !so {
            *self = Self::default();
            return None;
        }
        if self.from == 0 {
            self.from = now;
        }
        self.typed += interval.min(PAUSE);
        self.bursts += u32::from(interval > PAUSE);
        (self.typed >= LASTS || self.bursts >= BURSTS).then_some(self.from)
    }
}
