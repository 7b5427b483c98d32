//! Two monitors, one of which comes and goes.

use serde_json::{Value, json};

use crate::{agent::Agent, display::Display};

fn shots(agent: &mut Agent, monitor: &str) -> Value {
    agent.wait(&json!({"record": "screenshot", "monitor": monitor}))
}

#[test]
fn each_monitor_has_its_own_picture_and_may_come_go_and_change_its_size() {
    let folder = tempfile::tempdir().unwrap();
    let mut display = Display::with_outputs(folder.path());
    display.manage();
    display.terminal("XTerm", "left", "20x3+100+100", "contract");
    display.run("xrandr", &["--output", "DUMMY0", "--mode", "1920x1080"]);
    let mut agent = Agent::start(&display.name, &json!({"every": "1s", "redact": "none", "format": "png"}));
    let first = shots(&mut agent, "DUMMY0");
    assert_eq!((&first["width"], &first["height"]), (&json!(1920), &json!(1080)), "{first}");
    assert!(agent.told.iter().all(|told| told["monitor"] != "DUMMY1"));

    let plug = |mode: &str| {
        display.run("xrandr", &["--addmode", "DUMMY1", mode]);
        display.run("xrandr", &["--output", "DUMMY1", "--mode", mode, "--right-of", "DUMMY0"]);
    };
    plug("1280x720");
    // Something on it, or it is one colour and rightly in doubt.
    display.run("xsetroot", &["-mod", "16", "16", "-fg", "red", "-bg", "navy"]);
    let second = agent.wait(&json!({"monitor": "DUMMY1", "outcome": "stored"}));
    assert_eq!((&second["width"], &second["height"]), (&json!(1280), &json!(720)), "{second}");
    let picture = image::open(agent.picture(&second)).unwrap().into_rgb8();
    assert_eq!(picture.dimensions(), (1280, 720));
    assert!(picture.pixels().any(|pixel| pixel.0 == [255, 0, 0]), "the picture is that of this monitor");

    display.run("xrandr", &["--output", "DUMMY1", "--off"]);
    display.run("xrandr", &["--delmode", "DUMMY1", "1280x720"]);
    let gone = agent.told.len();
    // The first shot after it may still have begun before.
    for _ in 0..3 {
        shots(&mut agent, "DUMMY0");
    }
    let later = &agent.told[gone + 2..];
    assert!(later.iter().all(|told| told["monitor"] != "DUMMY1"), "{later:#?}");
    assert!(
        agent.told.iter().all(|told| told["outcome"] != "capture_failed"),
        "a monitor that goes is normal"
    );

    plug("1280x720");
    agent.wait(&json!({"monitor": "DUMMY1", "outcome": "stored"}));
    display.run("xrandr", &["--output", "DUMMY0", "--mode", "1280x720"]);
    let smaller = agent.wait(&json!({"monitor": "DUMMY0", "outcome": "stored", "width": 1280}));
    assert_eq!(smaller["height"], 720);
}
