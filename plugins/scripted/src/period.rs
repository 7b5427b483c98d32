//! Whether events keep a beat: intervals that equal those one, two, … up to eight before.
//!
//! People's intervals match the one before within 3 % about as often as chance has it; even trained tappers vary by
//! about a twentieth. What a coarse clock makes equal doesn't count: the intervals must be long beside its tick.

use crate::{order::Ordered, spread::entropy};

/// A rhythm may have so many steps.
const LAGS: usize = 8;
/// A pace has so many.
const PACES: usize = 4;
/// Two intervals match when they differ by at most this share, or by a millisecond.
const TOLERANCE: f64 = 0.03;
const MILLISECOND: u32 = 1_000;
/// Shorter intervals than this, in microseconds, come in bursts: several events that were read at once.
const SHORTEST: u32 = 4 * MILLISECOND;
/// The coarsest clock in use (15.6 ms), in microseconds; what holds events back and delivers them together is coarser.
const COARSEST: u32 = 16 * MILLISECOND;
const HELD_BACK: u32 = 2_000 * MILLISECOND;
/// How many intervals are kept for the evidence.
const KEPT: usize = 64;
/// So many of the last ones tell how varied they are, which is looked at once in so many.
const VARIED: usize = 32;
const EVERY: u32 = 8;
/// In microseconds: round times that programs wait for. Finer ones are clocks.
const ROUND: [u32; 5] = [50_000, 100_000, 200_000, 250_000, 500_000];
/// Between how many of these times the middle half of the intervals must lie, so that chance hits few of them, …
const APART: u32 = 2;
/// … and by which part of it an interval may miss one.
const MISS: u32 = 16;

/// The beat of one stream of events.
pub struct Beat {
    last: Option<u64>,
    /// In microseconds.
    intervals: Ordered<u32, KEPT>,
    /// One bit for each of the last intervals, by lag: whether it matched.
    matched: [u64; LAGS],
    /// An interval must be so many of the clock's ticks long.
    ticks: u32,
    /// Intervals since it was looked at how varied they are.
    since: u32,
    varied: Option<Varied>,
}

/// How varied the last [`VARIED`] intervals are.
#[derive(Clone, Copy, Debug)]
pub struct Varied {
    /// The entropy of their lengths in quarters of an octave, in bits.
    pub entropy: f32,
    /// By how much more of them than by chance are multiples of a round time, as a share of the rest; where they lie far
    /// enough apart.
    pub round: Option<f32>,
}

/// A beat that was kept.
#[derive(Clone, Copy, Debug)]
pub struct Kept {
    /// Steps of the rhythm.
    pub lag: usize,
    /// The share of the last intervals that matched …
    pub share: f64,
    /// … of how many.
    pub of: u32,
    /// In microseconds.
    pub median: u32,
    /// When the first of them began.
    pub from: u64,
}

impl Beat {
    /// No events yet; an interval must be at least `ticks` of the clock's ticks long to say anything.
    pub fn new(ticks: u32) -> Self {
        Self { last: None, intervals: Ordered::new(), matched: [0; LAGS], ticks, since: 0, varied: None }
    }

    /// Takes one event.
    pub fn push(&mut self, mono_ns: u64) {
        let before = self.last.replace(mono_ns);
        let Some(interval) = before.and_then(|before| mono_ns.checked_sub(before)) else {
            // The clock was set back, or it is the first one.
            self.intervals.clear();
            self.matched = [0; LAGS];
            self.varied = None;
            return;
        };
        let interval = u32::try_from(interval / 1_000).unwrap_or(u32::MAX);
        for (lag, matched) in self.matched.iter_mut().enumerate() {
            let same = self.intervals.last().back(lag).is_some_and(|other| same(interval, other));
            *matched = *matched << 1 | u64::from(same);
        }
        self.intervals.push(interval);
        self.since += 1;
        // It costs as much as several signals.
        if self.since >= EVERY {
            self.since = 0;
            self.varied = self.vary();
        }
    }

    /// How varied the last intervals were when that was last looked at.
    pub fn varied(&self) -> Option<Varied> {
        self.varied
    }

