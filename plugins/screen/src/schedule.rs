//! When the next shot is due. Reads no clock.

use std::time::Duration;

use crate::config::Jitter;

/// Intervals follow each other without hole; each has one shot.
#[derive(Clone, Debug)]
pub struct Schedule {
    every: u64,
    jitter: Jitter,
    /// Start of the interval that runs, nanoseconds.
    start: u64,
    due: u64,
}

impl Schedule {
    /// The first interval starts now. `random` answers a number below the one it is given.
    pub fn new(every: Duration, jitter: Jitter, now: u64, random: &mut dyn FnMut(u64) -> u64) -> Self {
        let mut schedule = Self { every: nanos(every), jitter, start: now, due: 0 };
        schedule.due = schedule.moment(random);
        schedule
    }

    /// When the next shot is due, nanoseconds.
    pub fn due(&self) -> u64 {
        self.due
    }

    /// The shot was taken, or missed for good; shots of intervals that went by meanwhile are not made up for.
    pub fn taken(&mut self, now: u64, random: &mut dyn FnMut(u64) -> u64) {
        let passed = now.saturating_sub(self.start) / self.every;
        let intervals = match self.jitter {
            // It was the shot of the interval that ended last.
            Jitter::None => passed.max(1),
            // It was the shot of the interval that runs.
            Jitter::Full => passed + 1,
        };
        self.start += intervals * self.every;
        self.due = self.moment(random);
    }

    /// Other options, from now on. At most one shot comes of it: when more time has gone by than the new interval has.
    pub fn change(&mut self, every: Duration, jitter: Jitter, now: u64, random: &mut dyn FnMut(u64) -> u64) {
        let every = nanos(every);
        if (every, jitter) == (self.every, self.jitter) {
            return;
        }
        (self.every, self.jitter) = (every, jitter);
        self.start = self.start.max(now.saturating_sub(every));
        self.due = self.moment(random).max(now);
    }

    fn moment(&self, random: &mut dyn FnMut(u64) -> u64) -> u64 {
        match self.jitter {
            Jitter::None => self.start + self.every,
            Jitter::Full => self.start + random(self.every).min(self.every),
        }
    }
}

fn nanos(every: Duration) -> u64 {
    // Half of what there is, so that sums don't overflow in a lifetime.
    every.as_nanos().clamp(1, u128::from(u64::MAX / 4)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60_000_000_000;

    fn never(_: u64) -> u64 {
        panic!("no random number is needed")
    }

    fn minutes(minutes: u64) -> Duration {
        Duration::from_secs(minutes * 60)
    }

    #[test]
    fn shots_keep_to_the_grid_and_missed_ones_are_not_made_up_for() {
        let mut schedule = Schedule::new(minutes(10), Jitter::None, 0, &mut never);
        assert_eq!(schedule.due(), 10 * MINUTE);
        schedule.taken(10 * MINUTE + 7, &mut never);
        assert_eq!(schedule.due(), 20 * MINUTE);
        // Asleep for three hours and a bit: one shot, then the grid again.
        schedule.taken(205 * MINUTE, &mut never);
        assert_eq!(schedule.due(), 210 * MINUTE);
    }

    #[test]
    fn full_jitter_takes_one_shot_in_each_interval_at_any_moment_of_it() {
        for dice in [0, 1, 4_999_999, u64::MAX] {
            let mut random = |limit: u64| dice % limit;
            let mut schedule = Schedule::new(minutes(5), Jitter::Full, 0, &mut random);
            for interval in 0..100 {
                let due = schedule.due();
                assert!(
                    (interval * 5 * MINUTE..(interval + 1) * 5 * MINUTE).contains(&due),
                    "{interval} {due}"
                );
                schedule.taken(due + 30_000_000, &mut random);
            }
        }
    }

    #[test]
    fn a_changed_interval_counts_at_once_and_makes_no_burst() {
        let mut schedule = Schedule::new(minutes(10), Jitter::None, 0, &mut never);
        let now = 7 * MINUTE;
        schedule.change(minutes(5), Jitter::None, now, &mut never);
        assert_eq!(schedule.due(), now, "more than five minutes have gone by");
        schedule.taken(now, &mut never);
        assert_eq!(schedule.due(), now + 5 * MINUTE);
        schedule.change(minutes(60), Jitter::None, now + MINUTE, &mut never);
        assert_eq!(schedule.due(), now + 60 * MINUTE);
        schedule.change(minutes(60), Jitter::None, now + 2 * MINUTE, &mut never);
        assert_eq!(schedule.due(), now + 60 * MINUTE, "nothing changed");
    }

    #[test]
    fn changing_back_and_forth_never_gives_more_shots_than_the_shorter_interval() {
        for jitter in [Jitter::None, Jitter::Full] {
            let mut dice = crate::tests::Dice(10);
            let mut random = |limit: u64| u64::from(dice.below(u32::MAX)) % limit;
            let mut schedule = Schedule::new(minutes(10), jitter, 0, &mut random);
            let mut shots = 0;
            for second in 0..36_000 {
                let now = second * MINUTE / 60;
                let every = if second % 2 == 0 { 10 } else { 5 };
                schedule.change(minutes(every), jitter, now, &mut random);
                if schedule.due() <= now {
                    shots += 1;
                    schedule.taken(now, &mut random);
                }
            }
            assert!(shots <= 36_000 / 300 + 1, "{jitter:?}: {shots} shots in ten hours");
        }
    }
}
