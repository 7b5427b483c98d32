//! Makes a picture so small and smooth that no text is left in it.
//!
//! The mean of each block is taken first, then a blur goes over the means; only this small picture is kept, since it
//! holds all that is left, in few brightnesses. A strong blur alone can be undone, and means of small blocks can be
//! guessed from a dictionary: all three together, in text heights, can't.
//!
//! Means and blur are those of libraries, but how far the blur reaches is said here: what they take by themselves cuts the
//! gaussian off early, so that it is weaker than asked.

use fast_image_resize::{
    FilterType, ImageBufferError, PixelType, ResizeAlg, ResizeError, ResizeOptions, Resizer,
    images::{Image, ImageRef},
};
use libblur::{
    BlurError, BlurImage, BlurImageMut, ConvolutionMode, EdgeMode, EdgeMode2D, FastBlurChannels,
    GaussianBlurParams, ThreadingPolicy, gaussian_blur,
};

use crate::{
    config::{Redact, Strength},
    frame::Frame,
};

/// The redaction that was used, in pixels of the screen.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Policy {
    /// Least width and height of a block.
    pub block_px: u32,
    /// Sigma of the blur after that; 0 for none.
    pub blur_px: f64,
    /// What brightnesses are a multiple of; 1 for all there are.
    pub step: u8,
}

/// How far brightnesses are apart. A word makes a block a little darker than the paper around it; by how much would tell
/// which word it is, to one who compares with all of a dictionary.
const STEP: u8 = 32;

impl Policy {
    /// What a strength comes to on a screen of this scale; `None` leaves pictures as they are.
    pub fn new(redact: Redact, strength: Strength, scale: f64) -> Option<Self> {
        // What is not a number, or makes text smaller, must not weaken it.
        let scale = if scale >= 1.0 { scale.min(16.0) } else { 1.0 };
        let em = f64::from(strength.em_px) * scale;
        let (block, blur_px) = match redact {
            Redact::None => return None,
            Redact::Blur => (strength.block_em * em, strength.blur_em * em),
            // Nothing smooths the edges of the blocks, so they are larger: by what it takes to be as hard to guess.
            Redact::Pixelate => ((strength.block_em + 1.5 * strength.blur_em) * em, 0.0),
        };
        Some(Self { block_px: block.ceil() as u32, blur_px, step: STEP })
    }
}

/// A small picture: RGB, rows one after the other.
#[derive(Clone, PartialEq, Debug)]
pub struct Small {
    /// Its width.
    pub width: u32,
    /// Its height.
    pub height: u32,
    /// Its pixels.
    pub bytes: Vec<u8>,
}

/// Why a frame could not be made small; nothing of it is kept then.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It does not hold the pixels it should.
    #[error("redaction: {0}")]
    Frame(#[from] ImageBufferError),
    /// It can't be scaled.
    #[error("redaction: {0}")]
    Scale(#[from] ResizeError),
    /// It can't be blurred.
    #[error("redaction: {0}")]
    Blur(#[from] BlurError),
}

/// Reduces a frame to what the policy leaves.
pub fn redact(frame: &Frame, policy: Policy) -> Result<Small, Error> {
    let means = means(frame, policy.block_px)?;
    let (width, height) = (means.width(), means.height());
    let bytes = if policy.blur_px > 0.0 {
        let sigma = |size: u32, blocks: u32| policy.blur_px * f64::from(blocks) / f64::from(size);
        blurred(&means, sigma(frame.width(), width), sigma(frame.height(), height))?
    } else {
        means.into_vec()
    };
    let step = f32::from(policy.step.max(1));
    let stepped = |value: &u8| ((f32::from(*value) / step).round() * step) as u8;
    let bytes = bytes.chunks_exact(4).flat_map(|pixel| &pixel[..3]).map(stepped).collect();
    Ok(Small { width, height, bytes })
}

/// The mean of each block; blocks are never smaller than asked, and as large as the frame when that is smaller.
fn means(frame: &Frame, block: u32) -> Result<Image<'static>, Error> {
    let block = block.max(1);
    let (columns, rows) = ((frame.width() / block).max(1), (frame.height() / block).max(1));
    let large = ImageRef::new(frame.width(), frame.height(), frame.bytes(), PixelType::U8x4)?;
    let mut small = Image::new(columns, rows, PixelType::U8x4);
    // Alpha says nothing of a screen, so it weighs nothing.
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Box)).use_alpha(false);
    Resizer::new().resize(&large, &mut small, &options)?;
    Ok(small)
}