    fn vary(&self) -> Option<Varied> {
        self.middle(VARIED as u32)?;
        let mut these = [0; VARIED];
        these
            .iter_mut()
            .zip(self.intervals.last().iter().rev())
            .for_each(|(place, interval)| *place = interval);
        let mut counts = [0u16; 4 * 32];
        for interval in these {
            let octave = interval.max(4).ilog2();
            counts[(4 * octave + (interval.max(4) >> (octave - 2) & 3)) as usize] += 1;
        }
        let entropy = entropy(&counts)?;
        these.sort_unstable();
        let apart = these[VARIED * 3 / 4].saturating_sub(these[VARIED / 4]);
        let chance = 2.0 / MISS as f32;
        let hits = |step: u32| {
            let off = |interval: &u32| (interval % step).min(step - interval % step);
            these.iter().filter(|interval| off(interval) <= step / MISS).count() as f32 / VARIED as f32
        };
        let steps = ROUND.into_iter().filter(|step| apart >= APART * step);
        let round = steps.map(|step| ((hits(step) - chance) / (1.0 - chance)).max(0.0)).reduce(f32::max);
        Some(Varied { entropy, round })
    }

    /// How the last `of` intervals keep a beat, if at least this share of them does and as far as the clock is fine
    /// enough to tell.
    pub fn kept(&self, of: u32, least: f64) -> Option<Kept> {
        let mask = u64::MAX >> (64 - of.clamp(1, 64));
        let lag = (0..LAGS).max_by_key(|lag| ((self.matched[*lag] & mask).count_ones(), LAGS - lag))?;
        let share = f64::from((self.matched[lag] & mask).count_ones()) / f64::from(of);
        if share < least {
            return None;
        }
        let (median, from) = self.middle(of)?;
        Some(Kept { lag: lag + 1, share, of, median, from })
    }

    /// By how much the last `of` intervals differ from those one to four before, beside the middle one: four fifths
    /// of them by less, if that is at most so much. What merges or delays each event for itself leaves more of this
    /// than of the beat.
    pub fn pace(&self, of: u32, most: f64) -> Option<(f64, Kept)> {
        if self.intervals.sorted().len() < of as usize + PACES {
            return None;
        }
        let (median, from) = self.middle(of)?;
        let enough = (f64::from(median.max(1)) * most) as u32;
        let last = self.intervals.last();
        let mut these = [0; KEPT + PACES];
        these.iter_mut().zip(last.iter().rev()).for_each(|(place, interval)| *place = interval);
        let of_them = of as usize;
        let off = |lag: usize| {
            let mut differences = [0; KEPT];
            let pairs = these.iter().zip(&these[lag..]).take(of_them);
            differences
                .iter_mut()
                .zip(pairs)
                .for_each(|(place, (now, before))| *place = now.abs_diff(*before));
            let differences = &mut differences[..of_them];
            let near = differences.iter().filter(|difference| **difference <= enough).count();
            (near > of_them * 4 / 5).then(|| *differences.select_nth_unstable(of_them * 4 / 5).1)
        };
        let (least, lag) = (1..=PACES).filter_map(|lag| Some((off(lag)?, lag))).min()?;
        let off = f64::from(least) / f64::from(median.max(1));
        Some((off, Kept { lag, share: 1.0 - off, of, median, from }))
    }

    /// The middle one of the last intervals, and when the first of them began; None if there are too few, or if they
    /// are too short beside the clock's tick.
    fn middle(&self, of: u32) -> Option<(u32, u64)> {
        // What holds events back for long may let some come evenly: those before tell of the clock too.
        let (kept, all) = ((of as usize).min(KEPT), self.intervals.sorted());
        if kept == 0 || all.len() < kept {
            return None;
        }
        let mut these = [0; KEPT];
        let these = &mut these[..kept];
        these
            .iter_mut()
            .zip(self.intervals.last().iter().rev())
            .for_each(|(place, interval)| *place = interval);
        let span: u64 = these.iter().map(|interval| u64::from(*interval) * 1_000).sum();
        let median = *these.select_nth_unstable(kept / 2).1;
        (median >= tick(all).saturating_mul(self.ticks))
            .then(|| (median, self.last.unwrap_or_default().saturating_sub(span)))
    }

    /// How many of the intervals that are kept are below 2, 4, 8, … ms; the last one counts all that are longer.
    pub fn histogram(&self) -> [u32; 20] {
        let mut counts = [0; 20];
        for interval in self.intervals.sorted() {
            let place = (interval / MILLISECOND).max(1).ilog2() as usize;
            counts[place.min(19)] += 1;
        }
        counts
    }
}

