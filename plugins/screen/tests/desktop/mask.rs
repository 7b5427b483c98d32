//! Excluded windows.

use serde_json::json;

use crate::{agent::Agent, display::Display};

/// The share of pixels in an area that are black, and in the whole picture.
fn black(picture: &std::path::Path, x: u32, y: u32, width: u32, height: u32) -> (f64, f64) {
    let picture = image::open(picture).unwrap().into_rgb8();
    let is_black = |x, y| picture.get_pixel(x, y).0 == [0; 3];
    let share = |x: u32, y: u32, width: u32, height: u32| {
        let all = (y..y + height).flat_map(|y| (x..x + width).map(move |x| (x, y)));
        all.filter(|(x, y)| is_black(*x, *y)).count() as f64 / f64::from(width * height)
    };
    (share(x, y, width, height), share(0, 0, picture.width(), picture.height()))
}

fn desktop() -> Display {
    let mut display = Display::start("1280x800");
    display.manage();
    display.run("xsetroot", &["-solid", "steelblue"]);
    display.terminal("XTerm", "notes", "30x4+20+40", "contract with a customer");
    display.terminal("KeePassXC", "vault", "20x5+500+400", "password confidential");
    display
}

#[test]
fn a_password_manager_and_a_private_window_are_black_with_their_title_bars_and_the_rest_is_not() {
    let mut display = desktop();
    // As Firefox and Chromium say it.
    display.terminal(
        "firefox",
        "Bank — Mozilla Firefox Private Browsing",
        "20x3+20+560",
        "telephone hospital",
    );
    let mut agent = Agent::start(&display.name, &json!({"every": "1s", "redact": "none", "format": "png"}));
    let stored = agent.wait(&json!({"outcome": "stored"}));
    assert_eq!((&stored["masked"], &stored["exclusion"]), (&json!(2), &json!("enforced")));
    let picture = agent.picture(&stored);
    // Where the window and its frame are, as the server says.
    let id = display.find("vault").unwrap();
    let ask = |what: &str| {
        let output =
            std::process::Command::new("sh").args(["-c", what]).env("DISPLAY", &display.name).output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    let numbers = ask(&format!(
        "xwininfo -frame -id {id} >/dev/null; xwininfo -id $(xwininfo -id {id} -tree | sed -n 's/.*Parent window id: \\(0x[0-9a-f]*\\).*/\\1/p') | \
         awk '/Absolute upper-left X/ {{print $4}} /Absolute upper-left Y/ {{print $4}} /Width/ {{print $2}} /Height/ {{print $2}}'"
    ));
    let frame: Vec<u32> = numbers.split_whitespace().map(|n| n.parse().unwrap()).collect();
    assert!(frame[2] > 200 && frame[3] > 100, "{frame:?}");
    let (inside, all) = black(&picture, frame[0], frame[1], frame[2], frame[3]);
    assert_eq!(inside, 1.0, "{frame:?}");
    assert!(all < 0.5, "{all}");
    assert_eq!(crate::text::words(&picture, "200%"), 2, "the other window's words are there, and no more");
    // Titles and applications are nowhere in what is told.
    let told = json!(agent.told).to_string().to_lowercase();
    assert!(!told.contains("vault") && !told.contains("keepass") && !told.contains("notes"), "{told}");
}

#[test]
fn a_rule_of_ones_own_leaves_out_the_shot_until_the_window_is_gone() {
    let display = desktop();
    let config = json!({"every": "1s", "exclude": [{"app": "xterm", "title": "no*"}], "on_match": "skip"});
    let mut agent = Agent::start(&display.name, &config);
    let skipped = agent.wait(&json!({"record": "screenshot"}));
    assert_eq!(skipped["outcome"], "skipped");
    assert_eq!(skipped["cause"], "an excluded window is visible");
    display.run("xdotool", &["windowminimize", "--sync", &display.find("notes").unwrap()]);
    // The password manager is still there.
    agent.wait(&json!({"outcome": "skipped"}));
    display.run("xdotool", &["windowminimize", "--sync", &display.find("vault").unwrap()]);
    let told = agent.wait(&json!({"outcome": "capture_failed"}));
    assert!(told["cause"].as_str().unwrap().contains("one colour"), "only the empty desktop is left: {told}");
}

#[test]
fn without_a_window_manager_own_rules_mean_no_shot_and_the_built_in_ones_are_told_as_not_enforceable() {
    let mut display = Display::start("1280x800");
    display.terminal("XTerm", "notes", "30x4+20+40", "contract with a customer");
    let config = json!({"every": "1s", "exclude": [{"app": "signal"}]});
    let mut agent = Agent::start(&display.name, &config);
    let skipped = agent.wait(&json!({"record": "screenshot"}));
    assert_eq!(skipped["outcome"], "skipped");
    assert!(skipped["cause"].as_str().unwrap().contains("no window manager"), "{skipped}");
    assert!(skipped["fix"].as_str().unwrap().contains("exclude"), "{skipped}");
    agent.wait(&json!({"record": "state", "state": "degraded", "cause": "no screenshot is taken"}));
    agent.configure(&json!({"every": "1s"}));
    let stored = agent.wait(&json!({"outcome": "stored"}));
    assert_eq!(stored["exclusion"], "not enforceable");
    agent.wait(&json!({"record": "state", "state": "degraded", "cause": "can't be left out"}));
    // And with one it goes on as asked.
    agent.configure(&config);
    agent.wait(&json!({"outcome": "skipped"}));
    display.manage();
    agent.wait(&json!({"outcome": "stored", "exclusion": "enforced"}));
    agent.wait(&json!({"record": "state", "state": "ok"}));
}
