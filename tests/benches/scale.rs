//! What a backlog costs: the agent's memory and its start after a kill with few and with very many objects waiting,
//! what `candor verify` takes for them, and what is left on disk once all is sent.
//!
//! `make scale` measures with 1,000,000 objects, which takes minutes and 5 GB of disk; `cargo bench -p candor-tests --bench
//! scale` with as many as `CANDOR_OBJECTS` says, 20,000 if it says nothing.

#![allow(clippy::unwrap_used)]

#[cfg(target_os = "linux")]
mod measure;

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
fn main() {
    if !std::env::args().any(|argument| argument == "--list") {
        linux::measure();
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::{
        env, fs,
        os::unix::fs::{MetadataExt, PermissionsExt},
        path::{Path, PathBuf},
        process::{Child, Command, Stdio},
        thread,
        time::{Duration, Instant},
    };

    use host::{
        control::{self, Request},
        disk, identity,
        seal::{Chain, Head, Manifest, ObjectEntry, Sums},
        spool::Spool,
        upload::Delivered,
    };
    use serde_json::{Value, json};
    use tempfile::TempDir;

    use crate::measure::library;

    /// What a seal of the backlog holds beside its manifest.
    const KINDS: [&str; 4] = ["activity", "finding", "notice", "state"];
    /// Over how many dates it is spread.
    const DAYS: u64 = 30;
    /// How long the agent runs until its memory is looked at: it seals, retries and cleans up meanwhile.
    const WORK: Duration = Duration::from_secs(15);
    /// How often it is killed and started.
    const STARTS: usize = 5;
    const FEW: u64 = 10;
    const MB: f64 = 1e6;

    /// What the agent was seen to use.
    struct Seen {
        start_ms: f64,
        peak: f64,
    }

    pub fn measure() {
        let many = env::var("CANDOR_OBJECTS").map_or(20_000, |text| text.parse().unwrap());
        let desk = Desk::new();
        let few = desk.waiting(FEW);
        let seen = desk.waiting(many);
        println!("{many} objects pending, one in {} a manifest", KINDS.len() + 1);
        bar("  agent, peak of resident memory with 10 pending", few.peak / MB, "MB", None);
        bar("  the same with all of them", seen.peak / MB, "MB", None);
        bar("  grows by", (seen.peak - few.peak) / MB, "MB", Some(10.0));
        bar("  kill -9 to an agent that answers, with 10", few.start_ms, "ms", None);
        bar("  the same with all of them, the worst of 5", seen.start_ms, "ms", Some(1000.0));
        desk.verify(many);
        desk.drain();
    }

    /// Prints a figure and whether it is below its bar.
    fn bar(name: &str, value: f64, unit: &str, most: Option<f64>) {
        let verdict = most.map_or(String::new(), |most| {
            let word = if value <= most { "held" } else { "MISSED" };
            format!("  (at most {most:.0}: {word})")
        });
        println!("{name}: {value:.1} {unit}{verdict}");
    }

    /// The agent as it is shipped, and a folder of its own on a real disk.
    struct Desk {
        candor: PathBuf,
        folder: TempDir,
    }

    impl Desk {
        fn new() -> Self {
            let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
            let build = ["build", "--quiet", "--release", "--workspace", "--bin", "candor"];
            assert!(Command::new(env!("CARGO")).args(build).current_dir(root).status().unwrap().success());
            let candor = env::current_exe().unwrap().ancestors().nth(2).unwrap().join("candor");
            // `/tmp` may be memory.
            let folder = TempDir::new_in(candor.parent().unwrap()).unwrap();
            let plugins = folder.path().join("plugins");
            fs::create_dir(&plugins).unwrap();
            fs::set_permissions(&plugins, fs::Permissions::from_mode(0o755)).unwrap();
            let library = library("faulty");
            let copy = plugins.join(library.file_name().unwrap());
            fs::copy(&library, &copy).unwrap();
            fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).unwrap();
            Self { candor, folder }
        }

        fn state(&self) -> PathBuf {
            self.folder.path().join("state")
        }

        fn config(&self) -> PathBuf {
            self.folder.path().join("agent.toml")
        }

        /// Runs with so many objects pending for a sink that is down.
        fn waiting(&self, objects: u64) -> Seen {
            let _ = fs::remove_dir_all(self.state());
            backlog(&self.state(), objects);
            self.configure("retry", "1d");
            // Of the manifests it makes the queue; from then on it has one.
            let first = self.start(objects, Duration::from_secs(600));
            first.end("KILL");
            let mut seen = Seen { start_ms: 0.0, peak: 0.0 };
            for round in 0..STARTS {
                let began = Instant::now();
                let agent = self.start(objects, Duration::from_secs(60));
                seen.start_ms = began.elapsed().as_secs_f64().max(seen.start_ms / 1e3) * 1e3;
                if round + 1 == STARTS {
                    thread::sleep(WORK);
                    seen.peak = agent.memory("VmHWM:");
                }
                agent.end("KILL");
            }
            seen
        }

        fn configure(&self, does: &str, age: &str) {
            let plugins = self.folder.path().join("plugins");
            let text = format!(
                "[plugins]\npaths = [{plugins:?}]\n[journal]\nseal_every = \"1s\"\n[retain]\nmax_age = \"{age}\"\n\
                 [[source]]\nplugin = \"faulty\"\ndoes = \"records\"\n\
                 [[sink]]\nplugin = \"faulty\"\nid = \"store\"\ndoes = \"{does}\"\n"
            );
            fs::write(self.config(), text).unwrap();
            let _ = fs::remove_file(self.state().join("accepted.json"));
        }

        /// Starts the agent; it is there when it says how much waits.
        fn start(&self, pending: u64, patience: Duration) -> Agent {
            let mut command = self.command(&["--log", "error", "run"]);
            let agent = Agent { child: command.spawn().unwrap(), state: self.state() };
            let until = Instant::now() + patience;
            while agent.pending() < Some(pending) {
                assert!(Instant::now() < until, "no answer: {:?}", agent.pending());
                thread::sleep(Duration::from_millis(1));
            }
            agent
        }

        fn command(&self, arguments: &[&str]) -> Command {
            let mut command = Command::new(&self.candor);
            command.args(arguments).arg("--config").arg(self.config()).arg("--state").arg(self.state());
            command.env_remove("DISPLAY").stdout(Stdio::null());
            command
        }

        /// The spool is laid out as any store.
        fn verify(&self, objects: u64) {
            let began = Instant::now();
            let mut command = Command::new(&self.candor);
            command.args(["--log", "error", "verify"]).arg(self.state().join("spool"));
            let mut child = command.stdout(Stdio::null()).spawn().unwrap();
            let mut peak = 0.0;
            let complete = loop {
                peak = memory(child.id(), "VmHWM:").unwrap_or(peak);
                if let Some(status) = child.try_wait().unwrap() {
                    break status.success();
                }
                thread::sleep(Duration::from_millis(5));
            };
            assert!(complete, "what was made here is not complete");
            let seconds = began.elapsed().as_secs_f64();
            println!(
                "candor verify of them: complete, in {seconds:.0} s ({:.0} objects/s)",
                objects as f64 / seconds
            );
            bar("  peak of resident memory", peak / MB, "MB", Some(100.0));
        }

        /// Sends all to a store that takes everything, and looks at what is left.
        fn drain(&self) {
            self.configure("store", "0s");
            let began = Instant::now();
            let agent = self.start(0, Duration::from_secs(600));
            let until = Instant::now() + Duration::from_secs(1800);
            let mut left = f64::MAX;
            while agent.pending() != Some(0) || left > 16.0 * MB {
                let before = left;
                thread::sleep(Duration::from_secs(2));
                left = on_disk(&self.state());
                let rests = agent.pending() == Some(0) && left >= before;
                if rests || Instant::now() > until {
                    break;
                }
            }
            println!("all sent and removed in {:.0} s", began.elapsed().as_secs_f64());
            bar("  peak of resident memory", agent.memory("VmHWM:") / MB, "MB", None);
            agent.end("TERM");
            bar("  left on disk, folders included", on_disk(&self.state()) / MB, "MB", Some(16.0));
        }
    }

    /// A running agent.
    struct Agent {
        child: Child,
        state: PathBuf,
    }

    impl Agent {
        fn pending(&self) -> Option<u64> {
            let status: Value = control::ask(&self.state, &Request::Status).ok()?;
            status["sinks"]["store"]["pending"].as_u64()
        }

        fn memory(&self, field: &str) -> f64 {
            memory(self.child.id(), field).unwrap()
        }

        fn end(mut self, signal: &str) {
            let pid = self.child.id().to_string();
            assert!(Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
            self.child.wait().unwrap();
        }
    }

    impl Drop for Agent {
        fn drop(&mut self) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }

    /// In bytes, if the process is still there.
    fn memory(pid: u32, field: &str) -> Option<f64> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(field))?;
        Some(line.split_whitespace().next()?.parse::<f64>().ok()? * 1024.0)
    }

    /// What a folder takes of the disk, with the folders themselves.
    fn on_disk(path: &Path) -> f64 {
        // What is removed meanwhile takes nothing.
        let Ok(data) = fs::symlink_metadata(path) else { return 0.0 };
        let inside = match fs::read_dir(path) {
            Ok(entries) => entries.flatten().map(|entry| on_disk(&entry.path())).sum(),
            Err(_) => 0.0,
        };
        data.blocks() as f64 * 512.0 + inside
    }

    /// A state folder whose sink has had nothing of so many objects, as an agent leaves it that lost its journal.
    fn backlog(state: &Path, objects: u64) {
        disk::folder(state).unwrap();
        let identity = identity::load(state).unwrap();
        let mut head = Head { device: identity.id.clone(), sealed: 0, manifest: None };
        let spool = Spool::open(state, &head).unwrap();
        let mut compressor = zstd::bulk::Compressor::new(5).unwrap();
        compressor.include_checksum(true).unwrap();
        let size = KINDS.len() as u64;
        let seals = objects / (size + 1);
        for number in 0..seals {
            let (first, last) = (number * size + 1, (number + 1) * size);
            let day = 1 + number * DAYS / seals;
            let chain = Chain { head: &head, key: &identity.key };
            let mut manifest = Manifest::new(chain, spool.shares(&identity.id), first, last);
            for (seq, kind) in (first..=last).zip(KINDS) {
                let line = format!("{{\"seq\":{seq},\"time\":\"2026-01-{day:02}T12:00:00.000000Z\"}}\n");
                let bytes = compressor.compress(line.as_bytes()).unwrap();
                let key = format!(
                    "v=1/device={}/kind={kind}/date=2026-01-{day:02}/{seq:020}-{seq:020}.ndjson.zst",
                    identity.id
                );
                let Sums { sha256, crc32 } = Sums::of(&bytes);
                place(&spool.path(&key), &bytes);
                let seq = [seq].into_iter().collect();
                manifest.objects.push(ObjectEntry {
                    key,
                    kind: kind.to_owned(),
                    len: bytes.len() as u64,
                    sha256,
                    crc32,
                    records: 1,
                    seq,
                });
            }
            let bytes = manifest.bytes(&identity.key).unwrap();
            place(&spool.path(&manifest.key()), &bytes);
            (head.sealed, head.manifest) = (last, Some(disk::hex(&disk::sha256(&bytes))));
        }
        place(&state.join("delivered/store.json"), json!(Delivered::default()).to_string().as_bytes());
    }

    fn place(path: &Path, bytes: &[u8]) {
        if fs::write(path, bytes).is_err() {
            disk::folder(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
    }
}
