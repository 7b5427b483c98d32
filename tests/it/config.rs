//! What a person gets wrong in a config: one line each that says where, what and how to mend it.

use std::{fs, path::Path};

use host::{
    config::{Config, parse_duration},
    load,
};
use plugin_api::call;
use serde_json::Value;

use crate::{
    agent::{Desk, USUAL},
    candor,
    display::Display,
    library, root,
    wait::{answer, until},
};

/// A config with an option of screenshots, in its line 5.
macro_rules! screen {
    ($option:literal) => {
        concat!("[[source]]\nplugin = \"screen\"\n", $option, "\n")
    };
}

/// Line 1 and 2 of every config here are `[plugins]` and `paths`.
const CASES: &[(&str, &str, &[&str])] = &[
    ("malformed TOML", "[journal\nseal_every = \"1s\"\n", &["agent.toml:3: "]),
    ("a value without its end", "[journal]\nseal_every = \"1s\n", &["agent.toml:4: "]),
    ("an unknown table", "[jurnal]\n", &["agent.toml:3: ", "jurnal", "did you mean `journal`?"]),
    (
        "an unknown key",
        "[journal]\nseal_evry = \"1s\"\n",
        &["agent.toml:4: ", "seal_evry", "did you mean `seal_every`?"],
    ),
    ("a wrong type", "[journal]\nseal_every = 5\n", &["agent.toml:4: ", "journal.seal_every", "\"5m\""]),
    ("a value out of range", "[journal]\nseal_every = \"1ms\"\n", &["agent.toml:4: ", "seal_every", "1s"]),
    ("no plugin", "[[sink]]\npath = \"x\"\n", &["agent.toml:3: ", "plugin = "]),
    (
        "an unknown plugin",
        "[[detector]]\nplugin = \"actvity\"\n",
        &["agent.toml:4: ", "actvity", "did you mean `activity`?"],
    ),
    (
        "a plugin of another role",
        "[[sink]]\nplugin = \"activity\"\n",
        &["agent.toml:4: ", "activity is not a sink", "detector"],
    ),
    (
        "an unknown option",
        "[[detector]]\nplugin = \"activity\"\nintervall = \"5s\"\n",
        &["agent.toml:5: ", "activity.intervall", "did you mean `interval`?"],
    ),
    (
        "an option of the wrong type",
        "[[detector]]\nplugin = \"activity\"\ninterval = 60\n",
        &["agent.toml:5: ", "activity.interval"],
    ),
    (
        "an option its plugin refuses",
        "[[detector]]\nplugin = \"activity\"\ninterval = \"1ms\"\n",
        &["agent.toml:5: ", "interval", "1s"],
    ),
    (
        "one id twice",
        "[[detector]]\nplugin = \"activity\"\n[[detector]]\nplugin = \"activity\"\n",
        &["agent.toml:5: ", "activity", "id"],
    ),
    (
        "a key of a later version",
        "[[sink]]\nplugin = \"local\"\nisolate = true\n",
        &["agent.toml:5: ", "isolate", "not supported"],
    ),
    ("screenshots all the time", screen!("every = \"0s\""), &["agent.toml:5: ", "every", "\"1s\" to \"1d\""]),
    (
        "an interval below nothing",
        screen!("every = \"-5m\""),
        &["agent.toml:5: ", "every", "not a duration", "\"5m\""],
    ),
    ("a hundred years", screen!("every = \"36500d\""), &["agent.toml:5: ", "every", "\"1s\" to \"1d\""]),
    (
        "an unknown format",
        screen!("format = \"avif\""),
        &["agent.toml:5: ", "format", "\"auto\" or \"jpeg\" or \"png\""],
    ),
    ("an unknown redaction", screen!("redact = \"off\""), &["agent.toml:5: ", "redact", "\"blur\""]),
    ("a redaction too weak", screen!("blur_em = 0.5"), &["agent.toml:5: ", "blur_em", "1 to 20"]),
    ("a rule of nothing", screen!("exclude = [{}]"), &["agent.toml:5: ", "exclude", "app, title or both"]),
    (
        "a rule that is a text",
        screen!("exclude = [\"signal\"]"),
        &["agent.toml:5: ", "exclude", "each item a table"],
    ),
    (
        "a rule with a misspelt key",
        screen!("exclude = [{ titel = \"x\" }]"),
        &["agent.toml:5: ", "exclude", "`titel`, expected `app` or `title`"],
    ),
    ("a rule that is cut off", screen!("exclude = [{ app = \"x\" "), &["agent.toml:"]),
];

