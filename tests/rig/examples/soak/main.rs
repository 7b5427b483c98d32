//! The agent through a month's backlog, kills, cut networks and full disks, with three sinks at once: SeaweedFS by S3,
//! the same behind Google's interface, and a folder. In the end each must have everything that was acknowledged, once.
//!
//! `make soak` builds what it takes and runs it for `SOAK_MINUTES` (10); `SOAK_SEED` repeats the dice of another run.
//! Root, or leave to make namespaces, is needed: it all happens in one that has no network but `lo`.

// Clippy lets tests unwrap; this is one.
#![allow(clippy::unwrap_used)]

#[cfg(target_os = "linux")]
mod backlog;
#[cfg(target_os = "linux")]
mod desk;
#[cfg(target_os = "linux")]
mod soak;
#[cfg(target_os = "linux")]
mod weather;

#[cfg(target_os = "linux")]
fn main() {
    soak::main();
}

#[cfg(not(target_os = "linux"))]
fn main() {}
