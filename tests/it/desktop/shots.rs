//! Screenshots by the whole agent: from a real X server to the sink.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use crate::{
    agent::{Agent, Desk},
    promises::pictures::answer,
    screen::Display,
    text,
    wait::until,
};

/// The agent with `screen`, some options of it, and a sink.
pub fn config(options: &str) -> String {
    format!(
        "[journal]\nseal_every = \"1s\"\n[outbox]\ngrace = \"0s\"\n[[source]]\nplugin = \"screen\"\n{options}\n\
         [[sink]]\nplugin = \"local\"\npath = \"records\"\n"
    )
}

/// An agent that is not started, with a display.
pub fn desk(display: &Display, options: &str) -> Desk {
    Desk::bare(&["screen", "local"], &config(options)).on_name(&display.name)
}

/// A display that shows a page of text.
pub fn page() -> Display {
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
    // Its file stays where it is said to be only until its grace is over.
    let config = config("every = \"1d\"\nredact = \"none\"").replace("grace = \"0s\"", "grace = \"1h\"");
    let desk = Desk::bare(&["screen", "local"], &config).on_name(&display.name);
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
    let read = text::words(&file(shot), "100%");
    assert!(read > 60, "what the config allows to be seen is seen: {read} words");
    // Nothing changed on the screen: it is stored all the same.
    let output = desk.run(&["shot"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let path = PathBuf::from(text.split(" (").next().unwrap());
    assert!(output.status.success() && path != file(shot), "{text}");
    // Black text on white: few colours.
    assert!(fs::read(&path).unwrap().starts_with(b"\x89PNG"), "{text}");
    until("it in the store", || {
        let stored = desk.records("screenshot");
        (stored.iter().filter(|record| record["reason"] == "request").count() == 2).then_some(())
    });

    assert!(desk.run(&["pause"]).status.success());
    failed(&["shot"], &["paused", "candor resume"]);
    assert!(desk.run(&["resume"]).status.success());
    display.kill();
    failed(&["shot"], &["no picture", "capture_failed"]);
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

/// What became of shots, oldest first, from a number on.
fn outcomes(desk: &Desk, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
    desk.records("screenshot").into_iter().filter(wanted).collect()
}

/// Waits for a stored record of a shot.
#[track_caller]
pub fn stored(desk: &Desk, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    until(what, || outcomes(desk, &wanted).into_iter().next())
}

/// The picture of a record in the store.
#[track_caller]
fn picture(desk: &Desk, record: &Value) -> PathBuf {
    let file = desk.store().join(record["blob"].as_str().unwrap());
    until("the picture in the store", || file.exists().then_some(()));
    file
}

/// The share of black pixels in a part of a picture.
fn black(picture: &Path, part: &str) -> f64 {
    let cut = [picture.to_str().unwrap(), "-crop", part, "+repage", "-depth", "8", "rgb:-"];
    let output = Command::new("/usr/bin/convert").args(cut).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let pixels = output.stdout.chunks(3);
    let all = pixels.len() as f64;
    pixels.filter(|pixel| pixel.iter().all(|part| *part == 0)).count() as f64 / all
}

#[test]
fn shots_keep_their_interval_follow_a_changed_config_and_are_not_stored_twice() {
    let mut display = page();
    let desk = desk(&display, "every = \"2s\"");
    let agent = desk.start();
    let first = stored(&desk, "the first shot", |shot| shot["outcome"] == "stored");
    assert_eq!((&first["reason"], &first["redaction"]["mode"]), (&json!("interval"), &json!("blur")));
    assert_eq!(text::words(&picture(&desk, &first), "1920x1080!"), 0);
    let same = |shot: &Value| shot["outcome"] == "unchanged";
    until("two that show nothing new", || (outcomes(&desk, same).len() >= 2).then_some(()));
    assert!(
        outcomes(&desk, same)
            .iter()
            .all(|shot| shot["blob"].is_null() && shot["same_as_mono_ns"] == first["mono_ns"])
    );
    let times: Vec<u64> =
        outcomes(&desk, |_| true).iter().map(|shot| shot["mono_ns"].as_u64().unwrap()).collect();
    // A shot may come late on a busy machine; it is never made up for by another.
    let most = (times.last().unwrap() - times[0]) / 2_000_000_000 + 2;
    assert!(times.len() as u64 <= most, "more than one in two seconds: {times:?}");

    // Less is known by this, so it counts at once; a longer interval makes no burst.
    let less = "every = \"4s\"\njitter = \"full\"\nredact = \"pixelate\"\nexclude = [{ app = \"xterm\" }]";
    desk.configure(&config(less));
    assert_eq!(desk.json(&["reload"])["changes"].as_array().unwrap().len(), 4);
    let next = stored(&desk, "a shot by the new config", |shot| shot["redaction"]["mode"] == "pixelate");
    assert_eq!(next["outcome"], "stored");
    assert_eq!(text::words(&picture(&desk, &next), "1920x1080!"), 0);
    assert_eq!(next["masked"], 0);
    display.terminal("XTerm", "notes", "30x4+20+40", "contract");
    stored(&desk, "the excluded window to be masked", |shot| shot["masked"] == 1);
    // However random its moment, each interval has one.
    let random: Vec<Value> = outcomes(&desk, |shot| shot["redaction"]["mode"] == "pixelate");
    let times: Vec<u64> = random.iter().map(|shot| shot["mono_ns"].as_u64().unwrap()).collect();
    let most = (times.last().unwrap() - times[0]) / 4_000_000_000 + 2;
    assert!(times.len() as u64 <= most, "more than one in four seconds: {times:?}");
    // Off, and so off at once.
    desk.configure(&config("enabled = false"));
    desk.json(&["reload"]);
    assert_eq!(agent.status()["plugins"].as_array().unwrap().len(), 1);
    // On lets more be known: that takes a yes, and then counts at once too.
    let last =
        until("the last shot", || desk.shown().iter().filter_map(|record| record["seq"].as_u64()).max());
    desk.configure(&config("every = \"1s\""));
    let said = answer(&desk, "yes");
    stored(&desk, &format!("a shot after {said}"), |shot| shot["seq"].as_u64() > Some(last));
    assert!(agent.stop().success());
}

#[test]
fn a_password_manager_is_black_in_what_the_sink_gets() {
    let mut display = Display::start("1280x800");
    display.manage();
    display.run("xsetroot", &["-solid", "steelblue"]);
    display.terminal("KeePassXC", "vault", "20x5+500+400", "password confidential");
    let desk = desk(&display, "every = \"1s\"\nredact = \"none\"\nformat = \"png\"");
    let agent = desk.start();
    let shot = stored(&desk, "a shot", |shot| shot["outcome"] == "stored");
    assert_eq!((&shot["masked"], &shot["exclusion"]), (&json!(1), &json!("enforced")));
    let picture = picture(&desk, &shot);
    assert_eq!((black(&picture, "200x80+520+430"), black(&picture, "400x300+20+20")), (1.0, 0.0));
    assert_eq!(text::words(&picture, "200%"), 0);
    let said = [desk.log(), json!(desk.shown()).to_string()].concat().to_lowercase();
    assert!(!said.contains("vault") && !said.contains("keepass"), "names of windows are nobody's business");
    assert!(agent.stop().success());
}

#[test]
fn monitors_come_and_go_and_each_has_its_own_picture() {
    let folder = tempfile::tempdir().unwrap();
    let mut display = Display::with_outputs(folder.path());
    display.manage();
    display.run("xrandr", &["--output", "DUMMY0", "--mode", "1920x1080"]);
    display.run("xsetroot", &["-mod", "16", "16", "-fg", "red", "-bg", "navy"]);
    let desk = desk(&display, "every = \"1s\"");
    let agent = desk.start();
    let of =
        |monitor: &'static str| move |shot: &Value| shot["monitor"] == monitor && shot["outcome"] == "stored";
    let first = stored(&desk, "a shot of one", of("DUMMY0"));
    assert!(outcomes(&desk, of("DUMMY1")).is_empty());
    let plug = || {
        display.run("xrandr", &["--addmode", "DUMMY1", "1280x720"]);
        display.run("xrandr", &["--output", "DUMMY1", "--mode", "1280x720", "--right-of", "DUMMY0"]);
        display.run("xsetroot", &["-mod", "16", "16", "-fg", "red", "-bg", "navy"]);
    };
    plug();
    let second = stored(&desk, "a shot of the other", of("DUMMY1"));
    assert_eq!((&second["width"], &second["height"]), (&json!(1280), &json!(720)));
    assert_ne!(picture(&desk, &first), picture(&desk, &second));
    display.run("xrandr", &["--output", "DUMMY1", "--off"]);
    display.run("xrandr", &["--delmode", "DUMMY1", "1280x720"]);
    let unplugged = display_shots(&desk, &agent);
    assert_eq!(unplugged, ["DUMMY0"]);
    plug();
    until("both", || (display_shots(&desk, &agent) == ["DUMMY0", "DUMMY1"]).then_some(()));
    assert!(
        outcomes(&desk, |shot| shot["outcome"] == "capture_failed").is_empty(),
        "a monitor that goes is normal"
    );
    assert!(agent.stop().success());
}

/// The monitors that a shot on request finds.
fn display_shots(desk: &Desk, agent: &Agent<'_>) -> Vec<String> {
    assert_eq!(agent.status()["paused"], false);
    let shots = desk.json(&["shot"])["shots"].clone();
    let names =
        shots.as_array().unwrap().iter().map(|shot| shot["monitor"].as_str().unwrap_or("?").to_owned());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[test]
fn a_display_that_goes_is_told_and_shots_come_back_with_it() {
    let pattern = |display: &mut Display| {
        display.manage();
        display.run("xsetroot", &["-mod", "16", "16", "-fg", "red", "-bg", "navy"]);
    };
    // A number that no other test is given while the display is gone.
    let mut display = Display::again(&format!(":{}", 31_000 + std::process::id() % 20_000), "800x600");
    pattern(&mut display);
    let desk = desk(&display, "every = \"2s\"");
    let agent = desk.start();
    let first = stored(&desk, "a shot", |shot| shot["outcome"] == "stored");
    let name = display.kill();
    let failed = stored(&desk, "the failure", |shot| shot["outcome"] == "capture_failed");
    assert!(failed["cause"] != "" && failed["fix"] != "" && failed["blob"].is_null(), "{failed}");
    let said = agent.wait_state("screen", "degraded");
    assert!(said["cause"] != "" && said["fix"] != "", "{said}");
    let mut display = Display::again(&name, "800x600");
    pattern(&mut display);
    stored(&desk, "a shot again", |shot| {
        shot["outcome"] == "stored" && shot["seq"].as_u64() > first["seq"].as_u64()
    });
    agent.wait_state("screen", "ok");
    assert!(agent.stop().success());
}
