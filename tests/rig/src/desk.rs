//! The real agent with plugins of the workspace, on a folder of its own.

use std::{
    env, fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    time::Instant,
};

use plugin_api::call::Sink;
use serde_json::Value;
use tempfile::TempDir;

use crate::{answer, run, sink::list};

/// A folder with plugins, config, state, and what the agent says.
pub struct Desk {
    folder: TempDir,
    binary: PathBuf,
}

impl Desk {
    /// With these plugins, which `cargo build --workspace` built, and this config.
    pub fn new(plugins: &[&str], config: &str) -> Self {
        // The test itself is in its `deps`.
        let built = env::current_exe().unwrap().ancestors().nth(2).unwrap().to_owned();
        // A dependency of this test is built in `deps`, what `cargo build` builds is linked beside it: the newer one counts.
        let there = |name: &str| {
            let age = |path: &PathBuf| path.metadata().and_then(|file| file.modified()).ok();
            let found = [built.join("deps").join(name), built.join(name)].into_iter().max_by_key(age);
            found
                .filter(|path| path.exists())
                .unwrap_or_else(|| panic!("{name} isn't built; run cargo build --workspace"))
        };
        let desk = Self { folder: TempDir::with_prefix("candor-").unwrap(), binary: there("candor") };
        let folder = desk.path().join("plugins");
        fs::create_dir(&folder).unwrap();
        for name in plugins.iter().map(|name| format!("libcandor_{name}.so")) {
            fs::copy(there(&name), folder.join(&name)).unwrap();
            fs::set_permissions(folder.join(&name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        desk.configure(config);
        desk
    }

    /// With a source of records, one of pictures, and a sink with these options; `table` comes before them.
    pub fn storing(plugin: &str, options: &str, table: &str) -> Self {
        let config = format!(
            "[agent]\nlabel = \"a label to look for\"\n[journal]\nseal_every = \"1s\"\n[outbox]\ngrace = \"0s\"\n{table}\n\
             [[source]]\nplugin = \"faulty\"\ndoes = \"records\"\n\
             [[source]]\nplugin = \"faulty\"\nid = \"pictures\"\ndoes = \"pictures\"\n\
             [[sink]]\nplugin = \"{plugin}\"\nbucket = \"shots\"\nprobe = \"\"\n{options}\n"
        );
        Self::new(&["faulty", plugin], &config)
    }

    /// Runs the agent until some seals are in the store, pictures among them, and nothing waits.
    pub fn fill(&self, environment: &[(String, String)], store: &Sink) {
        let agent = self.start(environment);
        agent.wait("seals to be stored", |_| {
            let keys = list(store, "v=1/");
            let count = |part: &str| keys.iter().filter(|(key, _)| key.contains(part)).count();
            count("/_manifest/") >= 3 && count("/_blob/") >= 2
        });
        assert!(agent.stop().success());
        // The last seal may have come only in part; what a start adds has to go, too.
        let agent = self.start(environment);
        agent.wait("an answer", |_| true);
        let flushed = self.run(&["flush", "--for", "60s"]);
        assert!(flushed.status.success(), "{flushed:?}; see {}", self.log());
        assert!(agent.stop().success());
    }

    /// Checks that the agent, whose sink is allowed so many bytes a second, takes its time until that is ten times in the
    /// store.
    pub fn assert_paced(&self, bytes_per_s: u64, store: &Sink) {
        /// What is read before it counts: a piece of one object.
        const AHEAD: u64 = 64 << 10;
        let begun = Instant::now();
        let agent = self.start(&[]);
        let mut sent = 0;
        agent.wait("much to be stored", |_| {
            sent = list(store, "v=1/").iter().map(|(_, len)| len).sum();
            sent >= 10 * bytes_per_s
        });
        let most = begun.elapsed().as_secs() * bytes_per_s + bytes_per_s + AHEAD;
        assert!(sent <= most, "{sent} bytes after {:?}", begun.elapsed());
        assert!(agent.stop().success());
    }

    /// Checks that the store is proved complete by its URL and by the sink of the config, and that an object that is
    /// removed from it is named.
    pub fn assert_proved(&self, url: &str, sink: &str, store: &Sink) {
        let (complete, report) = self.json(&["verify", url]);
        assert!(complete && report[0]["complete"].as_u64() > Some(10), "{report:#}");
        let (complete, report) = self.json(&["verify", "--sink", sink]);
        assert!(complete, "{report:#}");
        let objects = list(store, "v=1/");
        let is_object = |key: &&str| key.contains("kind=faulty.tick") && key.ends_with(".ndjson.zst");
        let gone = objects.iter().map(|(key, _)| key.as_str()).find(is_object).unwrap();
        store.remove(gone).unwrap();
        let (complete, report) = self.json(&["verify", url]);
        assert!(!complete, "{report:#}");
        let problems = report[0]["problems"].as_array().unwrap();
        assert!(problems.len() == 1 && problems[0]["fault"] == "missing", "{problems:#?}");
        assert_eq!(problems[0]["key"], gone);
    }

    /// Replaces the config.
    pub fn configure(&self, config: &str) {
        let plugins = self.path().join("plugins");
        fs::write(self.path().join("agent.toml"), format!("[plugins]\npaths = [{plugins:?}]\n{config}"))
            .unwrap();
    }

    /// The folder of everything.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The state folder.
    pub fn state(&self) -> PathBuf {
        self.path().join("state")
    }

    /// What was logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path().join("err")).unwrap_or_default()
    }

    /// A command of the real binary on this config and state, with the most verbose log.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(["--log", "trace"]).args(arguments);
        command.arg("--config").arg(self.path().join("agent.toml")).arg("--state").arg(self.state());
        command.stdin(Stdio::null()).env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY");
        command
    }

    /// Runs it to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Whether a command with `--json` was good, and what it printed.
    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> (bool, Value) {
        let output = self.run(&[arguments, &["--json"]].concat());
        let value = serde_json::from_slice(&output.stdout);
        (output.status.success(), value.unwrap_or_else(|error| panic!("{arguments:?}: {error}: {output:?}")))
    }

    /// The real binary.
    pub fn binary(&self) -> Command {
        Command::new(&self.binary)
    }

    /// Starts the agent with more in its environment.
    pub fn start(&self, environment: &[(String, String)]) -> Agent<'_> {
        let file = |name| fs::File::options().create(true).append(true).open(self.path().join(name)).unwrap();
        let mut command = self.command(&["run"]);
        command.envs(environment.iter().cloned()).stdout(file("out")).stderr(file("err"));
        Agent { desk: self, child: command.spawn().unwrap() }
    }
}

/// A running agent; killed when dropped.
pub struct Agent<'a> {
    desk: &'a Desk,
    child: Child,
}

impl Agent<'_> {
    /// Waits until its status is as wanted, and returns that.
    #[track_caller]
    pub fn wait(&self, what: &str, mut wanted: impl FnMut(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let found = answer(|| {
            let output = self.desk.run(&["status", "--json"]);
            last = serde_json::from_slice(&output.stdout).ok()?;
            wanted(&last).then(|| last.clone())
        });
        found.unwrap_or_else(|| {
            panic!("waited in vain for {what}; log:\n{}\nstatus: {last:#}", self.desk.log())
        })
    }

    /// Asks it to stop, and waits until it has.
    pub fn stop(mut self) -> ExitStatus {
        run("kill", &[&self.child.id().to_string()]);
        self.child.wait().unwrap()
    }

    /// Kills it.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Agent<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
