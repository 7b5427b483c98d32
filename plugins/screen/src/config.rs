//! The options as they are written, and the settings they come to.

use std::{ops::RangeInclusive, time::Duration};

use plugin_api::{prelude::*, units::show_duration};
use serde::{Deserialize, Deserializer, de::Error as _};

use crate::rules::{Pattern, Rules};

config! {
    /// When screenshots are taken, and what is left of them.
    pub struct Config {
        /// How often; `1s` to `1d`.
        #[serde(default = "ten_minutes")]
        #[schemars(extend("x-raises" = "down"))]
        pub every: Span,
        /// `none`: at the end of each interval; `full`: at a random moment within each.
        #[serde(default = "no_jitter")]
        #[schemars(extend("x-raises" = "never"))]
        pub jitter: Jitter,
        /// What is done to the picture: `blur`, `pixelate` or `none`.
        #[serde(default = "blurred")]
        #[schemars(extend("x-raises" = [["blur", "pixelate"], "none"]))]
        pub redact: Redact,
        /// Size of the blocks whose mean is all that is kept, in text heights; at least 1.5.
        #[serde(default = "block")]
        #[schemars(extend("x-raises" = "down"))]
        pub block_em: f64,
        /// Gaussian blur after that, in text heights; at least 1. With `pixelate` the blocks are larger by one and a half times this instead.
        #[serde(default = "blur")]
        #[schemars(extend("x-raises" = "down"))]
        pub blur_em: f64,
        /// One text height in pixels at scale 1; at least 24.
        #[serde(default = "em")]
        #[schemars(extend("x-raises" = "down"))]
        pub em_px: u32,
        /// Windows that are never seen: rules with `app`, `title` or both; `*` stands for any text. Password managers
        /// and private browsing come on top.
        #[serde(default, deserialize_with = "rules")]
        #[schemars(extend("x-raises" = "removal"))]
        pub exclude: Vec<Rule>,
        /// What a visible excluded window does: `mask` blacks it out, `skip` leaves out the shot.
        #[serde(default = "mask")]
        #[schemars(extend("x-raises" = ["skip", "mask"]))]
        pub on_match: OnMatch,
        /// `auto`: a JPEG, or where that is smaller a PNG of at most 256 colours; `jpeg`; `png` for lossless.
        #[serde(default = "auto")]
        #[schemars(extend("x-raises" = ["jpeg", "auto", "png"]))]
        pub format: Format,
        /// Quality of a JPEG; 10 to 95.
        #[serde(default = "quality")]
        #[schemars(extend("x-raises" = "up"))]
        pub quality: u8,
    }
}

config! {
    /// When within its interval a shot is taken.
    pub enum Jitter {
        /// At its end.
        None,
        /// At a random moment.
        Full,
    }
}

config! {
    /// What is done to a picture.
    pub enum Redact {
        /// Nothing.
        None,
        /// Means of blocks, then a blur.
        Blur,
        /// Means of larger blocks.
        Pixelate,
    }
}

config! {
    /// What a visible excluded window does.
    pub enum OnMatch {
        /// Is blacked out.
        Mask,
        /// Leaves out the shot.
        Skip,
    }
}

config! {
    /// How a picture is encoded.
    pub enum Format {
        /// The smaller: a JPEG, or a PNG of at most 256 colours for what is not redacted and has few.
        Auto,
        /// Small.
        Jpeg,
        /// Lossless.
        Png,
    }
}

config! {
    /// An excluded window: what is given has to match, whatever the case.
    pub struct Rule {
        /// Its application: the class of an X11 window.
        #[serde(default)]
        pub app: Option<String>,
        /// Its title.
        #[serde(default)]
        pub title: Option<String>,
    }
}

/// Says which option a rule belongs to that doesn't parse.
fn rules<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Rule>, D::Error> {
    Vec::deserialize(from).map_err(|why| D::Error::custom(format!("exclude: {why}")))
}

fn ten_minutes() -> Span {
    Span::seconds(600)
}
fn no_jitter() -> Jitter {
    Jitter::None
}
fn blurred() -> Redact {
    Redact::Blur
}
fn block() -> f64 {
    LEAST_BLOCK_EM
}
fn blur() -> f64 {
    LEAST_BLUR_EM
}
fn em() -> u32 {
    LEAST_EM_PX
}
fn mask() -> OnMatch {
    OnMatch::Mask
}
fn auto() -> Format {
    Format::Auto
}
fn quality() -> u8 {
    70
}

