//! Screenshots by the whole agent: from a real X server to the sink.

use std::{fs, path::PathBuf};

use serde_json::{Value, json};

use crate::{agent::Desk, screen::Display, text, wait::until};

/// The agent with `screen`, some options of it, and a sink.
fn config(options: &str) -> String {
    format!(
        "[journal]\nseal_every = \"1s\"\n[[source]]\nplugin = \"screen\"\n{options}\n\
         [[sink]]\nplugin = \"local\"\npath = \"records\"\n"
    )
}

/// An agent that is not started, with a display.
fn desk(display: &Display, options: &str) -> Desk {
    Desk::bare(&["screen", "local"], &config(options)).on_name(&display.name)
}

/// A display that shows a page of text.
fn page() -> Display {
    let folder = tempfile::tempdir().unwrap();
    let mut display = Display::start("1920x1080");
    display.manage();
    display.wallpaper(&text::page(folder.path(), 1));
    display
}

/// The picture of a shot that is answered.
#[track_caller]
fn file(shot: &Value) -> PathBuf {
    PathBuf::from(shot["file"].as_str().unwrap_or_else(|| panic!("no file: {shot:#}")))
}

#[test]
fn candor_shot_takes_one_now_and_says_where_it_is_or_why_there_is_none() {
    let display = page();
    let desk = desk(&display, "every = \"1d\"\nredact = \"none\"");
    let failed = |arguments: &[&str], wanted: &[&str]| {
        let output = desk.run(arguments);
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8(text).unwrap();
        assert!(!output.status.success(), "{text}");
        assert!(wanted.iter().all(|part| text.contains(part)), "{wanted:?} is not in: {text}");
    };
    failed(&["shot"], &["no agent runs", "candor run"]);
    let agent = desk.start();
    agent.wait_state("screen", "ok");

    let shots = desk.json(&["shot"])["shots"].clone();
    let shot = &shots[0];
    assert_eq!((&shot["instance"], &shot["outcome"]), (&json!("screen"), &json!("stored")), "{shots}");
    assert_eq!(
        (&shot["record"]["reason"], &shot["record"]["redaction"]["mode"]),
        (&json!("request"), &json!("none"))
    );
    assert!(shot["record"]["seq"].as_u64().unwrap() <= agent.status()["durable"].as_u64().unwrap());
    assert!(text::words(&file(shot), "100%") > 60, "what the config allows to be seen is seen");
    // Nothing changed on the screen: it is stored all the same.
    let output = desk.run(&["shot"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let path = PathBuf::from(text.split(" (").next().unwrap());
    assert!(output.status.success() && path != file(shot), "{text}");
    assert!(fs::read(&path).unwrap().starts_with(b"\xff\xd8\xff"), "{text}");
    until("it in the store", || {
        let stored = desk.records("screenshot");
        (stored.iter().filter(|record| record["reason"] == "request").count() == 2).then_some(())
    });

    assert!(desk.run(&["pause"]).status.success());
    failed(&["shot"], &["paused", "candor resume"]);
    assert!(desk.run(&["resume"]).status.success());
    display.kill();
    failed(&["shot"], &["no picture", "failed"]);
    let shot = desk.run(&["shot", "--json"]).stdout;
    let shot = serde_json::from_slice::<Value>(&shot).unwrap()["shots"][0].clone();
    assert!(shot["cause"] != "" && shot["fix"] != "" && shot["file"].is_null(), "{shot}");
    assert!(agent.stop().success());

    let desk = Desk::bare(&["local"], "[[sink]]\nplugin = \"local\"\n");
    let agent = desk.start();
    let output = desk.run(&["shot"]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        !output.status.success() && text.contains("no source") && text.contains("candor plugins"),
        "{text}"
    );
    assert!(agent.stop().success());
}

#[test]
fn the_first_run_on_a_terminal_shows_one_blurred_shot_even_where_the_config_blurs_none() {
    let display = page();
    let desk = desk(&display, "every = \"1d\"\nredact = \"none\"");
    let agent = desk.spawn_on_terminal();
    let screen =
        until("the first screenshot", || Some(desk.screen()).filter(|text| text.contains("blurred)")));
    let path =
        screen.lines().find_map(|line| line.strip_suffix(", blurred)").or(line.strip_suffix(", blurred)\r")));
    let path = PathBuf::from(path.unwrap().split(" (").next().unwrap());
    assert_eq!(text::words(&path, "1920x1080!"), 0, "{screen}");
    until("that it was shown to be noted", || desk.state().join("first-shot").exists().then_some(()));
    drop(agent);
    until("the first agent to end", || {
        let lock = fs::File::open(desk.state().join("lock")).ok()?;
        lock.try_lock().is_ok().then_some(())
    });
    // Once per state folder.
    let before = desk.shown().iter().filter(|record| record["kind"] == "screenshot").count();
    assert_eq!(before, 1);
    let agent = desk.spawn_on_terminal();
    until("the live line", || desk.screen().contains("Try:").then_some(()));
    assert!(!desk.screen().contains("first screenshot"), "{}", desk.screen());
    assert_eq!(desk.shown().iter().filter(|record| record["kind"] == "screenshot").count(), before);
    drop(agent);
}
