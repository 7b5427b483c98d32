//! A picture of a screen while it is in memory, and blacking out parts of it.

/// An area, in pixels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rect {
    /// Left edge.
    pub x: i32,
    /// Top edge.
    pub y: i32,
    /// Width.
    pub width: u32,
    /// Height.
    pub height: u32,
}

impl Rect {
    /// The smallest area that holds both.
    #[must_use]
    pub fn hull(self, other: Self) -> Self {
        let x = self.x.min(other.x);
        let y = self.y.min(other.y);
        let right = self.right().max(other.right());
        let bottom = self.bottom().max(other.bottom());
        Self { x, y, width: span(x.into(), right), height: span(y.into(), bottom) }
    }

    /// The part both share, if any.
    pub fn shared(self, other: Self) -> Option<Self> {
        let x = self.x.max(other.x);
        let y = self.y.max(other.y);
        let width = span(x.into(), self.right().min(other.right()));
        let height = span(y.into(), self.bottom().min(other.bottom()));
        (width > 0 && height > 0).then_some(Self { x, y, width, height })
    }

    /// The same area seen from another origin.
    #[must_use]
    pub fn from_origin(self, x: i32, y: i32) -> Self {
        Self { x: self.x.saturating_sub(x), y: self.y.saturating_sub(y), ..self }
    }

    fn right(self) -> i64 {
        i64::from(self.x) + i64::from(self.width)
    }

    fn bottom(self) -> i64 {
        i64::from(self.y) + i64::from(self.height)
    }
}

fn span(from: i64, to: i64) -> u32 {
    // More than fits is still too much to see.
    (to - from).clamp(0, u32::MAX.into()) as u32
}

/// RGBA pixels. Never copied, written or sent as it is unless the policy says so.
pub struct Frame {
    width: u32,
    height: u32,
    bytes: Vec<u8>,
}

impl Frame {
    /// Takes over pixels and drops what lies between rows, which follow each other every `stride` bytes; `None` when
    /// there are too few of them, or none.
    pub fn new(width: u32, height: u32, stride: usize, mut bytes: Vec<u8>) -> Option<Self> {
        let row = width as usize * 4;
        let needed = stride.checked_mul((height as usize).checked_sub(1)?)?.checked_add(row)?;
        if width == 0 || stride < row || bytes.len() < needed {
            return None;
        }
        if stride > row {
            for y in 1..height as usize {
                bytes.copy_within(y * stride..y * stride + row, y * row);
            }
        }
        bytes.truncate(row * height as usize);
        Some(Self { width, height, bytes })
    }

    /// Takes over pixels whose rows follow each other directly.
    pub fn tight(width: u32, height: u32, bytes: Vec<u8>) -> Option<Self> {
        Self::new(width, height, width as usize * 4, bytes)
    }

    /// Its width.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Its height.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Its rows, from the top.
    pub fn rows(&self) -> impl Iterator<Item = &[u8]> {
        self.bytes.chunks(self.width as usize * 4)
    }

    /// All pixels one after the other.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// All pixels one after the other.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Makes an area black; what lies outside of the frame is left out.
    pub fn black_out(&mut self, area: Rect) {
        let whole = Rect { x: 0, y: 0, width: self.width, height: self.height };
        let Some(area) = area.shared(whole) else { return };
        let (left, width) = (area.x as usize * 4, area.width as usize * 4);
        for y in area.y as usize..area.y as usize + area.height as usize {
            let start = y * self.width as usize * 4 + left;
            for pixel in self.bytes[start..start + width].chunks_exact_mut(4) {
                pixel.copy_from_slice(&[0, 0, 0, 255]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{Dice, noise};

    #[test]
    fn no_pixel_of_a_masked_area_survives_and_none_beside_it_changes() {
        let mut dice = Dice(1);
        for round in 0..2_000 {
            let (width, height) = if round < 64 {
                (1 + round % 8, 1 + round / 8)
            } else {
                (1 + dice.below(40), 1 + dice.below(40))
            };
            let mut frame = noise(&mut dice, width, height);
            let before: Vec<Vec<u8>> = frame.rows().map(<[u8]>::to_vec).collect();
            let area = Rect {
                x: dice.below(60) as i32 - 20,
                y: dice.below(60) as i32 - 20,
                width: dice.below(50),
                height: dice.below(50),
            };
            frame.black_out(area);
            for (y, (row, before)) in frame.rows().zip(&before).enumerate() {
                for (x, (pixel, before)) in row.chunks(4).zip(before.chunks(4)).enumerate() {
                    let (x, y) = (x as i32, y as i32);
                    let inside = x >= area.x
                        && y >= area.y
                        && x < area.x + area.width as i32
                        && y < area.y + area.height as i32;
                    let wanted = if inside { &[0, 0, 0, 255][..] } else { before };
                    assert_eq!(pixel, wanted, "{width}x{height} {area:?} at {x},{y}");
                }
            }
        }
    }

    #[test]
    fn areas_at_the_ends_of_the_numbers_do_not_overflow() {
        let mut frame = noise(&mut Dice(2), 3, 3);
        let far = Rect { x: i32::MAX, y: i32::MIN, width: u32::MAX, height: u32::MAX };
        frame.black_out(far);
        frame.black_out(far.from_origin(i32::MIN, i32::MAX).hull(far));
        assert_eq!(frame.rows().count(), 3);
    }

    #[test]
    fn too_few_pixels_are_no_frame() {
        assert!(Frame::tight(0, 1, vec![]).is_none());
        assert!(Frame::tight(1, 0, vec![]).is_none());
        assert!(Frame::tight(2, 2, vec![0; 15]).is_none());
        assert!(Frame::new(2, 2, 7, vec![0; 99]).is_none());
        assert!(Frame::new(1, usize::MAX as u32, usize::MAX, vec![0; 9]).is_none());
    }

    #[test]
    fn rows_are_moved_together_without_the_bytes_between() {
        let mut dice = Dice(3);
        for _ in 0..200 {
            let (width, height) = (1 + dice.below(9), 1 + dice.below(9));
            let (row, stride) = (width as usize * 4, width as usize * 4 + dice.below(9) as usize);
            let bytes: Vec<u8> = (0..stride * height as usize).map(|_| dice.below(256) as u8).collect();
            let wanted: Vec<u8> = bytes.chunks(stride).flat_map(|line| &line[..row]).copied().collect();
            assert_eq!(Frame::new(width, height, stride, bytes).unwrap().into_bytes(), wanted);
        }
    }
}
