//! What waits, as the person sees it: `candor queue`, `candor flush`, and the records of a failing sink.

use serde_json::Value;

use crate::agent::{Desk, plugin};

const CONFIG: &str = "[journal]\nseal_every = \"1d\"\n[[source]]\nplugin = \"faulty\"\ndoes = \"records\"\n";
const LOCAL: &str =
    "[[sink]]\nplugin = \"local\"\npath = \"records\"\nlimits = { parallel = 2, bandwidth = \"20MB\" }\n";

fn queue(desk: &Desk) -> Value {
    let output = desk.run(&["queue", "--json"]);
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn sink<'a>(queue: &'a Value, id: &str) -> &'a Value {
    queue["sinks"].as_array().unwrap().iter().find(|sink| sink["id"] == id).unwrap()
}

#[test]
fn flush_seals_and_sends_and_says_when_nothing_is_left() {
    let desk = Desk::new(&format!("{CONFIG}{LOCAL}"));
    let agent = desk.start();
    agent.wait("some records", |status| status["durable"].as_u64() > Some(3));
    let output = desk.run(&["flush"]);
    assert!(output.status.success(), "{output:?}");
    let store = desk.store();
    assert!(desk.run(&["verify", store.to_str().unwrap()]).status.success());
    assert_eq!(sink(&queue(&desk), "local")["pending"], 0);
    assert!(agent.stop().success());
}

#[test]
fn queue_is_told_with_and_without_an_agent_and_a_failure_is_recorded_once() {
    let weak = "[[sink]]\nplugin = \"faulty\"\nid = \"weak\"\ndoes = \"retry\"\n";
    let desk = Desk::new(&format!("{CONFIG}{LOCAL}{weak}"));
    let agent = desk.start();
    agent.wait("some records", |status| status["durable"].as_u64() > Some(3));
    let output = desk.run(&["flush", "--for", "1s"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    for _ in 0..3 {
        desk.run(&["flush", "--for", "0s"]);
    }
    let now = queue(&desk);
    let weak = sink(&now, "weak");
    assert!(now["running"] == true && weak["pending"].as_u64() >= Some(3), "{now:#}");
    assert!(weak["class"] == "network" && weak["oldest"].is_string(), "{now:#}");
    let status = agent.status();
    assert_eq!(
        (&status["sinks"]["weak"]["class"], &plugin(&status, "weak")["state"]),
        (&weak["class"], &"degraded".into())
    );
    let text = String::from_utf8(desk.run(&["queue"]).stdout).unwrap();
    assert!(text.contains("network: no way there; check the cable"), "{text}");
    let of_weak = |record: &&Value| {
        record["kind"] == "state" && record["instance"] == "weak" && record["state"] == "degraded"
    };
    assert_eq!(
        desk.shown().iter().filter(of_weak).count(),
        1,
        "one record for a change, not one for each try"
    );
    assert!(agent.stop().success());
    let later = queue(&desk);
    assert!(
        later["running"] == false && sink(&later, "weak")["pending"].as_u64() >= weak["pending"].as_u64(),
        "{later:#}"
    );
}
