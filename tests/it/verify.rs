//! What `candor verify` says of a store that the real agent made, whole and damaged in every way.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{agent::Desk, store};

const CONFIG: &str = "[journal]\nseal_every = \"1s\"\n[[source]]\nplugin = \"faulty\"\ndoes = \"records\"\n\
                      [[sink]]\nplugin = \"local\"\npath = \"records\"\n";

/// A store with at least five seals, made once.
fn whole() -> &'static Path {
    static STORE: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, store) = STORE.get_or_init(|| {
        let desk = Desk::new(CONFIG);
        let agent = desk.start();
        agent.wait("some seals", |_| manifests(&desk.store()).len() >= 5);
        agent.wait("all to be sent", |status| status["sinks"]["local"]["pending"] == 0);
        assert!(agent.stop().success());
        let folder = tempfile::tempdir().unwrap();
        let copied = folder.path().join("store");
        copy(&desk.store(), &copied);
        // What the last seal made may have come only in part.
        (folder, copied)
    });
    store
}

fn copy(from: &Path, to: &Path) {
    for file in store::files(from) {
        let target = to.join(file.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(&file, target).unwrap();
    }
}

fn manifests(store: &Path) -> Vec<PathBuf> {
    let is_manifest = |file: &PathBuf| file.parent().is_some_and(|folder| folder.ends_with("_manifest"));
    store::files(store).into_iter().filter(is_manifest).collect()
}

fn manifest(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// The file of the first object that a manifest lists.
fn object(store: &Path, manifest: &Value) -> PathBuf {
    store.join(manifest["objects"][0]["key"].as_str().unwrap())
}

/// Whether it is complete, and what `candor verify --json` says of the only device.
fn verify(arguments: &[&str]) -> (bool, Value) {
    let desk = Desk::bare(&[], "");
    let output = desk.command(&[&["verify", "--json"], arguments].concat()).output().unwrap();
    let reports: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    (output.status.success(), reports[0].clone())
}

/// Damages a copy of the store and says what is found then.
#[track_caller]
fn damaged(damage: impl FnOnce(&Path, &[PathBuf])) -> Value {
    let folder = tempfile::tempdir().unwrap();
    copy(whole(), folder.path());
    damage(folder.path(), &manifests(folder.path()));
    let (complete, report) = verify(&[folder.path().to_str().unwrap()]);
    assert!(!complete, "{report:#}");
    report
}

fn faults(report: &Value) -> Vec<&str> {
    report["problems"].as_array().unwrap().iter().map(|problem| problem["fault"].as_str().unwrap()).collect()
}

fn range(manifest: &Value) -> Value {
    serde_json::json!([[manifest["first"], manifest["last"]]])
}

#[test]
fn a_whole_store_is_complete_up_to_its_head() {
    let store = whole().to_str().unwrap();
    let (complete, report) = verify(&[store]);
    assert!(complete, "{report:#}");
    let last = manifest(manifests(whole()).last().unwrap())["last"].clone();
    assert_eq!(report["upto"], last);
    assert_eq!(report["complete"], last, "{report:#}");
    let head = last.as_u64().unwrap();
    assert!(verify(&[store, "--head", &head.to_string()]).0);
    // Who knows that there is more finds the end missing.
    let (complete, report) = verify(&[store, "--head", &(head + 2).to_string()]);
    assert!(!complete);
    assert_eq!(report["missing"], serde_json::json!([[head + 1, head + 2]]));
}

#[test]
fn a_configured_sink_is_read_by_its_plugin() {
    let desk = Desk::new(CONFIG);
    let agent = desk.start();
    agent.wait("some seals", |_| manifests(&desk.store()).len() >= 2);
    assert!(agent.stop().success());
    let output = desk.run(&["verify", "--sink", "local", "--json"]);
    assert!(output.status.success(), "{output:?}");
    let output = desk.run(&["verify", "--sink", "lokal"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("no sink \"lokal\""), "{output:?}");
}

#[test]
fn removed_object_is_missing_with_its_numbers() {
    let mut seq = Value::Null;
    let report = damaged(|store, manifests| {
        let listed = manifest(&manifests[2]);
        seq = listed["objects"][0]["seq"].clone();
        fs::remove_file(object(store, &listed)).unwrap();
    });
    assert_eq!((&report["missing"], faults(&report)), (&seq, vec!["missing"]));
}

#[test]
fn altered_object_is_not_taken_for_the_one_that_was_sealed() {
    // A bit, the length, or the bytes of another one.
    for damage in 0..3 {
        let mut seq = Value::Null;
        let report = damaged(|store, manifests| {
            let listed = manifest(&manifests[1]);
            let path = object(store, &listed);
            seq = listed["objects"][0]["seq"].clone();
            let mut bytes = fs::read(&path).unwrap();
            match damage {
                0 => bytes[9] ^= 1,
                1 => bytes.truncate(7),
                _ => bytes = fs::read(object(store, &manifest(&manifests[3]))).unwrap(),
            }
            fs::write(&path, bytes).unwrap();
        });
        assert_eq!((&report["missing"], faults(&report)), (&seq, vec!["altered"]), "{damage}");
    }
}

#[test]
fn removed_manifest_is_missing_with_its_numbers_wherever_it_was() {
    for at in [0, 2] {
        let mut gone = Value::Null;
        let report = damaged(|_, manifests| {
            gone = range(&manifest(&manifests[at]));
            fs::remove_file(&manifests[at]).unwrap();
        });
        assert_eq!(report["missing"], gone, "{at}: {report:#}");
    }
}

#[test]
fn removed_seal_is_missing() {
    let mut gone = Value::Null;
    let report = damaged(|store, manifests| {
        let listed = manifest(&manifests[2]);
        gone = range(&listed);
        for object in listed["objects"].as_array().unwrap() {
            fs::remove_file(store.join(object["key"].as_str().unwrap())).unwrap();
        }
        fs::remove_file(&manifests[2]).unwrap();
    });
    assert_eq!(report["missing"], gone);
}

#[test]
fn manifest_that_somebody_rewrote_is_found() {
    let rewritten = |rewrite: &dyn Fn(&mut Value) -> String| {
        damaged(|store, manifests| {
            let mut listed = manifest(&manifests[2]);
            fs::remove_file(object(store, &listed)).unwrap();
            listed["objects"].as_array_mut().unwrap().remove(0);
            fs::write(&manifests[2], rewrite(&mut listed)).unwrap();
        })
    };
    let report = rewritten(&|listed| format!("{listed}\n"));
    assert_eq!(faults(&report), ["altered"], "no longer what was signed: {report:#}");
    let report = rewritten(&|listed| {
        // Signed anew, with a key of one's own.
        let key = host::identity::Key::random().unwrap();
        listed["public_key"] = key.public().into();
        listed.as_object_mut().unwrap().remove("signature");
        let text = listed.to_string();
        let signature = key.sign(text.as_bytes());
        format!("{},\"signature\":\"{signature}\"}}\n", text.strip_suffix('}').unwrap())
    });
    assert!(report["problems"][0]["text"].as_str().unwrap().contains("key of another device"), "{report:#}");
}

#[test]
fn swapped_manifests_are_found() {
    let report = damaged(|_, manifests| {
        let (one, two) = (fs::read(&manifests[1]).unwrap(), fs::read(&manifests[2]).unwrap());
        fs::write(&manifests[1], two).unwrap();
        fs::write(&manifests[2], one).unwrap();
    });
    assert_eq!(faults(&report)[..2], ["altered", "altered"], "{report:#}");
}

#[test]
fn what_is_in_no_manifest_is_found() {
    let report = damaged(|store, manifests| {
        let listed = manifest(&manifests[1]);
        let path = object(store, &listed);
        let (first, last) = (listed["first"].as_u64().unwrap(), listed["last"].as_u64().unwrap());
        let name = format!("{:020}-{last:020}.ndjson.zst", first + 1);
        fs::copy(&path, path.with_file_name(name)).unwrap();
    });
    assert_eq!(faults(&report), ["unlisted"]);
}

#[test]
fn object_whose_manifest_is_on_its_way_is_no_fault() {
    let folder = tempfile::tempdir().unwrap();
    copy(whole(), folder.path());
    fs::remove_file(manifests(folder.path()).last().unwrap()).unwrap();
    let (complete, report) = verify(&[folder.path().to_str().unwrap()]);
    assert!(complete && report["on_their_way"].as_u64() > Some(0), "{report:#}");
}

#[test]
fn kinds_a_sink_was_not_to_have_are_not_kept_here() {
    let desk = Desk::new(&CONFIG.replace("path", "kinds = [\"notice\"]\npath"));
    let agent = desk.start();
    agent.wait("some seals", |_| manifests(&desk.store()).len() >= 2);
    assert!(agent.stop().success());
    let store = desk.store();
    let (complete, report) = verify(&[store.to_str().unwrap()]);
    assert!(complete && report["not_here"].as_u64() > Some(0), "{report:#}");
    // Said to be the store of another sink, it would be missing much.
    assert!(!verify(&[store.to_str().unwrap(), "--as", "other"]).0);
}

#[test]
fn nothing_is_not_complete() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::bare(&[], "");
    let output = desk.command(&["verify", folder.path().to_str().unwrap()]).output().unwrap();
    assert!(
        !output.status.success() && String::from_utf8_lossy(&output.stderr).contains("nothing"),
        "{output:?}"
    );
    let output = desk.command(&["verify", "nope://bucket/x"]).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("no plugin opens nope://"), "{output:?}");
}
