//! Loading: both doors, every library that can't be loaded, and the child that looks first.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use host::{
    config::Plugins,
    error::Error,
    load,
    scan::{self, Found, Outcome, Scan},
    show::Style,
};
use plugin_api::testing::Harness;
use serde_json::{Value, json};

use crate::{Folder, candor, file_name};

fn look(folder: &Folder, state: Option<&Path>) -> Vec<Found> {
    let folders = [folder.path().to_owned()];
    scan::find(&Scan { folders: &folders, rules: &Plugins::default(), state, program: candor() })
}

fn only(folder: &Folder) -> Outcome {
    let mut found = look(folder, None);
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0).outcome
}

fn refused(path: &Path) -> String {
    one_line(&load::open(path).err().expect("loaded"), path)
}

/// Every error is one line that names plugin and path and says what to do.
fn one_line(error: &Error, path: &Path) -> String {
    let text = error.to_string();
    assert!(!text.contains('\n') && text.len() < 600, "{text}");
    assert!(text.contains(path.to_str().unwrap()), "{text}");
    assert!(text.contains("; "), "says nothing to do: {text}");
    text
}

#[test]
fn a_rust_plugin_says_what_it_is() {
    let loaded = load::open(&Folder::new().plugin("faulty")).unwrap();
    assert_eq!((loaded.name.as_str(), loaded.version.as_str()), ("faulty", env!("CARGO_PKG_VERSION")));
    assert_eq!(loaded.roles, ["source", "detector", "sink"]);
    assert_eq!(loaded.reads, ["pointer", "button", "wheel", "key", "device"]);
}

#[test]
fn a_plugin_built_against_a_newer_interface_is_loaded() {
    let loaded = load::open(&Folder::new().plugin("newer")).unwrap();
    let mut harness = Harness::loaded_detector(loaded.plugin, json!({})).unwrap();
    let key =
        plugin_api::Event::key_class(7, plugin_api::Origin::Physical, 0, plugin_api::KeyClass::Space, true);
    harness.feed(&[key]).unwrap();
    assert_eq!(harness.records()[0].body["rule"], "newer");
}

#[test]
fn a_plugin_with_another_layout_is_refused_before_it_is_asked_anything() {
    let text = refused(&Folder::new().plugin("layout"));
    assert!(text.contains("does not fit this host's interface (Event"), "{text}");
    assert!(text.contains("build it again against candor-plugin-api 1."), "{text}");
}

/// A host that is newer than a plugin asks for no more than the plugin has.
#[test]
fn a_plugin_built_against_an_older_interface_fits() {
    // The newer fixture's door as the host's, this interface's as the plugin's.
    use plugin_api::door::{DoorRef, StableAbi, fits};
    assert_eq!(fits::<candor_newer::DoorRef>(<DoorRef as StableAbi>::LAYOUT), Ok(()));
}

#[test]
fn libraries_that_can_never_be_loaded_are_refused_in_one_line() {
    let folder = Folder::new();
    let whole = fs::read(folder.plugin("faulty")).unwrap();
    let mut foreign = whole.clone();
    foreign[18..20].copy_from_slice(&if cfg!(target_arch = "aarch64") { [62, 0] } else { [183, 0] });
    let other = if cfg!(target_arch = "aarch64") { "x86_64" } else { "aarch64" };
    let built_for = format!("built for {other}; this machine is {}", std::env::consts::ARCH);
    let mut program = whole.clone();
    program[16] = 2;
    for (name, bytes, expect) in [
        ("empty", &b""[..], "empty"),
        ("text", b"#!/bin/sh\nexit 1\n", "a text file"),
        ("noise", b"\x01\x02\x03\x04 no library \xff", "not a library"),
        ("head", &whole[..40], "truncated"),
        ("half", &whole[..whole.len() / 2], "truncated"),
        ("foreign", &foreign, &built_for),
        ("program", &program, "not a shared library"),
    ] {
        let text = refused(&folder.file(name, bytes));
        assert!(text.contains(expect), "{name}: {text}");
    }
    let text = refused(&folder.path().join(file_name("absent")));
    assert!(text.contains("can't be read"), "{text}");
    let text = refused(&folder.path().join("libfaulty.so"));
    assert!(text.contains("rename it to"), "{text}");
}

