//! Waits for a condition, never for a time.

use std::{
    thread,
    time::{Duration, Instant},
};

/// How long anything may take: far more than it does, for a machine that builds something else meanwhile.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Asks until there is an answer; panics with what it waited for when none comes.
#[track_caller]
pub fn until<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    answer(ask).unwrap_or_else(|| panic!("waited {} s in vain for {what}", PATIENCE.as_secs()))
}

/// Asks until there is an answer, or none comes.
pub fn answer<T>(mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if Instant::now() > deadline {
            return None;
        }
        thread::sleep(Duration::from_millis(10));
    }
}
