//! What a folder holds after each way of going wrong.

use std::{
    fs::{self, File},
    io,
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
    thread,
};

use plugin_api::{
    call::{self, Failure, ReadAt},
    prelude::*,
    testing::{self, Harness},
};
use sha2::{Digest, Sha256};

use super::{Local, folder::PARTIAL, put::PIECE};

plugin_api::conformance!(json!({"sink": {"path": "records"}}));

#[test]
fn stores_as_every_sink_has_to() {
    let state = tempfile::tempdir().unwrap();
    testing::assert_stores(super::candor_plugin(), &json!({}), state.path().to_str().unwrap());
}

const KEY: &str =
    "v=1/device=d/kind=activity/date=2026-01-02/00000000000000000001-00000000000000000009.ndjson.zst";

struct Bytes(Vec<u8>);

impl ReadAt for Bytes {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read_at(offset, buffer)
    }
}

fn sink(state: &Path) -> Harness<call::Sink> {
    Harness::sink::<Local>(json!({}), state.to_str().unwrap()).unwrap()
}

/// Stores bytes that say so much of themselves.
fn put_as(sink: &call::Sink, key: &str, bytes: &dyn ReadAt, len: usize, of: &[u8]) -> Result<(), Failure> {
    sink.put(&call::Object {
        key,
        len: len as u64,
        sha256: Sha256::digest(of).into(),
        media_type: "application/zstd",
        metadata: "{}",
        bytes,
    })
}

fn put(sink: &call::Sink, key: &str, bytes: &[u8]) -> Result<(), Failure> {
    put_as(sink, key, &Bytes(bytes.to_vec()), bytes.len(), bytes)
}

fn partials(state: &Path) -> usize {
    fs::read_dir(state.join("records").join(PARTIAL)).unwrap().count()
}

fn keys(sink: &call::Sink, prefix: &str) -> Vec<(String, u64)> {
    let found = Mutex::new(Vec::new());
    sink.list(prefix, |key, len| found.lock().unwrap().push((key.to_owned(), len))).unwrap();
    let mut found = found.into_inner().unwrap();
    found.sort();
    found
}

#[test]
fn an_object_lies_at_its_key_with_its_bytes_and_nothing_beside_it() {
    for len in [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 7] {
        let state = tempfile::tempdir().unwrap();
        let bench = sink(state.path());
        let bytes: Vec<u8> = (0..len).map(|n| n as u8).collect();
        put(&bench.instance, KEY, &bytes).unwrap();
        assert_eq!(fs::read(state.path().join("records").join(KEY)).unwrap(), bytes);
        assert_eq!(partials(state.path()), 0);
    }
}

#[cfg(unix)]
#[test]
fn what_is_stored_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let state = tempfile::tempdir().unwrap();
    put(&sink(state.path()).instance, KEY, b"x").unwrap();
    let mut path = state.path().join("records").join(KEY);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    while path.pop() && path != state.path() {
        assert_eq!(mode(&path), 0o700, "{path:?}");
    }
}

#[test]
fn the_same_object_again_is_fine_and_another_under_its_key_is_a_conflict() {
    let state = tempfile::tempdir().unwrap();
    let bench = sink(state.path());
    put(&bench.instance, KEY, b"one").unwrap();
    put(&bench.instance, KEY, b"one").unwrap();
    for other in [&b"two"[..], b"", b"one more"] {
        let failure = put(&bench.instance, KEY, other).unwrap_err();
        assert_eq!(failure.fault, Fault::Conflict, "{failure}");
        assert!(!failure.may_pass());
    }
    assert_eq!(fs::read(state.path().join("records").join(KEY)).unwrap(), b"one");
    assert_eq!(partials(state.path()), 0);
}

#[test]
fn an_object_that_is_not_as_long_as_it_says_is_never_stored() {
    let state = tempfile::tempdir().unwrap();
    let bench = sink(state.path());
    for (len, of) in [(2, &b"one"[..]), (4, b"one"), (0, b"")] {
        let failure = put_as(&bench.instance, KEY, &Bytes(b"one".to_vec()), len, of).unwrap_err();
        assert_eq!(failure.fault, Fault::Malformed, "{failure}");
    }
    assert!(keys(&bench.instance, "").is_empty());
    assert_eq!(partials(state.path()), 0);
}

