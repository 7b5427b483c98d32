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
    let cases: [(&str, &[u8], &str); 19] = [
        ("kind", b"{\"t_us\":0,\"kind\":\"mouse\"}", "kind: \"mouse\" is not known; write one of mouse_move"),
        ("json", b"{\"t_us\":0,", "not JSON: EOF while parsing a value (column 10); a line is one signal"),
        ("words", b"t_us,kind,x,y", "not JSON: expected ident (column 2)"),
        ("array", b"[{\"t_us\":0,\"kind\":\"key\"}]", "not a signal; a line is one signal as JSON, see"),
        ("no-time", b"{\"kind\":\"key\"}", "t_us: missing; it is a whole number from 0 on, microseconds"),
        ("no-kind", b"{\"t_us\":0}", "kind: missing; it is text"),
        ("negative", b"{\"t_us\":-4,\"kind\":\"key\"}", "t_us: -4 is not a whole number from 0 on"),
        ("seconds", b"{\"t_us\":0.5,\"kind\":\"key\"}", "t_us: 0.5 is not a whole number"),
        (
            "late",
            b"{\"t_us\":18446744073709551615,\"kind\":\"key\"}",
            "t_us: 18446744073709551615 is too large",
        ),
        (
            "text",
            b"{\"t_us\":0,\"kind\":\"mouse_move\",\"x\":\"5\",\"y\":0}",
            "x: \"5\" is not a number, in pixels",
        ),
        ("half", b"{\"t_us\":0,\"kind\":\"mouse_move\",\"x\":5}", "x, y: missing; where the pointer is"),
        ("far", b"{\"t_us\":0,\"kind\":\"mouse_move\",\"x\":1e99,\"y\":0}", "x: no screen is so large"),
        (
            "device",
            b"{\"t_us\":0,\"kind\":\"key\",\"device\":70000}",
            "device: 70000 is not a number from 0 to",
        ),
        (
            "no-class",
            b"{\"t_us\":0,\"kind\":\"key\",\"pressed\":true}",
            "key_class: missing; write one of letter",
        ),
        (
            "class",
            b"{\"t_us\":0,\"kind\":\"key\",\"key_class\":\"a\",\"pressed\":true}",
            "key_class: \"a\" is not known; write one of letter",
        ),
        (
            "no-pressed",
            b"{\"t_us\":0,\"kind\":\"key\",\"key_class\":\"digit\"}",
            "pressed: missing; true when",
        ),
        (
            "pressed",
            b"{\"t_us\":0,\"kind\":\"key\",\"key_class\":\"digit\",\"pressed\":1}",
            "pressed: 1 is not true or false",
        ),
        ("bytes", b"{\"t_us\":0,\"kind\":\"\xff\xfe\"}", "not UTF-8; save the file as UTF-8"),
        ("long", &[b' '; 70_000], "longer than 64 KiB"),
    ];
    let mut files = cases.map(|(name, line, _)| shelf.write(name, &[b"\n", line].concat())).to_vec();
    files.push(good);
    let files: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    let out = shelf.replay(&["--detector", "scripted"], &files, b"");
    let error = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(!out.status.success() && error.lines().count() == cases.len(), "{error}");
    for (bad, (_, _, expected)) in files.iter().zip(cases) {
        assert!(error.contains(&format!("{}:2: {expected}", bad.display())), "{expected}\n{error}");
    }
    assert!(String::from_utf8_lossy(&out.stdout).contains("good.ndjson"), "{error}");
}

/// What is said of these files, which can't be replayed.
fn refused(shelf: &Shelf, args: &[&str], files: &[&Path]) -> String {
    let out = shelf.replay(&[&["--detector", "scripted"], args].concat(), files, b"");
    let error = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(!out.status.success() && error.lines().count() == 1, "{error}");
    error
}

#[test]
fn what_is_no_trace_or_was_cut_off_is_named_with_what_to_do() {
    let shelf = Shelf::new();
    let text = clicks(300);
    let (gz, zst) = (gzip(&text), zstd::encode_all(text.as_bytes(), 1).unwrap());
    let mut changed = gz.clone();
    let last = changed.len() - 5;
    changed[last] ^= 1;
    let again = "copy or pack the file again";
    let cases: [(&str, &[u8], &str); 7] = [
        ("cut.gz", &gz[..200], again),
        ("begin.gz", &gz[..5], again),
        ("changed.gz", &changed, again),
        ("more.gz", &[&gz[..], b"more"].concat(), again),
        ("cut.zst", &zst[..60], again),
        ("text.zst", &text.as_bytes()[1..], "not JSON"),
        // As some editors call "Unicode".
        ("wide.ndjson", b"\xff\xfe{\0\"\0t\0", "not UTF-8; save the file as UTF-8"),
    ];
    let files = cases.map(|(name, bytes, _)| shelf.write(name, bytes));
    let out = shelf.replay(&["--detector", "scripted"], &files.each_ref().map(PathBuf::as_path), b"");
    let error = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(!out.status.success() && out.stdout.is_empty(), "{error}");
    for (file, (_, _, expected)) in files.iter().zip(cases) {
        let file = file.to_str().unwrap();
        assert!(error.lines().any(|line| line.contains(file) && line.contains(expected)), "{file}: {error}");
    }
    fs::create_dir(shelf.path("folder")).unwrap();
    let error = refused(&shelf, &[], &[&shelf.path("folder")]);
    assert!(error.contains("folder: is a folder; name the traces in it"), "{error}");
    let error = refused(&shelf, &[], &[Path::new("no-such-file")]);
    assert!(error.contains("no-such-file: ") && error.contains("check the path"), "{error}");
}

