//! What raises, what waits, what is kept.

use serde_json::json;

use super::*;

fn config(text: &str) -> Config {
    Config::parse(text, None).unwrap()
}

fn schema(_: &Entry, role: Role) -> Value {
    match role {
        Role::Source => json!({"properties": {
            "every": {"default": "10m", "x-raises": "down"},
            "redact": {"default": "blur", "x-raises": [["pixelate", "blur"], "none"]},
            "hide": {"default": [], "x-raises": "removal"},
            "watch": {"x-raises": "addition"},
            "size": {"default": "1MB", "x-raises": "up"},
            "note": {"x-raises": "never"},
            "mode": {"default": "a"}
        }}),
        Role::Detector | Role::Sink => Value::Null,
    }
}

fn told(changes: &[Change]) -> Vec<String> {
    changes.iter().map(ToString::to_string).collect()
}

#[test]
fn each_rule_tells_what_raises_and_no_rule_means_that_all_does() {
    let cases = [
        ("every = '5m'", "every = '10m'", false),
        ("every = '10m'", "every = '90s'", true),
        ("", "every = '1h'", false),
        ("every = '1h'", "", true),
        ("redact = 'none'", "redact = 'blur'", false),
        ("redact = 'blur'", "redact = 'pixelate'", false),
        ("redact = 'pixelate'", "redact = 'none'", true),
        ("redact = 'pixelate'", "redact = 'new'", true),
        ("hide = ['a']", "hide = ['a', 'b']", false),
        ("hide = ['a', 'b']", "hide = ['b']", true),
        ("watch = ['a']", "watch = []", false),
        ("watch = ['a']", "watch = ['b']", true),
        ("size = '1MB'", "size = '500KB'", false),
        ("size = '1MB'", "size = '2MB'", true),
        ("note = 'x'", "note = 'y'", false),
        ("mode = 'b'", "mode = 'c'", true),
        ("mode = 'b'", "", true),
    ];
    for (from, to, raises) in cases {
        let entry = |options: &str| config(&format!("[[source]]\nplugin = 'eye'\n{options}"));
        let first = settle(None, &entry(from), Proof::None, &schema);
        assert!(first.changes.is_empty() && first.pending.is_empty(), "what is installed is accepted");
        let next = settle(Some(&first.accepted), &entry(to), Proof::None, &schema);
        assert_eq!(
            (next.pending.len(), next.changes.len()),
            (raises.into(), (!raises).into()),
            "{from} -> {to}"
        );
        // What waits keeps its old value, and goes on waiting.
        let kept =
            if raises { &first.accepted } else { &settle(None, &entry(to), Proof::None, &schema).accepted };
        assert_eq!(&next.accepted, kept, "{from} -> {to}");
        let again = settle(Some(&next.accepted), &entry(to), Proof::None, &schema);
        assert_eq!((again.pending.len(), again.changes.len()), (raises.into(), 0));
        let proven = settle(Some(&next.accepted), &entry(to), Proof::Given, &schema);
        assert!(proven.pending.is_empty());
        assert_eq!(proven.accepted, settle(None, &entry(to), Proof::None, &schema).accepted);
    }
}

#[test]
fn instances_that_come_need_proof_and_those_that_go_do_not() {
    let old = config("[[source]]\nplugin = 'eye'\n[[sink]]\nplugin = 'box'\nkinds = ['activity']");
    let first = settle(None, &old, Proof::None, &schema);
    let new = config(
        "[[source]]\nplugin = 'eye'\nenabled = false\n[[detector]]\nplugin = 'judge'\n[[sink]]\nplugin = 'box'\n",
    );
    let next = settle(Some(&first.accepted), &new, Proof::None, &schema);
    assert_eq!(told(&next.changes), ["eye is taken away"]);
    assert_eq!(told(&next.pending), ["judge is added", "box: kinds from [\"activity\"] to not set"]);
    assert!(next.config.source.is_empty() && next.config.detector.is_empty());
    assert_eq!(next.config.sink[0].kinds, old.sink[0].kinds);
    // Another plugin under the same name is another instance.
    let swapped = config("[[source]]\nplugin = 'ear'\nid = 'eye'");
    let next = settle(Some(&first.accepted), &swapped, Proof::None, &schema);
    assert_eq!(told(&next.pending), ["eye is added"]);
    assert_eq!(next.changes.len(), 2);
}

#[test]
fn keeping_longer_needs_proof_and_keeping_shorter_does_not() {
    let sink = |keep: &str| config(&format!("[[sink]]\nplugin = 'box'\n{keep}"));
    for (from, to, raises) in [
        ("keep = '30d'", "keep = '60d'", true),
        ("keep = '30d'", "", true),
        ("keep = '30d'", "keep = '7d'", false),
        ("", "keep = '30d'", false),
    ] {
        let first = settle(None, &sink(from), Proof::None, &schema);
        let next = settle(Some(&first.accepted), &sink(to), Proof::None, &schema);
        assert_eq!(
            (next.pending.len(), next.changes.len()),
            (raises.into(), (!raises).into()),
            "{from} -> {to}"
        );
        let wanted = sink(if raises { from } else { to });
        assert_eq!(next.config.sink[0].keep, wanted.sink[0].keep);
    }
}

#[test]
fn a_lowering_is_applied_beside_a_raise_that_waits() {
    let first = settle(None, &config("[[source]]\nplugin = 'eye'\nredact = 'none'"), Proof::None, &schema);
    let new = config("[[source]]\nplugin = 'eye'\nevery = '1s'");
    let next = settle(Some(&first.accepted), &new, Proof::None, &schema);
    assert_eq!(told(&next.changes), ["eye: redact from \"none\" to \"blur\""]);
    assert_eq!(told(&next.pending), ["eye: every from \"10m\" to \"1s\""]);
    assert_eq!(next.config.source[0].options["every"], "10m");
}

#[test]
fn what_a_plugins_update_brings_along_is_no_change_but_another_default_is() {
    let text = config("[[source]]\nplugin = 'eye'");
    let old = |_: &Entry, _: Role| json!({"properties": {"redact": {"default": "pixelate"}, "old": {"default": 1}}});
    let first = settle(None, &text, Proof::None, &old);
    let new =
        |_: &Entry, _: Role| json!({"properties": {"redact": {"default": "none"}, "new": {"default": 1}}});
    let next = settle(Some(&first.accepted), &text, Proof::None, &new);
    assert_eq!(told(&next.pending), ["eye: redact from \"pixelate\" to \"none\""]);
    assert!(next.changes.is_empty());
    assert_eq!(Value::from(next.config.source[0].options.clone()), json!({"redact": "pixelate"}));
}

#[test]
fn what_cannot_be_read_counts_for_nothing() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(accepted(folder.path()), None);
    let settled = settle(None, &config("[[source]]\nplugin = 'eye'"), Proof::None, &schema);
    keep(folder.path(), &settled.accepted).unwrap();
    assert_eq!(accepted(folder.path()), Some(settled.accepted));
    fs::write(file(folder.path()), "{").unwrap();
    assert_eq!(accepted(folder.path()), Some(Accepted::new()));
}
