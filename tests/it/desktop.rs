//! Real input on a real X server, from the first motion to what DuckDB reads.

pub mod shots;
mod wrong;

use std::{env, path::PathBuf, process::Command};

use serde_json::{Value, json};

use crate::{
    agent::{Desk, USUAL, plugin},
    display::Display,
    store::{self, sum},
    wait::until,
};

/// What a script on a display adds up to, under `all` and under the origin `injected`.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
struct Injected {
    letters: f64,
    digits: f64,
    spaces: f64,
    modifiers: f64,
    functions: f64,
    left: f64,
    right: f64,
    scrolls: f64,
    distance: f64,
}

impl Injected {
    fn keys(&self) -> f64 {
        self.letters + self.digits + self.spaces + self.modifiers + self.functions
    }

    /// Reads the sums of records, below a path.
    fn of(records: &[Value], below: &str) -> Self {
        let of = |name: &str| sum(records, &format!("{below}/{name}"));
        Self {
            letters: of("keys_by_class/letter"),
            digits: of("keys_by_class/digit"),
            spaces: of("keys_by_class/space"),
            modifiers: of("keys_by_class/modifier"),
            functions: of("keys_by_class/function"),
            left: of("clicks_by_button/left"),
            right: of("clicks_by_button/right"),
            scrolls: of("scrolls"),
            distance: of("distance_px"),
        }
    }

    /// Whether it is the same, but for each record's rounding of a distance to whole pixels.
    fn is(&self, other: &Self, records: usize) -> bool {
        let near = (self.distance - other.distance).abs() <= records as f64;
        near && Self { distance: 0.0, ..*self } == Self { distance: 0.0, ..*other }
    }
}

/// Moves, warps, clicks, turns the wheel and types; says what that adds up to.
fn script(display: &Display) -> Injected {
    let mut done = Injected::default();
    let warp = |x: f64, y: f64| {
        let (from_x, from_y) = display.pointer();
        display.xdotool(&format!("mousemove {x} {y}"));
        (x - from_x).hypot(y - from_y)
    };
    done.distance += warp(200.0, 300.0);
    done.distance += warp(640.0, 150.0);
    for _ in 0..40 {
        display.xdotool("mousemove_relative 3 4");
        done.distance += 5.0;
    }
    display.xdotool("mousemove_relative -- -60 -80");
    done.distance += 100.0;
    display.xdotool("click --repeat 7 --delay 20 1");
    display.xdotool("click --repeat 3 --delay 20 3");
    display.xdotool("click --repeat 5 --delay 20 5");
    display.xdotool("click --repeat 2 --delay 20 4");
    (done.left, done.right, done.scrolls) = (7.0, 3.0, 7.0);
    display.xdotool("type --delay 15 the_quick_brown_fox_jumps_over_the_lazy_dog".replace('_', "").as_str());
    display.xdotool("type --delay 15 2026");
    display.xdotool("key --delay 15 space space");
    display.xdotool("key F5");
    display.xdotool("keydown a");
    display.xdotool("keyup a");
    display.xdotool("keydown Shift_L");
    display.xdotool("keyup Shift_L");
    (done.letters, done.digits, done.spaces, done.functions, done.modifiers) = (36.0, 4.0, 2.0, 1.0, 1.0);
    done
}

/// The interpreter that `config/setup-debian.sh --test` made, which has DuckDB.
fn python() -> PathBuf {
    let home = || PathBuf::from(env::var_os("HOME").expect("HOME is set")).join(".cache");
    let cache = env::var_os("XDG_CACHE_HOME").map_or_else(home, PathBuf::from);
    let python = cache.join("candor/venv/bin/python");
    assert!(python.exists(), "{}: is missing; run config/setup-debian.sh --test", python.display());
    python
}

