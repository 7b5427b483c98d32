//! What goes wrong with screenshots, and the line that says what to do about it.

use std::fs;

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    agent::{Agent, Desk},
    crash::{Unmount, fill, path, run},
    desktop::shots::{config, desk, stored},
    screen::Display,
    wait::until,
};

/// Something on the screen that is not of one colour.
fn pattern(display: &mut Display) {
    display.manage();
    display.run("xsetroot", &["-mod", "16", "16", "-fg", "red", "-bg", "navy"]);
}

/// Waits until the agent is in the middle of a shot.
fn until_shot(agent: &Agent<'_>) {
    until("a shot to be under way", || {
        let tasks = fs::read_dir(format!("/proc/{}/task", agent.pid())).ok()?.flatten();
        let mut names = tasks.filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
        names.any(|name| name == "screenshot\n").then_some(())
    });
}

#[test]
fn a_display_that_goes_in_the_middle_of_a_shot_is_told_and_shots_go_on_with_the_next() {
    // A number that no other test is given while the display is gone.
    let mut display = Display::again(&format!(":{}", 51_000 + std::process::id() % 8_000), "800x600");
    pattern(&mut display);
    let desk = desk(&display, "every = \"1s\"");
    let agent = desk.start();
    let first = stored(&desk, "a shot", |shot| shot["outcome"] == "stored");
    display.hang();
    until_shot(&agent);
    let name = display.kill();
    let failed = stored(&desk, "the failure", |shot| shot["outcome"] == "capture_failed");
    assert!(failed["cause"] != "" && failed["fix"].to_string().contains("tried again"), "{failed}");
    agent.wait_state("screen", "degraded");
    let text = String::from_utf8(desk.run(&["status"]).stdout).unwrap();
    assert!(text.contains("degraded") && text.contains("tried again"), "{text}");
    let mut display = Display::again(&name, "800x600");
    pattern(&mut display);
    stored(&desk, "a shot again", |shot| {
        shot["outcome"] == "stored" && shot["seq"].as_u64() > first["seq"].as_u64()
    });
    agent.wait_state("screen", "ok");
    assert!(agent.stop().success());
}

#[test]
fn on_a_full_disk_a_shot_says_what_to_do_and_what_is_lost_is_declared() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root may mount; run it as root to see it");
        return;
    }
    let mut display = Display::start("800x600");
    pattern(&mut display);
    let folder = TempDir::with_prefix("candor-full-").unwrap();
    run("mount", &["-t", "tmpfs", "-o", "size=16m", "tmpfs", path(folder.path())]);
    let _unmount = Unmount(folder.path());
    let desk = Desk::bare(&["screen", "local"], &config("every = \"1d\""))
        .on_name(&display.name)
        .state_in(&folder.path().join("state"));
    let agent = desk.start();
    agent.wait_state("screen", "ok");
    let shot = || desk.run(&["shot"]);
    assert!(shot().status.success());
    let stuffing = folder.path().join("stuffing");
    fill(&stuffing);
    let output = shot();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(!output.status.success() && text.contains("free some space"), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    // Those who only look at the log learn it too.
    assert!(desk.log().contains("free some space"), "{}", desk.log());
    fs::remove_file(&stuffing).unwrap();
    agent.wait("the trouble to be over", |status| status["trouble"].is_null());
    until("a shot that is kept", || shot().status.success().then_some(()));
    assert!(agent.stop().success());
    let lost: u64 = desk
        .shown()
        .iter()
        .filter(|record| record["kind"] == "gap" && record["reason"] == "unwritable")
        .filter_map(|gap: &Value| gap["count"].as_u64())
        .sum();
    assert!(lost >= 1, "the shot that was not kept is declared");
}
