//! What a machine reads in the pictures: all of it when they are not redacted, nothing when they are.

use serde_json::json;

use crate::{
    agent::Agent,
    display::Display,
    text::{page, words},
};

#[test]
fn no_word_of_10_to_32_px_is_read_in_a_redacted_picture_and_most_are_in_one_that_is_not() {
    check(1);
}

#[test]
fn no_word_is_read_on_a_screen_with_text_twice_as_large() {
    check(2);
}

fn check(scale: u32) {
    let folder = tempfile::tempdir().unwrap();
    let mut display = Display::start("1920x1080");
    display.manage();
    if scale == 2 {
        let resources = folder.path().join("resources");
        // Long enough that xcap alone would miss the scale.
        std::fs::write(&resources, format!("a.b: {}\nXft.dpi: 192\n", "x".repeat(300))).unwrap();
        display.run("xrdb", &["-nocpp", "-load", resources.to_str().unwrap()]);
    }
    display.wallpaper(&page(folder.path(), scale));
    for (redact, block) in [("none", None), ("blur", Some(36)), ("pixelate", Some(72))] {
        let mut agent = Agent::start(&display.name, &json!({"every": "1s", "redact": redact}));
        let stored = agent.wait(&json!({"outcome": "stored"}));
        let picture = agent.picture(&stored);
        agent.configure(&json!({"every": "1d"}));
        assert_eq!(stored["scale"], f64::from(scale));
        assert_eq!(stored["redaction"]["mode"], redact);
        let block = block.map(|px| px * scale);
        assert_eq!(stored["redaction"]["block_px"].as_u64(), block.map(u64::from));
        let Some(block) = block else {
            let read = words(&picture, "100%");
            println!("{read} words read at scale {scale}");
            assert!(read > 60, "the test could not fail: only {read} words are read unredacted");
            continue;
        };
        assert_eq!(
            (&stored["image_width"], &stored["image_height"]),
            (&json!(1920 / block), &json!(1080 / block))
        );
        assert!(stored["bytes"].as_u64().unwrap() <= 8_000, "{stored}");
        // As it is, and as large as the screen was.
        for resize in ["100%", "1920x1080!"] {
            assert_eq!(words(&picture, resize), 0, "{redact} at scale {scale}, {resize}");
        }
    }
}