#[test]
fn libraries_that_are_no_plugins_or_lie_are_refused_in_one_line() {
    let folder = Folder::new();
    for (name, flags, expect) in [
        ("no_symbol", &["-DFAULT_NO_SYMBOL"][..], "exports neither door"),
        ("null", &["-DFAULT_NULL"], "answers null"),
        ("misaligned", &["-DFAULT_MISALIGNED"], "an address no CandorPlugin can have"),
        ("magic", &["-DMAGIC=42"], "wrong magic"),
        ("older", &["-DVERSION=0"], "built for interface 0; this host has 1; build it again"),
        ("newest", &["-DVERSION=2"], "built for interface 2; this host has 1; update Candor"),
        ("short", &["-DSIZE=24"], "has 24 bytes; this interface has 96"),
        ("renamed", &["-DSAYS=\"other\""], "says its name is other"),
        ("capital", &["-DSAYS=\"Capital\""], "not lower-case"),
        ("schema", &["-DSCHEMA=\"[1]\""], "schema is not a JSON object"),
        ("reads", &["-DREADS=\"thoughts\""], "reads \"thoughts\", which is not a signal"),
        ("missing", &["-Wl,--no-as-needed", "-Wl,-z,now", "-DFAULT_TALKS"], ""),
    ] {
        let path = folder.fault(name, flags);
        match expect {
            "" => drop(load::open(&path).unwrap()),
            expect => assert!(refused(&path).contains(expect), "{name}: {}", refused(&path)),
        }
    }
    let path = folder.plugin_as("faulty", "borrowed");
    assert!(refused(&path).contains("says its name is faulty"), "{}", refused(&path));
}

#[test]
fn a_vtable_without_its_functions_is_an_error_not_a_jump_to_null() {
    let loaded = load::open(&Folder::new().fault("bare", &[])).unwrap();
    let failure = Harness::loaded_detector(loaded.plugin, json!({})).err().unwrap();
    assert_eq!(failure.text, "gave no reason");
    let failure = Harness::loaded_sink(loaded.plugin, json!({}), "/").err().unwrap();
    assert!(failure.text.contains("not a sink"), "{failure}");
}

#[test]
fn a_library_that_crashes_hangs_leaves_or_babbles_at_load_is_blocked_and_the_host_lives() {
    let folder = Folder::new();
    let cases = [
        ("aborts", "-DFAULT_ABORT", "crashed (signal 6 SIGABRT)"),
        ("babbles", "-DFAULT_GARBAGE", "printed garbage"),
        ("crashes", "-DFAULT_SEGFAULT", "crashed (signal 11 SIGSEGV)"),
        ("exits", "-DFAULT_EXIT", "ended the process (exit status: 3)"),
        ("hangs", "-DFAULT_HANG", "hung for 5 s"),
        ("leaves", "-DFAULT_LEAVE", "ended the process (exit status: 0)"),
    ];
    for (name, flag, _) in cases {
        folder.fault(name, &[flag]);
    }
    folder.fault("lies", &["-DMAGIC=1"]);
    folder.fault("talks", &["-DFAULT_TALKS"]);
    folder.plugin("faulty");
    let state = tempfile::tempdir().unwrap();
    let start = Instant::now();
    let found = look(&folder, Some(state.path()));
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    let of = |name: &str| found.iter().find(|found| found.name == name).unwrap();
    for (name, _, expect) in cases {
        match &of(name).outcome {
            Outcome::Blocked(text) => assert!(text.contains(expect), "{name}: {text}"),
            other => panic!("{name}: {other:?}"),
        }
        let line = one_line(&of(name).error().unwrap(), &of(name).path);
        assert!(line.ends_with("blocked until the file changes"), "{line}");
    }
    assert!(matches!(&of("lies").outcome, Outcome::Blocked(text) if text.contains("magic")));
    // What it prints is not taken for the answer.
    assert!(of("talks").info().is_some() && of("faulty").info().is_some());

    // The second time nothing is opened, not even for its five seconds.
    let start = Instant::now();
    assert_eq!(look(&folder, Some(state.path())), found);
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
}

