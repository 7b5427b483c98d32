//! The agent under load and idle, with its bars.

use std::{path::Path, process::Command, time::Duration};

use serde_json::Value;

use crate::{
    display::Display,
    listener::Listener,
    measure::{self, bar, wait_for},
    mover::move_for,
    process::{Agent, Used},
    wait::until,
};

/// How long each rate is measured.
const MEASURE: Duration = Duration::from_secs(20);
/// How long idleness is measured, after a pause that lets everything come to rest.
const IDLE: Duration = Duration::from_secs(60);
const REST: Duration = Duration::from_secs(8);
/// How often the agent is started.
const STARTS: usize = 7;

/// Measures and prints.
pub fn measure() {
    if std::env::args().any(|argument| argument == "--list") {
        return;
    }
    let candor = measure::agent();
    let display = Display::new();
    let starts = (0..STARTS).map(|_| first_signal(&candor, &display));
    let mut starts: Vec<f64> = starts.collect();
    starts.sort_by(f64::total_cmp);
    bar("start to first captured event, median", starts[STARTS / 2], "ms", Some(300.0));

    let agent = start(&candor, &display);
    let mut made = 0;
    let listener = Listener::start(&display);
    for (rate, most) in [(1000, 1.0 / 3.0), (125, 1.5)] {
        made += move_for(&display, rate, Duration::from_secs(2));
        let (ours, theirs) = (agent.process.used(), listener.process.used());
        let seen = listener.seen();
        let moved = move_for(&display, rate, MEASURE);
        made += moved;
        wait_for(Duration::from_millis(500));
        let (ours, theirs) = (agent.process.used() - ours, listener.process.used() - theirs);
        let of_a_core = |used: &Used| 100.0 * used.cpu.as_secs_f64() / MEASURE.as_secs_f64();
        println!("{rate} moves/s: {moved} made, {} seen by the bare listener", listener.seen() - seen);
        bar("  agent", of_a_core(&ours), "% of a core", None);
        bar("  bare listener in Python (pynput)", of_a_core(&theirs), "% of a core", None);
        bar("  agent / bare listener", of_a_core(&ours) / of_a_core(&theirs), "", Some(most));
        let status = agent.status().unwrap();
        assert_eq!(status["lost"], serde_json::json!([]), "signals were lost");
    }
    bar("resident memory of the agent", agent.process.memory() as f64 / 1e6, "MB", Some(20.0));
    bar("resident memory of the bare listener", listener.process.memory() as f64 / 1e6, "MB", None);

    wait_for(REST);
    let (ours, theirs) = (agent.process.used(), listener.process.used());
    wait_for(IDLE);
    let (ours, theirs) = (agent.process.used() - ours, listener.process.used() - theirs);
    let seconds = IDLE.as_secs_f64();
    println!("idle for {seconds} s");
    bar("  agent", 100.0 * ours.cpu.as_secs_f64() / seconds, "% of a core", Some(0.05));
    bar("  agent", ours.wake_ups as f64 / seconds, "wake-ups/s", Some(2.0));
    bar("  bare listener", 100.0 * theirs.cpu.as_secs_f64() / seconds, "% of a core", None);
    bar("  bare listener", theirs.wake_ups as f64 / seconds, "wake-ups/s", None);

    // Cheap because it looked away? Each move was of 2 px; a record may round its sum. A server joins moves that
    // reach it in one go, so there are as many as the listener was told.
    let (stored, records) = stop(agent, &candor);
    let (made, seen) = (f64::from(made) * 2.0, listener.seen() as f64 * 2.0);
    let rounding = records as f64;
    assert!(stored >= seen - rounding && stored <= made + rounding, "{stored} px stored of {seen} to {made}");
    println!("stored: {stored} px in {records} records; the listener saw {seen} px of {made}");
}

/// What is compared with a listener for input: no screenshots.
const CONFIG: &str = r#"
[[source]]
plugin = "input"
[[detector]]
plugin = "activity"
[[detector]]
plugin = "scripted"
[[sink]]
plugin = "local"
path = "records"
"#;

/// Starts it, and waits until it observes.
fn start(candor: &Path, display: &Display) -> Agent {
    let agent = Agent::spawn(candor, &display.name, CONFIG);
    until("the agent to observe", || agent.status()?["plugins"].to_string().contains("x11").then_some(()));
    agent
}

/// Stops it; says how far the pointer went by its records, and how many those are.
fn stop(agent: Agent, candor: &Path) -> (f64, usize) {
    agent.process.end();
    let show = Command::new(candor)
        .args(["show", "--json", "--last", "1h", "--state"])
        .arg(agent.state.path())
        .output();
    let text = String::from_utf8(show.unwrap().stdout).unwrap();
    let records: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let sums: Vec<f64> = records.iter().filter_map(|record| record["distance_px"].as_f64()).collect();
    (sums.iter().sum(), sums.len())
}

/// Milliseconds from the start to the first event captured, while the pointer moves all the time.
fn first_signal(candor: &Path, display: &Display) -> f64 {
    let agent = Agent::spawn(candor, &display.name, CONFIG);
    until("the first signal", || {
        move_for(display, 1000, Duration::from_millis(20));
        agent.status()?["first_signal_ms"].as_f64()
    })
}
