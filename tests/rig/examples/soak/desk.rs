//! The agent, on a small disk of its own.

use std::{
    env, fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use host::control::{self, Request};
use rig::{run, until};
use serde_json::Value;

use crate::weather::Weather;

/// The sinks of the agent.
pub const SINKS: [&str; 3] = ["local", "s3", "gcs"];
/// How large its disk is.
const DISK: &str = "size=400m,nr_inodes=0,mode=700";

pub struct Desk {
    folder: PathBuf,
    candor: PathBuf,
}

impl Desk {
    /// Mounts the disk and takes the plugins that stand beside this program.
    pub fn new(folder: &Path, weather: &Weather) -> Self {
        let built = env::current_exe().unwrap().ancestors().nth(2).unwrap().to_owned();
        // Copies, so that a build beside this changes nothing.
        let desk = Self { folder: folder.to_owned(), candor: folder.join("candor") };
        fs::copy(built.join("candor"), &desk.candor)
            .unwrap_or_else(|error| panic!("candor: {error}; run make soak"));
        for name in ["disk", "plugins", "store"] {
            let _ = fs::remove_dir_all(folder.join(name));
            fs::create_dir_all(folder.join(name)).unwrap();
        }
        let _ = fs::remove_file(folder.join("log"));
        fs::set_permissions(folder.join("plugins"), fs::Permissions::from_mode(0o755)).unwrap();
        for name in ["faulty", "local", "s3", "gcs"] {
            let file = format!("libcandor_{name}.so");
            let copy = folder.join("plugins").join(&file);
            fs::copy(built.join(&file), &copy)
                .unwrap_or_else(|error| panic!("{file}: {error}; run make soak"));
            fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).unwrap();
        }
        run("mount", &["-t", "tmpfs", "-o", DISK, "tmpfs", folder.join("disk").to_str().unwrap()]);
        let text = format!(
            "[plugins]\npaths = [{:?}]\n\
             [journal]\nseal_every = \"1s\"\n\
             [outbox]\ngrace = \"2s\"\n\
             [retain]\nmax_age = \"0s\"\n\
             [[source]]\nplugin = \"faulty\"\nid = \"records\"\ndoes = \"records\"\n\
             [[source]]\nplugin = \"faulty\"\nid = \"pictures\"\ndoes = \"pictures\"\n\
             [[sink]]\nplugin = \"local\"\npath = {:?}\n\
             [[sink]]\nplugin = \"s3\"\nbucket = \"shots\"\nprefix = \"s3\"\nendpoint = \"http://{}\"\npath_style = true\nprofile = \"agent\"\nprobe = \"\"\n\
             [[sink]]\nplugin = \"gcs\"\nbucket = \"shots\"\nprefix = \"gcs\"\nservice_account = {:?}\nprobe = \"\"\n",
            folder.join("plugins"),
            folder.join("store"),
            weather.s3(),
            weather.account,
        );
        fs::write(folder.join("agent.toml"), text).unwrap();
        desk
    }

    pub fn state(&self) -> PathBuf {
        self.folder.join("disk/state")
    }

    /// Starts the agent and waits until it answers.
    pub fn start(&self) -> Agent {
        let log = fs::File::options().create(true).append(true).open(self.folder.join("log")).unwrap();
        let mut command = self.command(&["run"]);
        let mut agent = Agent(command.stdout(Stdio::null()).stderr(log).spawn().unwrap());
        until("the agent to answer", || {
            agent.check();
            self.durable()
        });
        agent
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.candor);
        command.args(["--log", "warn"]).args(arguments).arg("--config").arg(self.folder.join("agent.toml"));
        command.arg("--state").arg(self.state()).stdin(Stdio::null());
        command
    }

    /// Runs a command of the agent to its end.
    pub fn run(&self, arguments: &[&str]) {
        assert!(self.try_run(arguments), "candor {arguments:?}");
    }

    /// The same; whether it was good.
    pub fn try_run(&self, arguments: &[&str]) -> bool {
        self.command(arguments).stdout(Stdio::null()).status().unwrap().success()
    }

    /// Has what waits tried at once, as one does who knows that the network is up.
    pub fn flush(&self, time: &str) {
        let mut command = self.command(&["flush", "--for", time]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    }

    fn status(&self) -> Option<Value> {
        control::ask(&self.state(), &Request::Status).ok()
    }

    /// The last number the agent says is safe.
    pub fn durable(&self) -> Option<u64> {
        self.status()?["durable"].as_u64()
    }

    /// How much waits for each sink.
    pub fn waiting(&self) -> String {
        let status = self.status().unwrap_or_default();
        let of = |sink: &str| {
            format!(
                "{sink} {} ({} refused)",
                status["sinks"][sink]["pending"], status["sinks"][sink]["refused"]
            )
        };
        SINKS.map(of).join(", ")
    }

    /// Takes all the room there is.
    pub fn fill(&self) {
        let ballast = format!("of={}", self.folder.join("disk/ballast").display());
        // Ends with "no space left", as it should.
        let _ = Command::new("dd").args(["if=/dev/zero", &ballast, "bs=64k"]).stderr(Stdio::null()).status();
    }

    /// Gives it back.
    pub fn free(&self) {
        let _ = fs::remove_file(self.folder.join("disk/ballast"));
    }

    /// What `candor verify` says of a sink's store, and whether it is complete.
    pub fn verify(&self, sink: &str, head: u64) -> (bool, Value) {
        let head = head.to_string();
        let output = self.command(&["verify", "--sink", sink, "--head", &head, "--json"]).output().unwrap();
        let reports: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
        assert_eq!(reports.as_array().map(Vec::len), Some(1), "one device: {reports:#}");
        (output.status.success(), reports[0].clone())
    }
}

/// The end of what the agents wrote.
pub fn end_of(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.folder.join("disk")).status();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A running agent.
pub struct Agent(Child);

impl Agent {
    /// Fails if it ended though nobody ended it.
    pub fn check(&mut self) {
        if let Some(status) = self.0.try_wait().unwrap() {
            panic!("the agent ended by itself: {status}");
        }
    }

    /// Ends it as a power cut would, as far as the process goes.
    pub fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// Asks it to stop.
    pub fn stop(mut self) {
        run("kill", &[&self.0.id().to_string()]);
        self.0.wait().unwrap();
    }
}
