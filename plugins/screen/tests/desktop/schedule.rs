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
fn a_shot_on_request_is_stored_at_once_whatever_it_shows_and_redacted_if_asked() {
    let display = desktop();
    let mut agent = Agent::start(&display.name, &json!({"every": "1d", "redact": "none"}));
    for (options, mode) in [(json!({}), "none"), (json!({}), "none"), (json!({"redacted": true}), "blur")] {
        let answer = agent.ask(&options);
        let shot = &answer["shots"][0];
        assert_eq!(shot["outcome"], "stored", "{answer}");
        let stored = agent.told.iter().find(|told| told["mono_ns"] == shot["mono_ns"]).unwrap();
        assert_eq!((&stored["reason"], &stored["redaction"]["mode"]), (&json!("request"), &json!(mode)));
        assert!(stored["picture"].is_string(), "{stored}");
    }
    assert!(agent.ask(&json!({"redact": "none"})).as_str().unwrap().contains("redact"), "no such option");
    agent.pause();
    let refused = agent.ask(&json!({}));
    assert!(refused.as_str().unwrap().contains("paused"), "{refused}");
    display.kill();
    agent.resume();
    let failed = agent.ask(&json!({}))["shots"][0].clone();
    assert_eq!(failed["outcome"], "capture_failed", "{failed}");
    assert!(failed["cause"].is_string() && failed["fix"] != "", "{failed}");
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
