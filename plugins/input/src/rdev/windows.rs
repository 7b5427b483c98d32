//! What is particular to rdev on Windows, where it sets hooks as the own backend does, but hands over less.

use std::sync::Arc;

use super::Listener;
use crate::sys;

pub const NAME: &str = "rdev (low-level hooks)";
pub const BLIND: &str = "parts of a wheel's notch, and input to programs that run as administrator, to the lock screen \
                         and to other sessions";
pub const LOST: (&str, &str) = ("the hooks are gone", "nothing to do: it is tried again by itself");
pub const REFUSED: (&str, &str) = ("Windows refuses rdev's hooks", "start the agent in the session");
/// A step of a wheel in 1/120 notch.
pub const WHEEL_STEP: i64 = 120;

/// Before a thread listens.
pub fn prepare(_: &Arc<Listener>) {}

/// The button behind a number: the two at the side come as 1 and 2.
pub fn further(number: i32) -> Option<i32> {
    Some(number + 7)
}

/// Hooks are stamped by the performance counter, events by the host's clock.
pub fn shift(now: u64) -> u64 {
    now.wrapping_sub(sys::mono_ns())
}

pub fn now_ns() -> u64 {
    sys::mono_ns()
}
