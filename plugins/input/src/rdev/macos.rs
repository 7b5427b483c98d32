//! What is particular to rdev on macOS, where it is an event tap.

use std::sync::Arc;

use rustix::time::{ClockId, clock_gettime};

use super::Listener;

pub const NAME: &str = "rdev (event tap)";
pub const BLIND: &str = "motion while a button is held, the middle and further buttons, and password fields";
pub const LOST: (&str, &str) = ("the event tap is gone", "nothing to do: it is tried again by itself");
pub const REFUSED: (&str, &str) = (
    "macOS refuses the event tap",
    "allow the agent in System Settings, Privacy & Security, Input Monitoring; then restart it",
);
/// A step of a wheel in 1/120 notch: ten points are about a notch.
pub const WHEEL_STEP: i64 = 12;

/// Before a thread listens.
pub fn prepare(_: &Arc<Listener>) {}

/// The button behind a number.
pub fn further(number: i32) -> Option<i32> {
    Some(number)
}

pub fn shift(_: u64) -> u64 {
    0
}

pub fn now_ns() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
