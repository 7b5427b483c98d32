//! A config that is changed while the agent runs.

use std::fs;

use serde_json::{Value, json};

use crate::{
    agent::{Agent, Desk, plugin},
    store,
    wait::until,
};

/// Sources, a detector and a sink that need no display.
fn config(source: &str, detectors: &str) -> String {
    format!(
        "[journal]\nseal_every = \"1s\"\n[[source]]\nplugin = \"faulty\"\n{source}\n{detectors}\n\
         [[sink]]\nplugin = \"local\"\npath = \"records\"\n"
    )
}

/// The ids of what is in a status.
fn ids(status: &Value) -> Vec<&str> {
    status["plugins"].as_array().unwrap().iter().map(|plugin| plugin["id"].as_str().unwrap()).collect()
}

fn hang_up(agent: &Agent<'_>) {
    let pid = rustix::process::Pid::from_raw(agent.pid().try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::HUP).unwrap();
}

#[test]
fn a_longer_interval_counts_at_once_and_loses_no_key() {
    let activity = |interval: &str| format!("[[detector]]\nplugin = \"activity\"\ninterval = \"{interval}\"");
    let desk = Desk::new(&config("does = \"steady\"\ncount = 160000", &activity("1s")));
    let agent = desk.start();
    until("keys to be counted", || (store::sum(&desk.records("activity"), "/keys") > 0.0).then_some(()));
    desk.configure(&config("does = \"steady\"\ncount = 160000", &activity("2s")));
    let done = desk.json(&["reload"]);
    assert_eq!(done["changes"][0]["option"], "interval", "{done}");
    assert_eq!(done["pending"], json!([]));
    until("an interval of two seconds", || {
        desk.records("activity").iter().any(|sum| sum["seconds"].as_f64() > Some(1.9)).then_some(())
    });
    until("all keys in the store", || {
        (store::sum(&desk.records("activity"), "/keys") >= 160_000.0).then_some(())
    });
    assert_eq!(store::sum(&desk.records("activity"), "/keys"), 160_000.0);
    let mut sums: Vec<_> = desk.records("activity").iter().map(span).collect();
    sums.sort_unstable();
    assert!(sums.windows(2).all(|two| two[0].1 <= two[1].0), "no time is summed up twice: {sums:?}");
    let notices = desk.records("notice");
    let notice = notices.iter().find(|notice| notice["cause"] == "config").unwrap();
    assert_eq!(notice["changes"], json!(["activity: interval from \"1s\" to \"2s\""]));
    assert!(notice["collects"].to_string().contains("faulty"), "{notice}");
    assert_eq!(desk.json(&["reload"])["changes"], json!([]), "nothing is left to be done");
    assert!(agent.stop().success());
}

fn span(sum: &Value) -> (u64, u64) {
    (sum["from_mono_ns"].as_u64().unwrap(), sum["to_mono_ns"].as_u64().unwrap())
}

#[test]
fn instances_end_and_start_and_the_others_go_on() {
    let two = "[[detector]]\nplugin = \"activity\"\ninterval = \"1s\"\n[[detector]]\nplugin = \"scripted\"\n";
    let desk = Desk::new(&config("does = \"records\"", two));
    let agent = desk.start();
    agent.wait_state("scripted", "ok");
    agent.wait_durable(50);
    desk.configure(&config("does = \"records\"", "[[detector]]\nplugin = \"scripted\"\nenabled = false\n"));
    assert_eq!(desk.json(&["reload"])["changes"].as_array().unwrap().len(), 2);
    let status = agent.status();
    assert_eq!(ids(&status), ["faulty", "local"]);
    assert_eq!(plugin(&status, "faulty")["state"], "ok");
    // A source that is taken out stops at once; the sink lets nothing more out.
    desk.configure("");
    desk.json(&["reload"]);
    let status = agent.status();
    assert_eq!(ids(&status), Vec::<&str>::new());
    assert!(agent.stop().success());
    let shown = desk.shown();
    let told = |record: &&Value| record["changes"].to_string().contains("faulty is taken away");
    let told = shown.iter().find(told).unwrap()["seq"].as_u64();
    let late = |record: &&Value| record["kind"] == "faulty.tick" && record["seq"].as_u64() > told;
    assert_eq!(shown.iter().filter(late).count(), 0, "it went on after it was told that it is gone");
}

