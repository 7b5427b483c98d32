//! Redaction and encoding of the frame a screen shows now.

use std::{env, hint::black_box, process::Command};

use candor_screen::{
    config::{Format, Redact, Strength},
    encode::{self, Style},
    frame::Frame,
    redact::{self, Policy},
    screen,
};
use image::{DynamicImage, ExtendedColorType, RgbaImage, codecs::jpeg::JpegEncoder, imageops};

use crate::{
    display::Display,
    measure::{bar, ratio},
};

/// Says to this bench that it is to measure a frame, and of what.
pub const PART: &str = "CANDOR_BENCH_DESKTOP";
const STYLE: Style = Style { format: Format::Auto, quality: 70 };
const STRENGTH: Strength = Strength { block_em: 1.5, blur_em: 1.0, em_px: 24 };

/// Measures what a display shows, in a process of its own.
pub fn of(display: &Display, what: &str) {
    let mut command = Command::new(env::current_exe().unwrap());
    command.env("DISPLAY", &display.name).env(PART, what);
    // They would have xcap take it for Wayland.
    command.env_remove("WAYLAND_DISPLAY").env_remove("XDG_SESSION_TYPE");
    assert!(command.status().unwrap().success(), "{what}");
}

/// Measures what `$DISPLAY` shows.
pub fn measure() {
    let mut session = screen::open().unwrap();
    let monitor = session.monitors().unwrap().remove(0);
    let frame = session.capture(&monitor).unwrap();
    let (width, height) = (frame.width(), frame.height());
    println!("{width}×{height}, {}", env::var(PART).unwrap());
    let policy = Policy::new(Redact::Blur, STRENGTH, monitor.scale).unwrap();
    let picture = RgbaImage::from_raw(width, height, frame.bytes().to_vec()).unwrap();
    let jpeg = |rgb: &[u8]| {
        let mut file = Vec::new();
        let mut encoder = JpegEncoder::new_with_quality(&mut file, STYLE.quality);
        encoder.encode(rgb, width, height, ExtendedColorType::Rgb8).unwrap();
        file
    };
    let blurred = || encode::small(&redact::redact(&frame, policy).unwrap(), STYLE).unwrap();
    ratio(
        "  redact and encode / fast_blur and JPEG of image",
        1.0 / 20.0,
        7,
        || drop(black_box(blurred())),
        || {
            let rgb = DynamicImage::ImageRgba8(imageops::fast_blur(&picture, policy.blur_px as f32));
            black_box(jpeg(rgb.into_rgb8().as_raw()));
        },
    );
    // What image needs is ready for it; the frame is used up, as in a shot, so it is copied outside of the time.
    let rgb = DynamicImage::ImageRgba8(picture.clone()).into_rgb8();
    let mut copies: Vec<Frame> = (0..15).map(|_| copy(&frame)).collect();
    ratio(
        "  encode as it is / JPEG of image",
        1.0 / 3.0,
        15,
        || drop(black_box(encode::whole(copies.pop().unwrap(), STYLE).unwrap())),
        || drop(black_box(jpeg(rgb.as_raw()))),
    );

    let kilobytes = |bytes: usize| bytes as f64 / 1e3;
    bar("  blurred", kilobytes(blurred().bytes.len()), "KB", Some(8.0));
    let whole = encode::whole(copy(&frame), STYLE).unwrap();
    bar(&format!("  as it is ({})", whole.media_type), kilobytes(whole.bytes.len()), "KB", None);
    let always = encode::whole(frame, Style { format: Format::Jpeg, ..STYLE }).unwrap();
    bar("  as it is, always as JPEG", kilobytes(always.bytes.len()), "KB", None);
    let png = Command::new("import").args(["-silent", "-window", "root", "png:-"]).output().unwrap().stdout;
    bar("  PNG of ImageMagick's import", kilobytes(png.len()), "KB", None);
    bar("  as it is / import", whole.bytes.len() as f64 / png.len() as f64, "", Some(0.5));
}

fn copy(frame: &Frame) -> Frame {
    Frame::tight(frame.width(), frame.height(), frame.bytes().to_vec()).unwrap()
}
