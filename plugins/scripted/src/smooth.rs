//! Whether the pointer's path is smoother than a hand draws it.
//!
//! The smoothest movement there is, that of least jerk, is a polynomial of degree five in time (Flash and Hogan, 1985).
//! A hand strings several of them together, corrects itself on the way and trembles. A Bézier curve, an eased way and
//! a straight one lie on one. Only what lies across the path counts: a clock that ticks coarsely shifts points along it.

use crate::{
    mark::Mark,
    ring::Ring,
    spread::Numbers,
    stroke::SAMPLE,
    tremor::{self, Left},
};

/// In nanoseconds: a longer rest ends a piece, …
const REST: u64 = 250_000_000;
/// … and so does this, because a person makes several movements in it.
const LONGEST: u64 = 2_000_000_000;
const SAMPLES: usize = 128;
/// A shorter piece (seconds, samples, pixels) says nothing, nor one along an edge of the screen, nor one that goes straight
/// in an eighth of a turn, as people who move the pointer by keys do.
const SHORTEST: f32 = 0.5;
const FEWEST: usize = 9;
const WAY: f32 = 60.0;
const EDGE: f32 = 4.0;
const DEGREE: usize = 5;
/// So many pieces are looked at, …
pub const PIECES: usize = 12;
/// … and all but so many must be smooth.
pub const MOST: usize = 9;

#[derive(Clone, Copy, Default)]
struct Sample {
    /// Since the piece began, in seconds.
    at: f32,
    /// From where it began, in pixels.
    x: f32,
    y: f32,
}

/// The path of one pointer, in pieces.
pub struct Smooth {
    samples: [Sample; SAMPLES],
    len: usize,
    begin: u64,
    from: (f32, f32),
    /// When the last sample began, and when the pointer last moved.
    sample: u64,
    moved: u64,
    /// How far the last pieces stray.
    strays: Ring<f32, PIECES>,
    /// Of the last that tell: how much they tremble, and how much of what is left of them is noise.
    tremors: Ring<f32, PIECES>,
    whites: Ring<f32, PIECES>,
}

/// What the last pieces have beside the smoothest curve.
#[derive(Clone, Copy, Debug)]
pub struct Beside {
    /// How far most of them stray: the root of the mean square across it, in percent of the way.
    pub stray: f32,
    /// By how much most of them tremble at most, in percent of the way.
    pub tremor: Option<f32>,
    /// How much of that is noise in most of them at least, as a share.
    pub white: Option<f32>,
}

impl Beside {
    /// What of it is only shown.
    pub fn shown(&self) -> [(Mark, Option<f32>); 2] {
        [(Mark::Tremor, self.tremor), (Mark::White, self.white)]
    }
}

impl Smooth {
    pub fn new() -> Self {
        Self {
            samples: [Sample::default(); SAMPLES],
            len: 0,
            begin: 0,
            from: (0.0, 0.0),
            sample: 0,
            moved: 0,
            strays: Ring::new(),
            tremors: Ring::new(),
            whites: Ring::new(),
        }
    }

    /// Takes a position, in pixels. Answers, once a piece has ended, what the last ones have beside the smoothest curve.
    pub fn push(&mut self, now: u64, x: f32, y: f32) -> Option<Beside> {
        let rested = now.checked_sub(self.moved).is_none_or(|rest| rest > REST);
        self.moved = now;
        let since = now.saturating_sub(self.begin);
        if self.len == 0 || rested || since > LONGEST || self.len == SAMPLES {
            let (stray, left) = stray(&self.samples[..self.len]).unzip();
            (self.begin, self.sample, self.from, self.len) = (now, now, (x, y), 1);
            self.samples[0] = Sample::default();
            self.strays.push(stray?);
            if let Some(Left { tremor, white }) = left.flatten() {
                self.tremors.push(tremor);
                white.into_iter().for_each(|white| self.whites.push(white));
            }
            return self.beside();
        }
        if now.saturating_sub(self.sample) >= SAMPLE {
            self.sample = now;
            self.len += 1;
        }
        let at = since as f32 / 1e9;
        self.samples[self.len - 1] = Sample { at, x: x - self.from.0, y: y - self.from.1 };
        None
    }

    /// What the last pieces have beside the smoothest curve.
    pub fn beside(&self) -> Option<Beside> {
        let of = |ring: &Ring<f32, PIECES>, below| {
            Numbers::of(ring.iter()).above(below).filter(|_| ring.is_full())
        };
        let stray = of(&self.strays, MOST - 1)?;
        let (tremor, white) = (of(&self.tremors, MOST - 1), of(&self.whites, PIECES - MOST));
        Some(Beside { stray, tremor, white })
    }
}

