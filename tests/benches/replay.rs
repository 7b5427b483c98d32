//! How many times faster than life a detector gets through a recording: `candor replay`'s own code, one core.
//!
//! `cargo bench -p candor-tests --bench replay`

#![allow(clippy::unwrap_used)]

mod measure;

use std::{fmt::Write, time::Instant};

use host::{
    load,
    replay::{Trace, play},
};
use serde_json::json;

fn main() {
    let plugin = load::open(&measure::library("scripted")).unwrap().plugin;
    // A mouse of 125 Hz that rests a fifth of the time, and keys between.
    run("a busy hour", 200.0, 3_600, 100, plugin);
    // A movement of a second each minute.
    run("a quiet day", 2_000.0, 86_400, 2, plugin);
}

fn run(what: &str, least: f64, seconds: u64, per_second: u64, plugin: &'static plugin_api::v1::Plugin) {
    let mut text = String::new();
    for second in 0..seconds {
        let many = if per_second > 2 || second % 60 == 0 { per_second.max(60) } else { 0 };
        for n in 0..many {
            // Numbers that don't repeat.
            let noise = (second * 1_000 + n).wrapping_mul(6_364_136_223_846_793_005) >> 40;
            let at = second * 1_000_000 + n * 8_000 + noise % 900;
            let _ = match n {
                33 => writeln!(
                    text,
                    r#"{{"t_us":{at},"kind":"key","key_class":"letter","pressed":true,"origin":"physical"}}"#
                ),
                40 => writeln!(
                    text,
                    r#"{{"t_us":{at},"kind":"key","key_class":"letter","pressed":false,"origin":"physical"}}"#
                ),
                _ => writeln!(
                    text,
                    r#"{{"t_us":{at},"kind":"mouse_move","x":{},"y":{},"origin":"physical"}}"#,
                    500 + (n * 7 + noise % 9) % 900,
                    300 + (second % 7) * n + noise % 5
                ),
            };
        }
    }
    let start = Instant::now();
    let played = play(Trace::new("bench", text.as_bytes()).unwrap(), plugin, &json!({})).unwrap();
    let times = seconds as f64 / start.elapsed().as_secs_f64();
    let verdict = if times >= least { "" } else { " MISSED" };
    println!(
        "{what}, {} signals: replayed {times:.0} times faster than it took (at least {least:.0}{verdict})",
        played.signals
    );
}
