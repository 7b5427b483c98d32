//! An X server of a test's own.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

/// A running Xvfb; ends with the test.
pub struct Display {
    pub name: String,
    server: Child,
}

impl Display {
    /// Starts one on a free display.
    pub fn start() -> Self {
        Self::launch(&["-displayfd", "1"])
    }

    /// Starts one on the display of another that is gone.
    pub fn again(name: &str) -> Self {
        Self::launch(&[name, "-displayfd", "1"])
    }

    /// Starts one on a free display without an extension.
    pub fn without(extension: &str) -> Self {
        Self::launch(&["-displayfd", "1", "-extension", extension])
    }

    fn launch(arguments: &[&str]) -> Self {
        let mut server = Command::new("Xvfb")
            .args(["-screen", "0", "1280x800x24", "-nolisten", "tcp", "-noreset"])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("Xvfb does not start; run config/setup-debian.sh");
        let mut number = String::new();
        let output = server.stdout.take().expect("its output");
        BufReader::new(output).read_line(&mut number).expect("the display's number");
        assert!(!number.trim().is_empty(), "Xvfb found no free display");
        Self { name: format!(":{}", number.trim()), server }
    }

    /// Runs xdotool to its end.
    pub fn xdotool(&self, arguments: &str) {
        let mut command = Command::new("xdotool");
        let status = command.args(arguments.split_whitespace()).env("DISPLAY", &self.name).status();
        let status = status.expect("xdotool does not start; run config/setup-debian.sh");
        assert!(status.success(), "xdotool {arguments}: {status}");
    }

    /// Sends the server a signal, such as one that has it hang.
    pub fn signal(&self, name: &str) {
        // The shell's own kill: a bare Debian has no other.
        let status = Command::new("sh").arg("-c").arg(format!("kill -{name} {}", self.server.id())).status();
        assert!(status.expect("sh").success());
    }

    /// Ends the server without giving it a chance to say goodbye.
    pub fn kill(mut self) -> String {
        self.end();
        self.name.clone()
    }

    fn end(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        self.end();
    }
}