// Below these, text was read or guessed back from redacted pictures.
const LEAST_BLOCK_EM: f64 = 1.5;
const LEAST_BLUR_EM: f64 = 1.0;
const LEAST_EM_PX: u32 = 24;
const EVERY: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(86_400);
const QUALITY: RangeInclusive<u8> = 10..=95;

/// How strong the redaction is, in text heights.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Strength {
    /// Size of the blocks.
    pub block_em: f64,
    /// Sigma of the blur.
    pub blur_em: f64,
    /// One text height at scale 1, pixels.
    pub em_px: u32,
}

/// The options after they were checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How often.
    pub every: Duration,
    /// When within the interval.
    pub jitter: Jitter,
    /// What is done to the picture.
    pub redact: Redact,
    /// How strongly.
    pub strength: Strength,
    /// What is excluded.
    pub rules: Rules,
    /// What an excluded window does.
    pub on_match: OnMatch,
    /// How the picture is encoded.
    pub format: Format,
    /// Of a JPEG.
    pub quality: u8,
}

impl Settings {
    /// Checks the options; the text says which is wrong and what is right.
    pub fn new(config: Config) -> Result<Self, String> {
        if !EVERY.contains(&config.every.0) {
            let (least, most) = (show_duration(*EVERY.start()), show_duration(*EVERY.end()));
            return Err(format!("every = \"{}\": must be \"{least}\" to \"{most}\"", config.every));
        }
        within("block_em", config.block_em, LEAST_BLOCK_EM..=20.0)?;
        within("blur_em", config.blur_em, LEAST_BLUR_EM..=20.0)?;
        within("em_px", config.em_px, LEAST_EM_PX..=256)?;
        within("quality", config.quality, QUALITY)?;
        let own = config.exclude.iter().map(Pattern::new).collect::<Result<_, _>>()?;
        Ok(Self {
            every: config.every.0,
            jitter: config.jitter,
            redact: config.redact,
            strength: Strength { block_em: config.block_em, blur_em: config.blur_em, em_px: config.em_px },
            rules: Rules::new(own),
            on_match: config.on_match,
            format: config.format,
            quality: config.quality,
        })
    }
}

fn within<T: PartialOrd + std::fmt::Display>(
    name: &str,
    value: T,
    range: RangeInclusive<T>,
) -> Result<(), String> {
    // Refuses what is not a number too.
    if range.contains(&value) {
        return Ok(());
    }
    Err(format!("{name} = {value}: must be {} to {}", range.start(), range.end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(options: Value) -> Result<Settings, String> {
        let config = plugin_api::runtime::parse(options).map_err(|error| error.text)?;
        Settings::new(config)
    }

    #[test]
    fn the_defaults_are_blurred_every_ten_minutes() {
        let settings = settings(json!({})).unwrap();
        assert_eq!(settings.every, Duration::from_secs(600));
        assert_eq!(settings.redact, Redact::Blur);
        assert_eq!(settings.strength, Strength { block_em: 1.5, blur_em: 1.0, em_px: 24 });
        assert!(!settings.rules.has_own());
    }

    #[test]
    fn what_is_absurd_or_too_weak_is_refused_with_the_range() {
        for (options, told) in [
            (json!({"every": "0s"}), "\"1s\" to \"1d\""),
            (json!({"every": "36500d"}), "\"1s\" to \"1d\""),
            (json!({"every": "-5m"}), "not a duration"),
            (json!({"every": 600}), "expected a string"),
            (json!({"block_em": 1.49}), "1.5 to 20"),
            (json!({"blur_em": 0.99}), "1 to 20"),
            (json!({"blur_em": -1.0}), "1 to 20"),
            (json!({"block_em": 1e300}), "1.5 to 20"),
            (json!({"em_px": 0}), "24 to 256"),
            (json!({"em_px": 23}), "24 to 256"),
            (json!({"quality": 0}), "10 to 95"),
            (json!({"format": "avif"}), "`auto`, `jpeg`, `png`"),
            (json!({"redact": "off"}), "`none`, `blur`"),
            (json!({"exclude": [{}]}), "app"),
            (json!({"exclude": [{"app": ""}]}), "empty"),
            (json!({"exclude": [{"class": "x"}]}), "exclude: unknown field `class`"),
            (json!({"exclude": ["keepassxc"]}), "Rule"),
        ] {
            let why = settings(options.clone()).unwrap_err();
            assert!(why.contains(told), "{options}: {why}");
        }
    }
}
