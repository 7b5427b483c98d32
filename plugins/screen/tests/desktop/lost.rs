//! A display that goes and comes, and pictures that can't be true.

use serde_json::json;

use crate::{agent::Agent, display::Display};

#[test]
fn a_display_that_is_gone_is_told_and_found_again_without_help() {
    // A number that no other test is given while the display is gone.
    let mut display = Display::again(&format!(":{}", 1_000 + std::process::id() % 30_000), "800x600");
    display.manage();
    display.run("xsetroot", &["-mod", "16", "16", "-fg", "red", "-bg", "navy"]);
    let mut agent = Agent::start(&display.name, &json!({"every": "3s"}));
    agent.wait(&json!({"outcome": "stored"}));
    agent.wait(&json!({"record": "state", "state": "ok"}));
    let name = display.kill();
    // It may go in the middle of a shot too, so the cause is not always that it can't be reached.
    let failed = agent.wait(&json!({"outcome": "capture_failed"}));
    assert_eq!(failed["monitor"], json!(null), "{failed}");
    assert!(!failed["fix"].as_str().unwrap().is_empty());
    agent.wait(&json!({"record": "state", "state": "degraded"}));
    let mut display = Display::again(&name, "800x600");
    display.manage();
    display.run("xsetroot", &["-mod", "16", "16", "-fg", "red", "-bg", "navy"]);
    agent.wait(&json!({"outcome": "stored"}));
    agent.wait(&json!({"record": "state", "state": "ok"}));
}

#[test]
fn a_display_that_hangs_is_told_and_used_again_when_it_answers() {
    let display = pattern();
    let mut agent = Agent::start(&display.name, &json!({"every": "1s"}));
    agent.wait(&json!({"outcome": "stored"}));
    display.hang();
    let failed = agent.wait(&json!({"outcome": "capture_failed"}));
    assert!(failed["cause"].as_str().unwrap().contains("did not answer"), "{failed}");
    assert!(!failed["fix"].as_str().unwrap().is_empty());
    agent.wait(&json!({"record": "state", "state": "degraded", "cause": "did not answer"}));
    // However often a shot is due, few threads wait for it.
    agent.wait(&json!({"outcome": "capture_failed"}));
    assert!(agent.shots() <= 3);
    display.go_on();
    agent.wait(&json!({"outcome": "stored"}));
    agent.wait(&json!({"record": "state", "state": "ok"}));
}

#[test]
fn a_display_that_hangs_keeps_nobody_from_stopping_or_pausing() {
    let display = pattern();
    let mut agent = Agent::start(&display.name, &json!({"every": "1s"}));
    agent.wait(&json!({"outcome": "stored"}));
    display.hang();
    agent.until_shot();
    agent.pause();
    agent.resume();
    let told = agent.stop();
    // Had it waited for the display, it would have told so.
    assert!(told.iter().all(|told| told["outcome"] != "capture_failed"), "{told:#?}");
    display.go_on();
}

fn pattern() -> Display {
    let mut display = Display::start("800x600");
    display.manage();
    display.run("xsetroot", &["-mod", "16", "16", "-fg", "red", "-bg", "navy"]);
    display
}

#[test]
fn a_black_or_empty_screen_is_never_stored() {
    let mut display = Display::start("800x600");
    display.manage();
    display.run("xsetroot", &["-solid", "black"]);
    let mut agent = Agent::start(&display.name, &json!({"every": "1s", "redact": "none"}));
    let failed = agent.wait(&json!({"record": "screenshot"}));
    assert_eq!(failed["outcome"], "capture_failed");
    assert!(failed["cause"].as_str().unwrap().contains("all black"), "{failed}");
    agent.wait(&json!({"record": "state", "state": "degraded", "cause": "all black"}));
    display.run("xsetroot", &["-solid", "steelblue"]);
    agent.wait(&json!({"outcome": "capture_failed", "cause": "one colour"}));
    display.run("xsetroot", &["-mod", "16", "16", "-fg", "red", "-bg", "navy"]);
    agent.wait(&json!({"outcome": "stored"}));
    agent.wait(&json!({"record": "state", "state": "ok"}));
    assert_eq!(agent.told.iter().filter(|told| told["picture"].is_string()).count(), 1);
}

#[test]
fn a_picture_that_stands_still_while_the_pointer_moves_is_told_until_it_changes() {
    let display = pattern();
    let mut agent = Agent::start(&display.name, &json!({"every": "1s"}));
    agent.wait(&json!({"outcome": "stored"}));
    // Between one shot and the next the pointer is never where it was, as nobody's who works.
    let mut place = 10;
    let failed = loop {
        place += 7;
        display.run("xdotool", &["mousemove", &(place % 700).to_string(), "300"]);
        let told = agent.wait(&json!({"record": "screenshot"}));
        match told["outcome"].as_str().unwrap() {
            "unchanged" => assert!(place < 7_000, "never in doubt"),
            _ => break told,
        }
    };
    assert_eq!(failed["outcome"], "capture_failed", "{failed}");
    assert!(failed["cause"].as_str().unwrap().contains("pointer moved"), "{failed}");
    agent.wait(&json!({"record": "state", "state": "degraded", "cause": "pointer moved"}));
    display.run("xsetroot", &["-mod", "16", "16", "-fg", "red", "-bg", "black"]);
    agent.wait(&json!({"outcome": "stored"}));
    agent.wait(&json!({"record": "state", "state": "ok"}));
}
