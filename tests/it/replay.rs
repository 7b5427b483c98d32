//! `candor replay`: a detector over recorded traces.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{Folder, candor};

/// A folder with traces and a config that finds the plugins.
struct Shelf {
    folder: TempDir,
    plugins: Folder,
}

impl Shelf {
    fn new() -> Self {
        let shelf = Self { folder: tempfile::tempdir().unwrap(), plugins: Folder::new() };
        ["scripted", "activity", "local"].iter().for_each(|name| drop(shelf.plugins.plugin(name)));
        shelf.configure("");
        shelf
    }

    fn configure(&self, more: &str) {
        let (plugins, state) = (self.plugins.path(), self.folder.path().join("state"));
        let text = format!("[agent]\nstate = {state:?}\n[plugins]\npaths = [{plugins:?}]\n{more}");
        fs::write(self.path("agent.toml"), text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        fs::write(self.path(name), bytes).unwrap();
        self.path(name)
    }

    fn replay(&self, args: &[&str], files: &[&Path], input: &[u8]) -> Output {
        let mut command = Command::new(candor());
        command.arg("replay").args(files).args(args);
        command.arg("--config").arg(self.path("agent.toml"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // It may have ended without reading.
        let _ = child.stdin.take().unwrap().write_all(input);
        child.wait_with_output().unwrap()
    }
}

/// A click a second for so long.
fn clicks(seconds: u64) -> String {
    let line = |n: u64| {
        let (at, pressed) = (n / 2 * 1_000_000 + n % 2 * 40_000, n.is_multiple_of(2));
        let click = json!({"t_us": at, "kind": "mouse_button", "x": 5, "y": 6.5, "button": "left", "pressed": pressed});
        format!("{click}\n")
    };
    (0..seconds * 2).map(line).collect()
}

fn gzip(text: &str) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(text.as_bytes()).unwrap();
    packed.finish().unwrap()
}

fn said(out: &Output) -> String {
    [&out.stdout[..], &out.stderr[..]].map(String::from_utf8_lossy).concat()
}

fn lines(out: &[u8]) -> Vec<Value> {
    String::from_utf8_lossy(out).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn the_same_trace_gives_the_same_findings_however_it_is_packed() {
    let shelf = Shelf::new();
    let text = clicks(300);
    let files = [
        shelf.write("a.ndjson", text.as_bytes()),
        shelf.write("b.ndjson.gz", &gzip(&text)),
        shelf.write("c.ndjson.zst", &zstd::encode_all(text.as_bytes(), 1).unwrap()),
        PathBuf::from("-"),
    ];
    let files = files.each_ref().map(PathBuf::as_path);
    let out = shelf.replay(&["--detector", "scripted", "--json"], &files, text.as_bytes());
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let of = |name: &str| -> Vec<Value> {
        let mine = lines(&out.stdout).into_iter().filter(|line| line["file"] == name);
        mine.map(|mut line| line.as_object_mut().unwrap().remove("file").map(|_| line).unwrap()).collect()
    };
    let first = of("a.ndjson");
    assert!(first.iter().any(|finding| finding["severity"] == "flag"), "{first:?}");
    for name in ["b.ndjson.gz", "c.ndjson.zst", "-"] {
        assert_eq!(of(name), first, "{name}");
    }
}

#[test]
fn predictions_are_what_the_scorer_reads_and_nothing_else() {
    let shelf = Shelf::new();
    let (script, nothing) =
        (shelf.write("s.ndjson.gz", &gzip(&clicks(300))), shelf.write("empty.ndjson", b"\n"));
    let predictions = shelf.path("out.ndjson");
    let args = ["--detector", "scripted", "--predictions", predictions.to_str().unwrap()];
    let out = shelf.replay(&args, &[&script, &nothing], b"");
    assert!(out.status.success() && out.stdout.is_empty(), "{}", String::from_utf8_lossy(&out.stderr));
    let predicted = lines(&fs::read(&predictions).unwrap());
    let [script, nothing] = predicted.as_slice() else { panic!("{predicted:?}") };
    assert_eq!((&script["file"], &script["flagged"]), (&json!("s.ndjson.gz"), &json!(true)));
    assert!(script["score"].as_f64().unwrap() > 0.5, "{script}");
    assert!((1.0..120.0).contains(&script["first_flag_s"].as_f64().unwrap()), "{script}");
    assert_eq!(
        *nothing,
        json!({"file": "empty.ndjson", "score": 0.0, "flagged": false, "first_flag_s": null})
    );
}

#[test]
fn options_come_from_the_config() {
    let shelf = Shelf::new();
    let script = shelf.write("s.ndjson", clicks(300).as_bytes());
    shelf.configure("[[detector]]\nplugin = \"scripted\"\nenabled = false\nrules = [\"steps\"]\n");
    let out = shelf.replay(&["--detector", "scripted"], &[&script], b"");
    assert!(said(&out).contains("nothing found in 600 signals of 299 s"), "{}", said(&out));
    for (wrong, key) in [("rule = [\"steps\"]", "rule"), ("marks = { smoth = 0.1 }", "smoth")] {
        shelf.configure(&format!("[[detector]]\nplugin = \"scripted\"\n{wrong}\n"));
        let out = shelf.replay(&["--detector", "scripted"], &[&script], b"");
        let error = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(!out.status.success() && error.contains("agent.toml:") && error.contains(key), "{error}");
        assert!(!error.contains("s.ndjson"), "it isn't the trace's fault: {error}");
    }
}

#[test]
fn a_bad_line_is_named_with_what_to_do_and_the_other_files_are_replayed() {
    let shelf = Shelf::new();
    let good = shelf.write("good.ndjson", clicks(2).as_bytes());
    let cases: [(&str, &[u8], &str); 9] = [
        (
            "kind",
            b"{\"t_us\":0,\"kind\":\"mouse\"}",
            ":2: kind: \"mouse\" is not known; write one of mouse_move",
        ),
        ("json", b"{\"t_us\":0,", ":2: EOF while parsing"),
        ("time", b"{\"t_us\":-4,\"kind\":\"key\"}", ":2: invalid value"),
        ("late", b"{\"t_us\":18446744073709551615,\"kind\":\"key\"}", "too large"),
        ("far", b"{\"t_us\":0,\"kind\":\"mouse_move\",\"x\":1e99,\"y\":0}", ":2: x: no screen is so large"),
        (
            "class",
            b"{\"t_us\":0,\"kind\":\"key\",\"key_class\":\"a\",\"pressed\":true}",
            "write one of letter",
        ),
        (
            "pressed",
            b"{\"t_us\":0,\"kind\":\"key\",\"key_class\":\"digit\"}",
            ":2: pressed: missing; true when",
        ),
        ("bytes", b"\xff\xfe\x00", ":2: expected value"),
        ("long", &[b' '; 70_000], ":2: longer than 64 KiB"),
    ];
    for (name, line, expected) in cases {
        let bad = shelf.write(name, &[b"\n", line].concat());
        let out = shelf.replay(&["--detector", "scripted"], &[&bad, &good], b"");
        let error = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(!out.status.success() && error.contains(expected), "{name}: {error}");
        assert!(error.contains(bad.to_str().unwrap()), "{error}");
        assert!(String::from_utf8_lossy(&out.stdout).contains("good.ndjson"), "{error}");
    }
    let torn = shelf.write("torn.gz", &gzip(&clicks(300))[..200]);
    let out = shelf.replay(&["--detector", "scripted"], &[&torn], b"");
    assert!(String::from_utf8_lossy(&out.stderr).contains("copy or pack the file again"));
    let out = shelf.replay(&["--detector", "scripted"], &[Path::new("no-such-file")], b"");
    assert!(String::from_utf8_lossy(&out.stderr).contains("no-such-file: "));
}

#[test]
fn what_is_no_detector_is_named() {
    let shelf = Shelf::new();
    for (name, expected) in
        [("local", "not a detector; it is a sink"), ("scriptd", "did you mean `scripted`?")]
    {
        let out = shelf.replay(&["--detector", name], &[Path::new("-")], b"");
        let error = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(!out.status.success() && error.contains(expected), "{error}");
    }
}

#[test]
fn recorded_people_are_not_flagged_and_recorded_tools_are() {
    let shelf = Shelf::new();
    let data = crate::root().join("tests/data");
    let files = |folder: &str| {
        let mut files: Vec<PathBuf> =
            fs::read_dir(data.join(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    };
    let flagged = |files: &[PathBuf]| -> Vec<(String, Value)> {
        let files: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
        let out = shelf.replay(&["--detector", "scripted", "--predictions", "-"], &files, b"");
        let name = |line: &Value| line["file"].as_str().unwrap().to_owned();
        lines(&out.stdout).iter().map(|line| (name(line), line["flagged"].clone())).collect()
    };
    for (folder, expected) in [("people", false), ("tools", true)] {
        let mut flagged = flagged(&files(folder));
        // Its curves are within what limits set by people alone allow: the plugin's README says so.
        flagged.retain(|(name, _)| name != "pyclick.ndjson.gz");
        assert!(
            flagged.len() >= 6 && flagged.iter().all(|(_, flag)| *flag == expected),
            "{folder}: {flagged:?}"
        );
    }
}
