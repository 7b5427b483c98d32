//! Screenshots that wait, by the agent as a whole: seen, deleted, released, and never twice, whatever kills it.

use std::{collections::BTreeSet, fs, path::PathBuf};

use serde_json::Value;

use crate::{
    agent::Desk,
    store,
    wait::{answer, until},
};

/// What the fixture's pictures begin with; then comes their number.
const PICTURE: &str = "<picture ";

/// An agent whose screenshots wait so long.
fn desk(outbox: &str) -> Desk {
    Desk::new(&format!(
        "[journal]\nseal_every = \"1s\"\n[outbox]\n{outbox}\n[[source]]\nplugin = \"faulty\"\ndoes = \"pictures\"\n\
         [[sink]]\nplugin = \"local\"\npath = \"records\"\n"
    ))
}

/// A number as text.
fn number(value: &Value) -> String {
    value.to_string()
}

fn waiting(desk: &Desk) -> Vec<Value> {
    let output = desk.run(&["outbox", "list", "--json"]);
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The pictures in the store.
fn pictures(desk: &Desk) -> Vec<PathBuf> {
    store::files(&desk.store())
        .into_iter()
        .filter(|path| path.extension().is_some_and(|e| e == "jpg"))
        .collect()
}

/// Everything the manifests in the store list under a name, such as `tombstones`.
fn listed(desk: &Desk, name: &str) -> Vec<Value> {
    let manifests =
        store::files(&desk.store()).into_iter().filter(|path| path.extension().is_some_and(|e| e == "json"));
    let read = |path: PathBuf| serde_json::from_slice::<Value>(&fs::read(path).unwrap()).unwrap();
    manifests.flat_map(|path| read(path)[name].as_array().unwrap().clone()).collect()
}

fn said(desk: &Desk, arguments: &[&str]) -> (bool, String) {
    let output = desk.run(arguments);
    (output.status.success(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

#[test]
fn a_screenshot_that_waits_can_be_looked_at_and_deleted_and_then_nothing_of_it_is_left() {
    let desk = desk("grace = \"1h\"");
    let agent = desk.start();
    let first = until("two that wait", || waiting(&desk).into_iter().nth(1));
    let id = number(&first["id"]);
    let file = PathBuf::from(first["file"].as_str().unwrap());
    let picture = fs::read(&file).unwrap();
    assert!(picture.starts_with(PICTURE.as_bytes()) && first["leaves_in_s"].as_u64() > Some(3000), "{first}");
    let (good, text) = said(&desk, &["outbox", "show", &id]);
    assert!(good && text.contains(file.to_str().unwrap()) && text.contains("may leave in"), "{text}");
    let (good, text) = said(&desk, &["outbox", "list"]);
    assert!(good && text.contains("may leave in") && text.contains(&id), "{text}");

    let (good, text) = said(&desk, &["outbox", "delete", &id]);
    assert!(!good && text.contains("--why"), "{text}");
    let (good, text) = said(&desk, &["outbox", "delete", &id, "--why", "my bank"]);
    assert!(good && text.contains("is deleted"), "{text}");
    let stone = until("its tombstone in the store", || listed(&desk, "tombstones").pop());
    assert_eq!(
        (number(&stone["seq"]), &stone["reason"], &stone["text"]),
        (id.clone(), &"deleted".into(), &"my bank".into())
    );
    let marker = &picture[..PICTURE.len() + 20];
    assert!(store::grep(desk.path(), marker).is_empty());
    for arguments in [&["outbox", "show", &id][..], &["outbox", "delete", &id, "--why", "again"]] {
        let (good, text) = said(&desk, arguments);
        assert!(!good && text.contains("nothing waits under this number"), "{text}");
    }
    // Its record is there, sealed without waiting; its notice too; no picture has left.
    until("its record in the store", || {
        desk.records("screenshot").iter().any(|record| number(&record["seq"]) == id).then_some(())
    });
    until("the notice", || {
        desk.records("notice").iter().any(|notice| notice["cause"] == "delete").then_some(())
    });
    assert!(pictures(&desk).is_empty());
    assert!(agent.stop().success());

    // Without an agent the same.
    let second = number(&waiting(&desk).remove(0)["id"]);
    let (good, text) = said(&desk, &["outbox", "delete", &second, "--why", "mine"]);
    assert!(good, "{text}");
    assert!(waiting(&desk).iter().all(|entry| number(&entry["id"]) != second));
    let agent = desk.start();
    until("its tombstone in the store", || {
        listed(&desk, "tombstones").into_iter().find(|stone| number(&stone["seq"]) == second)
    });
    assert!(agent.stop().success());
}

#[test]
fn a_policy_that_forbids_deleting_holds_with_and_without_an_agent() {
    let desk = desk("grace = \"1h\"\ndelete = false");
    let agent = desk.start();
    let id = number(&until("one that waits", || waiting(&desk).into_iter().next())["id"]);
    let delete = ["outbox", "delete", &id, "--why", "mine"];
    let (good, text) = said(&desk, &delete);
    assert!(!good && text.contains("delete = false"), "{text}");
    assert!(agent.stop().success());
    let (good, text) = said(&desk, &delete);
    assert!(!good && text.contains("delete = false"), "{text}");
    assert!(waiting(&desk).iter().any(|entry| number(&entry["id"]) == id));
}

#[test]
fn screenshots_leave_after_their_grace_each_once_and_kills_bring_none_back() {
    let desk = desk("grace = \"1s\"");
    let mut deleted = BTreeSet::new();
    for _ in 0..4 {
        let agent = desk.start();
        let before = pictures(&desk).len();
        if let Some(entry) = until("one that waits", || Some(waiting(&desk).pop())) {
            let id = number(&entry["id"]);
            if said(&desk, &["outbox", "delete", &id, "--why", "mine"]).0 {
                deleted.insert(id);
            }
        }
        let left = answer(|| (pictures(&desk).len() > before).then_some(()));
        assert!(left.is_some(), "none left; status {:#}, log:\n{}", agent.status(), desk.log());
        agent.kill();
    }
    let agent = desk.start();
    let pictures_of = |record: &Value| desk.store().join(record["blob"].as_str().unwrap());
    let told = |name| -> BTreeSet<String> {
        listed(&desk, name).iter().map(|entry| number(&entry["seq"])).collect()
    };
    until("all deletions to be told", || deleted.is_subset(&told("tombstones")).then_some(()));
    until("the first ones to be settled", || {
        let records = desk.records("screenshot");
        let settled =
            |record: &&Value| pictures_of(record).exists() || deleted.contains(&number(&record["seq"]));
        (records.iter().take_while(settled).count() > 8 + deleted.len()).then_some(())
    });
    assert!(agent.stop().success());
    store::check(&desk.store());
    let (blobs, stones) = (listed(&desk, "blobs"), listed(&desk, "tombstones"));
    let told: Vec<String> = blobs.iter().chain(&stones).map(|entry| number(&entry["seq"])).collect();
    assert_eq!(told.iter().collect::<BTreeSet<_>>().len(), told.len(), "one is told twice");
    for blob in &blobs {
        assert!(!deleted.contains(&number(&blob["seq"])), "back again: {blob}");
        let bytes = fs::read(desk.store().join(blob["key"].as_str().unwrap()));
        assert!(bytes.is_ok_and(|bytes| bytes.starts_with(PICTURE.as_bytes())), "{blob}");
    }
}

#[test]
fn a_small_quota_costs_the_oldest_screenshots_while_a_sink_is_away_and_verify_knows_it() {
    let config = |sink: &str| {
        format!(
            "[journal]\nseal_every = \"1s\"\n[outbox]\ngrace = \"0s\"\n[spool]\nmax = \"1MB\"\n\
             [[source]]\nplugin = \"faulty\"\ndoes = \"pictures\"\n[[sink]]\nid = \"store\"\n{sink}\n"
        )
    };
    let desk = Desk::new(&config("plugin = \"faulty\"\ndoes = \"retry\""));
    let agent = desk.start();
    let gap = until("a gap that tells what went", || {
        desk.shown().into_iter().find(|record| record["kind"] == "gap" && record["reason"] == "quota")
    });
    assert_eq!((&gap["of"], &gap["missing_from"]), (&"_blob".into(), &serde_json::json!(["store"])), "{gap}");
    let size = |folder: &str| -> u64 {
        let files = store::files(&desk.state().join(folder));
        files.iter().filter_map(|path| fs::metadata(path).ok()).map(|file| file.len()).sum()
    };
    until("what went to be gone", || (size("spool") + size("outbox") < 1_100_000).then_some(()));
    assert!(agent.stop().success());

    // The store is back: it gets all the rest, and its own manifests tell what it never will.
    desk.install(&config("plugin = \"local\"\npath = \"records\""));
    let agent = desk.start();
    let durable = agent.status()["durable"].as_u64().unwrap();
    agent.wait("all to be sent", |status| status["sinks"]["store"]["pending"] == 0);
    until("what was durable in the store", || {
        (store::records(&desk.store(), None).last()?["seq"].as_u64()? >= durable).then_some(())
    });
    assert!(agent.stop().success());
    let (good, text) = said(&desk, &["verify", "--sink", "store"]);
    assert!(good && text.contains("declared gone") && !text.contains("MISSING"), "{text}");
}
