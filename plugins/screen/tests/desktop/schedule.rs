//! When shots are taken, what is not worth storing, and what they leave in memory.

use serde_json::{Value, json};

use crate::{agent::Agent, display::Display};

fn desktop() -> Display {
    let mut display = Display::start("1920x1080");
    display.manage();
    display.run("xsetroot", &["-mod", "16", "16", "-fg", "red", "-bg", "navy"]);
    display
}

#[test]
fn the_same_picture_is_told_but_not_stored_again() {
    let mut display = desktop();
    let mut agent = Agent::start(&display.name, &json!({"every": "1s"}));
    let stored = agent.wait(&json!({"outcome": "stored"}));
    for _ in 0..2 {
        let same = agent.wait(&json!({"record": "screenshot"}));
        assert_eq!((&same["outcome"], &same["picture"]), (&json!("unchanged"), &Value::Null));
        assert_eq!(same["same_as_mono_ns"], stored["mono_ns"]);
    }
    display.terminal("XTerm", "notes", "30x4+20+40", "one word");
    agent.wait(&json!({"outcome": "stored"}));
}

#[test]
fn a_changed_config_counts_at_once_and_a_pause_is_not_made_up_for() {
    let display = desktop();
    let mut agent = Agent::start(&display.name, &json!({"every": "1d"}));
    agent.configure(&json!({"every": "2s", "redact": "pixelate"}));
    let first = agent.wait(&json!({"outcome": "stored"}));
    assert_eq!(first["redaction"]["mode"], "pixelate");
    agent.configure(&json!({"every": "1s", "redact": "blur", "jitter": "full"}));
    let second = agent.wait(&json!({"outcome": "stored"}));
    assert_eq!(second["redaction"]["mode"], "blur");
    agent.configure(&json!({"every": "1s"}));
    let mut times = Vec::new();
    for _ in 0..5 {
        times.push(agent.wait(&json!({"record": "screenshot"}))["mono_ns"].as_u64().unwrap());
    }
    // However late each was, it is one to an interval: the first lies before the second's, the last in or after the fifth's.
    assert!(times[4] - times[0] > 3_000_000_000, "a burst: {times:?}");
    agent.pause();
    let paused = agent.told.len();
    agent.resume();
    agent.wait(&json!({"record": "screenshot"}));
    assert!(agent.told.len() <= paused + 2, "no burst");
}

#[test]
fn no_frame_stays_in_memory() {
    let display = desktop();
    let mut agent = Agent::start(&display.name, &json!({"every": "1s"}));
    agent.wait(&json!({"outcome": "stored"}));
    agent.wait(&json!({"outcome": "unchanged"}));
    let (now, most) = agent.memory();
    println!("RSS {} KB between shots, at most {} KB", now / 1024, most / 1024);
    assert!(most < 80_000_000, "{most}");
    // A frame alone has 8.3 MB.
    assert!(now < 24_000_000, "{now}");
}
