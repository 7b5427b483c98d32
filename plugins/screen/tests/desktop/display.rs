//! An X server of a test's own, and what it shows.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal};

/// A running X server and its clients; all end with the test.
pub struct Display {
    pub name: String,
    /// The server last: its clients end before it.
    running: Vec<Child>,
}

impl Display {
    /// Starts Xvfb on a free display.
    pub fn start(size: &str) -> Self {
        Self::launch("Xvfb", &["-screen", "0", &format!("{size}x24"), "-noreset", "-nolisten", "tcp"])
    }

    /// Starts Xvfb on the display of another that is gone.
    pub fn again(name: &str, size: &str) -> Self {
        Self::launch("Xvfb", &[name, "-screen", "0", &format!("{size}x24"), "-noreset", "-nolisten", "tcp"])
    }

    /// Starts Xorg with outputs that can be plugged. Their names are DUMMY0 to DUMMY15.
    pub fn with_outputs(folder: &Path) -> Self {
        let config = folder.join("dummy.conf");
        std::fs::write(&config, include_str!("dummy.conf")).unwrap();
        let log = folder.join("log");
        let (config, log) = (config.to_str().unwrap(), log.to_str().unwrap());
        let rest = ["-noreset", "-nolisten", "tcp", "-novtswitch", "-sharevts", "-nocursor"];
        Self::launch("Xorg", &[&["-config", config, "-logfile", log], &rest[..]].concat())
    }

    fn launch(program: &str, arguments: &[&str]) -> Self {
        let mut server = Command::new(program)
            .args(arguments)
            .args(["-displayfd", "1"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|why| panic!("{program}: {why}; run config/setup-debian.sh --test"));
        let mut number = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut number).unwrap();
        assert!(!number.trim().is_empty(), "{program} found no free display");
        Self { name: format!(":{}", number.trim()), running: vec![server] }
    }

    /// Starts a window manager and waits until it manages.
    pub fn manage(&mut self) {
        self.open("openbox", &["--sm-disable"]);
        until("a window manager", || {
            self.ask("xprop", &["-root", "_NET_SUPPORTING_WM_CHECK"]).contains("window id").then_some(())
        });
    }

    /// Starts a program that stays.
    pub fn open(&mut self, program: &str, arguments: &[&str]) {
        let mut command = Command::new(program);
        command.args(arguments).env("DISPLAY", &self.name).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn();
        self.running
            .push(child.unwrap_or_else(|why| panic!("{program}: {why}; run config/setup-debian.sh --test")));
    }

    /// Opens a terminal that shows a text, and waits until it is there.
    pub fn terminal(&mut self, class: &str, title: &str, place: &str, text: &str) {
        let say = format!("printf '%s\\n' '{text}'; exec sleep 1000");
        let look = ["-fa", "DejaVu Sans Mono", "-fs", "20", "-bg", "white", "-fg", "black"];
        let rest = ["-class", class, "-T", title, "-geometry", place, "-e", "sh", "-c", &say];
        self.open("xterm", &[&look[..], &rest].concat());
        until(title, || self.find(title));
        // Its text comes later than its window.
        until("text in the terminal", || {
            let id = self.find(title)?;
            let out = Command::new("sh")
                .args(["-c", &format!("import -silent -window {id} png:- | convert png:- -format %k info:-")])
                .env("DISPLAY", &self.name)
                .output()
                .ok()?;
            (String::from_utf8_lossy(&out.stdout).trim().parse::<u32>().ok()? > 8).then_some(())
        });
    }

    /// The number of a window with this title, once it can be seen.
    pub fn find(&self, title: &str) -> Option<String> {
        let ids = self.ask("xdotool", &["search", "--onlyvisible", "--name", &format!("^{title}$")]);
        ids.lines().last().map(str::to_owned)
    }

    /// Shows a picture of the screen's size behind all windows, and waits until it is there.
    pub fn wallpaper(&self, picture: &Path) {
        // Answers 1 also when all went well.
        let mut command = Command::new("display");
        command.args(["-window", "root"]).arg(picture).env("DISPLAY", &self.name).status().unwrap();
        let pixels = |program: &str, from: &[&str]| {
            let mut command = Command::new(program);
            command.args(from).args(["-depth", "8", "rgb:-"]).env("DISPLAY", &self.name);
            command.output().unwrap().stdout
        };
        let wanted = pixels("/usr/bin/convert", &[picture.to_str().unwrap()]);
        until("the picture on the screen", || {
            let shown = pixels("import", &["-silent", "-window", "root"]);
            let same = wanted.iter().zip(&shown).filter(|(a, b)| a.abs_diff(**b) < 9).count();
            // Windows may lie over it.
            (shown.len() == wanted.len() && same * 10 > wanted.len() * 9).then_some(())
        });
    }

    /// Runs a program to its end, which has to be good.
    pub fn run(&self, program: &str, arguments: &[&str]) {
        let status = Command::new(program).args(arguments).env("DISPLAY", &self.name).status().unwrap();
        assert!(status.success(), "{program} {arguments:?}: {status}");
    }

    fn ask(&self, program: &str, arguments: &[&str]) -> String {
        let output = Command::new(program).args(arguments).env("DISPLAY", &self.name).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Holds the server up, so that it takes connections and answers nothing.
    pub fn hang(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        rustix::process::kill_process(Pid::from_child(&self.running[0]), signal).unwrap();
    }

    /// Ends the server without giving it a chance to say goodbye.
    pub fn kill(mut self) -> String {
        self.running[0].kill().unwrap();
        self.running[0].wait().unwrap();
        self.name.clone()
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        for child in self.running.iter_mut().rev() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Asks until there is an answer.
#[track_caller]
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(90);
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < end, "no {what}");
        std::thread::yield_now();
    }
}
