//! The source over its real vtable in a process of its own, since xcap takes the display from the environment.

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Mutex, mpsc},
    time::{Duration, Instant},
};

use plugin_api::{
    Event, Kind, call,
    event::{SCREENSHOT, STATE},
    v1::Status,
};
use serde_json::{Value, json};

/// How long a test waits for what has to come.
const PATIENCE: Duration = Duration::from_secs(90);
const FOLDER: &str = "CANDOR_SCREEN_TEST_FOLDER";
const CONFIG: &str = "CANDOR_SCREEN_TEST_CONFIG";
const MARK: &str = "told: ";

/// A running source; ends with the test.
pub struct Agent {
    child: Child,
    /// Until it is told to stop.
    input: Option<ChildStdin>,
    lines: mpsc::Receiver<Value>,
    folder: tempfile::TempDir,
    /// What was told by [`Agent::wait`] so far.
    pub told: Vec<Value>,
}

impl Agent {
    /// Starts one on a display.
    pub fn start(display: &str, config: &Value) -> Self {
        Self::start_in(&[("DISPLAY", display.to_owned())], None, config)
    }

    /// Starts one in a session, of which it knows these variables alone, as another user if that is whose it is.
    pub fn start_in(session: &[(&str, String)], user: Option<u32>, config: &Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = std::env::current_exe().unwrap();
        let mut command = match user {
            None => Command::new(program),
            Some(user) => {
                // It may lie where that user doesn't get.
                let own = folder.path().join("agent");
                let linked = std::fs::hard_link(&program, &own);
                linked.or_else(|_| std::fs::copy(&program, &own).map(drop)).unwrap();
                std::os::unix::fs::chown(folder.path(), Some(user), Some(user)).unwrap();
                let mut command = Command::new("setpriv");
                command.args([&format!("--reuid={user}"), &format!("--regid={user}"), "--clear-groups"]);
                command.arg(own);
                command
            }
        };
        command.args(["--exact", "agent::serves", "--nocapture", "--test-threads=1"]);
        for name in
            ["DISPLAY", "DBUS_SESSION_BUS_ADDRESS", "WAYLAND_DISPLAY", "XDG_RUNTIME_DIR", "XDG_SESSION_TYPE"]
        {
            command.env_remove(name);
        }
        command.envs(session.iter().map(|(name, value)| (*name, value)));
        command.env(FOLDER, folder.path()).env(CONFIG, config.to_string());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (send, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let told = line.split_once(MARK).and_then(|(_, told)| serde_json::from_str(told).ok());
                match told {
                    // Nobody waits any more when it fails.
                    Some(told) => drop(send.send(told)),
                    None => println!("{line}"),
                }
            }
        });
        let input = child.stdin.take();
        Self { child, input, lines, folder, told: Vec::new() }
    }

    /// Waits for a record whose fields hold these, and answers it whole.
    #[track_caller]
    pub fn wait(&mut self, what: &Value) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let Ok(told) = self.lines.recv_timeout(left) else { panic!("no {what} in {:#?}", self.told) };
            self.told.push(told.clone());
            if holds(&told, what) {
                return told;
            }
        }
    }

    /// Gives it another config.
    pub fn configure(&mut self, config: &Value) {
        self.say(&json!({"configure": config}));
    }

    pub fn pause(&mut self) {
        self.say(&json!("pause"));
    }

    /// Asks for a shot and waits for the answer, or for why there is none.
    #[track_caller]
    pub fn ask(&mut self, options: &Value) -> Value {
        self.say(&json!({"ask": options}));
        self.wait(&json!({"record": "answer"}))["answer"].clone()
    }

    pub fn resume(&mut self) {
        self.say(&json!("resume"));
    }

    /// Tells it to stop, waits until it has, and answers all it told.
    pub fn stop(mut self) -> Vec<Value> {
        self.input.take();
        assert!(self.child.wait().unwrap().success());
        let rest: Vec<Value> = self.lines.iter().collect();
        std::mem::take(&mut self.told).into_iter().chain(rest).collect()
    }

    /// Waits until it takes a shot.
    pub fn until_shot(&self) {
        crate::display::until("thread of a shot", || (self.shots() > 0).then_some(()));
    }

    /// How many shots it is taking.
    pub fn shots(&self) -> usize {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap().flatten();
        let names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
        names.filter(|name| name == "screenshot\n").count()
    }

    /// Bytes of memory that are resident now, and at most so far.
    pub fn memory(&self) -> (u64, u64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let of = |name: &str| -> u64 {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
        };
        (of("VmRSS:"), of("VmHWM:"))
    }

    /// Where a record's picture is.
    pub fn picture(&self, record: &Value) -> PathBuf {
        self.folder.path().join(record["picture"].as_str().expect("a picture"))
    }

    fn say(&mut self, command: &Value) {
        writeln!(self.input.as_ref().unwrap(), "{command}").unwrap();
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn holds(told: &Value, what: &Value) -> bool {
    what.as_object().unwrap().iter().all(|(name, wanted)| match (&told[name], wanted) {
        // Of texts a part is enough.
        (Value::String(told), Value::String(wanted)) => told.contains(wanted.as_str()),
        (told, wanted) => told == wanted,
    })
}

struct Host {
    folder: PathBuf,
    count: Mutex<u32>,
    start: Instant,
}

impl Host {
    fn tell(&self, event: &Event<'_>, picture: Option<(&str, &[u8])>) -> Status {
        let mut fields = event.json().unwrap();
        let reserved = plugin_api::event::record_fault(event.bytes());
        assert_eq!(reserved, None);
        if event.kind == SCREENSHOT {
            documented("", &fields);
        }
        fields["mono_ns"] = event.mono_ns.into();
        fields["record"] = if event.kind == SCREENSHOT { "screenshot" } else { "state" }.into();
        assert!(event.kind == SCREENSHOT || event.kind == STATE);
        if let Some((media_type, bytes)) = picture {
            let mut count = self.count.lock().unwrap();
            *count += 1;
            let name = format!("{count}.{}", media_type.strip_prefix("image/").unwrap());
            std::fs::write(self.folder.join(&name), bytes).unwrap();
            fields["picture"] = name.into();
            fields["bytes"] = bytes.len().into();
        }
        println!("\n{MARK}{fields}");
        Status::OK
    }
}

impl call::Serve for Host {
    fn level(&self) -> u32 {
        4
    }
    fn log(&self, _: u32, module: &str, text: &str) {
        println!("{module}: {text}");
    }
    fn kind(&self, name: &str) -> Kind {
        Kind::record(name).unwrap_or(Kind(0))
    }
    fn emit(&self, events: &[Event<'_>]) -> Status {
        events.iter().map(|event| self.tell(event, None)).last().unwrap_or(Status::OK)
    }
    fn emit_blob(&self, event: &Event<'_>, media_type: &str, bytes: &[u8]) -> Status {
        self.tell(event, Some((media_type, bytes)))
    }
    fn mono_ns(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }
    fn state_folder(&self) -> Option<&str> {
        None
    }
}

/// Each field has to be in the table of its kind.
fn documented(path: &str, fields: &Value) {
    let page = include_str!("../../../../plugin-api/KINDS.md");
    let part = page.split("\n### ").find(|part| part.starts_with("`screenshot`")).unwrap();
    for (name, value) in fields.as_object().unwrap() {
        let path = format!("{path}{name}");
        assert!(part.contains(&format!("\n| `{path}` |")), "KINDS.md doesn't list {path}");
        if value.is_object() {
            documented(&format!("{path}."), value);
        }
    }
}

/// Not a test but the process that [`Agent`] starts.
#[test]
fn serves() {
    let (Ok(folder), Ok(config)) = (std::env::var(FOLDER), std::env::var(CONFIG)) else { return };
    let host =
        Arc::new(Host { folder: Path::new(&folder).to_owned(), count: Mutex::new(0), start: Instant::now() });
    let plugin = plugin_api::testing::plugin(candor_screen::candor_plugin);
    let config = serde_json::from_str(&config).unwrap();
    let source = call::Source::new(plugin, host, &config).unwrap_or_else(|why| panic!("{}", why.text));
    std::thread::scope(|scope| {
        scope.spawn(|| source.run().unwrap_or_else(|why| panic!("{}", why.text)));
        for line in std::io::stdin().lines().map_while(Result::ok) {
            match serde_json::from_str::<Value>(&line).unwrap() {
                Value::String(command) if command == "pause" => source.pause(),
                Value::String(_) => source.resume(),
                command if command["ask"].is_object() => {
                    let answer = source.ask("shot", &command["ask"]).unwrap_or_else(|why| json!(why.text));
                    println!("\n{MARK}{}", json!({"record": "answer", "answer": answer}));
                    Ok(())
                }
                command => source.configure(&command["configure"]).map(drop),
            }
            .unwrap_or_else(|why| panic!("{}", why.text));
        }
        source.stop().unwrap_or_else(|why| panic!("{}", why.text));
    });
}
