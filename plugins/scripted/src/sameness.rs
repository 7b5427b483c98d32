//! Whether motion repeats itself: steps of one speed, strokes of one shape, clicks on one pixel.

use plugin_api::event::Pointer;

use crate::{order::Ordered, ring::Ring, stroke::SAMPLE};

/// In nanoseconds: a longer rest ends a stroke. Remote desktops merge motion to 0.1 s.
pub const REST: u64 = 250_000_000;
/// In 1/256 px: shorter steps say little.
const SHORTEST_STEP: f64 = 4.0 * 256.0;
/// In 1/256 px: how far a step may be from where its speed would have led.
const TOLERANCE: f64 = 1.5 * 256.0;
/// In 1/256 px, both axes added: shorter strokes may be a desk that shakes.
const SHORTEST_STROKE: i64 = 2 * 256;
/// A pattern of steps has so many at most.
const LAGS: usize = 8;
/// In pixels, both axes added: the steps of a pattern are longer, and in nanoseconds so far apart.
const PATTERN: i32 = 6;
const PATTERN_APART: u64 = 60_000_000;
/// So many steps of a pattern are looked at.
pub const PATTERNS: u32 = 32;
/// In 1/256 px, both axes added: how far the pointer must go before a click on the same pixel says anything.
const TRAVEL: i64 = 60 * 256;
/// How many of each are looked at.
pub const STEPS: u32 = 100;
pub const STROKES: usize = 20;
pub const SPOTS: usize = 12;

/// The motion of one device.
pub struct Motion {
    last: Option<u64>,
    // The step that is under way, and the last one with its length in time.
    step: (i64, i64),
    step_from: u64,
    before: Option<((i64, i64), u64)>,
    /// One bit for each of the last steps: whether it went on like the one before.
    equal: u128,
    steps: u32,
    // The stroke that is under way.
    stroke: (i64, i64),
    strokes: Ordered<(i64, i64), STROKES>,
    // The last long steps, and by lag one bit for each: whether it equals the one so many before.
    long: Ring<(i32, i32), LAGS>,
    long_at: u64,
    long_sum: (i64, i64),
    pattern: [u32; LAGS],
    patterns: u32,
    // How far it went since the last click.
    travel: i64,
    spots: Ring<(i32, i32), SPOTS>,
}

impl Motion {
    pub fn new() -> Self {
        Self {
            last: None,
            step: (0, 0),
            step_from: 0,
            before: None,
            equal: 0,
            steps: 0,
            stroke: (0, 0),
            strokes: Ordered::new(),
            long: Ring::new(),
            long_at: 0,
            long_sum: (0, 0),
            pattern: [0; LAGS],
            patterns: 0,
            travel: 0,
            spots: Ring::new(),
        }
    }

    /// Takes one motion; true when it begins a stroke.
    pub fn push(&mut self, mono_ns: u64, pointer: Pointer) -> bool {
        let by = (i64::from(pointer.dx), i64::from(pointer.dy));
        if by == (0, 0) {
            return false;
        }
        self.travel = self.travel.saturating_add(by.0.abs() + by.1.abs());
        self.pattern(mono_ns, by);
        let rested = self.last.replace(mono_ns).and_then(|last| mono_ns.checked_sub(last));
        // Also when the clock was set back.
        if rested.is_none_or(|rested| rested > REST) {
            self.begin(mono_ns, by);
            return true;
        }
        add(&mut self.stroke, by);
        add(&mut self.step, by);
        let took = mono_ns.saturating_sub(self.step_from);
        if took >= SAMPLE {
            self.end_step(took);
            self.step_from = mono_ns;
        }
        false
    }

