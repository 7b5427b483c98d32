//! Where a chain of seals stands.

use serde::{Deserialize, Serialize};

use crate::identity::Key;

/// How far a chain is sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The device.
    pub device: String,
    /// The last number in sealed objects.
    pub sealed: u64,
    /// SHA-256 of the last manifest.
    pub manifest: Option<String>,
}

/// Whose seal it is.
#[derive(Clone, Copy, Debug)]
pub struct Chain<'a> {
    /// Where the chain stands.
    pub head: &'a Head,
    /// What it is signed with.
    pub key: &'a Key,
}
