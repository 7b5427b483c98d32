//! What can go wrong, worded for the person who can mend it.

use std::io;
use std::path::PathBuf;

/// The host's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The config says something the host can't follow.
    #[error("{}:{line}: {text}", file.display())]
    Config {
        /// The config file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The key, what is wrong with it, and the fix.
        text: String,
    },
    /// A file the person named can't be read.
    #[error("{}: {source}; check the path and that this user may read it", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No folder can be derived from the environment.
    #[error("{what}: no folder for it, since {variable} is not set; set it or {fix}")]
    Homeless {
        /// What the folder is for.
        what: &'static str,
        /// The environment variable that would tell.
        variable: &'static str,
        /// What else the person can do.
        fix: &'static str,
    },
    /// A library others could have written.
    #[error("{plugin}: {what}")]
    Untrusted {
        /// The plugin.
        plugin: String,
        /// The path, what speaks against it, and the fix.
        what: String,
    },
    /// A library can't be loaded as it is.
    #[error("{plugin}: {}: {text}", path.display())]
    Library {
        /// The plugin it should be.
        plugin: String,
        /// The library.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        text: String,
    },
    /// A library says of itself what isn't so: it isn't tried again until it changes.
    #[error("{plugin}: {}: {text}", path.display())]
    Lies {
        /// The plugin it should be.
        plugin: String,
        /// The library.
        path: PathBuf,
        /// What isn't so, and what to do.
        text: String,
    },
}