/// The one line that says what is wrong.
fn line(output: &std::process::Output) -> String {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    let text = String::from_utf8(text).unwrap();
    let lines: Vec<_> =
        text.lines().filter(|line| line.contains("agent.toml:") && !line.ends_with("see above")).collect();
    assert_eq!(lines.len(), 1, "{text}");
    lines[0].to_owned()
}

#[test]
fn each_mistake_gives_one_line_with_its_place_and_its_cure() {
    let desk = Desk::new("");
    for (name, config, expect) in CASES {
        desk.configure(config);
        let output = desk.run_check();
        assert!(!output.status.success(), "{name}");
        let line = line(&output);
        for part in *expect {
            assert!(line.contains(part), "{name}: {part:?} is not in: {line}");
        }
    }
}

#[test]
fn a_config_nobody_can_follow_keeps_the_agent_from_starting() {
    let desk = Desk::new("");
    for (name, config, expect) in CASES.iter().take(7) {
        desk.configure(config);
        let output = desk.run(&["run"]);
        assert!(!output.status.success(), "{name}");
        let line = line(&output);
        assert!(expect.iter().all(|part| line.contains(part)), "{name}: {line}");
        assert!(!desk.state().exists(), "{name}: nothing is made before the config is understood");
    }
}

#[test]
fn an_entry_that_cannot_run_is_said_and_the_others_run() {
    for (name, config, expect) in &CASES[7..12] {
        let desk = Desk::new(&format!("{config}[[detector]]\nplugin = \"scripted\"\n"));
        let agent = desk.start();
        let status = agent.status();
        let plugins = status["plugins"].as_array().unwrap();
        let (bad, good): (Vec<_>, Vec<_>) = plugins.iter().partition(|plugin| plugin["id"] != "scripted");
        assert_eq!(good.len(), 1, "{name}: {status:#}");
        agent.wait_state("scripted", "ok");
        let id = bad[0]["id"].as_str().unwrap();
        let bad = agent.wait_state(id, "failed");
        let cause = bad["cause"].as_str().unwrap();
        assert!(expect[1..].iter().any(|part| cause.contains(part)), "{name}: {cause}");
        assert!(bad["fix"] != "", "{name}: {bad}");
        assert!(agent.stop().success());
    }
}

#[test]
fn a_plugin_folder_that_is_missing_is_said() {
    let desk = Desk::new("");
    fs::write(desk.config(), "[plugins]\npaths = [\"nowhere\"]\n[[detector]]\nplugin = \"activity\"\n")
        .unwrap();
    let output = desk.run_check();
    let line = line(&output);
    assert!(
        !output.status.success() && line.contains("nowhere") && line.contains("[plugins] paths"),
        "{line}"
    );
}

#[test]
fn a_config_file_that_is_missing_is_said() {
    let desk = Desk::new("");
    fs::remove_file(desk.config()).unwrap();
    for arguments in [&["run"][..], &["status"], &["show"], &["plugins"]] {
        let output = desk.run(arguments);
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(
            !output.status.success() && text.contains("agent.toml") && text.contains("check the path"),
            "{text}"
        );
        assert_eq!(text.trim().lines().count(), 1, "{text}");
    }
}

