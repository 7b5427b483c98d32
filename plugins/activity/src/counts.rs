//! What is counted, for one device or for all of one origin.

use plugin_api::{Event, KeyClass};

/// Names of buttons in records; what is none of the first five is the last.
pub const BUTTONS: [&str; 6] = ["left", "middle", "right", "back", "forward", "other"];

/// Sums. None of them can overflow before the sun burns out, except those that add up what events say of themselves.
#[derive(Clone, Default)]
pub struct Counts {
    pub seconds: Seconds,
    pub presses: [u64; KeyClass::ALL.len()],
    pub repeats: [u64; KeyClass::ALL.len()],
    pub clicks: [u64; BUTTONS.len()],
    /// In 1/120 notch.
    pub scrolled: u64,
    /// In 1/256 px.
    pub distance: f64,
}

impl Counts {
    /// Counts one signal that happened in a second of the interval.
    pub fn add(&mut self, event: &Event<'_>, second: u32) {
        self.seconds.mark(second);
        if let Some(pointer) = event.pointer() {
            self.distance += f64::from(pointer.dx).hypot(f64::from(pointer.dy));
        } else if let Some(key) = event.key() {
            let counters = if key.repeat { &mut self.repeats } else { &mut self.presses };
            counters[key.class as usize] += u64::from(key.pressed);
        } else if let Some(button) = event.button() {
            let place = match button.button {
                1..=3 => button.button as usize - 1,
                8 => 3,
                9 => 4,
                _ => 5,
            };
            self.clicks[place] += u64::from(button.pressed);
        } else if let Some(wheel) = event.wheel() {
            let turned = u64::from(wheel.dx.unsigned_abs()) + u64::from(wheel.dy.unsigned_abs());
            self.scrolled = self.scrolled.saturating_add(turned);
        }
    }

    /// Adds sums of the same or the following interval; of seconds that both have, one may be counted twice.
    pub fn merge(&mut self, other: &Self) {
        let add = |sums: &mut [u64], more: &[u64]| sums.iter_mut().zip(more).for_each(|(sum, n)| *sum += n);
        self.seconds.merge(other.seconds);
        add(&mut self.presses, &other.presses);
        add(&mut self.repeats, &other.repeats);
        add(&mut self.clicks, &other.clicks);
        self.scrolled = self.scrolled.saturating_add(other.scrolled);
        self.distance += other.distance;
    }
}

/// How many different seconds had an event. Remembers the last 64, so events may come out of order by that much.
#[derive(Clone, Copy, Default)]
pub struct Seconds {
    pub count: u32,
    last: u32,
    /// Bit n: the second `last - n` had an event.
    seen: u64,
}

impl Seconds {
    /// Notes an event in a second.
    pub fn mark(&mut self, second: u32) {
        if second > self.last {
            self.seen = self.seen.checked_shl(second - self.last).unwrap_or(0);
            self.last = second;
        }
        let bit = 1u64.checked_shl(self.last - second).unwrap_or(0);
        self.count += u32::from(self.seen & bit == 0 && bit != 0);
        self.seen |= bit;
    }

    /// Adds the seconds of the following interval.
    pub fn merge(&mut self, other: Self) {
        self.count += other.count;
    }

    /// Takes what was seen so far as one second, at the start of an interval that began elsewhere than thought.
    pub fn restart(&mut self) {
        let any = self.count.min(1);
        *self = Self { count: any, last: 0, seen: u64::from(any) };
    }
}

#[cfg(test)]
mod tests {
    use super::Seconds;

    #[test]
    fn a_second_counts_once_in_whatever_order_its_events_come() {
        for (marks, expect) in [
            (&[][..], 0),
            (&[0], 1),
            (&[0, 0, 0], 1),
            (&[5, 4, 5, 4, 3], 3),
            (&[0, 63, 0], 2),
            (&[0, 64, 1], 3),
            // Too old to know whether it was counted, so it isn't again.
            (&[0, 65, 0], 2),
            (&[u32::MAX, 0], 1),
            (&[0, u32::MAX, u32::MAX - 1], 3),
        ] {
            let mut seconds = Seconds::default();
            marks.iter().for_each(|second| seconds.mark(*second));
            assert_eq!(seconds.count, expect, "{marks:?}");
        }
    }
}
