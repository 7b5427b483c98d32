//! How sure it must be before something is flagged, and how often that was wrong.

use plugin_api::prelude::*;

config! {
    /// How readily something is flagged.
    pub enum Sensitivity {
        /// Only the clearest.
        Lenient,
        /// What is half way from where recorded people end to a perfect machine.
        Balanced,
        /// Also what the model alone is sure of, as far as it may be.
        Strict,
    }
}

impl Sensitivity {
    /// The least confidence of a flag.
    pub fn confidence(self) -> f64 {
        match self {
            Self::Lenient => 0.95,
            Self::Balanced => 0.86,
            Self::Strict => 0.7,
        }
    }
}

/// The probability of these odds, given as a logarithm.
pub fn probability(odds: f64) -> f64 {
    1.0 / (1.0 + (-odds).exp())
}
