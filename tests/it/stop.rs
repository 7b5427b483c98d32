//! Stopping: in time, in order, whoever resists.

use std::time::{Duration, Instant};

use crate::{agent::Desk, store, wait::until};

/// Two that never return beside those that do.
const DEAF: &str = r#"
[[source]]
plugin = "faulty"
id = "good"
does = "count"
count = 500
[[source]]
plugin = "faulty"
id = "deaf-source"
does = "deaf"
[[detector]]
plugin = "faulty"
id = "stuck-detector"
does = "stuck"
[[detector]]
plugin = "activity"
interval = "1d"
[[sink]]
plugin = "faulty"
id = "deaf-sink"
does = "deaf"
[[sink]]
plugin = "local"
path = "records"
"#;

#[test]
fn whoever_does_not_stop_is_left_behind_and_named_and_the_rest_is_kept() {
    let desk = Desk::new(DEAF);
    let agent = desk.start();
    agent.wait("the signals to be taken", |status| status["first_signal_ms"].is_number());
    let start = Instant::now();
    assert!(agent.stop().success());
    // Its deadlines add up to 6 s.
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    let shown = desk.shown();
    for id in ["deaf-source", "stuck-detector", "deaf-sink"] {
        let named = |record: &&serde_json::Value| record["kind"] == "gap" && record["instance"] == id;
        let gap = shown.iter().find(named).unwrap_or_else(|| panic!("{id}: {shown:#?}"));
        assert!(gap["reason"].as_str().unwrap().contains("stop in time"), "{gap}");
    }
    // The interval that was running when the stop came is stored, cut short.
    let activity: Vec<_> = shown.iter().filter(|record| record["kind"] == "activity").cloned().collect();
    assert_eq!(store::sum(&activity, "/keys"), 500.0, "{activity:#?}");
    // The next start finds a clean end.
    let agent = desk.start();
    agent.wait_durable(shown.len() as u64 + 1);
    assert!(!desk.shown().iter().any(|record| record["reason"] == "unclean_end"), "{}", desk.log());
    drop(agent);
}

#[test]
fn nothing_listens_after_the_end_and_the_next_one_starts_at_once() {
    let desk = Desk::new("[[detector]]\nplugin = \"activity\"");
    for _ in 0..3 {
        let agent = desk.start();
        assert!(agent.stop().success());
        let output = desk.run(&["status"]);
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && text.contains("no agent runs"), "{text}");
        assert_eq!(text.trim().lines().count(), 1, "{text}");
    }
    // One that was killed leaves its socket behind, which is in nobody's way.
    desk.start().kill();
    let output = desk.run(&["status"]);
    assert!(!output.status.success(), "{output:?}");
    let agent = desk.start();
    until("status", || desk.run(&["status", "--json"]).status.success().then_some(()));
    assert!(agent.stop().success());
}
