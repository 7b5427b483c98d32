//! One message per mistake: file, line, key, fix.

use std::collections::BTreeSet;
use std::ffi::OsString;

use serde_json::json;

use super::*;

mod sinks;

const REFERENCE: &str = include_str!("../../../config/reference.toml");
const LOCAL: &str = include_str!("../../../config/local.toml");

fn here() -> &'static Path {
    Path::new(if cfg!(windows) { r"C:\etc\agent.toml" } else { "/etc/agent.toml" })
}

fn parse(text: &str) -> Config {
    Config::parse(text, Some(here())).unwrap_or_else(|error| panic!("{text}\n{error}"))
}

/// Checks that a config is refused with this message, of which the file's name is left out.
fn check(text: &str, expected: &str) {
    let error = match Config::parse(text, Some(here())) {
        Ok(config) => panic!("accepted:\n{text}\n{config:#?}"),
        Err(error) => error.to_string(),
    };
    assert_eq!(error.strip_prefix(&format!("{}:", here().display())), Some(expected), "{text}");
    assert!(!error.contains('\n'), "more than one line: {error}");
}

#[test]
fn every_mistake_names_line_key_and_fix() {
    check("[agent", "1: not TOML: unclosed table, expected `]`");
    check("[agent]\nlabel = \"a\nb\"", "2: not TOML: invalid basic string, expected `\"`");
    check("[agent]\nlabel = \"a\"\nlabel = \"b\"", "3: not TOML: duplicate key");
    check("\n[jurnal]\n", "2: jurnal: unknown table; did you mean `journal`?");
    check("[[sources]]\nplugin = \"input\"", "1: sources: unknown table; did you mean `source`?");
    check(
        "xyz = 1",
        "1: xyz: unknown table; known are agent, plugins, journal, seal, outbox, retain, spool, source, detector, sink",
    );
    check("seal_every = \"5m\"", "1: seal_every: belongs under [journal]; move it below that line");
    check("agent = 1", "1: agent: not a table; write [agent]");
    check("[source]\nplugin = \"input\"", "1: source: not a list; write [[source]], with two brackets");
    check("source = [1]", "1: source: not a list; write [[source]], with two brackets");
    check("[agent]\n\nsate = \"x\"", "3: agent.sate: unknown key; did you mean `state`?");
    check("[agent]\ncolour = 1", "2: agent.colour: unknown key; known are label, state");
    check(
        "[agent]\nstate = 5",
        "2: agent.state: 5 doesn't fit; write text in quotes, such as \"/var/lib/candor\"",
    );
    check(
        "[agent]\nstate = \"\"",
        "2: agent.state: is empty; write a folder, or remove the line for the default",
    );
    check("[agent]\nlabel = \"a\\nb\"", "2: agent.label: must be 1 to 64 printable characters on one line");
}

#[test]
fn plugin_folders_and_allow_list_are_checked() {
    check(
        "[plugins]\npaths = \"x\"",
        "2: plugins.paths: \"x\" doesn't fit; write a list, such as [\"/usr/lib/candor/plugins\"]",
    );
    check("[plugins]\npaths = []", "2: plugins.paths: names no folder; remove the line for the default ones");
    check(
        "[plugins]\nallow_unsafe = 1",
        "2: plugins.allow_unsafe: 1 doesn't fit; write true or false, such as false",
    );
    check(
        "[plugins]\nallow = [\"abc\"]",
        "2: plugins.allow: \"abc\" is not a sha256 sum; write the 64 digits that `sha256sum FILE` prints",
    );
}

