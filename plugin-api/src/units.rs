//! Durations and sizes as people write them: `"5m"`, `"8MB"`.

use std::{fmt, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

const DURATIONS: [(&str, u64); 5] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
const SIZES: [(&str, u64); 7] = [
    ("B", 1),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// Reads a duration such as `90s`, `5m` or `1h30m`.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a duration; write one such as \"30s\", \"5m\" or \"1h30m\"");
    let mut rest = text.trim();
    let mut total = 0u64;
    let mut parts = 0;
    while !rest.is_empty() {
        let (value, unit, tail) = part(rest).ok_or_else(wrong)?;
        let factor = factor(&DURATIONS, unit).ok_or_else(wrong)?;
        total = value.checked_mul(factor).and_then(|part| total.checked_add(part)).ok_or_else(wrong)?;
        rest = tail;
        parts += 1;
    }
    if parts == 0 { Err(wrong()) } else { Ok(Duration::from_millis(total)) }
}

/// Reads a size such as `500KB`, `8MB` or `1GiB`.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is not a size; write one such as \"500KB\", \"8MB\" or \"1GiB\"");
    let (value, unit, tail) = part(text.trim()).ok_or_else(wrong)?;
    let factor = factor(&SIZES, unit).ok_or_else(wrong)?;
    if tail.is_empty() { value.checked_mul(factor).ok_or_else(wrong) } else { Err(wrong()) }
}

/// Splits off a whole number and its unit.
fn part(text: &str) -> Option<(u64, &str, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, rest) = text.split_at(digits);
    let rest = rest.trim_start();
    let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
    let (unit, tail) = rest.split_at(letters);
    Some((number.parse().ok()?, unit, tail.trim_start()))
}

fn factor(units: &[(&str, u64)], unit: &str) -> Option<u64> {
    units.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor)
}

/// Writes a number of the smallest units with the largest unit that divides it.
fn show(units: &[(&str, u64)], amount: u64) -> String {
    let fits = units.iter().filter(|(_, factor)| amount.is_multiple_of(*factor));
    let largest = fits.max_by_key(|(_, factor)| *factor).filter(|_| amount > 0);
    let (unit, factor) = largest.unwrap_or(&units[0]);
    format!("{}{unit}", amount / factor)
}

/// A duration as text, for messages.
pub fn show_duration(duration: Duration) -> String {
    show(&DURATIONS, duration.as_millis().try_into().unwrap_or(u64::MAX))
}

/// A size as text, for messages.
pub fn show_size(size: u64) -> String {
    show(&SIZES, size)
}

/// A duration in a config, written like `"60s"`.
///
/// ```
/// use plugin_api::prelude::*;
///
/// config! {
///     pub struct Config {
///         /// How long one sum runs.
///         #[serde(default = "minute")]
///         interval: Span,
///     }
/// }
///
/// fn minute() -> Span {
///     Span::seconds(60)
/// }
/// # fn main() {
/// let config: Config = plugin_api::runtime::parse(json!({ "interval": "1m30s" })).unwrap();
/// assert_eq!(config.interval.nanos(), 90_000_000_000);
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, JsonSchema)]
#[schemars(with = "String", description = "A duration such as 30s, 5m or 1h30m.", extend("examples" = ["60s"]))]
pub struct Span(pub Duration);

impl Span {
    /// So many seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// In nanoseconds, as event times are; what doesn't fit is the most there is.
    pub fn nanos(self) -> u64 {
        self.0.as_nanos().try_into().unwrap_or(u64::MAX)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&show_duration(self.0))
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        duration::serialize(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        duration::deserialize(deserializer).map(Self)
    }
}

/// Serde for durations.
pub mod duration {
    use super::{Deserialize, Deserializer, Duration, Serializer, de::Error};

    /// Writes it as text.
    pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::show_duration(*duration))
    }

    /// Reads it from text.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        super::parse_duration(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// Serde for sizes.
pub mod size {
    use super::{Deserialize, Deserializer, Serializer, de::Error};

    /// Writes it as text.
    pub fn serialize<S: Serializer>(size: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::show_size(*size))
    }

    /// Reads it from text.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        super::parse_size(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}
