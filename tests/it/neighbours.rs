//! Plugins that go wrong beside plugins that don't: the agent runs on, and the others lose nothing.
//!
//! A plugin that exits or crashes the process after it was loaded takes the agent with it until it can be isolated in
//! a process of its own; what is here goes wrong at load, or in a way the process survives.

use std::fs;

use host::control::Request;
use serde_json::Value;

use crate::{
    agent::{Agent, Desk, plugin},
    library,
    store::{self, sum},
    wait::until,
};

/// How many keys the good source emits.
const KEYS: u32 = 1000;

/// A config with a source, a detector and a sink that behave, and these entries.
fn beside(entries: &str) -> String {
    format!(
        r#"
        [journal]
        seal_every = "1s"
        [[source]]
        plugin = "faulty"
        id = "good"
        does = "count"
        count = {KEYS}
        [[detector]]
        plugin = "activity"
        interval = "1s"
        [[sink]]
        plugin = "local"
        path = "records"
        {entries}
    "#
    )
}

/// Checks that those that behave did all they were to do.
fn check_good(desk: &Desk, agent: &Agent<'_>) {
    until("all keys in the store", || {
        (sum(&desk.records("activity"), "/keys") >= f64::from(KEYS)).then_some(())
    });
    assert_eq!(sum(&desk.records("activity"), "/keys"), f64::from(KEYS));
    let status = agent.status();
    for id in ["good", "activity", "local"] {
        assert_eq!(plugin(&status, id)["state"], "ok", "{id}: {status:#}");
    }
}

#[test]
fn libraries_that_go_wrong_at_load_leave_the_agent_and_the_others_whole() {
    let faults = [
        ("aborts", "ABORT"),
        ("babbles", "GARBAGE"),
        ("crashes", "SEGFAULT"),
        ("exits", "EXIT"),
        ("hangs", "HANG"),
    ];
    let files: [(&str, Vec<u8>); 4] = [
        ("cut", fs::read(library("local")).unwrap()[..5000].to_vec()),
        ("empty", Vec::new()),
        ("foreign", foreign(fs::read(library("local")).unwrap())),
        ("text", b"#!/bin/sh\necho no library\n".to_vec()),
    ];
    let names =
        || faults.iter().map(|(name, _)| *name).chain(files.iter().map(|(name, _)| *name)).chain(["layout"]);
    let entries: String = names().map(|name| format!("[[detector]]\nplugin = \"{name}\"\n")).collect();
    let desk = Desk::new(&beside(&entries));
    for (name, fault) in faults {
        desk.plugins().fault(name, &[&format!("-DFAULT_{fault}")]);
    }
    for (name, bytes) in &files {
        desk.plugins().file(name, bytes);
    }
    desk.plugins().plugin("layout");

    let agent = desk.start();
    check_good(&desk, &agent);
    let status = agent.status();
    for name in names() {
        let said = plugin(&status, name);
        let cause = said["cause"].as_str().unwrap();
        assert!(said["state"] == "failed" && said["fix"] != "", "{said}");
        assert!(cause.contains(name) && !cause.contains('\n') && cause.len() < 600, "{cause}");
    }
    let check = desk.run_check();
    assert!(!check.status.success());
    let text = String::from_utf8(check.stdout).unwrap();
    assert_eq!(text.lines().filter(|line| line.starts_with("WRONG")).count(), names().count(), "{text}");
    assert!(agent.stop().success());
}

/// The same library for another machine.
fn foreign(mut library: Vec<u8>) -> Vec<u8> {
    // `e_machine` of the ELF header: s390.
    library[18..20].copy_from_slice(&22u16.to_le_bytes());
    library
}

#[test]
fn a_panic_in_any_call_leaves_the_agent_and_the_others_whole() {
    let calls = [
        ("source", &["panic_new", "panic_run", "panic_pause", "panic_stop", "panic_drop"][..]),
        ("detector", &["panic_new", "panic_batch", "panic_tick", "panic_finish", "panic_drop"]),
        ("sink", &["panic_new", "panic_put", "panic_stop", "panic_drop"]),
    ];
    let entry = |role: &str, does: &str| {
        let id = format!("{role}-{does}").replace('_', "-");
        format!("[[{role}]]\nplugin = \"faulty\"\nid = \"{id}\"\ndoes = \"{does}\"\n")
    };
    let entries: String =
        calls.iter().flat_map(|(role, all)| all.iter().map(move |does| entry(role, does))).collect();
    let desk = Desk::new(&beside(&entries));
    let agent = desk.start();
    check_good(&desk, &agent);
    for id in [
        "source-panic-new",
        "source-panic-run",
        "detector-panic-new",
        "detector-panic-tick",
        "sink-panic-put",
    ] {
        let status = agent.wait(id, |status| {
            ["degraded", "disabled"].contains(&plugin(status, id)["state"].as_str().unwrap())
        });
        assert!(plugin(&status, id)["cause"].as_str().unwrap().contains("panic"), "{status:#}");
    }
    assert!(agent.ask(&Request::Pause { for_s: None }).is_some());
    assert!(agent.ask(&Request::Resume).is_some());
    // A detector that panicked lost what it had counted, and that is told.
    let told = |gap: &Value| {
        gap["instance"] == "detector-panic-batch" && gap["reason"].as_str().unwrap().contains("panicked")
    };
    until("the gap of a panic", || desk.records("gap").iter().any(told).then_some(()));
    assert!(agent.stop().success());
    store::check_records(&desk.shown());
}

