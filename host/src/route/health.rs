//! How an instance is doing.

use std::time::Duration;

use serde::Serialize;

/// The last word of an instance about itself.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Health {
    /// `ok`, `degraded`, `failed`, `disabled`, `starting`.
    pub state: String,
    /// Why.
    pub cause: String,
    /// What to do.
    pub fix: String,
    /// The cause as a word for programs, if it has one: what `candor doctor` calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

impl Health {
    /// A plugin that hasn't come back from a call for so long.
    pub fn stuck(time: Duration) -> Self {
        Self {
            state: "stuck".to_owned(),
            cause: format!(
                "in one call for {} s; signals it has no room for are counted as lost",
                time.as_secs()
            ),
            fix: "if it does not come back: update the plugin or remove it, and start the agent again"
                .to_owned(),
            code: None,
        }
    }
}
