//! Scripts on a real display are found while the agent runs, and the finding can be looked at.

use std::{
    env, fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use crate::{
    agent::{Desk, USUAL},
    display::Display,
    store,
    wait::{answer, until},
};

/// A script that runs until it is dropped.
struct Script(Child);

impl Script {
    fn start(display: &Display, program: &str, args: &[&str]) -> Self {
        let mut command = Command::new(program);
        command.args(args).env("DISPLAY", &display.name).stdout(Stdio::null()).stderr(Stdio::null());
        Self(
            command
                .spawn()
                .unwrap_or_else(|error| panic!("{program}: {error}; run config/setup-debian.sh --test")),
        )
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The Python that `setup-debian.sh --test` made.
fn python() -> String {
    let cache = env::var("XDG_CACHE_HOME")
        .map_or_else(|_| PathBuf::from(env::var("HOME").unwrap()).join(".cache"), PathBuf::from);
    cache.join("candor/venv/bin/python").display().to_string()
}

/// Waits until something is flagged, and looks at it as a person would.
fn flagged(desk: &Desk) -> Value {
    let flag = || desk.records("finding").into_iter().find(|finding| finding["severity"] == "flag");
    // A script needs a while to give itself away, longer on a busy machine.
    let finding = answer(flag).unwrap_or_else(|| until("a flag", flag));
    let id = finding["seq"].to_string();
    assert!(!finding["evidence"]["features"].as_array().unwrap().is_empty(), "{finding}");
    let listed = String::from_utf8(desk.run(&["findings"]).stdout).unwrap();
    assert!(listed.contains("injected") && listed.contains("flag"), "{listed}");
    let plot = desk.path().join("finding.svg");
    let shown = desk.run(&["finding", &id, "--plot", plot.to_str().unwrap()]);
    let text = String::from_utf8(shown.stdout).unwrap();
    assert!(text.contains("people") && text.contains(finding["rule"].as_str().unwrap()), "{text}");
    if finding["evidence"]["path"].is_array() {
        assert!(fs::read_to_string(&plot).unwrap().starts_with("<svg"));
    }
    let png = desk.path().join("finding.png");
    let refused = desk.run(&["finding", &id, "--plot", png.to_str().unwrap()]);
    let error = String::from_utf8(refused.stderr).unwrap();
    assert!(error.contains("plots are SVG; end the name in .svg") && !png.exists(), "{error}");
    finding
}

#[test]
fn an_xdotool_loop_is_flagged_with_evidence_and_stored() {
    let display = Display::new();
    let desk = Desk::new(USUAL).on(&display);
    let agent = desk.start();
    agent.wait_input();
    let places = "for n in $(seq 900); do xdotool mousemove $((n % 3 * 300 + 100)) $((n % 3 * 90 + 50)) click 1; sleep 0.4; done";
    let _script = Script::start(&display, "sh", &["-c", places]);
    flagged(&desk);
    agent.stop();
    let stored = store::records(&desk.store(), "finding");
    assert!(stored.iter().any(|finding| finding["severity"] == "flag"), "{stored:?}");
}

#[test]
fn a_pyautogui_script_is_flagged_with_evidence_and_stored() {
    let display = Display::new();
    let desk = Desk::new(USUAL).on(&display);
    let agent = desk.start();
    agent.wait_input();
    let script = "import pyautogui, random\npyautogui.FAILSAFE = False\nwhile True:\n    pyautogui.moveTo(random.randint(50, 600), random.randint(50, 400), duration=0.5)\n    pyautogui.click()\n    pyautogui.typewrite('hello world', interval=0.05)\n";
    let _script = Script::start(&display, &python(), &["-c", script]);
    flagged(&desk);
    agent.stop();
    let stored = store::records(&desk.store(), "finding");
    assert!(stored.iter().any(|finding| finding["severity"] == "flag"), "{stored:?}");
}
