//! Moves the pointer at an exact rate, by XTEST.

use std::{
    thread,
    time::{Duration, Instant},
};

use x11rb::{
    connection::Connection,
    protocol::{xproto::MOTION_NOTIFY_EVENT, xtest::ConnectionExt},
};

use crate::display::Display;

/// Moves for that long; says how many moves it made.
pub fn move_for(display: &Display, rate: u32, time: Duration) -> u32 {
    let (server, screen) = x11rb::connect(Some(&display.name)).unwrap();
    let root = server.setup().roots[screen].root;
    let start = Instant::now();
    let period = Duration::from_secs(1) / rate;
    let mut made = 0;
    loop {
        let due = start + period * made;
        if due >= start + time {
            return made;
        }
        thread::sleep(due.saturating_duration_since(Instant::now()));
        // Around in a small square, so that no edge of the screen swallows a move.
        let (x, y) = [(2, 0), (0, 2), (-2, 0), (0, -2)][made as usize / 8 % 4];
        server.xtest_fake_input(MOTION_NOTIFY_EVENT, 1, 0, root, x, y, 0).unwrap();
        server.flush().unwrap();
        made += 1;
    }
}
