//! Strokes of the pointer: the way between two rests, summed up in numbers that have no scale.
//!
//! Motion is merged to 60 samples a second first, so that a fast mouse, a browser and a recording look alike.

use crate::spread::log;

/// In nanoseconds: what moves within this time is one sample, so 60 a second at most: a fast mouse's small steps are not
/// equal only because they are small, and all mice tell the same.
pub const SAMPLE: u64 = 16_000_000;
/// In nanoseconds: a longer rest ends a stroke. Remote desktops merge motion to 0.1 s.
pub const REST: u64 = 250_000_000;
/// A stroke of more samples than this (about 4 s) goes on as another one.
const SAMPLES: usize = 240;

/// One stroke.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stroke {
    /// When it began, in nanoseconds.
    pub begin: u64,
    /// The rest before it, its length and how long it took, as logarithms of seconds and pixels.
    pub gap: f32,
    pub length: f32,
    pub time: f32,
    /// How many samples.
    pub samples: u16,
    /// Length of the way and of the straight line, in pixels.
    pub path: f32,
    pub chord: f32,
    /// Where it ended, in pixels.
    pub to: (f32, f32),
    /// From begin to end, both axes.
    pub by: (f32, f32),
    /// The longest step's share of the way.
    pub jump: f32,
    /// The farthest from the straight line, in pixels and as a share of it (logarithm).
    pub off: f32,
    pub bend: f32,
    /// The highest speed over the mean one (logarithm); how much speeds differ; when the highest was, 0 to 1.
    pub peak: f32,
    pub speeds: f32,
    pub skew: f32,
    /// The mean speed of its last quarter over that of the whole (logarithm).
    pub tail: f32,
    /// How rough the speed is: second differences beside speeds (logarithm).
    pub rough: f32,
    /// Sums for the power law between speed and curvature: n, x, y, xx, xy.
    pub power: [f32; 5],
}

#[derive(Clone, Copy, Default)]
struct Sample {
    at: u64,
    x: f32,
    y: f32,
}

/// Draws strokes from motion.
pub struct Pen {
    samples: [Sample; SAMPLES],
    len: usize,
    /// When the pointer last moved.
    moved: u64,
    /// Where it rested before, and since when.
    from: Option<Sample>,
}

impl Pen {
    pub fn new() -> Self {
        Self { samples: [Sample::default(); SAMPLES], len: 0, moved: 0, from: None }
    }

    /// Takes a position, in pixels; answers the stroke before, when it has ended.
    pub fn push(&mut self, now: u64, x: f32, y: f32) -> Option<Stroke> {
        let Some(before) = now.checked_sub(self.moved).filter(|_| self.len > 0) else {
            // The clock was set back, or it is the first one.
            let set_back = self.len > 0;
            self.from = (!set_back).then_some(self.from).flatten();
            self.start(now, x, y);
            return None;
        };
        self.moved = now;
        if before > REST {
            return self.end(now, x, y);
        }
        let last = &mut self.samples[self.len - 1];
        if now.saturating_sub(last.at) < SAMPLE {
            (last.x, last.y) = (x, y);
            return None;
        }
        if self.len == SAMPLES {
            return self.end(now, x, y);
        }
        self.samples[self.len] = Sample { at: now, x, y };
        self.len += 1;
        None
    }

    fn start(&mut self, now: u64, x: f32, y: f32) {
        self.samples[0] = Sample { at: now, x, y };
        (self.len, self.moved) = (1, now);
    }

    fn end(&mut self, now: u64, x: f32, y: f32) -> Option<Stroke> {
        let stroke = self.from.map(|from| sum_up(from, &self.samples[..self.len]));
        self.from = Some(self.samples[self.len - 1]);
        self.start(now, x, y);
        stroke.filter(|stroke| stroke.path > 0.0)
    }
}