    /// Compares a step with those before, when enough time has passed to call it one.
    fn pattern(&mut self, mono_ns: u64, by: (i64, i64)) {
        let apart = mono_ns.saturating_sub(self.long_at);
        if apart < PATTERN_APART {
            return add(&mut self.long_sum, by);
        }
        let sum = std::mem::replace(&mut self.long_sum, by);
        let step = ((sum.0 / 256) as i32, (sum.1 / 256) as i32);
        self.long_at = mono_ns;
        if step.0.saturating_abs().saturating_add(step.1.saturating_abs()) < PATTERN {
            return;
        }
        for (lag, bits) in self.pattern.iter_mut().enumerate() {
            *bits = *bits << 1 | u32::from(self.long.back(lag) == Some(step));
        }
        self.long.push(step);
        self.patterns = (self.patterns + 1).min(PATTERNS);
    }

    /// The share of the last long steps that equal those a pattern before, and of how many steps it is.
    pub fn patterns(&self) -> Option<(f64, usize)> {
        if self.patterns < PATTERNS {
            return None;
        }
        let lag = (0..LAGS).max_by_key(|lag| (self.pattern[*lag].count_ones(), LAGS - lag))?;
        Some((f64::from(self.pattern[lag].count_ones()) / f64::from(PATTERNS), lag + 1))
    }

    fn begin(&mut self, mono_ns: u64, by: (i64, i64)) {
        let stroke = std::mem::replace(&mut self.stroke, by);
        if stroke.0.abs() + stroke.1.abs() >= SHORTEST_STROKE {
            // Which way it went doesn't matter: there and back is the same.
            self.strokes.push((stroke.0.abs().div_euclid(256), stroke.1.abs().div_euclid(256)));
        }
        // How long the first step took is unknown.
        (self.step, self.step_from, self.before) = ((0, 0), mono_ns, None);
    }

    fn end_step(&mut self, took: u64) {
        let step = std::mem::take(&mut self.step);
        let long = (step.0 as f64).hypot(step.1 as f64) >= SHORTEST_STEP;
        if let (true, Some((before, before_took))) = (long, self.before) {
            let pace = took as f64 / before_took as f64;
            let off = |now: i64, before: i64| (now as f64 - before as f64 * pace).abs() <= TOLERANCE;
            self.equal = self.equal << 1 | u128::from(off(step.0, before.0) && off(step.1, before.1));
            self.steps = (self.steps + 1).min(STEPS);
        }
        self.before = Some((step, took));
    }

    /// Takes one click.
    pub fn click(&mut self, position: Option<(i32, i32)>) {
        let far = std::mem::take(&mut self.travel) >= TRAVEL;
        if let (true, Some((x, y))) = (far, position) {
            self.spots.push((x.div_euclid(256), y.div_euclid(256)));
        }
    }

    /// The share of the last steps that went on like the one before.
    pub fn equal_steps(&self) -> Option<f64> {
        let equal = (self.equal & (u128::MAX >> (128 - STEPS))).count_ones();
        (self.steps == STEPS).then(|| f64::from(equal) / f64::from(STEPS))
    }

    /// The share of the last strokes that are one of the two most frequent.
    pub fn equal_strokes(&self) -> Option<f64> {
        let strokes = self.strokes.sorted();
        if strokes.len() < STROKES {
            return None;
        }
        let (mut first, mut second) = (0, 0);
        for equal in strokes.chunk_by(|a, b| a == b) {
            second = second.max(equal.len().min(first));
            first = first.max(equal.len());
        }
        // Strokes that all differ make up two of them, and that is no repetition.
        (first > 1).then(|| (first + second) as f64 / STROKES as f64)
    }

    /// The share of the last clicks that hit the pixel of an earlier one.
    pub fn equal_spots(&self) -> Option<f64> {
        if !self.spots.is_full() {
            return None;
        }
        let earlier = |place: usize, spot| self.spots.iter().take(place).any(|other| other == spot);
        let again = self.spots.iter().enumerate().filter(|(place, spot)| earlier(*place, *spot)).count();
        Some(again as f64 / SPOTS as f64)
    }
}

fn add(sum: &mut (i64, i64), by: (i64, i64)) {
    *sum = (sum.0.saturating_add(by.0), sum.1.saturating_add(by.1));
}
