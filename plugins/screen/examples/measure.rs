//! Measures a shot of the first monitor of `$DISPLAY` beside `image` doing the same, for the figures in README.md:
//! `cargo run --release -p candor-screen --example measure`.
#![allow(clippy::unwrap_used)]

use std::{hint::black_box, time::Instant};

use candor_screen::{
    config::{Format, Redact, Strength},
    encode::{self, Style},
    frame::Frame,
    print::Press,
    redact::{self, Policy},
    screen, truth,
};
use image::{ExtendedColorType, codecs::jpeg::JpegEncoder, imageops};

const STYLE: Style = Style { format: Format::Jpeg, quality: 70 };

/// Median of the times one call takes, milliseconds.
fn time(name: &str, rounds: usize, mut call: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..rounds)
        .map(|_| {
            let start = Instant::now();
            call();
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    let median = times[rounds / 2];
    println!("{name:<44} {median:8.2} ms");
    median
}

fn copy(frame: &Frame) -> Frame {
    Frame::tight(frame.width(), frame.height(), frame.rows().flatten().copied().collect()).unwrap()
}

fn main() {
    let mut session = screen::open().unwrap();
    let monitor = session.monitors().unwrap().remove(0);
    let frame = session.capture(&monitor).unwrap();
    let (width, height) = (frame.width(), frame.height());
    println!("{width}×{height}, {}", session.name());
    let strength = Strength { block_em: 1.5, blur_em: 1.0, em_px: 24 };
    let policy = Policy::new(Redact::Blur, strength, monitor.scale).unwrap();
    let press = Press::default();
    time("connect, capture", 15, || drop(screen::open().unwrap().capture(&monitor).unwrap()));
    time("list windows", 15, || drop(session.windows().unwrap().split()));
    time("is it blank", 15, || {
        black_box(truth::blank(&frame));
    });
    time("print", 15, || {
        black_box(press.print(&frame));
    });
    let blur = || encode::small(&redact::redact(&frame, policy), STYLE).unwrap();
    let ours = time("redact, encode", 31, || drop(black_box(blur())));
    let small = blur();
    println!("{:<44} {:8} bytes, {}×{}", "", small.bytes.len(), small.width, small.height);

    let picture = image::RgbaImage::from_raw(width, height, copy(&frame).into_bytes()).unwrap();
    let jpeg = |picture: &image::RgbaImage| {
        let rgb = image::DynamicImage::ImageRgba8(picture.clone()).into_rgb8();
        let mut file = Vec::new();
        let mut encoder = JpegEncoder::new_with_quality(&mut file, STYLE.quality);
        encoder.encode(rgb.as_raw(), width, height, ExtendedColorType::Rgb8).unwrap();
        file
    };
    let theirs = time("image: fast_blur(24), JPEG", 5, || {
        black_box(jpeg(&imageops::fast_blur(&picture, 24.0)));
    });
    println!("{:<44} {:8.4} of it (1/{:.0})", "", ours / theirs, theirs / ours);

    // The frame is used up, as in a shot; the copy is outside of the time.
    let mut copies: Vec<Frame> = (0..15).map(|_| copy(&frame)).collect();
    let ours =
        time("encode as it is", 15, || drop(black_box(encode::whole(copies.pop().unwrap(), STYLE).unwrap())));
    println!("{:<44} {:8} bytes", "", encode::whole(copy(&frame), STYLE).unwrap().bytes.len());
    let theirs = time("image: JPEG", 7, || drop(black_box(jpeg(&picture))));
    println!("{:<44} {:8} bytes; {:.2} of its time", "", jpeg(&picture).len(), ours / theirs);
    let png = encode::whole(copy(&frame), Style { format: Format::Png, ..STYLE }).unwrap();
    println!("{:<44} {:8} bytes", "PNG as it is", png.bytes.len());
}