#[test]
fn a_plugin_that_keeps_panicking_is_left_alone_in_the_end() {
    let desk = Desk::new(&beside("[[source]]\nplugin = \"faulty\"\nid = \"bad\"\ndoes = \"panic_run\""));
    let agent = desk.start();
    let said = agent.wait_state("bad", "disabled");
    assert!(said["cause"].as_str().unwrap().contains("panics in run") && said["fix"] != "", "{said}");
    check_good(&desk, &agent);
    assert!(agent.stop().success());
}

#[test]
fn a_source_of_which_nothing_came_yet_is_said_to_start_not_to_run() {
    let folder = tempfile::tempdir().unwrap();
    let until_file = folder.path().join("go-on");
    let entries = format!(
        "[[source]]\nplugin = \"faulty\"\nid = \"late\"\ndoes = \"stuck\"\ncount = 1\nuntil = {until_file:?}\n"
    );
    let desk = Desk::new(&beside(&entries));
    let agent = desk.start();
    check_good(&desk, &agent);
    let late = plugin(&agent.status(), "late").clone();
    assert_eq!(late["state"], "starting", "{late}");
    let said = |state: &Value| state["instance"] == "late";
    assert!(!desk.shown().iter().any(|record| record["kind"] == "state" && said(record)));
    fs::write(&until_file, "").unwrap();
    agent.wait_state("late", "ok");
    assert!(agent.stop().success());
}

#[test]
fn garbage_and_absurd_times_are_refused_counted_and_told() {
    let entries = r#"
        [[source]]
        plugin = "faulty"
        id = "garbage"
        does = "garbage"
        [[source]]
        plugin = "faulty"
        id = "absurd"
        does = "absurd"
        [[detector]]
        plugin = "faulty"
        id = "garbage-too"
        does = "garbage"
        times = 1
    "#;
    let desk = Desk::new(&beside(entries));
    let agent = desk.start();
    let said = |gap: &Value, id: &str| gap["instance"] == id && gap["count"].as_u64() > Some(0);
    for id in ["garbage", "absurd", "garbage-too"] {
        until(id, || desk.records("gap").iter().any(|gap| said(gap, id)).then_some(()));
    }
    // Two good keys come with the garbage.
    until("all keys", || (sum(&desk.records("activity"), "/keys") >= f64::from(KEYS + 2)).then_some(()));
    let status = agent.status();
    assert!(status["lost"].as_array().unwrap().len() >= 3, "{status:#}");
    assert!(agent.stop().success());
    let shown = desk.shown();
    store::check_records(&shown);
    for record in &shown {
        let year: u32 = record["time"].as_str().unwrap()[..4].parse().unwrap();
        assert!((2024..2200).contains(&year), "{record}");
    }
}

#[test]
fn a_stuck_detector_loses_signals_and_says_so_while_its_neighbour_counts_all() {
    let folder = tempfile::tempdir().unwrap();
    let until_file = folder.path().join("go-on");
    let entries = format!(
        "[[detector]]\nplugin = \"faulty\"\nid = \"stuck\"\ndoes = \"stuck\"\nuntil = {until_file:?}\n"
    );
    // In the time its neighbours take to count, more signals come than a queue holds.
    let config = beside(&entries)
        .replace("does = \"count\"", "does = \"steady\"")
        .replace(&format!("count = {KEYS}"), "count = 60000");
    let desk = Desk::new(&config);
    let agent = desk.start();
    until("all keys in the store", || (sum(&desk.records("activity"), "/keys") >= 60_000.0).then_some(()));
    assert_eq!(sum(&desk.records("activity"), "/keys"), 60_000.0);
    let lost = agent.wait("the loss to be said", |status| !status["lost"].as_array().unwrap().is_empty());
    let lost = lost["lost"].as_array().unwrap().clone();
    assert!(lost.len() == 1 && lost[0]["instance"] == "stuck", "only the stuck one loses: {lost:?}");
    let gap = until("the gap in the store", || {
        desk.records("gap").into_iter().find(|gap| gap["instance"] == "stuck")
    });
    assert!(gap["reason"].as_str().unwrap().contains("too slow") && gap["count"].as_u64() > Some(0), "{gap}");
    let status = agent.status();
    assert!(status["lost"][0]["count"].as_u64().unwrap() <= 60_000, "{status:#}");
    fs::write(&until_file, "").unwrap();
    assert!(agent.stop().success());
}
