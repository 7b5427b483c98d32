//! The last so many numbers, kept in order too: what lies in the middle costs a look, not a sort, for each signal.

use crate::ring::Ring;

/// Keeps the last `N` numbers, which must be comparable: never one that is none.
pub struct Ordered<T, const N: usize> {
    last: Ring<T, N>,
    sorted: [T; N],
}

impl<T: Copy + Default + PartialOrd, const N: usize> Ordered<T, N> {
    pub fn new() -> Self {
        Self { last: Ring::new(), sorted: [T::default(); N] }
    }

    pub fn push(&mut self, item: T) {
        let mut len = self.last.len();
        if let Some(oldest) = self.last.back(N - 1) {
            let place = self.sorted.partition_point(|other| *other < oldest).min(N - 1);
            self.sorted.copy_within(place + 1.., place);
            len = N - 1;
        }
        let place = self.sorted[..len].partition_point(|other| *other < item);
        self.sorted.copy_within(place..len, place + 1);
        self.sorted[place] = item;
        self.last.push(item);
    }

    /// In the order they came.
    pub fn last(&self) -> &Ring<T, N> {
        &self.last
    }

    /// The smallest first.
    pub fn sorted(&self) -> &[T] {
        &self.sorted[..self.last.len()]
    }

    /// The value below which this share of them lies.
    pub fn quantile(&self, share: f32) -> Option<T> {
        let last = self.last.len().checked_sub(1)?;
        Some(self.sorted[(last as f32 * share).round() as usize])
    }

    pub fn clear(&mut self) {
        self.last.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::Ordered;

    #[test]
    fn numbers_stay_in_order_when_old_ones_go_and_equal_ones_come() {
        let mut ordered = Ordered::<u32, 7>::new();
        for n in 0..500u32 {
            if n % 60 == 59 {
                ordered.clear();
            }
            ordered.push(n.wrapping_mul(2_654_435_769) >> 29);
            let mut expect: Vec<u32> = ordered.last().iter().collect();
            expect.sort_unstable();
            assert_eq!(ordered.sorted(), expect);
            assert_eq!(
                ordered.quantile(0.5),
                expect.get(((expect.len() - 1) as f32 / 2.0).round() as usize).copied()
            );
        }
    }
}
