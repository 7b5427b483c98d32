//! Attacks redacted text in the two ways that beat weak redaction: undoing the blur before reading, and comparing with
//! the same redaction of every word of a dictionary. Prints what each setting gives away, for the table in README.md:
//! `cargo run --release -p candor-screen --example attack`. Takes minutes, ImageMagick and tesseract. Other settings than
//! those of the table are tried by `-- BLOCK_EM,BLUR_EM,STEP…`.
//!
//! The settings that the plugin refuses go around its checks, to show that the attacks work.
#![allow(clippy::unwrap_used)]

mod dictionary;
mod plane;
mod reading;
mod text;

use candor_screen::{
    config::{Format, Redact, Strength},
    encode::{self, Style},
    frame::Frame,
    redact::{self, Policy},
};
use plane::Plane;

const DEFAULT: Strength = Strength { block_em: 1.5, blur_em: 1.0, em_px: 24 };

/// What is left of a page, as it is stored: the middle of its colours, as the pages are grey.
fn stored(page: &Plane, policy: Policy) -> Plane {
    let bytes: Vec<u8> =
        page.values.iter().flat_map(|value| [*value as u8, *value as u8, *value as u8, 255]).collect();
    let frame = Frame::tight(page.width as u32, page.height as u32, bytes).unwrap();
    let small = redact::redact(&frame, policy).unwrap();
    let file = encode::small(&small, Style { format: Format::Jpeg, quality: 70 }).unwrap();
    let picture = image::load_from_memory(&file.bytes).unwrap().into_luma8();
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    Plane { width, height, values: picture.into_raw().into_iter().map(f32::from).collect() }
}

/// Settings of the command line: `BLOCK_EM,BLUR_EM,STEP` each.
fn given() -> Vec<(String, Policy)> {
    let read = |text: String| {
        let [block, blur, step] = text.split(',').collect::<Vec<_>>()[..] else {
            panic!("{text}: not BLOCK_EM,BLUR_EM,STEP")
        };
        let px = |em: &str| em.parse::<f64>().unwrap() * f64::from(DEFAULT.em_px);
        (
            text.clone(),
            Policy { block_px: px(block).ceil() as u32, blur_px: px(blur), step: step.parse().unwrap() },
        )
    };
    std::env::args().skip(1).map(read).collect()
}

/// What stands in README.md.
fn usual() -> Vec<(String, Policy)> {
    let of = |redact| Policy::new(redact, DEFAULT, 1.0).unwrap();
    [
        ("gaussian of 3 px alone: refused", Policy { block_px: 1, blur_px: 3.0, step: 1 }),
        ("blocks of 1 em (24 px) alone: refused", Policy { block_px: 24, blur_px: 0.0, step: 1 }),
        ("blocks and blur of the default, but all brightnesses", Policy { step: 1, ..of(Redact::Blur) }),
        ("`blur`, the default", of(Redact::Blur)),
        ("`pixelate` (3 em)", of(Redact::Pixelate)),
    ]
    .map(|(name, policy)| (name.to_owned(), policy))
    .into()
}

fn main() {
    let given = given();
    let settings = if given.is_empty() { usual() } else { given };
    let text = text::Text::render();
    let page = text.page();
    println!("{} words on the page, {} in the dictionary", page.words.len(), text::WORDS.len());
    println!(
        "| setting | read as stored | read after deconvolution | guessed in a line of text | guessed alone |"
    );
    println!("| --- | --- | --- | --- | --- |");
    println!("| none | {} | – | – | – |", reading::count(&page.plane, &page.words));
    for (name, policy) in settings {
        let small = stored(&page.plane, policy);
        let plain = reading::plain(&small, &page);
        let undone = reading::undone(&small, policy, &page);
        // What is read needs no guessing, and a picture of full size takes long.
        if policy.block_px == 1 {
            println!("| {name} | {plain} | {undone} | – | – |");
            continue;
        }
        let guessed = dictionary::guess(&text, policy);
        let (in_line, alone) = (guessed.in_line * 100.0, guessed.alone * 100.0);
        println!("| {name} | {plain} | {undone} | {in_line:.1} % | {alone:.1} % |");
    }
    println!("chance: {:.1} %", 100.0 / text::WORDS.len() as f64);
}
