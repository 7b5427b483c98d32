//! What sinks get and keep, and what stays here.

use std::time::Duration;

use super::{check, here, parse};

#[test]
fn what_stays_here_is_limited_as_people_write_it() {
    check("[spool]\nmax = \"1KB\"", "2: spool.max: 1KB is out of range; allowed is \"1MB\" to \"1000000GB\"");
    check(
        "[outbox]\ngrace = \"100d\"",
        "2: outbox.grace: 100d is out of range; allowed is \"0ms\" to \"90d\"",
    );
    check("[outbox]\ndelete = 1", "2: outbox.delete: 1 doesn't fit; write true or false, such as true");
    check("grace = \"5m\"", "1: grace: belongs under [outbox]; move it below that line");
    check(
        "[retain]\nmax_age = \"99999d\"",
        "2: retain.max_age: 99999d is out of range; allowed is \"0ms\" to \"36500d\"",
    );
    check(
        "[retain]\nkinds = { Shots = { max_age = \"1d\" } }",
        "2: retain.kinds: \"Shots\" is no kind of record; see KINDS.md",
    );
    let keep = |value: &str, text: &str| {
        check(&format!("[[sink]]\nplugin = \"local\"\nkeep = {value}"), &format!("3: local.keep: {text}"));
    };
    keep("90", "must be a duration in quotes, such as \"90d\"");
    keep("\"1h\"", "1h is out of range; allowed is \"1d\" to \"36500d\"");
    keep("\"x\"", "\"x\" is not a duration; write one such as \"30s\", \"5m\" or \"1h30m\"");
    check(
        "[[source]]\nplugin = \"input\"\nkeep = \"90d\"",
        "3: input.keep: belongs to a sink; a source stores nothing, so remove the line",
    );
    let config = parse(
        "[retain]\nmax_age = \"2d\"\narchive = \"old\"\n[retain.kinds.screenshot]\nmax_size = \"1GB\"\n\
         [retain.kinds.\"acme.note\"]\nmax_age = \"1h\"",
    );
    let rules = config.retain.rules();
    let shots = rules.of("screenshot");
    assert_eq!((shots.max_age, shots.max_size), (Duration::from_secs(2 * 86_400), 1_000_000_000));
    assert_eq!(rules.of("acme.note").max_age, Duration::from_secs(3600));
    assert_eq!(rules.of("finding").max_size, 200_000_000);
    assert_eq!(rules.archive.as_deref(), Some(here().parent().unwrap().join("old").as_path()));
}

#[test]
fn a_sinks_kinds_are_records() {
    let kinds = |value: &str, text: &str| {
        check(&format!("[[sink]]\nplugin = \"local\"\nkinds = {value}"), &format!("3: local.kinds: {text}"));
    };
    kinds("\"activity\"", "must be a list of names, such as [\"activity\", \"finding\"]");
    kinds("[]", "names none; remove the line to store all, or set enabled = false to store nothing");
    kinds("[\"key\"]", "\"key\" is a signal and is never stored; name kinds of records");
    kinds("[\"activty\"]", "\"activty\" is no kind of record; did you mean `activity`?");
    check(
        "[[detector]]\nplugin = \"activity\"\nkinds = [\"activity\"]",
        "3: activity.kinds: belongs to a sink; a detector declares its kinds itself, so remove the line",
    );
    let config = parse("[[sink]]\nplugin = \"local\"\nkinds = [\"activity\", \"acme.mood\"]");
    assert_eq!(config.sink[0].kinds, Some(vec!["activity".to_owned(), "acme.mood".to_owned()]));
}
