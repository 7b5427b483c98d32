//! One keyboard as it is watched: when keys go down and how long they are held, never which.
//!
//! People hold a key for 50 to 250 ms, each time another time, and pause as they think. Limits on holds are from
//! published figures (see the README); limits on intervals from recorded sessions.

use plugin_api::event::Key;

use crate::{period::Beat, ring::Ring, spread::Numbers};

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
    pub intervals: Ring<f32, INTERVALS>,
    pub holds: Ring<f32, HOLDS>,
    pub beat: Beat,
}

impl Keys {
    pub fn new() -> Self {
        Self {
            last: None,
            down: [[0; 3]; 9],
            held: None,
            releases: false,
            intervals: Ring::new(),
            holds: Ring::new(),
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
            Some(interval) => self.intervals.push(interval),
            // The clock was set back, or it is the first one.
            None => self.intervals.clear(),
        }
        interval
    }

    /// What the last keys measure.
    pub fn measure(&self) -> Measured {
        let mut measured = Measured::default();
        if self.intervals.is_full() {
            let pairs = || self.intervals.iter().zip(self.intervals.iter().skip(1));
            let even = |(a, b): &(f32, f32)| *b >= 0.004 && (a - b).abs() <= (0.03 * b).max(0.001);
            measured.even = Some(pairs().filter(even).count() as f32 / (INTERVALS - 1) as f32);
            let sorted = Numbers::of(self.intervals.iter());
            let (middle, late) = (sorted.median(), sorted.sorted().get(INTERVALS - 2).copied());
            // Intervals that a coarse clock made are no tail.
            measured.tail =
                late.zip(middle.filter(|middle| *middle >= 0.03)).map(|(late, middle)| late / middle);
        }
        if self.holds.len() >= SHORT {
            let last = (0..SHORT).filter_map(|back| self.holds.back(back));
            measured.hold = Numbers::of(last).median();
        }
        if self.holds.is_full() {
            let holds = Numbers::of(self.holds.iter());
            measured.hold_range = holds.quantile(0.9).zip(holds.quantile(0.1)).map(|(high, low)| high - low);
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