fn sum_up(from: Sample, samples: &[Sample]) -> Stroke {
    let (first, last) = (samples[0], samples[samples.len() - 1]);
    let mut stroke = Stroke {
        begin: first.at,
        gap: log(first.at.saturating_sub(from.at) as f32 / 1e9, 0.02),
        time: log(last.at.saturating_sub(first.at) as f32 / 1e9, 0.02),
        samples: samples.len() as u16,
        to: (last.x, last.y),
        by: (last.x - from.x, last.y - from.y),
        bend: f32::NAN,
        peak: f32::NAN,
        speeds: f32::NAN,
        skew: f32::NAN,
        tail: f32::NAN,
        rough: f32::NAN,
        ..Stroke::default()
    };
    stroke.chord = stroke.by.0.hypot(stroke.by.1);
    let mut before = from;
    let mut longest = 0f32;
    for sample in samples {
        let step = (sample.x - before.x).hypot(sample.y - before.y);
        stroke.path += step;
        longest = longest.max(step);
        before = *sample;
        if stroke.chord >= 8.0 {
            let across = stroke.by.0 * (sample.y - from.y) - stroke.by.1 * (sample.x - from.x);
            stroke.off = stroke.off.max(across.abs() / stroke.chord);
        }
    }
    stroke.length = log(stroke.path, 1.0);
    if stroke.path > 0.0 {
        stroke.jump = longest / stroke.path;
    }
    if stroke.chord >= 8.0 && samples.len() >= 3 {
        stroke.bend = log(stroke.off / stroke.chord, 0.001);
    }
    if samples.len() >= 5 && stroke.path >= 8.0 {
        speeds(&mut stroke, samples);
        turns(&mut stroke, samples);
    }
    stroke
}

fn step(pair: &[Sample]) -> (f32, f32) {
    let took = pair[1].at.saturating_sub(pair[0].at).max(1_000_000) as f32 / 1e9;
    ((pair[1].x - pair[0].x).hypot(pair[1].y - pair[0].y), took)
}

fn speeds(stroke: &mut Stroke, samples: &[Sample]) {
    let (first, last) = (samples[0].at, samples[samples.len() - 1].at);
    let took = last.saturating_sub(first) as f32 / 1e9;
    let way: f32 = samples.windows(2).map(|pair| step(pair).0).sum();
    if took <= 0.0 || way <= 0.0 {
        return;
    }
    let mean = way / took;
    let (mut peak, mut at, mut squares, mut tail) = (0f32, first, 0f32, (0f32, 0f32));
    let mut rough = 0f32;
    let mut two = [f32::NAN; 2];
    for pair in samples.windows(2) {
        let (length, time) = step(pair);
        let speed = length / time;
        if speed > peak {
            (peak, at) = (speed, pair[1].at);
        }
        squares += time * (speed - mean) * (speed - mean);
        if last.saturating_sub(pair[0].at) as f32 / 1e9 <= took * 0.25 {
            tail = (tail.0 + length, tail.1 + time);
        }
        if two[0].is_finite() {
            rough += (speed - 2.0 * two[1] + two[0]).abs();
        }
        two = [two[1], speed];
    }
    stroke.peak = log(peak / mean, 1.0);
    stroke.speeds = (squares / took).sqrt() / mean;
    stroke.skew = at.saturating_sub(first) as f32 / 1e9 / took;
    if tail.1 > 0.0 {
        stroke.tail = log(tail.0 / tail.1 / mean, 0.02);
    }
    stroke.rough = log(rough / (samples.len() - 3) as f32 / mean, 0.01);
}

/// Notes how speed goes with curvature.
fn turns(stroke: &mut Stroke, samples: &[Sample]) {
    for three in samples.windows(3) {
        let ((a, _), (b, took)) = (step(&three[..2]), step(&three[1..]));
        if a < 2.0 || b < 2.0 {
            continue;
        }
        let (ax, ay) = (three[1].x - three[0].x, three[1].y - three[0].y);
        let (bx, by) = (three[2].x - three[1].x, three[2].y - three[1].y);
        let turn = (ax * by - ay * bx).atan2(ax * bx + ay * by);
        if turn.abs() > 0.02 {
            let (x, y) = ((2.0 * turn.abs() / (a + b)).ln(), (b / took).ln());
            let sums = [1.0, x, y, x * x, x * y];
            stroke.power.iter_mut().zip(sums).for_each(|(sum, by)| *sum += by);
        }
    }
}