fn same(a: u32, b: u32) -> bool {
    let most = (f64::from(a.max(b)) * TOLERANCE) as u32;
    a >= SHORTEST && b >= SHORTEST && a.abs_diff(b) <= most.max(MILLISECOND)
}

/// The clock's tick as far as sorted intervals tell: the least by which two of them differ.
fn tick(sorted: &[u32]) -> u32 {
    // One less, so that what is equal is the farthest apart.
    let less = |pair: (&u32, &u32)| pair.1.wrapping_sub(*pair.0).wrapping_sub(1);
    let least = sorted.iter().zip(&sorted[1..]).map(less).min().unwrap_or(u32::MAX);
    least.checked_add(1).unwrap_or(COARSEST).min(HELD_BACK)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beat(intervals_ms: impl IntoIterator<Item = f64>) -> Option<Kept> {
        let mut beat = Beat::new(16);
        let mut now = 1e9;
        beat.push(now as u64);
        for interval in intervals_ms {
            now += interval * 1e6;
            beat.push(now as u64);
        }
        beat.kept(24, 0.9)
    }

    /// Numbers from 0 to 1, the same each time.
    fn random() -> impl FnMut() -> f64 {
        let mut state = 7u64;
        move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1u64 << 53) as f64
        }
    }

    #[test]
    fn a_loop_keeps_a_beat_whatever_its_rhythm() {
        let mut noise = random();
        for rhythm in [&[1_000.0][..], &[100.0], &[2_000.0, 300.0], &[500.0, 40.0, 40.0, 900.0, 120.0]] {
            let kept = beat((0..64).map(|n| rhythm[n % rhythm.len()] + noise())).unwrap();
            assert_eq!(kept.lag, rhythm.len());
        }
    }

    #[test]
    fn a_person_keeps_none_even_when_tapping_evenly_on_a_coarse_clock() {
        let mut noise = random();
        let mut normal = move || (0..12).map(|_| noise()).sum::<f64>() - 6.0;
        for (mean, spread) in [(150.0, 0.05), (150.0, 0.2), (400.0, 0.05), (1_000.0, 0.06), (200.0, 0.4)] {
            for tick in [0.001, 1.0, 15.625] {
                let mut now: f64 = 0.0;
                let mut told = 0.0;
                let intervals: Vec<f64> = (0..5_000)
                    .map(|_| {
                        now += mean * (1.0 + spread * normal()).max(0.1);
                        let before = told;
                        told = (now / tick).floor() * tick;
                        told - before
                    })
                    .collect();
                for window in intervals.windows(40).step_by(7) {
                    let kept = beat(window.iter().copied());
                    assert!(kept.is_none(), "{mean} ms, spread {spread}, tick {tick}: {kept:?}");
                }
            }
        }
    }

    #[test]
    fn waits_of_round_times_show_and_people_s_are_of_many_lengths() {
        let mut noise = random();
        let mut varied = |next: &mut dyn FnMut(f64) -> f64| {
            let (mut beat, mut now) = (Beat::new(16), 1e9);
            for _ in 0..64 {
                beat.push(now as u64);
                now += next(noise()) * 1e6 + noise() * 4e5;
            }
            beat.varied().unwrap()
        };
        let person = varied(&mut |chance| 300.0 * 20f64.powf(chance));
        assert!(person.entropy > 3.0 && person.round.unwrap() < 0.4, "{person:?}");
        let picks = varied(&mut |chance| [500.0, 1_500.0, 3_000.0][(chance * 3.0) as usize]);
        assert!(picks.entropy < 1.8 && picks.round.unwrap() > 0.9, "{picks:?}");
        let pause = varied(&mut |_| 900.0);
        assert!(pause.entropy < 0.1 && pause.round.is_none(), "{pause:?}");
    }

    #[test]
    fn bursts_and_a_clock_that_stands_still_keep_none() {
        assert!(beat([0.0; 64]).is_none());
        assert!(beat([1.0; 64]).is_none());
        assert!(beat((0..64).map(|n| if n % 8 == 0 { 900.0 + f64::from(n) * 37.0 } else { 0.0 })).is_none());
    }
}
