//! The last so many of something, in a fixed place.

/// Keeps the last `N`.
pub struct Ring<T, const N: usize> {
    items: [T; N],
    /// How many were pushed, as far as it matters.
    pushed: usize,
}

impl<T: Copy + Default, const N: usize> Ring<T, N> {
    pub fn new() -> Self {
        Self { items: [T::default(); N], pushed: 0 }
    }

    pub fn push(&mut self, item: T) {
        self.items[self.pushed % N] = item;
        // Stays above N once there, and on the same place of the ring.
        self.pushed = if self.pushed + 1 >= 2 * N { N } else { self.pushed + 1 };
    }

    pub fn len(&self) -> usize {
        self.pushed.min(N)
    }

    pub fn is_full(&self) -> bool {
        self.pushed >= N
    }

    pub fn clear(&mut self) {
        self.pushed = 0;
    }

    /// The one pushed `back` before the last; 0 is the last.
    pub fn back(&self, back: usize) -> Option<T> {
        (back < self.len()).then(|| self.items[(self.pushed - 1 - back) % N])
    }

    /// The oldest first, as they are kept.
    pub fn each(&self) -> impl Iterator<Item = &T> {
        (0..self.len()).rev().map(|back| &self.items[(self.pushed - 1 - back) % N])
    }

    /// The oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = T> + '_ {
        (0..self.len()).rev().filter_map(|back| self.back(back))
    }
}

#[cfg(test)]
mod tests {
    use super::Ring;

    #[test]
    fn keeps_the_last_ones_in_order() {
        let mut ring = Ring::<u32, 3>::new();
        for pushed in 0..20 {
            let expect: Vec<u32> = (pushed.max(3) - 3..pushed).collect();
            assert_eq!(ring.iter().collect::<Vec<_>>(), expect);
            assert_eq!(ring.back(0), pushed.checked_sub(1));
            ring.push(pushed);
        }
    }
}