#[test]
fn a_wrong_config_changes_nothing_and_says_why_as_the_check_does() {
    let desk = Desk::new(&config("does = \"nothing\"", "[[detector]]\nplugin = \"activity\"\n"));
    let agent = desk.start();
    let before = agent.status()["plugins"].clone();
    for wrong in [
        "[[detector]]\nplugin = \"activity\"\ninterval = \"1ms\"\n",
        "[[detector]]\nplugin = \"actvity\"\n",
        "[jurnal]\n",
    ] {
        desk.configure(wrong);
        let output = desk.run(&["reload"]);
        let said = String::from_utf8(output.stderr).unwrap();
        let check = desk.run_check();
        let check = String::from_utf8([check.stdout, check.stderr].concat()).unwrap();
        let line = check.lines().find(|line| line.contains("agent.toml:")).unwrap();
        let line = line.strip_prefix("WRONG ").or(line.strip_prefix("candor: ")).unwrap_or(line);
        assert!(!output.status.success() && said.contains(line), "{said:?} has not {line:?}");
        assert_eq!(ids(&agent.status()).len(), before.as_array().unwrap().len());
    }
    hang_up(&agent);
    until("the log to say so", || desk.log().contains("jurnal").then_some(()));
    assert_eq!(ids(&agent.status()).len(), before.as_array().unwrap().len());
    assert!(agent.stop().success());
}

#[test]
fn what_counts_from_the_next_start_is_told() {
    let desk = Desk::new(&config("does = \"nothing\"", ""));
    let agent = desk.start();
    let text = fs::read_to_string(desk.config()).unwrap();
    let text = text.replace("\"1s\"", "\"2s\"") + "[agent]\nlabel = \"desk\"\nstate = \"elsewhere\"\n";
    fs::write(desk.config(), text).unwrap();
    let later = desk.json(&["reload"])["later"].clone();
    assert_eq!(later, json!(["[agent] label", "[agent] state"]));
    assert!(agent.stop().success());
}

#[test]
fn a_hang_up_lowers_at_once_and_leaves_the_rest_waiting() {
    let desk =
        Desk::new(&config("does = \"nothing\"", "[[detector]]\nplugin = \"activity\"\ninterval = \"5s\"\n"));
    let agent = desk.start();
    desk.configure(&config(
        "does = \"nothing\"",
        "[[detector]]\nplugin = \"activity\"\ninterval = \"1s\"\n[[detector]]\nplugin = \"scripted\"\n",
    ));
    hang_up(&agent);
    let status = agent.wait("both to wait", |status| status["pending"].as_array().unwrap().len() == 2);
    assert_eq!(ids(&status), ["faulty", "activity", "local"]);
    let text = String::from_utf8(desk.run(&["status"]).stdout).unwrap();
    assert!(text.contains("WAITS scripted is added; run `candor reload`"), "{text}");
    desk.configure(&config("does = \"nothing\"", ""));
    hang_up(&agent);
    let gone = |status: &Value| ids(status) == ["faulty", "local"] && status["pending"] == json!([]);
    agent.wait("the detector to be gone, and nothing to wait", gone);
    assert!(agent.stop().success());
}

/// An agent with a source of pictures; `outbox`, what is before the sources; `sinks`, what is behind.
fn pictures(outbox: &str, sinks: &str) -> String {
    format!(
        "[journal]\nseal_every = \"1s\"\n{outbox}\n[[source]]\nplugin = \"faulty\"\ndoes = \"pictures\"\n\
         [[source]]\nplugin = \"faulty\"\nid = \"ticks\"\ndoes = \"records\"\n{sinks}\n"
    )
}