#[test]
fn a_library_is_looked_at_again_when_it_changes_and_only_then() {
    let folder = Folder::new();
    let state = tempfile::tempdir().unwrap();
    // Counts how often it is loaded.
    let log = state.path().join("loads");
    let trace = folder.path().join("trace.c");
    let text = "#include <stdio.h>\n__attribute__((constructor)) static void t(void) {\
                FILE *f = fopen(LOG, \"a\"); if (f) { fputs(\"x\", f); fclose(f); } }\n";
    fs::write(&trace, text).unwrap();
    let define = format!("-DLOG=\"{}\"", log.display());
    let build = |extra: &str| folder.fault("traced", &[&define, extra, trace.to_str().unwrap()]);
    let loads = || fs::read(&log).map_or(0, |bytes| bytes.len());

    let path = build("-DFAULT_TALKS");
    assert!(look(&folder, Some(state.path()))[0].info().is_some());
    assert_eq!(loads(), 1);
    assert!(look(&folder, Some(state.path()))[0].info().is_some());
    assert_eq!(loads(), 1, "unchanged, but opened again");
    // The same bytes written anew are the same library.
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes).unwrap();
    assert!(look(&folder, Some(state.path()))[0].info().is_some());
    assert_eq!(loads(), 1, "the same bytes, but opened again");
    build("-DVERSION=9");
    assert!(
        matches!(&look(&folder, Some(state.path()))[0].outcome, Outcome::Refused(text) if text.contains("update Candor"))
    );
    assert_eq!(loads(), 2);
    build("-DMAGIC=9");
    assert!(matches!(&look(&folder, Some(state.path()))[0].outcome, Outcome::Blocked(_)));
    assert!(matches!(&look(&folder, Some(state.path()))[0].outcome, Outcome::Blocked(_)));
    assert_eq!(loads(), 3, "blocked, but opened again");
    build("-DFAULT_TALKS");
    assert!(look(&folder, Some(state.path()))[0].info().is_some(), "mended, but still blocked");
    // What can't be read is as good as nothing.
    fs::write(state.path().join("scan.json"), "{\"judge\": 7").unwrap();
    assert!(look(&folder, Some(state.path()))[0].info().is_some());
    assert_eq!(loads(), 5);
}

#[test]
fn what_a_hanging_library_started_ends_with_it() {
    let folder = Folder::new();
    let path = folder.fault("hangs", &["-DFAULT_HANG"]);
    assert!(matches!(only(&folder), Outcome::Blocked(_)));
    // Killed, but perhaps not yet gone.
    let end = Instant::now() + Duration::from_secs(5);
    while let Some(pid) = mapping(&path) {
        assert!(Instant::now() < end, "{pid} still has {}", path.display());
        std::thread::yield_now();
    }
}

/// A process that has a file mapped.
fn mapping(path: &Path) -> Option<String> {
    let path = path.to_str().unwrap();
    fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let maps = fs::read_to_string(entry.path().join("maps")).ok()?;
        maps.contains(path).then(|| entry.file_name().to_string_lossy().into_owned())
    })
}

#[test]
fn of_two_libraries_of_one_name_the_first_folder_s_is_taken() {
    let (first, second) = (Folder::new(), Folder::new());
    let paths = [first.plugin("faulty"), second.plugin("faulty")];
    let folders = [&first, &second].map(|folder| folder.path().to_owned());
    let found =
        scan::find(&Scan { folders: &folders, rules: &Plugins::default(), state: None, program: candor() });
    let of = |path: &PathBuf| found.iter().find(|found| found.path == *path).unwrap();
    assert!(of(&paths[0]).info().is_some());
    assert!(of(&paths[1]).error().unwrap().to_string().contains("comes first"));
}

