//! What it costs to wait.

use std::{
    fs,
    time::{Duration, Instant},
};

use crate::{bench::Bench, display::Display};

/// How often a thread went to sleep by itself so far.
fn switches(task: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/self/task/{task}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")).unwrap();
    line.trim().parse().unwrap()
}

#[test]
fn nobody_at_the_desk_wakes_nobody() {
    let display = Display::start();
    let bench = Bench::observing(&display.name);
    display.xdotool("mousemove 10 10");
    bench.settled();
    let before = switches(bench.task);
    let start = Instant::now();
    // Not a wait for something: the time itself is what is measured.
    while start.elapsed() < Duration::from_secs(3) {
        std::thread::park_timeout(Duration::from_millis(500));
    }
    let woken = switches(bench.task) - before;
    assert!(woken <= 1, "woken {woken} times in 3 s");
}
