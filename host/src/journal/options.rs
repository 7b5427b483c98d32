//! How a journal works.

use std::{path::PathBuf, time::Duration};

use crate::{clock::Clock, retain::Rules, seal::Cipher};

/// How to open a journal.
#[derive(Clone)]
pub struct Options {
    /// The state folder.
    pub state: PathBuf,
    /// What the person calls this device.
    pub label: Option<String>,
    /// The clock records are stamped by.
    pub clock: Clock,
    /// How long a record waits at most to be sealed.
    pub seal_every: Duration,
    /// How many bytes wait at most to be sealed.
    pub seal_size: u64,
    /// Ids of the sinks that must have an object before it is removed here.
    pub sinks: Vec<String>,
    /// How much of what they have stays, and how long.
    pub rules: Rules,
    /// How many bytes of objects and blobs wait at most.
    pub max: u64,
    /// How long a blob waits at least before a seal lists it, and sinks get it.
    pub grace: Duration,
    /// Who can read what is sealed; everybody if not said.
    pub cipher: Option<Cipher>,
    /// How many records may wait for the writer before `append` blocks.
    pub queue: usize,
}

impl Options {
    /// The defaults for a state folder.
    pub fn new(state: impl Into<PathBuf>, clock: Clock) -> Self {
        Self {
            state: state.into(),
            label: None,
            clock,
            seal_every: Duration::from_secs(300),
            seal_size: 8 << 20,
            sinks: Vec::new(),
            rules: Rules::age(Duration::from_secs(86_400)),
            max: u64::MAX,
            grace: Duration::ZERO,
            cipher: None,
            queue: 1024,
        }
    }
}
