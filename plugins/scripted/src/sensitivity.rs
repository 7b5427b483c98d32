//! How far beyond people something must be before it is flagged.

use plugin_api::prelude::*;

config! {
    /// How readily something is flagged.
    #[derive(PartialOrd, Ord)]
    pub enum Sensitivity {
        /// What is a third of the way from where recorded people end to a perfect machine.
        Strict,
        /// Half way.
        Balanced,
        /// Three quarters of it.
        Lenient,
    }
}

impl Sensitivity {
    /// All of them, the one that flags the most first.
    pub const ALL: [Self; 3] = [Self::Strict, Self::Balanced, Self::Lenient];

    /// How far from where people end to a perfect machine the limits are that were not fixed.
    pub fn share(self) -> f64 {
        [1.0 / 3.0, 0.5, 0.75][self as usize]
    }
}