/// With a gaussian blur, each sigma in blocks; the last pixel goes on beyond the edge.
fn blurred(means: &Image<'_>, sigma_x: f64, sigma_y: f64) -> Result<Vec<u8>, Error> {
    let kernel = |sigma: f64| 2 * (4.0 * sigma).ceil() as u32 + 1;
    let gaussian = GaussianBlurParams::new_asymmetric(kernel(sigma_x), sigma_x, kernel(sigma_y), sigma_y);
    let sharp = BlurImage::borrow(means.buffer(), means.width(), means.height(), FastBlurChannels::Channels4);
    let mut soft = BlurImageMut::alloc(means.width(), means.height(), FastBlurChannels::Channels4);
    let edges = EdgeMode2D::new(EdgeMode::Clamp);
    gaussian_blur(&sharp, &mut soft, gaussian, edges, ThreadingPolicy::Single, ConvolutionMode::Exact)?;
    Ok(soft.data.borrow().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        frame::Rect,
        tests::{Dice, noise},
    };

    const STRENGTH: Strength = Strength { block_em: 1.5, blur_em: 1.0, em_px: 24 };

    #[test]
    fn no_scale_makes_it_weaker() {
        for scale in [f64::NAN, 0.0, -2.0, 0.5, 1.0] {
            let policy = Policy::new(Redact::Blur, STRENGTH, scale).unwrap();
            assert_eq!(policy, Policy { block_px: 36, blur_px: 24.0, step: 32 }, "{scale}");
        }
        let policy = Policy::new(Redact::Blur, STRENGTH, 1.25).unwrap();
        assert_eq!(policy, Policy { block_px: 45, blur_px: 30.0, step: 32 });
        assert_eq!(Policy::new(Redact::Pixelate, STRENGTH, 2.0).unwrap().block_px, 144);
        assert_eq!(Policy::new(Redact::None, STRENGTH, 1.0), None);
    }

    #[test]
    fn never_more_pixels_are_kept_than_blocks_fit_in_at_any_size() {
        let mut dice = Dice(4);
        for round in 0..400 {
            let (width, height) = if round < 100 {
                (1 + round % 10, 1 + round / 10)
            } else {
                (1 + dice.below(200), 1 + dice.below(200))
            };
            let block = 1 + dice.below(60);
            let policy = Policy { block_px: block, blur_px: 10.0, step: 1 };
            let small = redact(&noise(&mut dice, width, height), policy).unwrap();
            assert_eq!(small.width, (width / block).max(1));
            assert_eq!(small.height, (height / block).max(1));
            assert_eq!(small.bytes.len() as u32, small.width * small.height * 3);
        }
    }

    #[test]
    fn a_block_tells_nothing_but_its_mean() {
        let mut dice = Dice(5);
        for _ in 0..50 {
            let block = 1 + dice.below(20);
            let (columns, rows) = (1 + dice.below(5), 1 + dice.below(5));
            let frame = noise(&mut dice, columns * block, rows * block);
            let small = redact(&frame, Policy { block_px: block, blur_px: 0.0, step: 1 }).unwrap();
            assert_eq!((small.width, small.height), (columns, rows));
            let lines: Vec<&[u8]> = frame.rows().collect();
            let block = block as usize;
            for (i, pixel) in small.bytes.chunks(3).enumerate() {
                let (left, top) = (i % columns as usize * block, i / columns as usize * block);
                for channel in 0..3 {
                    let line = |y: usize| (left..left + block).map(move |x| (x, y));
                    let all = (top..top + block).flat_map(line);
                    let sum: u64 = all.map(|(x, y)| u64::from(lines[y][x * 4 + channel])).sum();
                    let mean = sum as f64 / (block * block) as f64;
                    // It is rounded after the rows and after the columns.
                    assert!((f64::from(pixel[channel]) - mean).abs() <= 1.01, "{} {mean}", pixel[channel]);
                }
            }
        }
    }

    #[test]
    fn a_block_tells_nothing_of_what_is_around_it_at_any_size() {
        let mut dice = Dice(8);
        for _ in 0..200 {
            let (width, height) = (1 + dice.below(90), 1 + dice.below(90));
            let policy = Policy { block_px: 1 + dice.below(20), blur_px: 0.0, step: 1 };
            let frame = noise(&mut dice, width, height);
            let small = redact(&frame, policy).unwrap();
            let (column, row) = (dice.below(small.width), dice.below(small.height));
            // Edges of blocks lie between pixels, or in the middle of one.
            let near = |at: u32, size: u32, block: u32, blocks: u32| {
                let scale = f64::from(size) / f64::from(blocks);
                let middle = f64::from(at) + 0.5;
                let edges = f64::from(block) * scale - 0.5..=f64::from(block + 1) * scale + 0.5;
                edges.contains(&middle)
            };
            let mut bytes = noise(&mut dice, width, height).into_bytes();
            for (i, old) in frame.bytes().chunks(4).enumerate() {
                let (x, y) = (i as u32 % width, i as u32 / width);
                if near(x, width, column, small.width) && near(y, height, row, small.height) {
                    bytes[i * 4..i * 4 + 4].copy_from_slice(old);
                }
            }
            let other = redact(&Frame::tight(width, height, bytes).unwrap(), policy).unwrap();
            let at = (row * small.width + column) as usize * 3;
            assert_eq!(other.bytes[at..at + 3], small.bytes[at..at + 3]);
        }
    }

    #[test]
    fn what_is_masked_leaves_no_trace_in_the_small_picture() {
        let mut dice = Dice(6);
        for _ in 0..50 {
            let (width, height) = (1 + dice.below(120), 1 + dice.below(120));
            let seed = dice.0;
            let area = Rect { x: 10, y: 5, width: 40, height: 30 };
            let shot = |secret: u8| {
                let mut frame = noise(&mut Dice(seed), width, height);
                let tight = width as usize * 4;
                let mut bytes: Vec<u8> = frame.rows().flatten().copied().collect();
                for y in 5..35.min(height as usize) {
                    for x in 10..50.min(width as usize) {
                        bytes[y * tight + x * 4..][..3].fill(secret);
                    }
                }
                frame = Frame::tight(width, height, bytes).unwrap();
                frame.black_out(area);
                redact(&frame, Policy { block_px: 9, blur_px: 6.0, step: 1 }).unwrap()
            };
            assert_eq!(shot(0), shot(255));
        }
    }

    #[test]
    fn tall_blocks_of_white_do_not_overflow() {
        let frame = Frame::tight(3, 70_000, vec![255; 3 * 70_000 * 4]).unwrap();
        let small = redact(&frame, Policy { block_px: 70_000, blur_px: 1.0, step: 1 }).unwrap();
        assert_eq!(small, Small { width: 1, height: 1, bytes: vec![255; 3] });
    }

    #[test]
    fn brightnesses_lie_a_step_apart_and_white_stays_white() {
        let mut dice = Dice(14);
        for _ in 0..50 {
            let (width, height) = (1 + dice.below(60), 1 + dice.below(60));
            let frame = noise(&mut dice, width, height);
            let small = redact(&frame, Policy { block_px: 3, blur_px: 1.0, step: 32 }).unwrap();
            assert!(small.bytes.iter().all(|byte| byte % 32 == 0 || *byte == 255), "{:?}", small.bytes);
        }
        let white = Frame::tight(9, 9, vec![255; 324]).unwrap();
        let small = redact(&white, Policy { block_px: 3, blur_px: 1.0, step: 32 }).unwrap();
        assert!(small.bytes.iter().all(|byte| *byte == 255));
    }

    #[test]
    fn a_point_is_spread_as_the_blur_says() {
        let mut bytes = vec![0; 11 * 11 * 4];
        bytes[(5 * 11 + 5) * 4] = 255;
        let frame = Frame::tight(11, 11, bytes).unwrap();
        let small = redact(&frame, Policy { block_px: 1, blur_px: 1.0, step: 1 }).unwrap();
        let red = |x: usize, y: usize| small.bytes[(y * 11 + x) * 3];
        // 255 / 2π, and that times e^-½ and e^-1.
        assert_eq!([red(5, 5), red(6, 5), red(5, 4), red(6, 6)], [41, 25, 25, 15]);
    }
}
