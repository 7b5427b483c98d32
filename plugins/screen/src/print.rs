//! Tells whether a monitor still shows what it showed in the last picture, without keeping any of it.

use std::hash::{BuildHasher, Hasher, RandomState};

use crate::frame::Frame;

const COLUMNS: usize = 16;
const ROWS: usize = 9;

/// What is remembered of a frame: a hash nobody can compare with another run's, and 16×9 mean brightnesses.
#[derive(Clone, PartialEq, Eq)]
pub struct Print {
    size: (u32, u32),
    hash: u64,
    means: [u8; COLUMNS * ROWS],
}

/// Takes prints; each has a key of its own.
#[derive(Default)]
pub struct Press {
    key: RandomState,
}

impl Press {
    /// The print of a frame. A single pixel makes it another.
    pub fn print(&self, frame: &Frame) -> Print {
        let mut hasher = self.key.build_hasher();
        let (width, height) = (frame.width() as usize, frame.height() as usize);
        let mut sums = [0u64; COLUMNS * ROWS];
        let mut counts = [0u64; COLUMNS * ROWS];
        for (y, row) in frame.rows().enumerate() {
            hasher.write(row);
            // Every fourth row is enough for a mean.
            if y % 4 != 0 {
                continue;
            }
            let band = y * ROWS / height * COLUMNS;
            for column in 0..COLUMNS {
                let (from, to) = (column * width / COLUMNS, (column + 1) * width / COLUMNS);
                let pixels = row[from * 4..to * 4].chunks_exact(4);
                counts[band + column] += pixels.len() as u64 * 3;
                let sum: u64 = pixels.map(|p| u64::from(p[0]) + u64::from(p[1]) + u64::from(p[2])).sum();
                sums[band + column] += sum;
            }
        }
        let means = std::array::from_fn(|i| sums[i].checked_div(counts[i]).unwrap_or(0) as u8);
        Print { size: (frame.width(), frame.height()), hash: hasher.finish(), means }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{Dice, noise};

    #[test]
    fn one_pixel_makes_another_print_and_none_the_same() {
        let press = Press::default();
        let mut dice = Dice(8);
        for round in 0..200 {
            let (width, height) = if round < 25 {
                (1 + round % 5, 1 + round / 5)
            } else {
                (1 + dice.below(50), 1 + dice.below(50))
            };
            let frame = noise(&mut dice, width, height);
            let mut bytes: Vec<u8> = frame.rows().flatten().copied().collect();
            let again = Frame::tight(width, height, bytes.clone()).unwrap();
            assert!(press.print(&frame) == press.print(&again), "the stride must not count");
            let pixel = dice.below(width * height) as usize * 4;
            bytes[pixel] ^= 1;
            let changed = Frame::tight(width, height, bytes).unwrap();
            assert!(press.print(&frame) != press.print(&changed));
        }
    }

    #[test]
    fn a_print_says_nothing_to_who_has_another_key() {
        let frame = noise(&mut Dice(9), 20, 20);
        assert!(Press::default().print(&frame) != Press::default().print(&frame));
    }
}