#[test]
fn a_state_folder_that_cannot_be_used_is_said() {
    let desk = Desk::new("");
    let file = desk.path().join("file");
    fs::write(&file, "").unwrap();
    // Root may write anywhere but where nobody can.
    for state in [file.clone(), file.join("below"), Path::new("/proc/candor").to_owned()] {
        let desk = Desk::new("").state_in(&state);
        let mut agent = desk.spawn();
        let ended = answer(|| agent.ended()).expect("it to end");
        let log = desk.log();
        let told = log.lines().filter(|line| line.starts_with("candor: ")).collect::<Vec<_>>();
        assert!(!ended.success() && told.len() == 1, "{log}");
        assert!(told[0].contains(state.to_str().unwrap()) && told[0].contains("--state DIR"), "{log}");
    }
}

#[test]
fn the_shipped_configs_are_fine_and_run() {
    let display = Display::new();
    for name in ["agent.toml", "local.toml"] {
        let text = fs::read_to_string(root().join("config").join(name)).unwrap();
        let desk = Desk::new(&text).on(&display);
        let output = desk.run_check();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stdout));
        let agent = desk.start();
        for plugin in agent.status()["plugins"].as_array().unwrap() {
            agent.wait_state(plugin["id"].as_str().unwrap(), "ok");
        }
        assert!(agent.stop().success());
    }
}

#[test]
fn what_a_command_prints_is_data_with_json() {
    let desk = Desk::new(USUAL);
    let agent = desk.start();
    for arguments in [&["status", "--json"][..], &["plugins", "--json"]] {
        let output = desk.run(arguments);
        assert!(output.status.success(), "{output:?}");
        let value: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(value.is_object() || value.is_array(), "{value}");
    }
    let check = desk.command(&["check", "--json", desk.config().to_str().unwrap()]).output().unwrap();
    let value: Value = serde_json::from_slice(&check.stdout).unwrap();
    assert_eq!(value["ok"], true, "{value:#}");
    until("records", || (!desk.shown().is_empty()).then_some(()));
    let table = String::from_utf8(desk.run(&["plugins"]).stdout).unwrap();
    for name in ["input", "activity", "scripted", "local", "faulty"] {
        assert!(table.contains(name), "{table}");
    }
    assert!(agent.stop().success());
}

/// The reference is checked by the plugins' own words: every option of each, with its default.
#[test]
fn the_reference_states_every_option_of_the_plugins_with_its_default() {
    candor();
    let file = root().join("config/reference.toml");
    let text = fs::read_to_string(&file).unwrap();
    // Options without a default stand in comments.
    let option = |line: &str| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).map(str::to_owned);
    let text: String = text.lines().map(|line| option(line).unwrap_or(line.to_owned()) + "\n").collect();
    let config = Config::parse(&text, Some(&file)).unwrap();
    for (role, entries) in
        [("source", &config.source), ("detector", &config.detector), ("sink", &config.sink)]
    {
        // Sinks on a cloud's SDK are built apart; their own crates test the same.
        for entry in entries.iter().filter(|entry| !["gcs", "s3"].contains(&entry.plugin.as_str())) {
            let schema = call::schema(load::open(&library(&entry.plugin)).unwrap().plugin);
            let options = schema[role]["properties"].as_object().unwrap();
            let (said, known): (Vec<_>, Vec<_>) = (entry.options.keys().collect(), options.keys().collect());
            assert_eq!(said, known, "{}", entry.plugin);
            for (key, value) in &entry.options {
                let default = &options[key]["default"];
                let same = |a: &Value, b: &Value| {
                    let span = |value: &Value| parse_duration(value.as_str()?).ok();
                    a == b
                        || (span(a).is_some() && span(a) == span(b))
                        || (a.is_number() && a.as_f64() == b.as_f64())
                };
                assert!(
                    default.is_null() || same(value, default),
                    "{}.{key}: {value}, not {default}",
                    entry.plugin
                );
            }
        }
    }
}
