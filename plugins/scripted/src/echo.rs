//! Whether the pointer begins to move as long after one another as some time before: the times between its strokes,
//! many in a row.
//!
//! A recording that is played again begins its strokes at the times of the first one, wherever they lead: with noise on
//! each place, in any unit, through a remote desktop. What many intervals have in common says little, and what only one
//! has says much: so the likelihood of a row counts, and neither a rhythm nor a coarse clock makes one.

/// How many intervals are remembered.
const KEPT: usize = 512;
/// In milliseconds: remote desktops merge motion to 100 to 124 ms by a clock of 16 ms.
const TOLERANCE: u16 = 40;
/// In milliseconds: a longer interval is a pause, and matches none.
const PAUSE: u64 = 60_000;
/// What stands for one.
const NONE: u16 = u16::MAX;
/// In sixteenths of a bit: a row that is less likely than this is no chance, though every stroke is compared with
/// hundreds, and somebody makes thousands a day.
const UNLIKELY: u16 = 24 * 16;
/// In sixteenths of a bit: what is more likely says nothing, as in a rhythm.
const COMMON: f32 = 2.0 * 16.0;
/// So many intervals back are left to what looks for rhythms.
const NEAR: usize = 8;
/// How many of the last intervals are looked at.
pub const ECHOES: u32 = 8;

/// The times between the strokes of one pointer.
pub struct Echo {
    /// When the last stroke began, in nanoseconds.
    last: Option<u64>,
    /// In milliseconds, the newest first.
    kept: Box<[u16; KEPT]>,
    count: u16,
    /// How unlikely the row is that the last intervals have in common with an earlier time, by the interval that would
    /// go on with it.
    rows: Box<[u16; KEPT]>,
    /// One bit for each of the last intervals: whether it went on with an earlier row.
    again: u32,
    told: u32,
}

impl Echo {
    pub fn new() -> Self {
        Self {
            last: None,
            kept: Box::new([NONE; KEPT]),
            count: 0,
            rows: Box::new([0; KEPT]),
            again: 0,
            told: 0,
        }
    }

    /// Takes the begin of a stroke. Answers the share of the last intervals that went on with an earlier row.
    pub fn push(&mut self, now: u64) -> Option<f64> {
        let before = self.last.replace(now)?;
        let took = now.checked_sub(before).map_or(0, |took| took / 1_000_000);
        let interval = if (1..=PAUSE).contains(&took) { took as u16 } else { NONE };
        // In a form that compares eight at once: all bits of a match.
        let matches =
            |kept: &u16| u16::from(kept.abs_diff(interval).saturating_sub(TOLERANCE) == 0).wrapping_neg();
        // One of them may be the one it repeats.
        let common = self.kept.iter().map(|kept| matches(kept) & 1).sum::<u16>().max(1);
        let said = 16.0 * (f32::from(self.count + 1) / f32::from(common)).log2();
        let mut said = if said < COMMON { 0 } else { said as u16 };
        if interval == NONE {
            self.rows.fill(0);
            said = 0;
        }
        let mut beyond = 0;
        for (row, kept) in self.rows[NEAR..].iter_mut().zip(&self.kept[NEAR..]) {
            *row = row.saturating_add(said) & matches(kept);
            beyond |= row.saturating_sub(UNLIKELY - 1);
        }
        // The rows stay where they are, and so each goes on with the interval after.
        self.kept.copy_within(..KEPT - 1, 1);
        self.kept[0] = interval;
        self.count = (self.count + 1).min(KEPT as u16);
        self.again = self.again << 1 | u32::from(beyond > 0);
        self.told = (self.told + 1).min(ECHOES);
        let again = (self.again & ((1 << ECHOES) - 1)).count_ones();
        (self.told >= ECHOES / 2).then(|| f64::from(again) / f64::from(ECHOES))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// Numbers that are the same each time, from 0 to 1.
    fn chance(seed: u64) -> impl FnMut() -> f64 {
        let mut state = seed;
        move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1u64 << 53) as f64
        }
    }

    /// The highest share, of strokes so many milliseconds after one another.
    fn highest(intervals: impl Iterator<Item = u64>) -> f64 {
        let (mut echo, mut now) = (Echo::new(), 0);
        let told = intervals.filter_map(|interval| {
            now += interval * MS;
            echo.push(now)
        });
        told.fold(0.0, f64::max)
    }

    #[test]
    fn times_that_come_again_are_found_although_a_remote_desktop_moves_each() {
        let mut chance = chance(1);
        let once: Vec<u64> = (0..60).map(|_| 300 + (2_000.0 * chance()) as u64).collect();
        let again = once.iter().map(|interval| interval + 18 - (36.0 * chance()) as u64).collect::<Vec<_>>();
        assert_eq!(highest(once.iter().copied().chain([1_500]).chain(again)), 1.0);
        assert_eq!(highest(once.into_iter()), 0.0);
    }

    #[test]
    fn neither_a_rhythm_nor_weeks_of_strokes_are_an_echo() {
        let mut chance = chance(2);
        assert_eq!(highest((0..2_000).map(|n| [480, 520, 1_000][n % 3])), 0.0);
        // As people's: the middle one a second, two thirds of them within a factor of two of it.
        let people = |chance: &mut dyn FnMut() -> f64| {
            let normal = (0..12).map(|_| chance()).sum::<f64>() - 6.0;
            250.0 + 750.0 * (0.7 * normal).exp()
        };
        let most = highest((0..100_000).map(|_| people(&mut chance) as u64));
        assert!(most <= 0.25, "{most}");
        // Delivered in bursts.
        let most = highest((0..100_000).map(|_| (people(&mut chance) / 400.0).ceil() as u64 * 400));
        assert!(most <= 0.25, "{most}");
    }

    #[test]
    fn a_clock_that_is_set_back_and_a_night_between_are_no_times() {
        let mut echo = Echo::new();
        for now in [5, 3, 90_000, 2, 500_000_000].into_iter().cycle().take(5_000) {
            assert_eq!(echo.push(now * MS).unwrap_or(0.0), 0.0);
        }
    }
}