#[test]
fn durations_and_sizes_need_a_unit_and_a_sane_value() {
    let seal = |value: &str, text: &str| {
        check(&format!("[journal]\nseal_every = {value}"), &format!("2: journal.seal_every: {text}"));
    };
    let wrong = "is not a duration; write one such as \"30s\", \"5m\" or \"1h30m\"";
    seal("5", "5 doesn't fit; write text in quotes, such as \"5m\"");
    seal("\"\"", &format!("\"\" {wrong}"));
    seal("\"5\"", &format!("\"5\" {wrong}"));
    seal("\"-5m\"", &format!("\"-5m\" {wrong}"));
    seal("\"5 lightyears\"", &format!("\"5 lightyears\" {wrong}"));
    seal("\"99999999999999999999d\"", &format!("\"99999999999999999999d\" {wrong}"));
    seal("\"0s\"", "0ms is out of range; allowed is \"1s\" to \"1d\"");
    seal("\"36500d\"", "36500d is out of range; allowed is \"1s\" to \"1d\"");
    check(
        "[journal]\nseal_size = \"8\"",
        "2: journal.seal_size: \"8\" is not a size; write one such as \"500KB\", \"8MB\" or \"1GiB\"",
    );
    check(
        "[journal]\nseal_size = \"1B\"",
        "2: journal.seal_size: 1B is out of range; allowed is \"4KB\" to \"1GB\"",
    );
}

#[test]
fn durations_read_as_written() {
    let duration = |text| parse_duration(text).unwrap();
    assert_eq!(duration("250ms"), Duration::from_millis(250));
    assert_eq!(duration("1h30m"), Duration::from_secs(5400));
    assert_eq!(duration(" 5 m "), Duration::from_secs(300));
    assert_eq!(parse_size("8MB").unwrap(), 8_000_000);
    assert_eq!(parse_size("1KiB").unwrap(), 1024);
    for (shown, text) in [("1d", "24h"), ("90m", "1h30m"), ("0ms", "0s"), ("10s", "10000ms")] {
        assert_eq!(units::show_duration(duration(text)), shown);
    }
}

#[test]
fn entries_are_checked_before_their_plugin_is_known() {
    check(
        "[[sink]]\npath = \"x\"",
        "1: sink: names no plugin; add plugin = \"NAME\" with one that `candor plugins` lists",
    );
    check("[[sink]]\nplugn = \"local\"", "2: sink.plugn: unknown key; did you mean `plugin`?");
    check("[[sink]]\nplugin = 1", "2: sink.plugin: must be text; write a name in quotes");
    check(
        "[[sink]]\nplugin = \"../evil\"",
        "2: sink.plugin: \"../evil\" is no name; use a to z, 0 to 9, - and _ only, at most 64 of them",
    );
    check(
        "[[sink]]\nplugin = \"local\"\nid = \"candor\"",
        "3: candor: the agent's own records are named so; give this one another id",
    );
    check("[[sink]]\nplugin = \"local\"\nenabled = 1", "3: local.enabled: must be true or false");
    check(
        "[[source]]\nplugin = \"input\"\n[[sink]]\nplugin = \"input\"",
        "3: input: id already used at line 1; give this one an id of its own",
    );
    check(
        "[[sink]]\nplugin = \"local\"\n[[sink]]\nplugin = \"s3\"\n\nid = \"local\"",
        "6: local: id already used at line 1; give this one an id of its own",
    );
}

#[test]
fn reserved_keys_of_later_versions_are_refused_not_ignored() {
    for key in ["isolate", "grant"] {
        check(
            &format!("[[source]]\nplugin = \"input\"\n{key} = true"),
            &format!("3: input.{key}: not supported by this version; remove the line"),
        );
    }
}

