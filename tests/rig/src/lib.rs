//! What tests against real servers and broken networks share.
//!
//! A test binary that calls [`alone`] first runs as a whole in namespaces of its own: no network but `lo`, no processes
//! but its own, mounts that nobody else sees. So no client reaches a cloud, and nothing outlives the test.

// Namespaces are Linux; elsewhere the sinks are only type-checked.
#![cfg(target_os = "linux")]
#![forbid(unsafe_code)]
// Clippy lets tests unwrap, but not what they share.
#![allow(clippy::unwrap_used)]

mod alone;
mod certificate;
pub mod child;
mod desk;
pub mod http;
mod keys;
pub mod network;
pub mod shim;
pub mod sink;
mod weed;

use std::{
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

pub use alone::{alone, run};
pub use certificate::Certificates;
pub use desk::{Agent, Desk};
pub use keys::KeyStore;
pub use weed::Weed;

/// How long anything may take: far more than it does.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Asks until there is an answer; panics with what it waited for when none comes.
#[track_caller]
pub fn until<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    answer(ask).unwrap_or_else(|| panic!("waited {} s in vain for {what}", PATIENCE.as_secs()))
}

/// Asks until there is an answer, or none comes.
pub fn answer<T>(mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = ask();
        if answer.is_some() || Instant::now() > deadline {
            return answer;
        }
        thread::park_timeout(Duration::from_millis(20));
    }
}

/// A tool of the environment that `config/setup-debian.sh --test` makes.
pub fn tool(name: &str) -> PathBuf {
    let home = || {
        PathBuf::from(
            std::env::var_os("CANDOR_HOME").or_else(|| std::env::var_os("HOME")).unwrap_or_default(),
        )
    };
    let cache = std::env::var_os("XDG_CACHE_HOME").map_or_else(|| home().join(".cache"), PathBuf::from);
    let path = cache.join("candor/venv/bin").join(name);
    assert!(path.exists(), "{} is missing; run config/setup-debian.sh --test", path.display());
    path
}
