//! Calls that didn't do their work.

use std::time::Duration;

use plugin_api::Error;

use crate::Cause;

/// A request that wasn't done.
#[derive(Debug)]
pub struct Failed {
    /// What the store answered, if it did.
    pub status: Option<u16>,
    /// What the store calls it.
    pub code: String,
    /// What it means.
    pub cause: Cause,
    /// How long the store wants to be left alone.
    pub wait: Option<Duration>,
}

impl Failed {
    /// Whether the store answered with this code or status.
    pub fn is(&self, code: &str, status: u16) -> bool {
        self.code == code || (self.code.is_empty() && self.status == Some(status))
    }

    /// Whether the connection was lost before anybody answered.
    pub fn is_cut(&self) -> bool {
        self.cause == Cause::Cut && self.status.is_none()
    }

    /// A failure that no server answered with.
    pub fn other(text: impl Into<String>) -> Self {
        Self::of(Cause::Other(text.into()))
    }

    /// A request that got no answer.
    pub fn of(cause: Cause) -> Self {
        Self { status: None, code: String::new(), cause, wait: None }
    }
}

/// Why a call ended without having done its work.
#[derive(Debug)]
pub enum Trouble {
    /// Known in full.
    Error(Error),
    /// A request wasn't done; a closer look may tell more.
    Failed(Failed),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl From<Failed> for Trouble {
    fn from(failed: Failed) -> Self {
        Self::Failed(failed)
    }
}