#[test]
fn secrets_are_refused_and_never_repeated() {
    for key in ["password", "secret_access_key", "secretAccessKey", "session-token", "access_key_id", "TOKEN"]
    {
        let text = format!("[[sink]]\nplugin = \"s3\"\n{key} = \"hunter2\"");
        let error = Config::parse(&text, None).unwrap_err().to_string();
        assert!(error.starts_with("built-in agent.toml:3: ") && error.contains(key), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
    check(
        "[[sink]]\nplugin = \"s3\"\n[sink.auth]\nuser = \"me\"\npassword = \"hunter2\"",
        "5: sink.auth.password: secrets don't belong in this file; remove it and keep it where the plugin looks for \
         it (a profile, the environment, or a file only this user can read)",
    );
    parse("[[sink]]\nplugin = \"s3\"\npassword_file = \"/run/x\"\ntoken_limit = 5\nmonkey = 1");
}

#[test]
fn options_are_the_plugins_own_and_keep_their_lines() {
    let config = parse("[[detector]]\nplugin = \"scripted\"\nenabled = false\n\nlimit = 5\nnames = [\"a\"]");
    let entry = &config.detector[0];
    assert_eq!(Value::Object(entry.options.clone()), json!({"limit": 5, "names": ["a"]}));
    assert_eq!((entry.id.as_str(), entry.enabled, entry.line), ("scripted", false, 1));
    assert_eq!((entry.line_of("limit"), entry.line_of("names"), entry.line_of("other")), (5, 6, 1));
}

#[test]
fn options_are_checked_against_the_plugins_schema() {
    let schema = json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["path"],
        "$defs": {"Backend": {"oneOf": [{"const": "auto", "type": "string"}, {"const": "x11", "type": "string"}]}},
        "properties": {
            "path": {"type": "string", "examples": ["records"]},
            "backend": {"$ref": "#/$defs/Backend", "default": "auto"},
            "level": {"enum": ["low", "high"]},
            "limit": {"type": "integer", "minimum": 1, "maximum": 100, "default": 10},
            "share": {"type": ["number", "null"]},
            "names": {"type": "array", "items": {"type": "string"}},
            "other": {"anyOf": [{"$ref": "#/$defs/Backend"}, {"type": "null"}]},
        },
    });
    let check = |options: &str, expected: &str| {
        let config = parse(&format!("[[sink]]\nplugin = \"p\"\n{options}"));
        let error =
            check_options(&config.sink[0], &schema, Path::new("a.toml")).err().map(|error| error.to_string());
        assert_eq!(error.as_deref().unwrap_or(""), expected, "{options}");
    };
    check("path = \"x\"\nlimit = 100\nshare = 0.5\nnames = []\nbackend = \"x11\"\nother = \"auto\"", "");
    check("", "a.toml:1: p.path: missing; write text in quotes, such as \"records\"");
    check("path = \"x\"\nlimt = 1", "a.toml:4: p.limt: unknown key; did you mean `limit`?");
    check("path = \"x\"\nenabld = true", "a.toml:4: p.enabld: unknown key; did you mean `enabled`?");
    check(
        "path = \"x\"\nlimit = \"x\"",
        "a.toml:4: p.limit: \"x\" doesn't fit; write a whole number, such as 10",
    );
    check(
        "path = \"x\"\nlimit = 1.5",
        "a.toml:4: p.limit: 1.5 doesn't fit; write a whole number, such as 10",
    );
    check(
        "path = \"x\"\nlimit = 0",
        "a.toml:4: p.limit: 0 doesn't fit; write a number of at least 1, such as 10",
    );
    check(
        "path = \"x\"\nlimit = 101",
        "a.toml:4: p.limit: 101 doesn't fit; write a number of at most 100, such as 10",
    );
    check(
        "path = \"x\"\nbackend = \"x12\"",
        "a.toml:4: p.backend: \"x12\" doesn't fit; write \"auto\" or \"x11\", such as \"auto\"",
    );
    check(
        "path = \"x\"\nother = \"x12\"",
        "a.toml:4: p.other: \"x12\" doesn't fit; write \"auto\" or \"x11\"",
    );
    check("path = \"x\"\nlevel = 3", "a.toml:4: p.level: 3 doesn't fit; write \"low\" or \"high\"");
    check("path = \"x\"\nshare = \"x\"", "a.toml:4: p.share: \"x\" doesn't fit; write a number");
    check(
        "path = \"x\"\nnames = [1]",
        "a.toml:4: p.names: this list doesn't fit; write a list, each item text in quotes",
    );
    check("path = []", "a.toml:3: p.path: this list doesn't fit; write text in quotes, such as \"records\"");
}