const LOCAL: &str = "[[sink]]\nplugin = \"local\"\npath = \"records\"";

fn blobs(desk: &Desk) -> usize {
    let is_picture = |file: &std::path::PathBuf| file.extension().is_some_and(|end| end == "jpg");
    store::files(&desk.store()).into_iter().filter(is_picture).count()
}

#[test]
fn a_longer_grace_and_a_shorter_retention_count_at_once() {
    let desk = Desk::new(&pictures("[outbox]\ngrace = \"0s\"", LOCAL));
    let agent = desk.start();
    until("a picture that left", || (blobs(&desk) > 1).then_some(()));
    let spooled = || store::files(&desk.state().join("spool")).len();
    assert!(spooled() > 5, "what is delivered stays for a day");
    desk.configure(&pictures("[outbox]\ngrace = \"1h\"\n[retain]\nmax_age = \"0s\"", LOCAL));
    let done = desk.json(&["reload"]);
    assert_eq!((done["changes"].as_array().unwrap().len(), &done["later"]), (2, &json!([])), "{done}");
    let status = agent.wait("two that wait", |status| status["outbox"]["count"].as_u64() >= Some(2));
    let (first, last) = (&status["outbox"]["first_leaves_in_s"], &status["outbox"]["last_leaves_in_s"]);
    assert!(first.as_u64() > Some(3000) && last.as_u64() >= first.as_u64(), "{status:#}");
    let text = String::from_utf8(desk.run(&["status"]).stdout).unwrap();
    assert!(text.contains("screenshots that wait: ") && text.contains("the first in 59m"), "{text}");
    until("what was delivered to be gone here", || (spooled() < 5).then_some(()));
    assert!(agent.stop().success());
}

#[test]
fn limits_and_kinds_of_a_sink_count_at_once_and_it_can_be_proved_what_it_has() {
    let desk = Desk::new(&pictures("[outbox]\ngrace = \"0s\"", LOCAL));
    let agent = desk.start();
    until("a picture that left", || (blobs(&desk) > 1).then_some(()));
    let narrow = format!("{LOCAL}\nkinds = [\"faulty.tick\"]\nlimits = {{ parallel = 1 }}");
    desk.configure(&pictures("[outbox]\ngrace = \"0s\"", &narrow));
    let done = desk.json(&["reload"]);
    let options: Vec<_> = done["changes"].as_array().unwrap().iter().map(|one| &one["option"]).collect();
    assert_eq!((json!(options), &done["later"]), (json!(["kinds", "limits"]), &json!([])), "{done}");
    let (before, after) = (blobs(&desk), agent.status()["durable"].as_u64().unwrap());
    until("a later record", || {
        (store::records(&desk.store(), "faulty.tick").last()?["seq"].as_u64()? > after + 300).then_some(())
    });
    assert_eq!(blobs(&desk), before, "no picture since");
    // Taking it back needs consent.
    desk.configure(&pictures("[outbox]\ngrace = \"0s\"", LOCAL));
    let waits = desk.run(&["reload"]);
    assert!(!waits.status.success(), "{waits:?}");
    agent.ask(&host::control::Request::Pause { for_s: None }).unwrap();
    assert!(desk.run(&["flush"]).status.success());
    let (head, verify) = (agent.status()["durable"].to_string(), ["verify", "--sink", "local", "--head"]);
    let report = desk.json(&[&verify[..], &[&head]].concat())[0].clone();
    assert!(report["not_here"].as_u64() > Some(0) && report["missing"] == json!([]), "{report:#}");
    assert!(agent.stop().success());
}