#[test]
fn a_line_without_an_end_costs_no_memory_and_no_time() {
    let shelf = Shelf::new();
    let file = fs::File::create(shelf.path("endless")).unwrap();
    // A hole in the file: it takes no disk.
    file.set_len(20 << 30).unwrap();
    let error = refused(&shelf, &[], &[&shelf.path("endless")]);
    assert!(error.contains("endless:1: longer than 64 KiB; a line is one signal"), "{error}");
}

#[test]
fn empty_traces_and_those_with_marks_of_windows_are_no_error() {
    let shelf = Shelf::new();
    let windows = clicks(300).replace('\n', "\r\n");
    let files = [
        shelf.write("empty.ndjson", b""),
        shelf.write("empty.ndjson.gz", &gzip("")),
        shelf.write("windows.ndjson", &[b"\xef\xbb\xbf", windows.as_bytes()].concat()),
    ];
    let files = files.each_ref().map(PathBuf::as_path);
    let out = shelf.replay(&["--detector", "scripted"], &files, b"");
    let said = said(&out);
    assert!(out.status.success(), "{said}");
    assert!(said.matches("nothing found in 0 signals of 0 s").count() == 2, "{said}");
    assert!(said.contains("windows.ndjson") && said.contains("flag"), "{said}");
}

#[test]
fn what_cannot_be_meant_is_refused_before_anything_is_replayed_or_written() {
    let shelf = Shelf::new();
    let text = clicks(300);
    let trace = shelf.write("a.ndjson", text.as_bytes());
    fs::create_dir(shelf.path("other")).unwrap();
    let namesake = shelf.write("other/a.ndjson", text.as_bytes());
    let input = Path::new("-");
    let error = refused(&shelf, &[], &[input, input]);
    assert!(error.contains("-: is named twice; standard input can be read once"), "{error}");
    let predictions = shelf.path("out.ndjson");
    let to = |path: &Path| ["--predictions".to_owned(), path.display().to_string()];
    let refused = |path: &Path, files: &[&Path]| {
        let args = to(path);
        refused(&shelf, &args.each_ref().map(String::as_str), files)
    };
    let error = refused(&predictions, &[&trace, &namesake]);
    assert!(error.contains("a.ndjson: two files have this name") && !predictions.exists(), "{error}");
    let error = refused(&trace, &[&trace]);
    assert!(error.contains("a.ndjson: is one of the traces; write predictions to another file"), "{error}");
    assert_eq!(fs::read_to_string(&trace).unwrap(), text, "the trace is as it was");
    let error = refused(&shelf.path("gone/out.ndjson"), &[&trace]);
    assert!(error.contains("out.ndjson: the folder for it isn't there; make it first"), "{error}");
    let error = refused(&shelf.path("other"), &[&trace]);
    assert!(error.contains("other: write: Is a directory"), "{error}");
    let error = refused(Path::new("/dev/full"), &[&trace]);
    assert!(error.contains("/dev/full: write: No space left on device"), "{error}");
}

#[test]
fn a_config_that_cannot_be_read_is_named() {
    let shelf = Shelf::new();
    let trace = shelf.write("a.ndjson", clicks(2).as_bytes());
    let config = |bytes: Option<&[u8]>| {
        fs::remove_file(shelf.path("agent.toml")).unwrap_or_default();
        bytes.into_iter().for_each(|bytes| fs::write(shelf.path("agent.toml"), bytes).unwrap());
        refused(&shelf, &[], &[&trace])
    };
    for (bytes, expected) in [
        (None, "agent.toml: No such file or directory"),
        (Some(&b"[plugins\n"[..]), "agent.toml:1: "),
        (Some(b"[plugins]\npath = []\n"), "did you mean `paths`?"),
        (Some(b"\xff\xfe"), "agent.toml:1: not UTF-8; save the file as UTF-8"),
    ] {
        let error = config(bytes);
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn what_is_no_detector_is_named_and_those_there_are_listed() {
    let shelf = Shelf::new();
    for (name, expected) in [
        ("local", "not a detector; it is a sink; detectors are activity, scripted"),
        ("scriptd", "no such detector; did you mean `scripted`?"),
        ("zzz", "no such detector; known are activity, scripted"),
    ] {
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
