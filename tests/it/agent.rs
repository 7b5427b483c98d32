//! The real agent, run on a folder of its own.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
};

use host::control::{self, Request};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    Folder, candor,
    display::{Display, held},
    store,
    wait::{answer, until},
};

/// What most tests run.
pub const USUAL: &str = r#"
[journal]
seal_every = "1s"
[[source]]
plugin = "input"
[[detector]]
plugin = "activity"
interval = "1s"
[[detector]]
plugin = "scripted"
[[sink]]
plugin = "local"
path = "records"
"#;

/// The plugins most tests use.
const PLUGINS: [&str; 6] = ["input", "screen", "activity", "scripted", "local", "faulty"];

/// A folder with config, plugins, state and what the agent says, for one agent after the other.
pub struct Desk {
    folder: TempDir,
    plugins: Folder,
    state: PathBuf,
    display: Option<String>,
    level: &'static str,
}

impl Desk {
    /// With the usual plugins and this config.
    pub fn new(config: &str) -> Self {
        Self::bare(&PLUGINS, config)
    }

    /// With these plugins and this config.
    pub fn bare(plugins: &[&str], config: &str) -> Self {
        candor();
        let folder = TempDir::with_prefix("candor-").unwrap();
        let state = folder.path().join("state");
        let desk = Self { folder, plugins: Folder::new(), state, display: None, level: "info" };
        for name in plugins {
            desk.plugins.plugin(name);
        }
        desk.configure(config);
        desk
    }

    /// Runs on a display.
    pub fn on(mut self, display: &Display) -> Self {
        self.display = Some(display.name.clone());
        self
    }

    /// Runs on a display of this name.
    pub fn on_name(mut self, display: &str) -> Self {
        self.display = Some(display.to_owned());
        self
    }

    /// Logs that much.
    pub fn level(mut self, level: &'static str) -> Self {
        self.level = level;
        self
    }

    /// Keeps its state elsewhere.
    pub fn state_in(mut self, state: &Path) -> Self {
        self.state = state.to_owned();
        self
    }

    /// Replaces the config.
    pub fn configure(&self, config: &str) {
        let plugins = self.plugins.path();
        fs::write(self.config(), format!("[plugins]\npaths = [{plugins:?}]\n{config}")).unwrap();
    }

    /// Replaces the config, as if it had been installed with it: nothing in it waits for consent.
    pub fn install(&self, config: &str) {
        self.configure(config);
        fs::remove_file(self.state.join("accepted.json")).unwrap();
    }

    /// The folder of everything.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The config file.
    pub fn config(&self) -> PathBuf {
        self.path().join("agent.toml")
    }

    /// The plugins' folder.
    pub fn plugins(&self) -> &Folder {
        &self.plugins
    }

    /// The state folder.
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// Where `local` stores.
    pub fn store(&self) -> PathBuf {
        self.state.join("records")
    }

