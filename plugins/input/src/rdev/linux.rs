//! What is particular to rdev on an X server, which it asks for RECORD by Xlib.

use std::sync::Arc;

use rustix::time::{ClockId, clock_gettime};

use super::{End, Listener};
use crate::{backend::Lost, gate::Gate, sys, x11::X11};

pub const NAME: &str = "rdev (RECORD of $DISPLAY)";
pub const BLIND: &str = "when exactly it happened (it is stamped on arrival), the keyboard's layout (classes go by the \
                         places of a keyboard from the United States), and events that programs send straight to a window";
pub const LOST: (&str, &str) = (
    "the X server on $DISPLAY is gone",
    "nothing to do: capture comes back by itself once the display is there again",
);
pub const REFUSED: (&str, &str) =
    ("rdev can't listen to $DISPLAY", "start the agent in the session, with its DISPLAY and XAUTHORITY");
/// A step of a wheel in 1/120 notch.
pub const WHEEL_STEP: i64 = 120;

/// Looks whether rdev can work on a display: it knows only `$DISPLAY`, and what is missing it says in a word.
pub fn check(display: &str, gate: &Arc<Gate>) -> Result<(), Lost> {
    if std::env::var("DISPLAY").as_deref() != Ok(display) {
        let why = format!("rdev observes $DISPLAY and no other, and that is not {display}");
        return Err(Lost::new(why, "start the agent with DISPLAY set to that, or use another backend"));
    }
    X11::has_record(display, gate)
}

/// Before a thread listens: its server may go away.
pub fn prepare(listener: &Arc<Listener>) {
    let lost = listener.clone();
    sys::survive(move || lost.end(End::Lost));
}

/// The button behind a number. 6 and 7 are turns of a wheel to the side, of which the press was told as one already.
pub fn further(number: i32) -> Option<i32> {
    (!matches!(number, 6 | 7)).then_some(number)
}

pub fn shift(_: u64) -> u64 {
    0
}

pub fn now_ns() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