/// What a query answers, its rows as JSON.
fn duckdb(query: &str) -> Value {
    let program = "import duckdb, json, sys; \
                   print(json.dumps(duckdb.sql(sys.argv[1]).fetchall(), default=str))";
    let output = Command::new(python()).args(["-c", program, query]).output().unwrap();
    assert!(output.status.success(), "{query}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn what_is_stored_is_what_was_injected_and_duckdb_reads_it() {
    let display = Display::new().with_windows();
    let desk = Desk::new(USUAL).on(&display);
    let agent = desk.start();
    agent.wait_input();
    let injected = script(&display);

    let mut stored = Vec::new();
    until("the injected keys in the store", || {
        stored = desk.records("activity");
        (sum(&stored, "/keys") >= injected.keys()).then_some(())
    });
    until("a finding on the script", || (!desk.records("finding").is_empty()).then_some(()));
    assert!(agent.stop().success());
    // Once more, so that what the first left behind reaches the store too.
    let agent = desk.start();
    agent.wait("the store to have all", |status| status["sinks"]["local"]["pending"] == 0);
    let stored = desk.records("activity");
    for below in ["", "/by_origin/injected"] {
        let found = Injected::of(&stored, below);
        assert!(
            found.is(&injected, stored.len()),
            "{below:?}\nstored   {found:?}\ninjected {injected:?}\n{stored:#?}"
        );
    }
    for origin in ["unknown", "physical", "virtual"] {
        assert!(stored.iter().all(|record| record["by_origin"][origin].is_null()), "{origin}: {stored:#?}");
    }
    assert!(stored.iter().all(|record| record["repeats"].as_u64() < Some(5)), "{stored:#?}");
    let finding = &desk.records("finding")[0];
    assert_eq!(finding["instance"], "scripted", "{finding}");

    let objects = desk.store().join("v=1/device=*/kind=activity/**/*.ndjson.zst");
    let rows = duckdb(&format!(
        "select kind, count(*), sum(keys)::int, sum(clicks)::int, sum(scrolls)::int, \
         sum(by_origin.injected.keys)::int, count(distinct device) \
         from read_json_auto('{}', hive_partitioning = true) group by kind",
        objects.display()
    ));
    let keys = injected.keys() as u64;
    assert_eq!(rows, json!([["activity", stored.len(), keys, 10, 7, keys, 1]]));
    drop(agent);
    store::check(&desk.store());
}

#[test]
fn a_display_that_goes_away_is_a_state_and_capture_comes_back_by_itself() {
    let display = Display::new();
    let name = display.name.clone();
    let desk = Desk::new(USUAL).on(&display);
    let agent = desk.start();
    agent.wait_input();
    display.xdotool("click --repeat 3 --delay 10 1");
    until("three clicks", || (sum(&desk.records("activity"), "/clicks") >= 3.0).then_some(()));
    drop(display);
    let lost = agent.wait_state("input", "degraded");
    assert!(lost["cause"].as_str().unwrap().contains(&name) && lost["fix"] != "", "{lost}");
    let display = Display::again(&name);
    agent.wait_input();
    display.xdotool("click --repeat 4 --delay 10 1");
    until("four more clicks", || (sum(&desk.records("activity"), "/clicks") >= 7.0).then_some(()));
    let states: Vec<_> = until("both changes in the store", || {
        let states = desk.records("state");
        let of_input = states.iter().filter(|state| state["instance"] == "input");
        let told: Vec<_> = of_input.map(|state| state["state"].as_str().unwrap().to_owned()).collect();
        told.iter().any(|state| state == "degraded").then_some(told)
    });
    assert!(states.iter().any(|state| state == "ok"), "{states:?}");
}

#[test]
fn without_a_display_the_agent_runs_and_says_how_to_get_one() {
    // No server has a number so high.
    let desk = Desk::new(&USUAL.replace("plugin = \"input\"", "plugin = \"input\"\ndisplay = \":4094\""));
    let agent = desk.start();
    let lost = agent.wait_state("input", "degraded");
    assert!(lost["cause"].as_str().unwrap().contains("display"), "{lost}");
    assert!(lost["fix"].as_str().unwrap().contains("DISPLAY"), "{lost}");
    let output = desk.run(&["status"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("Xvfb") && text.contains("degraded"), "{text}");
    // What works goes on.
    assert_eq!(plugin(&agent.status(), "activity")["state"], "ok");
    assert!(agent.stop().success());
    assert!(desk.log().contains("DISPLAY"), "{}", desk.log());
}

#[test]
fn a_pause_leaves_no_trace_of_what_was_done_in_it() {
    let display = Display::new();
    let desk = Desk::new(USUAL).on(&display);
    let agent = desk.start();
    agent.wait_input();
    display.xdotool("click --repeat 3 --delay 10 1");
    until("three clicks", || (sum(&desk.records("activity"), "/clicks") >= 3.0).then_some(()));
    assert!(desk.run(&["pause", "--for", "1h"]).status.success());
    assert_eq!(agent.status()["paused"], true);
    display.xdotool("click --repeat 50 --delay 1 1");
    display.xdotool("type --delay 1 unseen");
    assert!(desk.run(&["resume"]).status.success());
    agent.wait_input();
    // The source connects anew; what comes after the first click seen is complete.
    until("clicks to be seen again", || {
        display.xdotool("click 3");
        (sum(&desk.records("activity"), "/clicks_by_button/right") >= 1.0).then_some(())
    });
    let stored = desk.records("activity");
    assert_eq!((sum(&stored, "/clicks_by_button/left"), sum(&stored, "/keys")), (3.0, 0.0), "{stored:#?}");
    let gap = until("the gap in the store", || {
        desk.records("gap").into_iter().find(|gap| gap["reason"] == "paused")
    });
    let span = gap["to_mono_ns"].as_u64().unwrap() - gap["from_mono_ns"].as_u64().unwrap();
    assert!(span > 0 && gap["instance"] == "candor", "{gap}");
}
