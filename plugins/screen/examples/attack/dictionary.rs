//! Guesses a word by comparing with every word of a dictionary, each redacted in the same way.
//!
//! The attacker knows font, size, colours and to the pixel where the word begins. In a line of text he doesn't know
//! what stands around it, so he learns from examples what a word looks like on average, and in which ways surroundings
//! make it stray, and takes the word that what he sees strays least from (a linear discriminant).

use candor_screen::redact::Policy;

use crate::{
    plane::Plane,
    stored,
    text::{Dice, SIZES, Text, WORDS},
};

/// How many surroundings the attacker tries for each word, and how many he is tested with.
const LEARNED: usize = 24;
const TESTED: usize = 2;
/// Up to how many pixels all their pairs are looked at.
const MOST_PIXELS: usize = 700;
/// Variance of a stored pixel through rounding and JPEG.
const NOISE: f32 = 2.0;

/// Shares of words that were guessed.
pub struct Guessed {
    /// Among unknown words.
    pub in_line: f64,
    /// Alone on white, where nothing but the word is unknown and its place is off by up to two pixels.
    pub alone: f64,
}

pub fn guess(text: &Text, policy: Policy) -> Guessed {
    let (mut right, mut right_alone, mut all) = (0, 0, 0);
    let mut dice = Dice::new(2);
    for size in SIZES {
        // Where it begins within a block makes a difference.
        let place = (170 + dice.below(60), 90 + dice.below(60));
        let examples = (0..WORDS.len()).map(|word| {
            (0..LEARNED).map(|_| seen(text, size, word, place, Some(&mut dice), policy).values).collect()
        });
        let learned = Learned::new(examples.collect());
        let alone: Vec<Plane> =
            (0..WORDS.len()).map(|word| seen(text, size, word, place, None, policy)).collect();
        for word in 0..WORDS.len() {
            for _ in 0..TESTED {
                let shown = seen(text, size, word, place, Some(&mut dice), policy);
                right += usize::from(nearest(learned.distances(&shown.values)) == word);
                let off = (place.0 + dice.below(5) - 2, place.1 + dice.below(5) - 2);
                let shown = seen(text, size, word, off, None, policy);
                let far = |plane: &Plane| plane.zip(&shown, |a, b| (a - b).powi(2)).values.iter().sum();
                right_alone += usize::from(nearest(alone.iter().map(far)) == word);
                all += 1;
            }
        }
    }
    let share = |count| f64::from(u32::try_from(count).unwrap()) / f64::from(all);
    Guessed { in_line: share(right), alone: share(right_alone) }
}

fn nearest(distances: impl Iterator<Item = f32>) -> usize {
    distances.enumerate().min_by(|a, b| a.1.total_cmp(&b.1)).unwrap().0
}

/// What is stored of a word, with text around it or none.
fn seen(
    text: &Text,
    size: usize,
    word: usize,
    place: (usize, usize),
    around: Option<&mut Dice>,
    policy: Policy,
) -> Plane {
    let block = policy.block_px as usize;
    let (width, height) = (540_usize.next_multiple_of(block), 240_usize.next_multiple_of(block));
    let mut plane = Plane::filled(width, height, 255.0);
    let (x, y) = (place.0 as i32, place.1 as i32);
    let shape = text.word(size, word);
    plane.lay(shape, x, y);
    if let Some(dice) = around {
        let gap = (size / 3) as i32;
        let pitch = (size * 3 / 2) as i32;
        // To the left words end where this one begins.
        let mut left = x - gap;
        while left > 0 {
            let other = text.word(size, dice.below(WORDS.len()));
            left -= other.width as i32;
            plane.lay(other, left, y);
            left -= gap;
        }
        let mut next = || dice.below(WORDS.len());
        text.line(&mut plane, size, x + shape.width as i32 + gap, y, &mut next);
        for line in 1..=4 {
            for y in [y - line * pitch, y + line * pitch] {
                let start = -(next() as i32);
                text.line(&mut plane, size, start, y, &mut next);
            }
        }
    }
    stored(&plane, policy)
}

/// What the attacker has learned: each word, so stretched that surroundings stray as far in all directions.
struct Learned {
    words: Vec<Vec<f32>>,
    stretch: Stretch,
}

impl Learned {
    fn new(examples: Vec<Vec<Vec<f32>>>) -> Self {
        let mean = |of: &Vec<Vec<f32>>| -> Vec<f32> {
            (0..of[0].len()).map(|i| of.iter().map(|one| one[i]).sum::<f32>() / of.len() as f32).collect()
        };
        let words: Vec<Vec<f32>> = examples.iter().map(mean).collect();
        let strays: Vec<Vec<f32>> = examples
            .iter()
            .zip(&words)
            .flat_map(|(of, mean)| {
                of.iter().map(move |one| one.iter().zip(mean).map(|(a, b)| a - b).collect())
            })
            .collect();
        let stretch = Stretch::new(&strays);
        let words = words.iter().map(|word| stretch.apply(word)).collect();
        Self { words, stretch }
    }

    fn distances(&self, shown: &[f32]) -> impl Iterator<Item = f32> {
        let shown = self.stretch.apply(shown);
        self.words.iter().map(move |word| word.iter().zip(&shown).map(|(a, b)| (a - b).powi(2)).sum())
    }
}

enum Stretch {
    /// Each pixel by itself: of large pictures there are too many pairs.
    Each(Vec<f32>),
    /// The Cholesky factor of the covariance, row by row.
    All(Vec<Vec<f32>>),
}

impl Stretch {
    fn new(strays: &[Vec<f32>]) -> Self {
        let (count, length) = (strays.len() as f32, strays[0].len());
        let covariance = |i: usize, j: usize| strays.iter().map(|one| one[i] * one[j]).sum::<f32>() / count;
        if length > MOST_PIXELS {
            return Self::Each((0..length).map(|i| (covariance(i, i) + NOISE).sqrt()).collect());
        }
        let mut rows: Vec<Vec<f32>> = Vec::new();
        for i in 0..length {
            let mut row = vec![0.0; i + 1];
            for j in 0..=i {
                let before: f32 = if j < i {
                    row[..j].iter().zip(&rows[j]).map(|(a, b)| a * b).sum()
                } else {
                    row[..j].iter().map(|a| a * a).sum()
                };
                let noise = if i == j { NOISE } else { 0.0 };
                let rest = covariance(i, j) + noise - before;
                row[j] = if i == j { rest.max(NOISE / 2.0).sqrt() } else { rest / rows[j][j] };
            }
            rows.push(row);
        }
        Self::All(rows)
    }

    fn apply(&self, values: &[f32]) -> Vec<f32> {
        match self {
            Self::Each(each) => values.iter().zip(each).map(|(value, by)| value / by).collect(),
            Self::All(rows) => {
                let mut out: Vec<f32> = Vec::new();
                for (row, value) in rows.iter().zip(values) {
                    let (last, before) = row.split_last().unwrap();
                    let sum: f32 = before.iter().zip(&out).map(|(a, b)| a * b).sum();
                    out.push((value - sum) / last);
                }
                out
            }
        }
    }
}
