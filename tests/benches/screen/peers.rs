//! The redaction beside libraries that do the same.

use std::hint::black_box;

use candor_screen::{
    frame::Frame,
    redact::{self, Policy},
};
use fast_image_resize::{
    FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer,
    images::{Image, ImageRef},
};
use libblur::{
    BlurImage, BlurImageMut, ConvolutionMode, EdgeMode, EdgeMode2D, FastBlurChannels, GaussianBlurParams,
    ThreadingPolicy, gaussian_blur,
};

use crate::measure::ratio;

/// Measures one after the other.
pub fn measure(frame: &Frame, policy: Policy) {
    let source = ImageRef::new(frame.width(), frame.height(), frame.bytes(), PixelType::U8x4).unwrap();
    let (columns, rows) = (frame.width() / policy.block_px, frame.height() / policy.block_px);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Box)).use_alpha(false);
    let sigma = policy.blur_px / f64::from(policy.block_px);
    ratio(
        "  redact / fast_image_resize and libblur",
        1.0,
        31,
        || drop(black_box(redact::redact(frame, policy))),
        || {
            let mut small = Image::new(columns, rows, PixelType::U8x4);
            Resizer::new().resize(&source, &mut small, &options).unwrap();
            let sharp = BlurImage::borrow(small.buffer(), columns, rows, FastBlurChannels::Channels4);
            let mut soft = BlurImageMut::alloc(columns, rows, FastBlurChannels::Channels4);
            let edges = EdgeMode2D::new(EdgeMode::Clamp);
            // Exact, and without threads of its own: it is a small picture.
            let params = GaussianBlurParams::new_from_sigma(sigma);
            gaussian_blur(&sharp, &mut soft, params, edges, ThreadingPolicy::Single, ConvolutionMode::Exact)
                .unwrap();
            black_box(soft.data.borrow().len());
        },
    );
}
