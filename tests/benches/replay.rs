//! How many times faster than life a detector gets through a recording: `candor replay`'s own code, one core. And what
//! a signal costs `scripted` alone, on everything that people and tools were recorded to do.
//!
//! `cargo bench -p candor-tests --bench replay`

#![allow(clippy::unwrap_used)]

mod measure;

use std::{fmt::Write, fs::File, path::Path, time::Instant};

use host::{
    load,
    replay::{Trace, play},
};
use plugin_api::{Event, testing::Harness, v1::Plugin};
use serde_json::json;

fn main() {
    let plugin = load::open(&measure::library("scripted")).unwrap().plugin;
    // A mouse of 125 Hz that rests a fifth of the time, and keys between.
    run("a busy hour", 200.0, 3_600, 100, plugin);
    // A movement of a second each minute.
    run("a quiet day", 2_000.0, 86_400, 2, plugin);
    for folder in ["people", "tools"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(folder);
        let mut files: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files.iter().for_each(|file| alone(file, plugin));
    }
}

/// So many signals at least: what a device costs once is spread over them, as it is in life.
const SIGNALS: usize = 20_000;

/// The detector through its library, in batches as the agent gives them, without reading the recording; played again
/// and again, each time later. What is found is told once, and again every ten minutes.
fn alone(file: &Path, plugin: &'static Plugin) {
    let name = file.file_name().unwrap().to_str().unwrap();
    let mut trace = Trace::new(name, File::open(file).unwrap()).unwrap();
    let mut recorded = Vec::new();
    while let Some(signal) = trace.signal().unwrap() {
        let event = signal.event();
        let device = (event.source & 0xffff) as u16;
        recorded.push(Event::signal(event.kind, event.mono_ns, event.origin(), device, event.args));
    }
    let lasts = recorded[recorded.len() - 1].mono_ns - recorded[0].mono_ns + 1_000_000_000;
    let times = SIGNALS.div_ceil(recorded.len()) as u64;
    let later =
        |n: u64| recorded.iter().map(move |event| Event { mono_ns: event.mono_ns + n * lasts, ..*event });
    let events: Vec<Event<'_>> = (0..times).flat_map(later).collect();
    let play = |again: &str| {
        let mut took = [(0.0, 0); 9].map(|_| {
            let mut bench = Harness::loaded_detector(plugin, json!({ "again": again })).unwrap();
            let start = Instant::now();
            events.chunks(64).for_each(|batch| bench.instance.on_batch(batch).unwrap());
            (start.elapsed().as_secs_f64(), bench.records().len())
        });
        took.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        took[took.len() / 2]
    };
    let ((once, few), (often, many)) = (play("365d"), play("10m"));
    let each = |seconds: f64| seconds * 1e9 / events.len() as f64;
    let verdict = if each(once) <= 1_000.0 { "" } else { " EXCEEDED" };
    println!(
        "{name}, {} signals: {:.0} ns a signal at the median (at most 1000{verdict}), {:.0} with {} findings more",
        recorded.len(),
        each(once),
        each(often),
        many - few
    );
}

fn run(what: &str, least: f64, seconds: u64, per_second: u64, plugin: &'static Plugin) {
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
