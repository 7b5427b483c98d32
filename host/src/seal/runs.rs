//! A set of sequence numbers as runs: sorted, apart, first and last inclusive.

use serde::{Deserialize, Serialize};

/// A set of numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Runs(Vec<(u64, u64)>);

impl Runs {
    /// The numbers from `first` to `last`; none if `last` is below `first`.
    pub fn of(first: u64, last: u64) -> Self {
        let mut runs = Self::default();
        runs.add(first, last);
        runs
    }

    /// Adds the numbers from `first` to `last`.
    pub fn add(&mut self, first: u64, last: u64) {
        if first > last {
            return;
        }
        let start = self.0.partition_point(|run| run.1.saturating_add(1) < first);
        let end = self.0.partition_point(|run| run.0 <= last.saturating_add(1));
        let merged = self.0[start..end]
            .iter()
            .fold((first, last), |run, other| (run.0.min(other.0), run.1.max(other.1)));
        self.0.splice(start..end, [merged]);
    }

    /// Takes the numbers from `first` to `last` away.
    pub fn remove(&mut self, first: u64, last: u64) {
        if first > last {
            return;
        }
        let mut kept = Vec::with_capacity(self.0.len() + 1);
        for &(from, to) in &self.0 {
            if from < first {
                kept.push((from, to.min(first - 1)));
            }
            if to > last {
                kept.push((from.max(last.saturating_add(1)), to));
            }
        }
        self.0 = kept;
    }

    /// Takes every number of another set away.
    pub fn subtract(&mut self, other: &Self) {
        for &(first, last) in &other.0 {
            self.remove(first, last);
        }
    }

    /// Whether a number is in the set.
    pub fn contains(&self, number: u64) -> bool {
        let at = self.0.partition_point(|run| run.1 < number);
        self.0.get(at).is_some_and(|run| run.0 <= number)
    }

    /// The runs, in order.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u64)> {
        self.0.iter().copied()
    }

    /// Whether there is no number in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The highest number.
    pub fn last(&self) -> Option<u64> {
        self.0.last().map(|run| run.1)
    }

    /// How many numbers there are.
    pub fn count(&self) -> u64 {
        self.0.iter().map(|run| run.1 - run.0 + 1).sum()
    }
}

impl FromIterator<u64> for Runs {
    fn from_iter<I: IntoIterator<Item = u64>>(numbers: I) -> Self {
        let mut runs = Self::default();
        for number in numbers {
            runs.add(number, number);
        }
        runs
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// A small generator: the same numbers in every run.
    fn numbers() -> impl Iterator<Item = u64> {
        let mut state = 1_u64;
        std::iter::repeat_with(move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % 40
        })
    }

    #[test]
    fn runs_are_the_set_they_stand_for() {
        let mut random = numbers();
        let (mut runs, mut set) = (Runs::default(), BTreeSet::new());
        for step in 0..5000 {
            let (first, last) = (random.next().expect("one"), random.next().expect("one"));
            if random.next().expect("one") < 20 {
                runs.add(first, last);
                set.extend(first..=last);
            } else {
                runs.remove(first, last);
                set.retain(|number| !(first..=last).contains(number));
            }
            assert_eq!(runs, set.iter().copied().collect(), "step {step}");
            assert_eq!(runs.count(), set.len() as u64);
            assert!((0..40).all(|number| runs.contains(number) == set.contains(&number)));
            let all: Vec<_> = runs.iter().collect();
            assert!(all.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0), "apart: {all:?}");
        }
    }
}