    /// What the agents wrote to standard error.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path().join("err")).unwrap_or_default()
    }

    /// A command of the real binary, in an environment without a display unless there is one.
    pub fn command(&self, arguments: &[&str]) -> Command {
        self.dress(Command::new(candor()), arguments)
    }

    /// The same through other programs, for example `["strace", "-f"]`.
    pub fn command_in(&self, outer: &[&str], arguments: &[&str]) -> Command {
        let mut command = held(outer[0]);
        command.args(&outer[1..]).arg(candor());
        self.dress(command, arguments)
    }

    fn dress(&self, mut command: Command, arguments: &[&str]) -> Command {
        command.args(arguments).env("HOME", self.path()).stdin(Stdio::null());
        for name in [
            "DISPLAY",
            "WAYLAND_DISPLAY",
            "XDG_SESSION_TYPE",
            "XDG_STATE_HOME",
            "XDG_CONFIG_HOME",
            "RUST_LOG",
        ] {
            command.env_remove(name);
        }
        command.envs(self.display.as_ref().map(|name| ("DISPLAY", name)));
        command
    }

    /// Runs the binary to its end, on this config and state.
    pub fn run(&self, arguments: &[&str]) -> Output {
        let (config, state) = (self.config(), self.state());
        let place = ["--config", config.to_str().unwrap(), "--state", state.to_str().unwrap()];
        self.command(&[arguments, &place].concat()).output().unwrap()
    }

    /// Runs the binary to its end with `--json`, which has to be good, and reads what it prints.
    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["--json"]].concat());
        assert!(output.status.success(), "{arguments:?}: {output:?}; log:\n{}", self.log());
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Runs the agent on a terminal of its own; what that shows is in `screen`.
    pub fn spawn_on_terminal(&self) -> Agent<'_> {
        let (binary, config, state) = (candor().display(), self.config(), self.state());
        let run =
            format!("exec '{binary}' run --config '{}' --state '{}'", config.display(), state.display());
        let screen = self.path().join("screen");
        let outer = ["setpriv", "--pdeathsig", "KILL", "--", "script", "--quiet", "--flush", "--command"];
        let mut command = Command::new(outer[0]);
        command.args(&outer[1..]).args([&run, screen.to_str().unwrap()]);
        let mut command = self.dress(command, &[]);
        Agent { desk: self, child: command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap() }
    }

    /// What the terminal showed so far.
    pub fn screen(&self) -> String {
        fs::read_to_string(self.path().join("screen")).unwrap_or_default()
    }

    /// Runs `candor check` on the config.
    pub fn run_check(&self) -> Output {
        self.command(&["check", self.config().to_str().unwrap()]).output().unwrap()
    }

    /// Starts the agent and waits until it answers.
    pub fn start(&self) -> Agent<'_> {
        let agent = self.spawn();
        agent.wait_ready();
        agent
    }

    /// Starts the agent.
    pub fn spawn(&self) -> Agent<'_> {
        self.spawn_in(&["setpriv", "--pdeathsig", "KILL", "--"])
    }

    /// Starts the agent through other programs.
    pub fn spawn_in(&self, outer: &[&str]) -> Agent<'_> {
        let (config, state) = (self.config(), self.state());
        let place = ["--config", config.to_str().unwrap(), "--state", state.to_str().unwrap()];
        let mut command = self.command_in(outer, &[&["--log", self.level, "run"], &place[..]].concat());
        let append =
            |name| fs::File::options().create(true).append(true).open(self.path().join(name)).unwrap();
        Agent { desk: self, child: command.stdout(append("out")).stderr(append("err")).spawn().unwrap() }
    }

    /// Starts another program that holds the agent.
    pub fn spawn_program(&self, program: &[&str]) -> Agent<'_> {
        let mut command = held(program[0]);
        command.args(&program[1..]).stdout(Stdio::null()).stderr(Stdio::null());
        Agent { desk: self, child: command.spawn().unwrap() }
    }

    /// The stored records of a kind.
    pub fn records(&self, kind: &str) -> Vec<Value> {
        store::records(&self.store(), kind)
    }

    /// Every record the host still holds, as `candor show --json` prints it.
    pub fn shown(&self) -> Vec<Value> {
        let output = self.run(&["show", "--last", "1d", "--json"]);
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// A running agent; killed when dropped.
pub struct Agent<'a> {
    desk: &'a Desk,
    child: Child,
}

impl Agent<'_> {
    /// Waits until it answers.
    pub fn wait_ready(&self) {
        until("the agent to answer", || self.ask(&Request::Status));
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it over its control socket.
    pub fn ask(&self, request: &Request) -> Option<Value> {
        control::ask(self.desk.state(), request).ok()
    }

    /// What `candor status --json` says.
    pub fn status(&self) -> Value {
        until("a status", || self.ask(&Request::Status))
    }

    /// Waits until its status is as wanted, and returns that.
    #[track_caller]
    pub fn wait(&self, what: &str, mut wanted: impl FnMut(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let found = answer(|| {
            last = self.ask(&Request::Status)?;
            wanted(&last).then(|| last.clone())
        });
        found.unwrap_or_else(|| {
            panic!("waited in vain for {what}; log:\n{}\nstatus: {last:#}", self.desk.log())
        })
    }

    /// Waits until an instance is in a state, and returns what it says of itself.
    #[track_caller]
    pub fn wait_state(&self, id: &str, state: &str) -> Value {
        let wanted = |status: &Value| plugin(status, id)["state"] == state;
        plugin(&self.wait(&format!("{id} to be {state}"), wanted), id).clone()
    }

    /// Waits until input is observed by way of the display.
    #[track_caller]
    pub fn wait_input(&self) {
        let observes = |said: &Value| said["state"] == "ok" && said["cause"].to_string().contains("x11 on");
        self.wait("input to be observed", |status| observes(plugin(status, "input")));
    }

    /// Waits until every number up to that one is safe.
    #[track_caller]
    pub fn wait_durable(&self, seq: u64) -> u64 {
        let durable = |status: &Value| status["durable"].as_u64().unwrap();
        durable(&self.wait(&format!("record {seq} to be durable"), |status| durable(status) >= seq))
    }

    /// Whether it has ended, and how.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Ends it as a power cut would, as far as the process goes.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop, by SIGTERM.
    pub fn stop(self) -> ExitStatus {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.ends()
    }

    /// Waits until it ends.
    pub fn ends(mut self) -> ExitStatus {
        until("the agent to end", || self.ended())
    }
}

impl Drop for Agent<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An instance's part of a status.
pub fn plugin<'a>(status: &'a Value, id: &str) -> &'a Value {
    static NONE: Value = Value::Null;
    status["plugins"].as_array().into_iter().flatten().find(|plugin| plugin["id"] == id).unwrap_or(&NONE)
}
