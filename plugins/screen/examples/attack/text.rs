//! Words as a screen shows them.

use std::{collections::HashMap, process::Command};

use crate::plane::Plane;

/// What the text is made of, and what the attacker tries.
pub const WORDS: [&str; 70] = [
    "account",
    "balance",
    "transfer",
    "invoice",
    "password",
    "meeting",
    "confidential",
    "salary",
    "report",
    "customer",
    "address",
    "contract",
    "employee",
    "payment",
    "security",
    "private",
    "document",
    "telephone",
    "birthday",
    "hospital",
    "diagnosis",
    "treatment",
    "lawyer",
    "complaint",
    "resignation",
    "negotiation",
    "acquisition",
    "quarterly",
    "forecast",
    "strategy",
    "budget",
    "revenue",
    "mortgage",
    "insurance",
    "pension",
    "passport",
    "licence",
    "signature",
    "witness",
    "evidence",
    "tribunal",
    "evening",
    "morning",
    "holiday",
    "journey",
    "airport",
    "station",
    "kitchen",
    "garden",
    "window",
    "mountain",
    "village",
    "teacher",
    "student",
    "science",
    "history",
    "picture",
    "camera",
    "concert",
    "theatre",
    "library",
    "weather",
    "thunder",
    "blanket",
    "lantern",
    "harvest",
    "orchard",
    "pottery",
    "sculpture",
    "mistake",
];

/// Heights of text in pixels, as they are usual on a screen of scale 1, and headings.
pub const SIZES: [usize; 4] = [12, 16, 20, 28];

/// Each word in each size.
pub struct Text(HashMap<usize, Vec<Plane>>);

/// Numbers that look random and are the same in each run.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

/// Lines of text that fill a screen.
pub struct Page {
    pub plane: Plane,
    pub words: Vec<&'static str>,
}

impl Text {
    pub fn render() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let all = SIZES.into_iter().map(|size| {
            let mut command = Command::new("/usr/bin/convert");
            command.args(["-font", "DejaVu-Sans", "-background", "white", "-fill", "black", "-pointsize"]);
            command.arg(size.to_string()).args(WORDS.map(|word| format!("label:{word}")));
            let status = command.arg("+adjoin").arg(folder.path().join("%02d.png")).status();
            assert!(status.expect("ImageMagick does not start; run config/setup-debian.sh --test").success());
            let load = |i| {
                let picture = image::open(folder.path().join(format!("{i:02}.png"))).unwrap().into_luma8();
                let (width, height) = (picture.width() as usize, picture.height() as usize);
                Plane { width, height, values: picture.into_raw().into_iter().map(f32::from).collect() }
            };
            (size, (0..WORDS.len()).map(load).collect())
        });
        Self(all.collect())
    }

    pub fn word(&self, size: usize, word: usize) -> &Plane {
        &self.0[&size][word]
    }

    /// Draws words of a size from a place to the right edge.
    pub fn line(&self, on: &mut Plane, size: usize, x: i32, y: i32, next: &mut dyn FnMut() -> usize) {
        let mut x = x;
        while x < on.width as i32 {
            let word = self.word(size, next());
            on.lay(word, x, y);
            x += (word.width + size / 3) as i32;
        }
    }

    /// A page with text of all sizes.
    pub fn page(&self) -> Page {
        let mut plane = Plane::filled(960, 480, 255.0);
        let (mut words, mut dice, mut y) = (Vec::new(), Dice::new(1), 24);
        'page: loop {
            for size in SIZES {
                let (mut x, height) = (24, size * 3 / 2);
                if y + height + 24 > plane.height {
                    break 'page;
                }
                loop {
                    let next = dice.below(WORDS.len());
                    let word = self.word(size, next);
                    if x + word.width + 24 > plane.width {
                        break;
                    }
                    plane.lay(word, x as i32, y as i32);
                    words.push(WORDS[next]);
                    x += word.width + size / 3;
                }
                y += height;
            }
        }
        Page { plane, words }
    }
}