#[test]
fn what_a_crash_left_is_cleaned_at_start_but_not_what_another_agent_writes() {
    let state = tempfile::tempdir().unwrap();
    drop(sink(state.path()));
    let partial = state.path().join("records").join(PARTIAL);
    fs::write(partial.join("1-2-3.part"), "half").unwrap();
    fs::write(partial.join("note.txt"), "somebody's").unwrap();
    let busy = File::create(partial.join("4-5-6.part")).unwrap();
    busy.lock().unwrap();
    let bench = sink(state.path());
    let mut left: Vec<_> = fs::read_dir(&partial).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["4-5-6.part", "note.txt"]);
    assert!(keys(&bench.instance, "").is_empty(), "they are no objects");
}

#[test]
fn no_key_leads_out_of_the_folder() {
    let state = tempfile::tempdir().unwrap();
    fs::write(state.path().join("secret"), "s").unwrap();
    let bench = sink(state.path());
    for key in [
        "",
        "/",
        "../secret",
        "a/../../secret",
        "/etc/passwd",
        "a//b",
        "a/./b",
        ".partial/x",
        "c:\\x",
        "a\\b",
        "a\0b",
    ] {
        assert_eq!(put(&bench.instance, key, b"x").unwrap_err().fault, Fault::Malformed, "put {key:?}");
        assert_eq!(bench.instance.remove(key).unwrap_err().fault, Fault::Malformed, "remove {key:?}");
        let get = bench.instance.get(key, &mut |_| panic!("read {key:?}"));
        assert_eq!(get.unwrap_err().fault, Fault::Malformed, "get {key:?}");
    }
    assert!(state.path().join("secret").exists());
    for path in ["", "..", "a/../../b"] {
        let failure = Harness::sink::<Local>(json!({ "path": path }), "/tmp").err().unwrap();
        assert_eq!(failure.fault, Fault::Config, "{path:?}");
    }
}

#[test]
fn what_was_stored_can_be_listed_read_and_removed() {
    let state = tempfile::tempdir().unwrap();
    let bench = sink(state.path());
    let big = vec![7; 2 * PIECE + 1];
    put(&bench.instance, "v=1/device=a/x", b"123").unwrap();
    put(&bench.instance, "v=1/device=ab/x", &big).unwrap();
    let key = |name: &str, len| (name.to_owned(), len);
    let big_len = big.len() as u64;
    for (prefix, expect) in [
        ("", vec![key("v=1/device=a/x", 3), key("v=1/device=ab/x", big_len)]),
        ("v=1/device=a", vec![key("v=1/device=a/x", 3), key("v=1/device=ab/x", big_len)]),
        ("v=1/device=a/", vec![key("v=1/device=a/x", 3)]),
        ("v=1/device=ab/x", vec![key("v=1/device=ab/x", big_len)]),
        ("v=2", vec![]),
    ] {
        assert_eq!(keys(&bench.instance, prefix), expect, "{prefix:?}");
    }
    let mut read = Vec::new();
    bench.instance.get("v=1/device=ab/x", &mut |bytes| read.extend_from_slice(bytes)).unwrap();
    assert_eq!(read, big);
    bench.instance.remove("v=1/device=ab/x").unwrap();
    bench.instance.remove("v=1/device=ab/x").unwrap();
    assert_eq!(keys(&bench.instance, "").len(), 1);
    assert_eq!(bench.instance.get("v=1/device=ab/x", &mut |_| ()).unwrap_err().fault, Fault::Missing);
}

#[test]
fn eight_threads_that_store_the_same_keys_store_each_once() {
    let state = tempfile::tempdir().unwrap();
    let bench = Arc::new(sink(state.path()));
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let bench = bench.clone();
            thread::spawn(move || {
                (0..20).for_each(|n| put(&bench.instance, &format!("d/{n}/x"), &[n; 1_000]).unwrap());
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(keys(&bench.instance, "").len(), 20);
    assert_eq!(partials(state.path()), 0);
}

#[test]
fn a_store_that_was_removed_while_running_is_made_again() {
    let state = tempfile::tempdir().unwrap();
    let bench = sink(state.path());
    fs::remove_dir_all(state.path().join("records")).unwrap();
    put(&bench.instance, KEY, b"x").unwrap();
    assert_eq!(keys(&bench.instance, "").len(), 1);
}

/// Stops the sink after the first piece.
struct Stops<'a>(&'a call::Sink);

impl ReadAt for Stops<'_> {
    fn read_at(&self, _: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.stop().unwrap();
        Ok(buffer.len())
    }
}

