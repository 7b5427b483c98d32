//! Wayland by wlroots: two monitors of different scale, and what can't be told there.

use serde_json::json;

use crate::{
    agent::Agent,
    display::until,
    sway::Sway,
    text::{page, words},
};

#[test]
fn wayland_is_captured_without_x_and_redacted_by_the_scale_of_each_monitor_and_one_may_come() {
    let folder = tempfile::tempdir().unwrap();
    let sway = Sway::start(&page(folder.path(), 1));
    let every = |redact: &str| json!({"every": "1s", "redact": redact});
    let mut agent = Agent::start_in(&sway.session(), sway.user(), &every("none"));
    // The picture behind the windows comes later than the compositor.
    let read = until("words on the screen", || {
        let stored = agent.wait(&json!({"outcome": "stored", "monitor": "HEADLESS-1"}));
        assert_eq!((&stored["width"], &stored["height"]), (&json!(1920), &json!(1080)), "{stored}");
        Some(words(&agent.picture(&stored), "100%")).filter(|read| *read > 0)
    });
    assert!(read > 60, "the test could not fail: only {read} words are read unredacted");
    agent.configure(&every("blur"));
    let stored = agent.wait(&json!({"outcome": "stored", "monitor": "HEADLESS-1"}));
    assert_eq!(
        (&stored["redaction"]["mode"], &stored["redaction"]["block_px"]),
        (&json!("blur"), &json!(36))
    );
    for resize in ["100%", "1920x1080!"] {
        assert_eq!(words(&agent.picture(&stored), resize), 0, "{resize}");
    }
    // Passwords and private windows can't be found here, which is said in the record and in the state.
    assert_eq!(stored["exclusion"], "not enforceable");
    assert!(agent.told.iter().any(|told| {
        told["state"] == "degraded"
            && told["cause"].as_str().is_some_and(|cause| cause.contains("can't be left out"))
    }));

    sway.say(&["create_output"]);
    sway.say(&["output", "HEADLESS-2", "scale", "2"]);
    let second = agent.wait(&json!({"outcome": "stored", "monitor": "HEADLESS-2", "scale": 2.0}));
    assert_eq!(second["redaction"]["block_px"], 72, "text is twice as large there: {second}");
    let first = agent.wait(&json!({"record": "screenshot", "monitor": "HEADLESS-1"}));
    assert_eq!((&first["scale"], &first["redaction"]["block_px"]), (&json!(1.0), &json!(36)), "{first}");
    assert!(
        agent.told.iter().all(|told| told["outcome"] != "capture_failed"),
        "a monitor that comes is normal"
    );
}

#[test]
fn under_wayland_a_monitor_that_is_unplugged_is_left_out_and_another_taken_up() {
    let folder = tempfile::tempdir().unwrap();
    let page = page(folder.path(), 1);
    let outer = Sway::start(&page);
    let sway = Sway::inside(&outer, &page);
    let mut agent = Agent::start_in(&sway.session(), sway.user(), &json!({"every": "1s"}));
    for monitor in ["WL-1", "WL-2"] {
        agent.wait(&json!({"outcome": "stored", "monitor": monitor}));
    }
    outer.say(&["[title=\"WL-2\"]", "kill"]);
    until("shot of one monitor", || {
        let shots = agent.ask(&json!({}))["shots"].clone();
        (shots.as_array()?.len() == 1 && shots[0]["monitor"] == "WL-1").then_some(())
    });
    sway.say(&["create_output"]);
    agent.wait(&json!({"outcome": "stored", "monitor": "WL-3"}));
    agent.wait(&json!({"record": "screenshot", "monitor": "WL-1"}));
}

#[test]
fn under_wayland_own_rules_mean_no_shot_and_it_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let sway = Sway::start(&page(folder.path(), 1));
    let mut agent = Agent::start_in(
        &sway.session(),
        sway.user(),
        &json!({"every": "1s", "exclude": [{"app": "signal"}]}),
    );
    let skipped = agent.wait(&json!({"record": "screenshot"}));
    assert_eq!((&skipped["outcome"], &skipped["picture"]), (&json!("skipped"), &json!(null)), "{skipped}");
    assert!(skipped["cause"].as_str().unwrap().contains("Wayland doesn't say"), "{skipped}");
    assert!(skipped["fix"].as_str().unwrap().contains("exclude"), "{skipped}");
    agent.wait(&json!({"record": "state", "state": "degraded", "cause": "no screenshot is taken"}));
}

#[test]
fn a_compositor_that_is_gone_is_told_and_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut sway = Sway::start(&page(folder.path(), 1));
    let mut agent = Agent::start_in(&sway.session(), sway.user(), &json!({"every": "3s"}));
    agent.wait(&json!({"outcome": "stored"}));
    sway.end();
    let failed = agent.wait(&json!({"outcome": "capture_failed"}));
    assert!(!failed["fix"].as_str().unwrap().is_empty(), "{failed}");
    agent.wait(&json!({"record": "state", "state": "degraded"}));
    sway.begin();
    agent.wait(&json!({"outcome": "stored"}));
}
