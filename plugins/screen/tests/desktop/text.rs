//! Text on a screen, and how much of it a machine reads in a picture.

use std::{path::Path, process::Command};

const WORDS: &str = "account balance transfer invoice password meeting confidential salary report customer \
    address contract employee payment security private document telephone birthday hospital diagnosis treatment \
    lawyer complaint resignation negotiation acquisition quarterly forecast strategy";

/// A page with the words in sizes from 10 to 32 px, times the scale.
pub fn page(folder: &Path, scale: u32) -> std::path::PathBuf {
    let path = folder.join("page.png");
    let mut command = Command::new("/usr/bin/convert");
    command.args(["-size", "1920x1080", "xc:white", "-font", "DejaVu-Sans", "-fill", "black"]);
    let mut y = 0;
    for px in [10, 12, 14, 16, 20, 24, 28, 32].map(|px| px * scale) {
        let per_line = 1900 / (px as usize * 6);
        for line in WORDS.split_whitespace().collect::<Vec<_>>().chunks(per_line.max(1)) {
            y += px + px / 2;
            if y < 1070 {
                command.args([
                    "-pointsize",
                    &px.to_string(),
                    "-annotate",
                    &format!("+10+{y}"),
                    &line.join(" "),
                ]);
            }
        }
    }
    assert!(command.arg(&path).status().unwrap().success());
    path
}

/// How many of the words tesseract finds.
pub fn words(picture: &Path, resize: &str) -> usize {
    // Not beside the picture: that may lie in a folder whose owner clears away what is not its own.
    let folder = tempfile::tempdir().unwrap();
    let large = folder.path().join("large.png");
    let resized =
        Command::new("/usr/bin/convert").arg(picture).args(["-resize", resize]).arg(&large).status();
    assert!(resized.unwrap().success());
    let read =
        Command::new("tesseract").arg(&large).args(["-", "--psm", "6"]).env("OMP_THREAD_LIMIT", "1").output();
    let read = read.expect("tesseract does not start; run config/setup-debian.sh --test");
    assert!(read.status.success(), "{read:?}");
    let text = String::from_utf8_lossy(&read.stdout).to_lowercase();
    let found = text.split(|c: char| !c.is_alphabetic());
    found.filter(|word| WORDS.split_whitespace().any(|known| known == *word)).count()
}