#[test]
fn stopping_does_not_wait_for_a_big_object() {
    let state = tempfile::tempdir().unwrap();
    let bench = sink(state.path());
    let failure = put_as(&bench.instance, KEY, &Stops(&bench.instance), usize::MAX, b"").unwrap_err();
    assert!(failure.may_pass() && failure.text.contains("stopped"), "{failure}");
    assert_eq!(partials(state.path()), 0);
}

#[test]
fn the_probe_says_what_works() {
    let state = tempfile::tempdir().unwrap();
    let bench = sink(state.path());
    let mut steps = Vec::new();
    bench.instance.probe(|step| steps.push(step)).unwrap();
    let names: Vec<_> =
        steps.iter().map(|step| (step["step"].as_str().unwrap(), step["ok"] == true)).collect();
    assert_eq!(names, [("folder", true), ("private", true), ("write", true)]);
    assert_eq!(partials(state.path()), 0);
}

#[test]
fn a_file_where_the_folder_should_be_is_named_with_the_fix() {
    let state = tempfile::tempdir().unwrap();
    fs::write(state.path().join("records"), "a file").unwrap();
    let failure = Harness::sink::<Local>(json!({}), state.path().to_str().unwrap()).err().unwrap();
    assert_eq!(failure.fault, Fault::Config);
    assert!(failure.text.contains("records") && failure.text.contains("`path`"), "{failure}");
}

/// Runs one test again, alone, with a small file system of its own mounted at the folder it finds in `STATE`.
/// None outside of that: the caller is then done, or was skipped where mounting isn't allowed.
fn mounted(test: &str, options: &str) -> Option<std::path::PathBuf> {
    if let Some(state) = std::env::var_os("CANDOR_TEST_STATE") {
        return Some(state.into());
    }
    let state = tempfile::tempdir().unwrap();
    let script =
        r#"mount -t tmpfs -o "$1" tmpfs "$CANDOR_TEST_STATE" || exit 77; exec "$2" --exact "$3" --nocapture"#;
    let run = Command::new("unshare")
        .args(["--mount", "--map-root-user", "sh", "-c", script, "sh", options])
        .arg(std::env::current_exe().unwrap())
        .arg(format!("tests::{test}"))
        .env("CANDOR_TEST_STATE", state.path())
        .output();
    match run {
        Ok(run) if run.status.success() => {
            assert!(String::from_utf8_lossy(&run.stdout).contains("1 passed"), "{run:?}");
        }
        Ok(run)
            if run.status.code() == Some(77) || String::from_utf8_lossy(&run.stderr).contains("unshare") =>
        {
            println!("skipped: no file system can be mounted here");
        }
        Ok(run) => panic!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr)),
        Err(error) => println!("skipped: unshare: {error}"),
    }
    None
}

#[test]
fn a_full_disk_leaves_nothing_half_written_and_works_again_with_space() {
    let Some(state) =
        mounted("a_full_disk_leaves_nothing_half_written_and_works_again_with_space", "size=1m")
    else {
        return;
    };
    let bench = sink(&state);
    let failure = put(&bench.instance, KEY, &vec![1; 2_000_000]).unwrap_err();
    assert_eq!(failure.fault, Fault::Full);
    assert!(failure.may_pass() && failure.text.contains("free some space"), "{failure}");
    assert!(keys(&bench.instance, "").is_empty());
    assert_eq!(partials(&state), 0);
    put(&bench.instance, KEY, &vec![1; 500_000]).unwrap();
}

#[test]
fn no_more_names_is_a_full_disk_too() {
    let Some(state) = mounted("no_more_names_is_a_full_disk_too", "nr_inodes=6") else { return };
    let bench = sink(&state);
    let failure = put(&bench.instance, KEY, b"x").unwrap_err();
    assert_eq!(failure.fault, Fault::Full, "{failure}");
}

#[test]
fn a_read_only_disk_is_named_with_the_fix() {
    let Some(state) = mounted("a_read_only_disk_is_named_with_the_fix", "ro") else { return };
    let failure = Harness::sink::<Local>(json!({}), state.to_str().unwrap()).err().unwrap();
    assert_eq!(failure.fault, Fault::Permission);
    assert!(failure.text.contains("mount it writable"), "{failure}");
}
