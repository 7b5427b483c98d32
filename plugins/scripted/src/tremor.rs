//! What a piece of the pointer's path has beside its smoothest curve: tremor, and noise.
//!
//! Hands tremble at 8 to 12 Hz, which shows in the path of slow finger movements too (Vallbo and Wessberg, 1993; McAuley
//! and Marsden, 2000). And what a hand does wrong lasts: each place is off to the same side as the one before. Noise that
//! a program adds to each place is off to either side. Both are only shown: how much of either a recording has depends
//! on mouse, screen and recorder as much as on who moves it.

use std::f32::consts::{PI, TAU};

/// In hertz: the band, and how far apart in it is looked.
const FROM: f32 = 8.0;
const APART: f32 = 0.5;
const LOOKS: usize = 9;
/// Fewer samples a second don't tell twelve waves from noise.
const RATE: f32 = 40.0;
/// In seconds: a shorter piece doesn't tell tremor from the hand's slower corrections.
const SHORTEST: f32 = 0.75;
/// In pixels: what is off by less is what whole pixels make of any curve.
const OFF: f32 = 1.0;

/// What is left of one piece.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Left {
    /// The root of the mean square of what is between 8 and 12 Hz, in percent of the way.
    pub tremor: f32,
    /// How far from the same each place is as the one before, as a share: 0 is the same, 1 has nothing to do with it. None
    /// where pixels are too coarse to tell.
    pub white: Option<f32>,
}

/// What the places of a piece (seconds, pixels across its smoothest curve) that is so long (pixels) have in them; None
/// where they are too few to tell.
pub fn of(places: &[(f32, f32)], way: f32) -> Option<Left> {
    let (count, lasts) = (places.len() as f32, places.last()?.0);
    if lasts < SHORTEST || count < RATE * lasts {
        return None;
    }
    // The spectrum at each look, of what fades in and out (Hann), so that slow movements don't leak into the band.
    let (mut waves, mut squares) = ([(0f32, 0f32); LOOKS], 0f32);
    for (at, off) in places {
        let fade = (PI * at / lasts).sin().powi(2);
        squares += fade * fade;
        let (mut wave, by) = ((TAU * FROM * at).sin_cos(), (TAU * APART * at).sin_cos());
        for sum in &mut waves {
            (sum.0, sum.1) = (sum.0 + fade * off * wave.0, sum.1 + fade * off * wave.1);
            wave = (wave.0 * by.1 + wave.1 * by.0, wave.1 * by.1 - wave.0 * by.0);
        }
    }
    let power = |(sine, cosine): &(f32, f32)| sine * sine + cosine * cosine;
    let ends = (power(&waves[0]) + power(&waves[LOOKS - 1])) / 2.0;
    let band = (waves.iter().map(power).sum::<f32>() - ends) * APART;
    let tremor = 100.0 * (band / squares * 2.0 * lasts / count).sqrt() / way;
    let all: f32 = places.iter().map(|(_, off)| off * off).sum();
    let next: f32 = places.windows(2).map(|two| two[0].1 * two[1].1).sum();
    let white = ((all / count).sqrt() >= OFF).then(|| (1.0 - next / all).clamp(0.0, 1.0));
    tremor.is_finite().then_some(Left { tremor, white })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{mark::Mark, smooth::Smooth};

    /// Numbers around 0 that differ by 1 (standard deviation), the same each time.
    fn noise() -> impl FnMut() -> f32 {
        let mut state = 7u64;
        let mut even = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1u64 << 24) as f32
        };
        move || (0..12).map(|_| even()).sum::<f32>() - 6.0
    }

    /// What 40 movements of least jerk show, with this beside them (by seconds), told so often a second in whole pixels.
    fn moved(rate: u64, beside: &mut dyn FnMut(f32) -> f32) -> (f32, f32) {
        let (mut smooth, mut now, mut shown) = (Smooth::new(), 1_000_000_000, None);
        for movement in 0..40 {
            for sample in 0..rate * 3 / 2 {
                let (at, t) = (sample as f32 / rate as f32, sample as f32 / (rate * 3 / 2) as f32);
                let way = 600.0 * t.powi(3) * (10.0 - 15.0 * t + 6.0 * t * t);
                let off = beside(at + 2.0 * movement as f32);
                // Across a way that goes right and down.
                let (x, y) = (0.8 * way - 0.6 * off, 0.6 * way + 0.8 * off);
                shown = smooth.push(now, x.round(), y.round()).or(shown);
                now += 1_000_000_000 / rate;
            }
            now += 500_000_000;
        }
        let beside = shown.expect("pieces enough");
        (beside.tremor.expect("samples enough"), beside.white.unwrap_or(f32::NAN))
    }

    #[test]
    fn tremor_is_what_lies_between_8_and_12_hz_and_nothing_else() {
        let wave = |hertz: f32, pixels: f32| move |at: f32| pixels * (TAU * hertz * at).sin();
        // 2 px make a root of the mean square of 1.41, which is 0.236 % of 600 px.
        for rate in [60, 125, 1_000] {
            for hertz in [8.5, 9.25, 10.0, 11.5] {
                let (tremor, _) = moved(rate, &mut wave(hertz, 2.0));
                assert!((0.17..0.3).contains(&tremor), "{hertz} Hz at {rate}: {tremor}");
            }
            for hertz in [0.3, 4.0, 5.0, 16.0, 20.0] {
                let (tremor, _) = moved(rate, &mut wave(hertz, 2.0));
                assert!(tremor < 0.06, "{hertz} Hz at {rate}: {tremor}");
            }
            // Slow movements that are ten times as wide don't leak into the band.
            let (tremor, _) = moved(rate, &mut wave(3.3, 20.0));
            assert!(tremor < 0.06, "3.3 Hz, 20 px at {rate}: {tremor}");
            assert!(moved(rate, &mut |_| 0.0).0 < 0.03, "{rate}");
            // Of noise that is as strong, the part that falls into the band.
            let mut noise = noise();
            let (tremor, _) = moved(rate, &mut |_| 1.41 * noise());
            assert!((0.05..0.14).contains(&tremor), "noise at {rate}: {tremor}");
        }
    }

    #[test]
    fn noise_is_white_and_what_lasts_is_not() {
        for rate in [60, 125] {
            let mut white = noise();
            assert!(moved(rate, &mut |_| 3.0 * white()).1 > 0.8, "{rate}");
            // What a hand does wrong: it drifts, and is corrected again and again.
            let (mut chance, mut off) = (noise(), 0.0);
            let (_, hand) = moved(rate, &mut |_| {
                off = 0.97 * off + chance();
                off
            });
            assert!(hand < 0.4, "{rate}: {hand}");
            assert!(moved(rate, &mut |at| 4.0 * (TAU * 4.0 * at).sin()).1 < 0.3, "{rate}");
        }
        assert!(moved(60, &mut |_| 0.0).1.is_nan(), "whole pixels are no noise");
    }

    #[test]
    fn what_is_too_short_or_told_too_seldom_says_nothing() {
        let places = |rate: f32, lasts: f32| -> Vec<(f32, f32)> {
            (0..=(rate * lasts) as u32).map(|n| (n as f32 / rate, (n % 7) as f32)).collect()
        };
        assert!(of(&places(60.0, 1.5), 600.0).is_some());
        assert_eq!(of(&places(60.0, 0.6), 600.0), None);
        assert_eq!(of(&places(9.0, 2.0), 600.0), None);
        assert_eq!(of(&[], 600.0), None);
        assert!(Mark::Tremor.is_only_shown() && Mark::White.is_only_shown());
    }
}
