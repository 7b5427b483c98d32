//! Reads a page by machine: as it was stored, and with the blur undone.

use std::{collections::HashMap, process::Command};

use candor_screen::redact::Policy;
use image::{GrayImage, imageops};

use crate::{
    plane::{Plane, Spectrum},
    text::Page,
};

/// What is taken for noise when the blur is divided out: the attacker is told which one reads best.
const NOISE: [f32; 4] = [1e-2, 3e-3, 1e-3, 1e-4];
/// After how many rounds of Richardson and Lucy the page is read.
const ROUNDS: [usize; 2] = [10, 30];

/// How many words of the page are read in the stored picture, enlarged to the size of the screen.
pub fn plain(small: &Plane, page: &Page) -> usize {
    count(&enlarged(small, page), &page.words)
}

/// How many are read after the best of several deconvolutions.
pub fn undone(small: &Plane, policy: Policy, page: &Page) -> usize {
    let blurred = enlarged(small, page);
    let spectrum = Spectrum::new(page.plane.width, page.plane.height);
    // A block's mean is a blur too, of this variance.
    let block = f64::from(policy.block_px).powi(2) / 12.0;
    let variance = if policy.block_px > 1 { block } else { 0.0 } + policy.blur_px.powi(2);
    let fall = 2.0 * std::f64::consts::PI.powi(2) * variance;
    let pass = |x: f32, y: f32| (-(fall as f32) * (x * x + y * y)).exp();
    let mut best = 0;
    // Ink is light here, so that beyond the edges there is none.
    let ink = blurred.map(|value| 255.0 - value);
    for noise in NOISE {
        let sharp = spectrum.filter(&ink, |x, y| pass(x, y) / (pass(x, y).powi(2) + noise));
        best = best.max(count(&sharp.map(|value| 255.0 - value), &page.words));
    }
    let mut guess = ink.map(|value| value.max(0.5));
    for round in 1..=ROUNDS[1] {
        let again = spectrum.filter(&guess, pass);
        let off = ink.zip(&again, |is, would| is.max(0.0) / would.max(0.5));
        guess = guess.zip(&spectrum.filter(&off, pass), |guess, off| (guess * off).clamp(0.01, 2_000.0));
        if ROUNDS.contains(&round) {
            best = best.max(count(&guess.map(|value| 255.0 - value), &page.words));
        }
    }
    best
}

fn enlarged(small: &Plane, page: &Page) -> Plane {
    let (width, height) = (page.plane.width, page.plane.height);
    if (small.width, small.height) == (width, height) {
        return small.clone();
    }
    let picture =
        imageops::resize(&picture(small), width as u32, height as u32, imageops::FilterType::CatmullRom);
    Plane { width, height, values: picture.into_raw().into_iter().map(f32::from).collect() }
}

fn picture(plane: &Plane) -> GrayImage {
    let bytes = plane.values.iter().map(|value| value.clamp(0.0, 255.0) as u8).collect();
    GrayImage::from_raw(plane.width as u32, plane.height as u32, bytes).unwrap()
}

/// How many of the words tesseract reads, each as often as it is there.
pub fn count(plane: &Plane, words: &[&str]) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("page.png");
    let (width, height) = (plane.width as u32 * 2, plane.height as u32 * 2);
    imageops::resize(&picture(plane), width, height, imageops::FilterType::CatmullRom).save(&path).unwrap();
    let read =
        Command::new("tesseract").arg(&path).args(["-", "--psm", "6"]).env("OMP_THREAD_LIMIT", "1").output();
    let read = read.expect("tesseract does not start; run config/setup-debian.sh --test");
    let text = String::from_utf8_lossy(&read.stdout).to_lowercase();
    let mut left: HashMap<&str, usize> = HashMap::new();
    for word in words {
        *left.entry(word).or_default() += 1;
    }
    let mut found = 0;
    for word in text.split(|c: char| !c.is_alphabetic()) {
        if let Some(left) = left.get_mut(word).filter(|left| **left > 0) {
            *left -= 1;
            found += 1;
        }
    }
    found
}
