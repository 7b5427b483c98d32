//! Finds the few colours of a screen full of text: a picture of at most 256 is smaller than a JPEG, and sharper.

use crate::frame::Frame;

/// How many colours may be there for 256 of them to do: smoothed text has some thousand, a photo soon has more.
const MANY: usize = 1 << 13;
/// Bits of the table that finds a colour's number; four times as many places as colours.
const BITS: u32 = 15;

/// A picture of at most 256 colours.
pub struct Few {
    /// The colours, red, green and blue one after the other.
    pub palette: Vec<u8>,
    /// The number of each pixel's colour.
    pub pixels: Vec<u8>,
}

/// Reduces a frame to at most 256 of its colours; without loss if it has no more. `None` when there are too many.
pub fn few(frame: &Frame) -> Option<Few> {
    let mut colors = Colors { seen: Vec::new(), counts: Vec::new(), places: vec![0; 1 << BITS] };
    let mut numbers = Vec::with_capacity(frame.bytes().len() / 4);
    // Most pixels are like the one before, so they are taken in runs.
    for run in frame.bytes().as_chunks::<4>().0.chunk_by(|a, b| a[..3] == b[..3]) {
        let number = colors.number([run[0][0], run[0][1], run[0][2]])?;
        colors.counts[usize::from(number)] += run.len() as u32;
        numbers.resize(numbers.len() + run.len(), number);
    }
    let (palette, nearest) = choose(&colors.seen, &colors.counts);
    let pixels = numbers.into_iter().map(|number| nearest[usize::from(number)]).collect();
    Some(Few { palette: palette.concat(), pixels })
}

/// Colours in the order in which they come.
struct Colors {
    seen: Vec<[u8; 3]>,
    counts: Vec<u32>,
    /// By a hash of the colour: its number, and one more, so that 0 is free.
    places: Vec<u16>,
}

impl Colors {
    fn number(&mut self, color: [u8; 3]) -> Option<u16> {
        let [red, green, blue] = color.map(u32::from);
        let hash = (red << 16 | green << 8 | blue).wrapping_mul(0x9E37_79B1);
        let mut place = (hash >> (32 - BITS)) as usize;
        loop {
            match self.places[place] {
                0 => break,
                number if self.seen[usize::from(number - 1)] == color => return Some(number - 1),
                _ => place = (place + 1) % self.places.len(),
            }
        }
        if self.seen.len() == MANY {
            return None;
        }
        self.seen.push(color);
        self.counts.push(0);
        self.places[place] = self.seen.len() as u16;
        Some(self.seen.len() as u16 - 1)
    }
}

/// The colours that are kept, and which of them stands for each. First the most frequent one; then, again and again, the
/// one whose loss shows most: by how many pixels, and by how much.
fn choose(colors: &[[u8; 3]], counts: &[u32]) -> (Vec<[u8; 3]>, Vec<u8>) {
    let mut palette = Vec::new();
    let mut nearest = vec![0; colors.len()];
    let mut off = vec![u32::MAX; colors.len()];
    for number in 0..=u8::MAX {
        let loss = |i: &usize| u64::from(off[*i]) * u64::from(counts[*i]);
        let Some(next) = (0..colors.len()).max_by_key(loss).filter(|next| off[*next] > 0) else { break };
        let color = colors[next];
        palette.push(color);
        for ((other, off), nearest) in colors.iter().zip(&mut off).zip(&mut nearest) {
            let distance = distance(color, *other);
            if distance < *off {
                (*off, *nearest) = (distance, number);
            }
        }
    }
    (palette, nearest)
}

fn distance(a: [u8; 3], b: [u8; 3]) -> u32 {
    (0..3).map(|i| u32::from(a[i].abs_diff(b[i])).pow(2)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{Dice, noise};

    fn frame(colors: &[[u8; 3]]) -> Frame {
        let bytes = colors.iter().flat_map(|[r, g, b]| [*r, *g, *b, 9]).collect();
        Frame::tight(colors.len() as u32, 1, bytes).unwrap()
    }

    fn back(few: &Few) -> Vec<[u8; 3]> {
        let of = |number: &u8| few.palette.as_chunks::<3>().0[usize::from(*number)];
        few.pixels.iter().map(of).collect()
    }

    #[test]
    fn up_to_256_colours_are_kept_as_they_are_at_every_size() {
        let mut dice = Dice(11);
        for round in 0..200 {
            let many = 1 + dice.below(256);
            let colors: Vec<_> = (0..many).map(|i| [i as u8, (i * 7) as u8, dice.below(256) as u8]).collect();
            let (width, height) = (1 + round % 14, 1 + dice.below(30));
            let size = width * height;
            let pixels: Vec<_> = (0..size).map(|_| colors[dice.below(many) as usize]).collect();
            let few = few(&frame(&pixels)).unwrap();
            assert!(few.palette.len() <= 3 * 256);
            assert_eq!(back(&few), pixels);
        }
    }

    #[test]
    fn of_more_the_frequent_and_the_outstanding_stay_and_others_come_near() {
        let mut pixels = vec![[255; 3]; 10_000];
        // 4,096 dark shades, as smoothed text has them, and a small light in a colour of its own.
        pixels.extend((0..4_096_u32).map(|i| [(i % 64) as u8, (i / 64) as u8, 0]));
        pixels.extend([[255, 0, 0]; 9]);
        let few = few(&frame(&pixels)).unwrap();
        assert_eq!(few.palette.len(), 3 * 256);
        let back = back(&few);
        assert!(back[..10_000].iter().all(|color| *color == [255; 3]));
        assert!(back[14_096..].iter().all(|color| *color == [255, 0, 0]));
        let worst = pixels.iter().zip(&back).map(|(a, b)| distance(*a, *b)).max().unwrap();
        assert!(worst <= 3 * 8 * 8, "{worst}");
    }

    #[test]
    fn too_many_colours_are_left_to_jpeg() {
        assert!(few(&noise(&mut Dice(12), 200, 100)).is_none());
    }
}
