//! Two ways of doing the same, measured in turns, so that a busy machine slows both.

// Each bench uses a part of this.
#![allow(dead_code)]
#![allow(clippy::unwrap_used)]

use std::{
    env::consts::{DLL_PREFIX, DLL_SUFFIX},
    path::{Path, PathBuf},
    process::Command,
    sync::mpsc,
    time::{Duration, Instant},
};

use plugin_api::{Event, KeyClass, Origin, event::Button};

/// Prints how many times as long the first takes as the second, and how many times are allowed.
pub fn ratio(what: &str, most: f64, rounds: usize, mut ours: impl FnMut(), mut bare: impl FnMut()) {
    let mut times = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        times.0.push(time(&mut ours));
        times.1.push(time(&mut bare));
    }
    let (ours, bare) = (median(times.0), median(times.1));
    let ratio = ours.as_secs_f64() / bare.as_secs_f64();
    let verdict = if ratio <= most { "" } else { " EXCEEDED" };
    println!("{what}: {ours:?} against {bare:?}: {ratio:.3} times (at most {most:.3}{verdict})");
}

fn time(f: &mut impl FnMut()) -> Duration {
    let start = Instant::now();
    f();
    start.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// Prints a figure and whether it is below its bar.
pub fn bar(name: &str, value: f64, unit: &str, most: Option<f64>) {
    let verdict = most.map_or(String::new(), |most| {
        let word = if value <= most { "held" } else { "MISSED" };
        format!("  (at most {most:.2}: {word})")
    });
    println!("{name}: {value:.3} {unit}{verdict}");
}

/// Waits for a time: what is measured is what happens meanwhile.
pub fn wait_for(time: Duration) {
    let (_nobody, answer) = mpsc::channel::<()>();
    let _ = answer.recv_timeout(time);
}

/// The agent, built as it is shipped.
pub fn agent() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let build =
        Command::new(env!("CARGO")).args(["build", "--quiet", "--release"]).current_dir(root).status();
    assert!(build.unwrap().success(), "cargo build --release failed");
    // A bench is in `deps`.
    std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("candor")
}

/// The library of a plugin, which cargo built with this bench.
pub fn library(name: &str) -> PathBuf {
    let deps = std::env::current_exe().unwrap().parent().unwrap().to_owned();
    deps.join(format!("{DLL_PREFIX}candor_{name}{DLL_SUFFIX}"))
}

/// A batch as a busy mouse and a typist make it, from `now` on, so many nanoseconds apart.
pub fn batch(now: u64, apart: u64) -> [Event<'static>; 64] {
    let click = Button { button: 1, pressed: true, position: Some((25_600, 25_600)) };
    let mut batch = [Event::motion(now, Origin::Physical, 1, 0, 0, None); 64];
    for (place, event) in batch.iter_mut().enumerate() {
        let at = now + place as u64 * apart;
        let along = place as i32;
        *event = match place {
            20 => Event::button_change(at, Origin::Physical, 1, click),
            21 => Event::button_change(at, Origin::Physical, 1, Button { pressed: false, ..click }),
            40 => Event::key_class(at, Origin::Physical, 2, KeyClass::Letter, true),
            50 => Event::key_class(at, Origin::Physical, 2, KeyClass::Letter, false),
            _ => {
                Event::motion(at, Origin::Physical, 1, along * 97 % 700, along * 61 % 300, Some((along, 256)))
            }
        };
    }
    batch
}