/// How far a piece strays from the curve of [`DEGREE`] nearest to it, and what that is; None where that says nothing.
fn stray(samples: &[Sample]) -> Option<(f32, Option<Left>)> {
    let last = samples.last()?;
    if samples.len() < FEWEST || last.at < SHORTEST {
        return None;
    }
    let reach = |of: fn(&Sample) -> f32| {
        let (low, high) = samples.iter().map(of).fold((f32::MAX, f32::MIN), |(a, b), v| (a.min(v), b.max(v)));
        high - low
    };
    let way: f32 = samples.windows(2).map(|two| (two[1].x - two[0].x).hypot(two[1].y - two[0].y)).sum();
    let keys = (last.x.abs() - last.y.abs()).abs() < EDGE && way < 1.02 * last.x.hypot(last.y);
    let edge = reach(|sample| sample.x) < EDGE || reach(|sample| sample.y) < EDGE;
    if keys || edge || way < WAY || !way.is_finite() {
        return None;
    }
    // What the polynomials so far, each at right angles to those before, leave of the way.
    let mut left = [(0f32, 0f32); SAMPLES];
    let left = &mut left[..samples.len()];
    left.iter_mut().zip(samples).for_each(|(left, sample)| *left = (sample.x, sample.y));
    let (mut before, mut this, mut next) = ([0f32; SAMPLES], [1f32; SAMPLES], [0f32; SAMPLES]);
    let time = |sample: &Sample| 2.0 * sample.at / last.at - 1.0;
    let mut squares_before = 1f32;
    for degree in 0..=DEGREE {
        let (mut squares, mut shifted, mut x, mut y) = (0f32, 0f32, 0f32, 0f32);
        for ((value, sample), left) in this.iter().zip(samples).zip(left.iter()) {
            squares += value * value;
            shifted += time(sample) * value * value;
            x += value * left.0;
            y += value * left.1;
        }
        if squares < 1e-6 {
            return None;
        }
        let (x, y, shift) = (x / squares, y / squares, shifted / squares);
        let back = if degree == 0 { 0.0 } else { squares / squares_before };
        for (place, (left, sample)) in left.iter_mut().zip(samples).enumerate() {
            let value = this[place];
            (left.0, left.1) = (left.0 - x * value, left.1 - y * value);
            next[place] = (time(sample) - shift) * value - back * before[place];
        }
        (before, this, next) = (this, next, before);
        squares_before = squares;
    }
    let curve = |place: usize| (samples[place].x - left[place].0, samples[place].y - left[place].1);
    let (mut across, mut squares) = ([(0f32, 0f32); SAMPLES], 0f32);
    for (place, off) in left.iter().enumerate() {
        let (from, to) = (curve(place.saturating_sub(1)), curve((place + 1).min(samples.len() - 1)));
        let (x, y) = (to.0 - from.0, to.1 - from.1);
        let length = x.hypot(y);
        let off = if length > 1e-3 { (off.0 * y - off.1 * x) / length } else { 0.0 };
        across[place] = (samples[place].at, off);
        squares += off * off;
    }
    let free = (samples.len() - DEGREE - 1) as f32;
    let stray = 100.0 * (squares / free).sqrt() / way;
    stray.is_finite().then(|| (stray, tremor::of(&across[..samples.len()], way)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A way of so many samples at 60 Hz, by where it is at a time from 0 to 1.
    fn drawn(samples: usize, of: impl Fn(f32) -> (f32, f32)) -> Option<f32> {
        let sample = |n: usize| {
            let at = n as f32 / (samples - 1) as f32;
            let (x, y) = of(at);
            Sample { at: n as f32 / 60.0, x: x.round(), y: y.round() }
        };
        stray(&(0..samples).map(sample).collect::<Vec<_>>()).map(|(stray, _)| stray)
    }

    #[test]
    fn bezier_curves_and_eased_lines_lie_on_the_smoothest_curve_and_hands_do_not() {
        let bezier = |t: f32| {
            let s = t * (2.0 - t);
            let of = |b: f32, c: f32, d: f32| {
                3.0 * s * (1.0 - s).powi(2) * b + 3.0 * s * s * (1.0 - s) * c + s.powi(3) * d
            };
            (of(300.0, 420.0, 700.0), of(-200.0, 350.0, 260.0))
        };
        let line = |t: f32| (600.0 * t * t, 250.0 * t * t);
        // Two movements, the second of which corrects the first, and a tremor of a pixel.
        let hand = |t: f32| {
            let ease = |t: f32| {
                t.clamp(0.0, 1.0).powi(3)
                    * (10.0 - 15.0 * t.clamp(0.0, 1.0) + 6.0 * t.clamp(0.0, 1.0).powi(2))
            };
            let (first, second) = (ease(t / 0.6), ease((t - 0.5) / 0.5));
            (560.0 * first + 40.0 * second, 300.0 * first - 50.0 * second + (t * 55.0).sin())
        };
        for samples in [40, 90, 120] {
            assert!(drawn(samples, bezier).unwrap() < 0.15, "{samples}: {:?}", drawn(samples, bezier));
            assert!(drawn(samples, line).unwrap() < 0.1, "{samples}: {:?}", drawn(samples, line));
            assert!(drawn(samples, hand).unwrap() > 0.5, "{samples}: {:?}", drawn(samples, hand));
        }
    }

    #[test]
    fn ways_that_are_short_or_follow_an_edge_say_nothing() {
        assert_eq!(drawn(8, |t| (900.0 * t, 500.0 * t)), None);
        assert_eq!(drawn(90, |t| (900.0 * t, 0.0)), None);
        assert_eq!(drawn(90, |t| (30.0 * t, 20.0 * t)), None);
        assert_eq!(drawn(90, |t| (-400.0 * t * t, 400.0 * t * t)), None);
        assert!(stray(&[Sample { at: 0.0, ..Sample::default() }; 20]).is_none());
    }
}
