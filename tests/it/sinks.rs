//! Sinks that fail, by the agent as a whole: nothing is lost by one, and none holds up another.

use std::{collections::BTreeSet, fs, path::PathBuf};

use serde_json::Value;

use crate::{
    agent::{Desk, plugin},
    store,
    wait::until,
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
fn a_store_that_holds_other_bytes_gets_the_rest_and_a_new_device_at_once() {
    // It disputes every object, so the new id as well; that may not make an endless row of devices.
    let desk = Desk::new(&config("[[sink]]\nplugin = \"faulty\"\nid = \"other\"\ndoes = \"conflict\"\n"));
    let agent = desk.start();
    let old = until("the first device", || desk.records("device").pop())["device"].clone();
    let status = agent.wait("a new device, and refusals of that too", |status| {
        status["device"] != old && desk.log().contains("under a new id too")
    });
    let new = &status["device"];
    let since = status["sinks"]["other"]["refused"].as_u64();
    agent.wait("the rest to go on", |status| {
        status["sinks"]["other"]["refused"].as_u64() > since.map(|n| n + 5)
    });
    assert!(agent.stop().success());
    let devices: BTreeSet<String> =
        desk.records("device").iter().map(|record| record["device"].to_string()).collect();
    assert_eq!(devices, [old.to_string(), new.to_string()].into());
    let told = |record: &Value| {
        record["device"] == *new && record["text"].as_str().is_some_and(|text| text.contains("other bytes"))
    };
    assert!(desk.records("notice").iter().any(told), "{:#?}", desk.records("notice"));
    // One chain after the other, each whole.
    for device in [&old, new] {
        store::check_chain(&desk.store(), device.as_str().unwrap());
    }
}

#[test]
fn the_doctor_says_which_way_is_open_and_what_is_in_the_other() {
    let desk = Desk::new(&config("[[sink]]\nplugin = \"local\"\nid = \"shut\"\npath = \"shut/store\"\n"));
    fs::create_dir_all(desk.state()).unwrap();
    fs::write(desk.state().join("shut"), "a file where a folder should be").unwrap();
    let output = desk.run(&["doctor"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("The way to the store is open."), "{said}");
    assert!(said.contains("shut can't store:") && said.contains("give the sink another `path`"), "{said}");
    let output = desk.run(&["doctor", "local", "--json"]);
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(output.status.success() && said["ok"] == true, "{said}");
    assert_eq!(said["steps"].as_array().unwrap().len(), 3, "{said}");
}
