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
    assert_eq!(later, json!(["[agent] label", "[agent] state", "[journal] seal_every"]));
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
