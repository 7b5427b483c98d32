//! Sinks that fail, by the agent as a whole: nothing is lost by one, and none holds up another.

use std::{collections::BTreeSet, fs, path::PathBuf};

use serde_json::Value;

use crate::{
    agent::{Desk, plugin},
    store,
};

fn config(sinks: &str) -> String {
    format!(
        "[journal]\nseal_every = \"1s\"\n[[source]]\nplugin = \"faulty\"\ndoes = \"records\"\n\
         [[sink]]\nplugin = \"local\"\npath = \"records\"\n{sinks}"
    )
}

#[test]
fn a_sink_that_fails_for_a_while_gets_everything_in_the_end_and_holds_nobody_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let sink = format!(
        "[[sink]]\nplugin = \"faulty\"\nid = \"weak\"\ndoes = \"retry\"\ntimes = 3\npath = {path:?}\n"
    );
    let desk = Desk::new(&config(&sink));
    let agent = desk.start();
    let said = agent.wait_state("weak", "degraded");
    assert!(said["cause"].as_str().unwrap().contains("check the cable"), "{said}");
    agent.wait("the other to go on", |status| status["sinks"]["local"]["sent"].as_u64() > Some(3));
    agent.wait_state("weak", "ok");
    agent.wait("all to be sent", |status| {
        let sent = |id: &str| status["sinks"][id]["sent"].as_u64().unwrap();
        status["sinks"]["weak"]["pending"] == 0 && sent("weak") >= 6 && sent("local") >= 6
    });
    assert!(agent.stop().success());
    store::check(&desk.store());
    // Both have the same objects under the same keys, as far as both have come.
    let names = store::files(&path);
    assert!(names.len() >= 6);
    let differ = |name: &&PathBuf| {
        let key = name.file_name().unwrap().to_str().unwrap().replace('+', "/");
        fs::read(desk.store().join(key)).is_ok_and(|bytes| bytes != fs::read(name).unwrap())
    };
    assert!(names.iter().find(differ).is_none());
}

#[test]
fn what_a_sink_refuses_for_good_is_said_and_the_rest_goes_on() {
    let desk = Desk::new(&config("[[sink]]\nplugin = \"faulty\"\nid = \"closed\"\ndoes = \"fatal\"\n"));
    let agent = desk.start();
    let status = agent.wait("the refusal", |status| {
        plugin(status, "closed")["cause"].to_string().contains("no such bucket")
    });
    assert_ne!(plugin(&status, "closed")["state"], "ok", "{status:#}");
    agent.wait("the other to go on", |status| status["sinks"]["local"]["sent"].as_u64() > Some(5));
    assert!(agent.stop().success());
}

#[test]
fn a_sink_that_wants_some_kinds_gets_those_and_notices_and_manifests() {
    let desk =
        Desk::new(&config("").replace("path = \"records\"\n", "path = \"records\"\nkinds = [\"state\"]\n"));
    let agent = desk.start();
    agent.wait("some seals", |status| status["sinks"]["local"]["sent"].as_u64() > Some(3));
    assert!(agent.stop().success());
    let kinds: BTreeSet<String> = store::records(&desk.store(), None)
        .iter()
        .map(|record| record["kind"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(kinds, ["notice".to_owned(), "state".to_owned()].into());
    assert!(store::files(&desk.store()).iter().any(|file| file.extension().is_some_and(|e| e == "json")));
}

#[test]
fn a_store_that_holds_other_bytes_under_a_key_is_said_and_gets_the_rest() {
    let desk =
        Desk::new(&config("[[sink]]\nplugin = \"faulty\"\nid = \"other\"\ndoes = \"conflict\"\ntimes = 1\n"));
    let agent = desk.start();
    let of = |status: &Value, name: &str| status["sinks"]["other"][name].as_u64();
    let status = agent.wait("a refusal, and more after it", |status| {
        of(status, "refused") == Some(1) && of(status, "sent") > Some(3)
    });
    assert!(desk.log().contains("holds other bytes"), "{status:#}\n{}", desk.log());
    assert!(agent.stop().success());
}
