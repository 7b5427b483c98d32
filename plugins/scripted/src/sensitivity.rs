//! How sure it must be before something is flagged, and how often that was wrong.

use plugin_api::prelude::*;

/// How sure a rule is whose limit no recorded person reached.
pub const CERTAIN: f64 = 0.97;

config! {
    /// How readily something is flagged.
    pub enum Sensitivity {
        /// Only the clearest.
        Lenient,
        /// What no recorded person did.
        Balanced,
        /// Also what a few recorded people did.
        Strict,
    }
}

/// What a sensitivity asks for.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The least confidence of a flag.
    pub confidence: f64,
}

impl Sensitivity {
    /// Its limits.
    pub fn limits(self) -> Limits {
        let confidence = match self {
            Self::Lenient => 0.95,
            Self::Balanced => 0.86,
            Self::Strict => 0.7,
        };
        Limits { confidence }
    }
}

/// The probability of these odds, given as a logarithm.
pub fn probability(odds: f64) -> f64 {
    1.0 / (1.0 + (-odds).exp())
}
