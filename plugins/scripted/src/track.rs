//! Whether the pointer runs the same track: over the same spots in the same direction and the same order as before.
//!
//! Shapes that a program draws, and recordings that are played again, do. People's tracks cross, and where they scribble
//! they come over every spot again, but not in the order of an earlier time. Places are looked at every few pixels of the
//! way, so that neither speed nor rests matter.

use crate::{ring::Ring, stroke::SAMPLE};

/// In pixels: a longer step tells no way.
const JUMP: f32 = 120.0;
/// In pixels: how far apart places are looked at, and how large a spot is.
const APART: f32 = 4.0;
const SPOT: f32 = 3.0;
/// How many spots are remembered; a power of two.
const SPOTS: usize = 4_096;
/// How many places ago a spot must have been passed.
const AGO: std::ops::RangeInclusive<u16> = 40..=30_000;
/// A place goes on with an earlier track when it is as far behind the earlier one as the last such place, give or take
/// this, and that one was no more than so many places before.
const SLIP: u16 = 3;
const RUN: u32 = 8;
/// So many places between are passed over.
const GAP: u32 = 2;
/// How many places are looked at.
pub const PLACES: usize = 384;
/// More places than this in one direction or its opposite are to and fro, as along the edge of a screen.
const TO_AND_FRO: u16 = 288;
/// The bits that keep the number of a place; the others keep what a spot hashes to.
const NUMBER: u32 = 0xffff;

/// The track of one pointer.
pub struct Track {
    /// By its place: what a spot hashes to, and the number of the place where it was last passed.
    seen: Box<[u32; SPOTS]>,
    /// Where the last step ended, and when it began.
    last: Option<(f32, f32)>,
    sample: u64,
    /// How far it went since the last place.
    along: f32,
    /// The number of the next place, of which the lower bits are kept.
    number: u32,
    /// The last place that had been passed before: its number, and how many places before.
    passed: (u32, u16),
    /// The last place that went on with an earlier track.
    went_on: u32,
    /// The last places: in which eighth of a turn it went there, and whether it was on an earlier track.
    places: Ring<(u8, bool), PLACES>,
    directions: [u16; 8],
    again: u16,
}

impl Track {
    pub fn new() -> Self {
        Self {
            seen: Box::new([0; SPOTS]),
            last: None,
            sample: 0,
            along: 0.0,
            number: 1 << 16,
            passed: (0, 0),
            went_on: 0,
            places: Ring::new(),
            directions: [0; 8],
            again: 0,
        }
    }

    /// Takes a position, in pixels. Answers, when places were passed, the share of the last ones that were on an earlier
    /// track.
    pub fn push(&mut self, now: u64, x: f32, y: f32) -> Option<f32> {
        let took = now.checked_sub(self.sample);
        if self.last.is_some() && took.is_some_and(|took| took < SAMPLE) {
            return None;
        }
        self.sample = now;
        let (from_x, from_y) = self.last.replace((x, y))?;
        let length = (x - from_x).hypot(y - from_y);
        if length.is_nan() || length > JUMP {
            self.along = 0.0;
            return None;
        }
        let mut at = APART - self.along;
        if length < at {
            self.along += length;
            return None;
        }
        let way = ((x - from_x) / length, (y - from_y) / length);
        let eighth = (way.1.atan2(way.0) / std::f32::consts::FRAC_PI_4).round() as i32;
        while at <= length {
            self.pass(from_x + way.0 * at, from_y + way.1 * at, eighth.rem_euclid(8) as u8);
            at += APART;
        }
        self.along = length - (at - APART);
        let to_and_fro = (0..4).map(|way| self.directions[way] + self.directions[way + 4]).max()?;
        let told = self.places.is_full() && to_and_fro <= TO_AND_FRO;
        told.then(|| f32::from(self.again) / PLACES as f32)
    }

    fn pass(&mut self, x: f32, y: f32, eighth: u8) {
        let spot = [(x / SPOT).floor() as i64 as u64, (y / SPOT).floor() as i64 as u64, eighth.into()];
        let hash = spot.into_iter().fold(0x9e37_79b9_7f4a_7c15_u64, |hash, part| {
            (hash ^ part).wrapping_mul(0xff51_afd7_ed55_8ccd).rotate_left(29)
        });
        let mark = (hash >> 32) as u32 & !NUMBER;
        let seen = &mut self.seen[hash as usize % SPOTS];
        let before = std::mem::replace(seen, mark | self.number & NUMBER);
        let ago = (self.number as u16).wrapping_sub(before as u16);
        if before & !NUMBER == mark && before != 0 && AGO.contains(&ago) {
            let (number, behind) = self.passed;
            if self.number.wrapping_sub(number) <= RUN && ago.abs_diff(behind) <= SLIP {
                self.went_on = self.number;
            }
            self.passed = (self.number, ago);
        }
        let again = self.number.wrapping_sub(self.went_on) <= GAP;
        self.number = self.number.wrapping_add(1);
        if let Some((direction, before)) = self.places.back(PLACES - 1) {
            self.directions[usize::from(direction)] -= 1;
            self.again -= u16::from(before);
        }
        self.places.push((eighth, again));
        self.directions[usize::from(eighth)] += 1;
        self.again += u16::from(again);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    /// The highest share on a way of so many seconds, told 60 times a second.
    fn highest(seconds: u64, of: impl Fn(f32) -> (f32, f32)) -> f32 {
        let mut track = Track::new();
        let at = |n: u64| of(n as f32 / 60.0);
        (0..seconds * 60)
            .filter_map(|n| track.push(SECOND + n * SECOND / 60, at(n).0.round(), at(n).1.round()))
            .fold(0.0, f32::max)
    }

    #[test]
    fn a_circle_that_is_drawn_again_runs_the_same_track() {
        let circle = |s: f32| (500.0 + 90.0 * (s * 1.1).cos(), 400.0 + 90.0 * (s * 1.1).sin());
        assert!(highest(60, circle) > 0.8, "{}", highest(60, circle));
    }

    #[test]
    fn scribbling_over_the_same_small_place_does_not() {
        // Circles whose middle and width wander, so that every spot is passed again and again.
        let scribble = |s: f32| {
            let width = 30.0 + 14.0 * (s * 0.37).sin() + 9.0 * (s * 0.83).cos();
            (
                500.0 + width * (s * 4.1).cos() + 11.0 * (s * 0.29).sin(),
                400.0 + width * (s * 4.1).sin() + 13.0 * (s * 0.53).cos(),
            )
        };
        assert!(highest(120, scribble) < 0.6, "{}", highest(120, scribble));
    }

    #[test]
    fn a_spiral_and_an_edge_of_the_screen_do_not() {
        let spiral = |s: f32| ((40.0 + 7.0 * s) * (s * 1.1).cos(), (40.0 + 7.0 * s) * (s * 1.1).sin());
        assert!(highest(60, spiral) < 0.3, "{}", highest(60, spiral));
        let edge = |s: f32| (500.0 + 300.0 * s.sin(), 0.0);
        assert_eq!(highest(120, edge), 0.0);
    }
}
