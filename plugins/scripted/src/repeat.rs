//! Whether the pointer goes the same ways again: the distances between the places where it rests, two in a row.
//!
//! A recording that is played again, moved, mirrored or at another speed rests at the same distances to the pixel,
//! and so it does after a remote desktop has merged its motion. People's never were, in any recorded session.

/// In pixels, both axes added: rests that are nearer to each other are one.
const FAR: f32 = 12.0;
/// In pixels: two ways in a row that are shorter than this together say nothing, short ones meet by chance.
const LONG: u32 = 60;
/// How many pairs are remembered; a power of two.
const PAIRS: usize = 4_096;
/// How many of the last ways are looked at.
pub const WAYS: u32 = 8;

/// The ways of one pointer.
pub struct Ways {
    /// What each pair hashes to, by its place.
    seen: Box<[u32; PAIRS]>,
    last: Option<(i32, i32)>,
    /// The way before.
    before: Option<(u32, u32)>,
    /// One bit for each of the last ways: whether it was gone before.
    again: u32,
    count: u32,
}

impl Ways {
    pub fn new() -> Self {
        Self { seen: Box::new([0; PAIRS]), last: None, before: None, again: 0, count: 0 }
    }

    /// Takes a place of rest; true when a new way was counted.
    pub fn push(&mut self, to: (f32, f32)) -> bool {
        let to = (to.0.round() as i32, to.1.round() as i32);
        let Some(last) = self.last else {
            self.last = Some(to);
            return false;
        };
        let way = (to.0.abs_diff(last.0).min(1 << 20), to.1.abs_diff(last.1).min(1 << 20));
        if (way.0.saturating_add(way.1) as f32) < FAR {
            return false;
        }
        self.last = Some(to);
        let Some(before) = self.before.replace(way) else { return false };
        if before.0 + before.1 + way.0 + way.1 < LONG {
            return false;
        }
        let hash =
            [before.0, before.1, way.0, way.1].into_iter().fold(0x9e37_79b9_7f4a_7c15_u64, |hash, part| {
                (hash ^ u64::from(part)).wrapping_mul(0xff51_afd7_ed55_8ccd).rotate_left(29)
            });
        let (place, mark) = (hash as usize % PAIRS, (hash >> 32) as u32 | 1);
        let again = std::mem::replace(&mut self.seen[place], mark) == mark;
        self.again = self.again << 1 | u32::from(again);
        self.count = (self.count + 1).min(WAYS);
        true
    }

    /// How many of the last ways were gone before, once there are some.
    pub fn again(&self) -> Option<u32> {
        (self.count >= WAYS / 2).then(|| (self.again & ((1 << WAYS) - 1)).count_ones())
    }
}
