//! An X server of a test's own, and what types and clicks on it.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use crate::wait::until;

/// An X server without a screen; killed when dropped.
pub struct Display {
    /// For example `:90`.
    pub name: String,
    server: Child,
    others: Vec<Child>,
}

impl Display {
    /// Starts one on a free number.
    pub fn new() -> Self {
        Self::start(None)
    }

    /// Starts one on a number that was used before.
    pub fn again(name: &str) -> Self {
        Self::start(Some(name))
    }

    fn start(name: Option<&str>) -> Self {
        let mut command = held("Xvfb");
        command.args(name).args(["-displayfd", "1", "-screen", "0", "1280x1024x24", "-nolisten", "tcp"]);
        command.args(["-noreset", "+extension", "XTEST", "+extension", "RANDR"]);
        let mut server = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("Xvfb");
        // It says its number once it answers.
        let mut line = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(!line.trim().is_empty(), "Xvfb {name:?} did not start");
        Self { name: format!(":{}", line.trim()), server, others: Vec::new() }
    }

    /// Adds a window manager.
    pub fn with_windows(mut self) -> Self {
        let mut command = held("openbox");
        command.env("DISPLAY", &self.name).stdout(Stdio::null()).stderr(Stdio::null());
        self.others.push(command.spawn().expect("openbox"));
        until("openbox", || self.property("_NET_SUPPORTING_WM_CHECK").then_some(()));
        self
    }

    fn property(&self, name: &str) -> bool {
        let output =
            Command::new("xprop").args(["-display", &self.name, "-root", name]).output().expect("xprop");
        String::from_utf8_lossy(&output.stdout).contains("window id")
    }

    /// Runs one xdotool with these arguments.
    pub fn xdotool(&self, arguments: &str) -> String {
        let mut command = Command::new("xdotool");
        command.args(arguments.split(' ')).env("DISPLAY", &self.name);
        let output = command.output().expect("xdotool");
        assert!(output.status.success(), "xdotool {arguments}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Where the pointer is.
    pub fn pointer(&self) -> (f64, f64) {
        let text = self.xdotool("getmouselocation --shell");
        let number = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.parse().unwrap()
        };
        (number("X="), number("Y="))
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        for child in self.others.iter_mut().chain([&mut self.server]) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A command that ends with this test, however that ends.
pub fn held(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--", program]).stdin(Stdio::null());
    command
}