plugin_api::config! {
    /// What a plugin in Rust declares.
    struct Options {
        #[serde(default = "minute")]
        interval: plugin_api::Span,
        mode: Option<Mode>,
        limit: Option<u8>,
    }
}

plugin_api::config! {
    enum Mode { Auto, OffAtNight }
}

fn minute() -> plugin_api::Span {
    plugin_api::Span::seconds(60)
}

#[test]
fn options_are_checked_against_the_schema_the_sdk_makes() {
    let schema = schemars::schema_for!(Options).to_value();
    let check = |options: &str, expected: &str| {
        let config = parse(&format!("[[detector]]\nplugin = \"p\"\n{options}"));
        let error = check_options(&config.detector[0], &schema, Path::new("a.toml")).err();
        assert_eq!(error.map(|error| error.to_string()).unwrap_or_default(), expected, "{options}");
    };
    check("", "");
    check("interval = \"5s\"\nmode = \"off_at_night\"\nlimit = 255", "");
    check("interval = 5", "a.toml:3: p.interval: 5 doesn't fit; write text in quotes, such as \"60s\"");
    check("mode = \"of\"", "a.toml:3: p.mode: \"of\" doesn't fit; write \"auto\" or \"off_at_night\"");
    check("limit = 256", "a.toml:3: p.limit: 256 doesn't fit; write a number of at most 255");
    check("\nmoed = \"auto\"", "a.toml:4: p.moed: unknown key; did you mean `mode`?");
}

#[test]
fn a_plugin_without_options_or_schema_takes_none_or_any() {
    let config = parse("[[sink]]\nplugin = \"p\"\nx = 1");
    let error = |schema| check_options(&config.sink[0], &schema, here()).err().map(|error| error.to_string());
    assert_eq!(error(json!({})), None);
    assert_eq!(error(json!({"additionalProperties": true, "properties": {}})), None);
    let none = error(json!({"additionalProperties": false})).unwrap();
    assert!(none.ends_with(":3: p.x: unknown key; it has no options, so remove the line"), "{none}");
}

#[test]
fn relative_paths_start_at_the_configs_folder() {
    let config = parse("[agent]\nstate = \"s\"\n[plugins]\npaths = [\"../p\"]");
    let folder = here().parent().unwrap();
    assert_eq!(config.state().unwrap(), folder.join("s"));
    assert_eq!(config.plugin_folders(), [folder.join("../p")]);
}

#[test]
fn a_file_that_cannot_be_a_config_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("agent.toml");
    let error = || Config::load(Some(&file)).unwrap_err().to_string();
    assert!(error().contains("agent.toml: ") && error().contains("check the path"), "{}", error());
    std::fs::write(&file, b"\n[agent]\nlabel = \"\xff\"").unwrap();
    assert!(error().ends_with("agent.toml:3: not UTF-8; save the file as UTF-8"), "{}", error());
    std::fs::write(&file, vec![b'\n'; 1_000_001]).unwrap();
    assert!(error().contains("1000001 bytes"), "{}", error());
    std::fs::write(&file, "\u{feff}[agent]\r\nlabel = \"a\"\r\n").unwrap();
    assert_eq!(Config::load(Some(&file)).unwrap().agent.label.as_deref(), Some("a"));
}