#[test]
fn plugins_are_listed_for_people_and_for_programs() {
    let folder = Folder::new();
    folder.plugin("faulty");
    folder.fault("exits", &["-DFAULT_EXIT"]);
    let found = look(&folder, None);
    let print = |style| {
        let mut out = Vec::new();
        scan::print_plugins(&found, style, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    let text = print(Style::Text);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 7, "{text}");
    assert!(lines[0].contains("name") && lines[0].contains("trust"), "{text}");
    assert!(lines[1].contains("exits") && lines[1].contains("blocked"), "{text}");
    assert!(lines[2].contains("source detector sink") && lines[2].contains("pointer button"), "{text}");
    assert_eq!(lines[4], "faulty (detector): The detector's config.", "what a plugin says of itself");
    assert!(lines[6].contains("exit status: 3"), "{text}");
    let json: Value = serde_json::from_str(&print(Style::Json)).unwrap();
    assert_eq!(json[1]["kinds"], json!(["source", "detector", "sink"]));
    assert_eq!((&json[0]["state"], &json[1]["state"]), (&json!("blocked"), &json!("ready")));
    assert_eq!(json[1]["schema"]["detector"]["type"], "object");
}

#[test]
fn a_plugin_is_checked_in_a_child_that_may_crash_or_hang() {
    let folder = Folder::new();
    let check = |path: &Path, config: Value| {
        let mut out = Vec::new();
        let passed = scan::plugin_check(candor(), path, Some(&config), Style::Text, &mut out).unwrap();
        (passed, String::from_utf8(out).unwrap())
    };
    let good = folder.c("c_detector", "tests/plugins/c_detector/detector.c", &[]);
    let (passed, text) = check(&good, json!({"limit": 3}));
    assert!(passed, "{text}");
    let faulty = folder.plugin("faulty");
    let config = |does: &str| json!({"source": {"does": "nothing"}, "detector": {"does": does}, "sink": {"does": "store"}});
    let (passed, text) = check(&faulty, config("count"));
    assert!(passed && text.lines().all(|line| line.starts_with("ok")), "{text}");
    for (does, expect) in [
        ("panic_batch", "the detector panics in on_batch"),
        ("panic_tick", "the detector panics in tick"),
        ("panic_finish", "the detector panics in finish"),
        ("garbage", "emitted what the host refuses"),
        ("tick_now", "which is not later"),
        ("stuck", "hung for 10 s, after: a detector: takes its config"),
    ] {
        let (passed, text) = check(&faulty, config(does));
        assert!(!passed && text.contains(expect), "{does}: {text}");
    }
    // Without a config it can't pass, and the last line says what to do about it.
    let mut out = Vec::new();
    assert!(!scan::plugin_check(candor(), &faulty, None, Style::Text, &mut out).unwrap());
    assert!(String::from_utf8(out).unwrap().ends_with("pass those it needs with --config JSON\n"));
    let (passed, text) = check(&folder.fault("crashes", &["-DFAULT_SEGFAULT"]), json!({}));
    assert!(!passed && text.contains("crashed (signal 11 SIGSEGV)"), "{text}");
    let (passed, text) = check(&folder.fault("leaves", &["-DFAULT_LEAVE"]), json!({}));
    assert!(!passed && text.contains("ended the process"), "{text}");
}

#[test]
fn a_check_passes_on_the_options_it_is_given() {
    let plugin = Folder::new();
    let file = plugin.plugin("template_detector");
    let check = |options: &[&str]| {
        let out = Command::new(candor()).args(["plugin", "check"]).arg(&file).args(options).output().unwrap();
        (out.status.success(), String::from_utf8(out.stdout).unwrap())
    };
    let (passed, text) = check(&["--config", r#"{"stretch": "1h"}"#]);
    assert!(passed, "{text}");
    let (passed, text) = check(&[]);
    assert!(!passed && text.contains("missing field `stretch`") && text.contains("--config JSON"), "{text}");
    assert!(!check(&["--config", "{"]).0);
}
