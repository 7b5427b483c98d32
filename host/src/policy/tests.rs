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
    assert_eq!(accepted(folder.path()), Some(Accepted::default()));
}

#[test]
fn what_the_hosts_tables_let_be_known_needs_proof_and_what_they_take_back_does_not() {
    const ONE: &str = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
    const TWO: &str = "age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg";
    let one = format!("[seal]\nencrypt_to = ['{ONE}']");
    let both = format!("[seal]\nencrypt_to = ['{ONE}', '{TWO}']");
    let other = format!("[seal]\nencrypt_to = ['{TWO}']");
    let some = format!("{one}\nencrypt_kinds = ['screenshot']");
    let more = format!("{one}\nencrypt_kinds = ['screenshot', 'finding']");
    let cases: [(&str, &str, &str, bool); 25] = [
        ("encrypt_to", "", &one, false),
        ("encrypt_to", &one, "", true),
        ("encrypt_to", &one, &both, true),
        ("encrypt_to", &one, &other, true),
        ("encrypt_to", &both, &one, false),
        ("encrypt_kinds", &some, &one, false),
        ("encrypt_kinds", &one, &some, true),
        ("encrypt_kinds", &some, &more, false),
        ("encrypt_kinds", &more, &some, true),
        ("grace", "[outbox]\ngrace = '1h'", "", true),
        ("grace", "", "[outbox]\ngrace = '1h'", false),
        ("delete", "", "[outbox]\ndelete = false", true),
        ("delete", "[outbox]\ndelete = false", "", false),
        ("max_age", "", "[retain]\nmax_age = '2d'", true),
        ("max_age", "", "[retain]\nmax_age = '1h'", false),
        ("max_size", "", "[retain]\nmax_size = '1GB'", true),
        ("max_size", "", "[retain]\nmax_size = '1MB'", false),
        ("archive", "", "[retain]\narchive = '/srv/a'", true),
        ("archive", "[retain]\narchive = '/srv/a'", "[retain]\narchive = '/srv/b'", true),
        ("archive", "[retain]\narchive = '/srv/a'", "", false),
        ("kinds", "", "[retain]\nkinds = { finding = { max_age = '2d' } }", true),
        ("kinds", "", "[retain]\nkinds = { finding = { max_age = '2h' } }", false),
        ("kinds", "[retain]\nkinds = { finding = { max_age = '2h' } }", "", true),
        ("max", "", "[spool]\nmax = '3GB'", true),
        ("max", "", "[spool]\nmax = '1GB'", false),
    ];
    for (key, from, to, raises) in cases {
        let first = settle(None, &config(from), Proof::None, &schema);
        let next = settle(Some(&first.accepted), &config(to), Proof::None, &schema);
        let (waits, done) = (&next.pending, &next.changes);
        assert_eq!((waits.len(), done.len()), (raises.into(), (!raises).into()), "{key}: {from} -> {to}");
        let named = waits.iter().chain(done).all(|change| change.option.as_deref() == Some(key));
        assert!(named, "{key}: {waits:?} {done:?}");
        let runs = if raises { from } else { to };
        assert_eq!(Tables::of(&next.config), Tables::of(&config(runs)), "{key}: {from} -> {to}");
        let proven = settle(Some(&next.accepted), &config(to), Proof::Given, &schema);
        assert!(proven.pending.is_empty());
        assert_eq!(Tables::of(&proven.config), Tables::of(&config(to)));
    }
    let first = settle(None, &config(""), Proof::None, &schema);
    let next = settle(Some(&first.accepted), &config("[outbox]\ngrace = '1m'"), Proof::None, &schema);
    assert_eq!(told(&next.pending), ["[outbox]: grace from \"10m\" to \"1m\""]);
    let at_once = config("[journal]\nseal_every = '1s'\nseal_size = '1MB'");
    let next = settle(Some(&first.accepted), &at_once, Proof::None, &schema);
    assert!(next.pending.is_empty() && next.config.journal == at_once.journal, "{:?}", next.pending);
    assert_eq!(next.changes.len(), 2);
}