#[test]
fn a_new_sink_starts_with_consent_and_without_a_restart() {
    let desk = Desk::new(&pictures("[outbox]\ngrace = \"1h\"", LOCAL));
    let agent = desk.start();
    until("a record in the store", || (!desk.records("notice").is_empty()).then_some(()));
    let second = "[[sink]]\nplugin = \"local\"\nid = \"second\"\npath = \"others\"";
    desk.configure(&pictures("[outbox]\ngrace = \"1h\"", &format!("{LOCAL}\n{second}")));
    assert!(!desk.run(&["reload"]).status.success(), "it waits for consent");
    assert_eq!(agent.status()["sinks"].as_object().unwrap().len(), 1);
    let token = token_of(&agent);
    agent.ask(&host::control::Request::Reload { proof: Some(token) }).unwrap();
    let others = desk.state().join("others");
    until("a record in the new store", || (!store::records(&others, "faulty.tick").is_empty()).then_some(()));
    agent.ask(&host::control::Request::Pause { for_s: None }).unwrap();
    assert!(desk.run(&["flush"]).status.success());
    let head = agent.status()["durable"].to_string();
    for (sink, later) in [("local", false), ("second", true)] {
        let report = desk.json(&["verify", "--sink", sink, "--head", &head])[0].clone();
        assert_eq!(report["missing"], json!([]), "{sink}: {report:#}");
        assert_eq!(report["not_here"].as_u64() > Some(0), later, "{sink}: {report:#}");
    }
    // And goes without asking.
    desk.configure(&pictures("[outbox]\ngrace = \"1h\"", LOCAL));
    desk.json(&["reload"]);
    assert_eq!(agent.status()["sinks"].as_object().unwrap().len(), 1);
    assert!(agent.stop().success());
}

/// What stands for everything that waits.
fn token_of(agent: &Agent<'_>) -> String {
    let answer = agent.ask(&host::control::Request::Reload { proof: None }).unwrap();
    answer["token"].as_str().unwrap().to_owned()
}

#[test]
fn what_is_older_than_keep_goes_from_the_store_and_is_declared() {
    let desk = Desk::new(&pictures("[outbox]\ngrace = \"1h\"", LOCAL));
    let month = std::time::Duration::from_secs(30 * 86_400);
    // A month's records, by the journal itself on a clock that is told.
    let (clock, hand) = host::clock::Clock::manual(chrono_tz::Tz::UTC);
    hand.set(host::clock::Clock::system().unix_ns() - month.as_nanos() as i64);
    let (journal, _) =
        host::journal::Journal::open(host::journal::Options::new(desk.state(), clock)).unwrap();
    for _ in 0..30 {
        journal.append(host::journal::Record::new("finding", "test", "{\"rule\":\"old\"}")).unwrap();
        journal.seal().unwrap();
        hand.advance(month / 30);
    }
    journal.close(std::time::Duration::from_secs(10)).unwrap();
    let delivered = desk.state().join("delivered");
    fs::create_dir_all(&delivered).unwrap();
    fs::write(delivered.join("local.json"), json!(host::upload::Delivered::default()).to_string()).unwrap();
    let agent = desk.start();
    // Some go while they are looked at, so none is opened.
    let is_old = |file: &std::path::PathBuf| file.to_string_lossy().contains("kind=finding");
    let old = || store::files(&desk.store()).into_iter().filter(is_old).count();
    until("all of it in the store", || (old() == 30).then_some(()));
    // While it runs: shortening it needs no consent.
    let keep = format!("{LOCAL}\nkeep = \"7d\"");
    desk.configure(&pictures("[outbox]\ngrace = \"1h\"", &keep));
    assert_eq!(desk.json(&["reload"])["changes"][0]["option"], "keep");
    until("what is older to be gone", || (old() <= 8).then_some(()));
    assert!(old() >= 7, "{} left", old());
    let gap = until("the gap that tells it", || {
        desk.records("gap").into_iter().find(|gap| gap["reason"] == "keep" && gap["of"] == "finding")
    });
    assert_eq!(gap["missing_from"], json!(["local"]), "{gap}");
    agent.ask(&host::control::Request::Pause { for_s: None }).unwrap();
    assert!(desk.run(&["flush"]).status.success());
    let report = desk.json(&["verify", "--sink", "local"])[0].clone();
    assert!(report["not_here"].as_u64() >= Some(22) && report["missing"] == json!([]), "{report:#}");
    assert!(agent.stop().success());
}