#[test]
#[cfg(all(unix, not(target_os = "macos")))]
fn default_places_follow_the_environment() {
    let env = |pairs: &'static [(&str, &str)]| {
        move |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
    };
    let home = env(&[("HOME", "/home/a")]);
    let xdg = env(&[("HOME", "/home/a"), ("XDG_STATE_HOME", "/s"), ("XDG_CONFIG_HOME", "relative")]);
    assert_eq!(place::state(&home).unwrap(), Path::new("/home/a/.local/state/candor"));
    assert_eq!(place::state(&xdg).unwrap(), Path::new("/s/candor"));
    assert_eq!(
        place::state(&env(&[])).unwrap_err().to_string(),
        "state: no folder for it, since HOME is not set; set it or pass --state DIR"
    );
    let configs = [Path::new("/home/a/.config/candor/agent.toml"), Path::new("/etc/candor/agent.toml")];
    assert_eq!(place::configs(&xdg), configs);
    assert_eq!(place::resolve(Path::new("~/x"), here(), &home).unwrap(), Path::new("/home/a/x"));
}

#[test]
fn plugins_are_looked_for_beside_the_binary_and_in_a_cargo_target() {
    let folder = tempfile::tempdir().unwrap();
    let binary = folder.path().join("candor");
    let places = || place::plugins(Some(&binary), &|_| None);
    let own = folder.path().to_owned();
    assert!(!places().contains(&own), "a folder such as /usr/bin holds no plugins");
    std::fs::write(own.join(".cargo-lock"), "").unwrap();
    std::fs::create_dir(own.join("plugins")).unwrap();
    assert_eq!(places()[..2], [own.join("plugins"), own]);
}

#[test]
fn the_built_in_config_and_the_examples_are_valid() {
    let names = |config: &Config| config.entries().map(|entry| entry.plugin.clone()).collect::<Vec<_>>();
    let config = Config::parse(BUILT_IN, None).unwrap();
    assert_eq!(names(&config), ["input", "screen", "activity", "scripted", "local"]);
    assert_eq!((config.agent, config.plugins, config.journal), Default::default());
    assert_eq!((config.outbox, config.retain, config.spool), Default::default());
    assert_eq!(config.sink[0].keep, Some(Duration::from_secs(90 * 86_400)));
    assert!(parse(LOCAL).sink.iter().any(|sink| sink.plugin == "local"));
}

/// The reference with its commented-out options (those whose default is none, or the platform's) put in.
fn reference() -> String {
    let line = |line: &str| match line.strip_prefix('#') {
        Some(rest) if !rest.starts_with(' ') && rest.contains(" = ") => format!("{rest}\n"),
        _ => format!("{line}\n"),
    };
    REFERENCE.lines().map(line).collect()
}

#[test]
fn the_reference_states_the_defaults() {
    let config = parse(REFERENCE);
    assert_eq!((config.agent, config.plugins, config.journal), Default::default());
    assert_eq!((config.outbox, config.retain, config.spool), Default::default());
    for entry in config.source.iter().chain(&config.detector).chain(&config.sink) {
        assert_eq!(
            (&entry.id, entry.enabled, &entry.kinds),
            (&entry.plugin, true, &None),
            "line {}",
            entry.line
        );
    }
}

#[test]
fn the_reference_names_every_option_of_the_host() {
    let text = reference();
    parse(&text);
    let table: toml::Table = text.parse().unwrap();
    let known = serde_json::to_value(Config::parse("", None).unwrap()).unwrap();
    for name in ["agent", "plugins", "journal", "outbox", "retain", "spool"] {
        let keys: BTreeSet<&String> = table[name].as_table().unwrap().keys().collect();
        assert_eq!(keys, known[name].as_object().unwrap().keys().collect(), "[{name}]");
    }
    for (list, keys) in [
        ("source", &RESERVED[..3]),
        ("detector", &RESERVED[..3]),
        ("sink", &["plugin", "id", "enabled", "kinds", "keep"]),
    ] {
        let first = table[list][0].as_table().unwrap();
        assert!(keys.iter().all(|key| first.contains_key(*key)), "[[{list}]] lacks one of {keys:?}");
    }
    let lines = REFERENCE.lines().filter(|line| line.contains(" = "));
    let bare: Vec<&str> = lines.filter(|line| !line.contains(" # ")).collect();
    assert!(bare.is_empty(), "options without a word on what they do: {bare:#?}");
}
