//! Process killed, power cut, disk full: whatever was acknowledged is there afterwards, once.
//!
//! `CANDOR_CRASHES=100` runs the long form. What needs root says so and is skipped without it.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use host::control::Request;
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    agent::{Agent, Desk},
    store::{self, Checked},
    wait::{answer, until},
};

/// A source that emits records as fast as they are taken, and signals that end in sums.
const LOAD: &str = r#"
[journal]
seal_every = "1s"
seal_size = "100KB"
[[source]]
plugin = "faulty"
does = "records"
[[source]]
plugin = "faulty"
id = "spins"
does = "spin"
[[detector]]
plugin = "activity"
interval = "1s"
[[sink]]
plugin = "local"
path = "records"
"#;

/// How often to crash.
fn times() -> u64 {
    env::var("CANDOR_CRASHES").map_or(20, |times| times.parse().expect("CANDOR_CRASHES is a number"))
}

/// Moments that look random and are the same in each run.
struct Moments(u64);

impl Moments {
    fn next(&mut self, below: u64) -> u64 {
        // Numbers of xorshift64.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

/// Watches an agent for a while; says the last number it acknowledged.
fn watch(agent: &Agent<'_>, time: Duration) -> u64 {
    let (end, mut durable) = (Instant::now() + time, 0);
    while Instant::now() < end {
        // An agent that is just starting doesn't answer yet.
        if let Some(status) = agent.ask(&Request::Status) {
            durable = status["durable"].as_u64().unwrap();
        }
    }
    durable
}

/// Starts the agent a last time and has it store everything; what was acknowledged has to be there.
fn check(desk: &Desk, acknowledged: u64) -> Checked {
    let agent = desk.start();
    let end = agent.wait_durable(acknowledged + 1);
    let stored = |status: &Value| {
        let local = &status["sinks"]["local"];
        local["pending"] == 0 && local["sent"].as_u64() > Some(0) && last(desk) >= end
    };
    agent.wait("the store to have it all", stored);
    assert!(agent.stop().success());
    let checked = store::check(&desk.store());
    assert!(checked.last >= end, "{checked:?} is not up to {end}");
    // The host's own reader agrees, with what isn't in the store yet.
    let shown = store::check_records(&desk.shown());
    assert!(
        shown.last >= checked.last && shown.declared.is_superset(&checked.declared),
        "{shown:?} {checked:?}"
    );
    checked
}

/// The last number of the last manifest in the store.
fn last(desk: &Desk) -> u64 {
    let name = |path: &PathBuf| path.file_stem()?.to_str()?.split_once('-')?.1.parse().ok();
    let manifests =
        store::files(&desk.store()).into_iter().filter(|path| path.extension().is_some_and(|e| e == "json"));
    manifests.filter_map(|path| name(&path)).max().unwrap_or(0)
}

#[test]
fn kill_9_at_any_moment_loses_nothing_acknowledged_and_stores_nothing_twice() {
    let desk = Desk::new(LOAD);
    let (mut moments, mut acknowledged) = (Moments(0x9e37_79b9_7f4a_7c15), 0);
    for round in 0..times() {
        let agent = desk.spawn();
        let durable = watch(&agent, Duration::from_millis(50 + moments.next(1100)));
        agent.kill();
        assert!(durable == 0 || durable >= acknowledged, "round {round}: {durable} after {acknowledged}");
        acknowledged = durable.max(acknowledged);
    }
    assert!(acknowledged > 0);
    let checked = check(&desk, acknowledged);
    // The process ended, the disk didn't: nothing written is lost, so nothing has to be declared.
    assert!(checked.declared.is_empty(), "{checked:?}");
    let gaps = desk.records("gap");
    assert!(gaps.iter().any(|gap| gap["reason"] == "unclean_end" && gap["from"].is_string()), "{gaps:#?}");
}

/// A disk of its own, in a file: what a power cut does to it, it does to no other.
struct Disk {
    folder: TempDir,
}

impl Disk {
    /// Makes an ext4 of that size, if this user may mount it.
    fn new(megabytes: u64) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: only root may mount; run it as root to see it");
            return None;
        }
        let disk = Self { folder: TempDir::with_prefix("candor-disk-").unwrap() };
        let image = fs::File::create(disk.image()).unwrap();
        image.set_len(megabytes << 20).unwrap();
        run("mkfs.ext4", &["-q", "-m0", path(&disk.image())]);
        fs::create_dir(disk.root()).unwrap();
        disk.mount();
        Some(disk)
    }

    fn image(&self) -> PathBuf {
        self.folder.path().join("image")
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    fn mount(&self) {
        run("mount", &["-o", "loop", path(&self.image()), path(&self.root())]);
    }

    /// Cuts the power: what was not synced is gone.
    fn cut(&self) {
        run("xfs_io", &["-x", "-c", "shutdown", path(&self.root())]);
    }

    fn unmount(&self) {
        // The process that was killed may hold it for a moment.
        until("the disk to be unmounted", || {
            Command::new("umount").arg(self.root()).output().unwrap().status.success().then_some(())
        });
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["--lazy", path(&self.root())]).output();
    }
}

pub fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

pub fn run(program: &str, arguments: &[&str]) {
    let output =
        Command::new(program).args(arguments).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
}

#[test]
fn a_power_cut_at_any_moment_loses_nothing_acknowledged_and_stores_nothing_twice() {
    let Some(disk) = Disk::new(64) else { return };
    let desk = Desk::new(LOAD).state_in(&disk.root().join("state"));
    let (mut moments, mut acknowledged) = (Moments(0xd1b5_4a32_d192_ed03), 0);
    for round in 0..times() {
        let agent = desk.spawn();
        let durable = watch(&agent, Duration::from_millis(50 + moments.next(1100)));
        disk.cut();
        agent.kill();
        disk.unmount();
        disk.mount();
        assert!(durable == 0 || durable >= acknowledged, "round {round}: {durable} after {acknowledged}");
        acknowledged = durable.max(acknowledged);
    }
    assert!(acknowledged > 0);
    check(&desk, acknowledged);
}

#[test]
fn a_full_disk_is_said_and_survived_and_what_was_lost_is_declared() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root may mount; run it as root to see it");
        return;
    }
    let folder = TempDir::with_prefix("candor-full-").unwrap();
    run("mount", &["-t", "tmpfs", "-o", "size=8m", "tmpfs", path(folder.path())]);
    let _unmount = Unmount(folder.path());
    // What is stored may go where there is room: this is about the journal.
    let elsewhere = TempDir::with_prefix("candor-store-").unwrap();
    let config = LOAD.replace("path = \"records\"", &format!("path = {:?}", elsewhere.path()));
    let desk = Desk::new(&config).state_in(&folder.path().join("state"));
    let agent = desk.start();
    agent.wait_durable(10);
    let stuffing = folder.path().join("stuffing");
    fill(&stuffing);
    let status = agent.wait("the trouble to be said", |status| status["trouble"].is_string());
    let trouble = status["trouble"].as_str().unwrap();
    assert!(trouble.contains("space") || trouble.contains("reserve"), "{trouble}");
    let text = String::from_utf8(desk.run(&["status"]).stdout).unwrap();
    assert!(text.contains("TROUBLE"), "{text}");
    // Long enough that the reserve can't hold what comes.
    let durable = status["durable"].as_u64().unwrap();
    fs::remove_file(&stuffing).unwrap();
    agent.wait("the trouble to be over", |status| status["trouble"].is_null());
    agent.wait_durable(durable + 100);
    assert!(agent.stop().success(), "{}", desk.log());
    let shown = desk.shown();
    store::check_records(&shown);
    let unwritable = |record: &&Value| record["kind"] == "gap" && record["reason"] == "unwritable";
    let lost: u64 = shown.iter().filter(unwritable).filter_map(|gap| gap["count"].as_u64()).sum();
    let ticks: Vec<u64> =
        shown.iter().filter(|r| r["kind"] == "faulty.tick").map(|r| r["number"].as_u64().unwrap()).collect();
    let missing = ticks.windows(2).map(|pair| pair[1] - pair[0] - 1).sum::<u64>();
    assert!(missing <= lost, "{missing} records of the source are missing, gaps declare {lost}");
}

/// Unmounts it in the end.
pub struct Unmount<'a>(pub &'a Path);

impl Drop for Unmount<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["--lazy", path(self.0)]).output();
    }
}

/// Writes to a file until there is no more room.
pub fn fill(file: &Path) {
    use std::io::Write;
    let mut file = fs::File::create(file).unwrap();
    for block in [1 << 16, 1 << 12, 1] {
        let zeros = vec![0; block];
        while file.write_all(&zeros).is_ok() {}
    }
}

#[test]
fn a_journal_cut_short_or_with_a_flipped_bit_is_salvaged_and_what_is_gone_declared() {
    for damage in ["cut", "flip"] {
        let desk =
            Desk::new(&LOAD.replace("seal_every = \"1s\"\nseal_size = \"100KB\"", "seal_every = \"1h\""));
        let agent = desk.start();
        let acknowledged = agent.wait_durable(200);
        agent.kill();
        let journal = store::files(&desk.state().join("journal"));
        let file = journal.iter().max_by_key(|file| fs::metadata(file).unwrap().len()).unwrap();
        let mut bytes = fs::read(file).unwrap();
        let used = bytes.iter().rposition(|byte| *byte != 0).unwrap();
        match damage {
            "cut" => bytes.truncate(used * 2 / 3),
            _ => bytes[used / 2] ^= 0x10,
        }
        fs::write(file, bytes).unwrap();
        let agent = desk.start();
        agent.wait_durable(acknowledged + 1);
        assert!(agent.stop().success());
        let checked = store::check_records(&desk.shown());
        assert!(!checked.declared.is_empty() && checked.last > acknowledged, "{damage}: {checked:?}");
        // Past the bad frame, too: one flipped bit costs one record.
        let most = if damage == "flip" { 1 } else { acknowledged };
        assert!(checked.declared.len() as u64 <= most, "{damage}: {checked:?}");
        assert!(desk.log().contains("declared missing"), "{damage}: {}", desk.log());
    }
}

#[test]
fn a_second_agent_ends_at_once_and_names_the_first() {
    let desk = Desk::new(LOAD);
    let agent = desk.start();
    let mut second = desk.spawn();
    let status = answer(|| second.ended()).expect("it to end");
    assert!(!status.success());
    let log = desk.log();
    assert!(log.contains(&format!("pid {}", agent.pid())), "{log}");
    assert!(agent.stop().success());
}

#[test]
fn a_crash_leaves_no_dump_of_what_was_in_memory() {
    use std::os::unix::process::ExitStatusExt;

    for signal in [rustix::process::Signal::SEGV, rustix::process::Signal::ABORT] {
        let desk = Desk::new(LOAD);
        // For who starts it, dumps may be as large as they like.
        let agent = desk.spawn_in(&["setpriv", "--pdeathsig", "KILL", "--", "prlimit", "--core=unlimited"]);
        agent.wait_ready();
        let limits = fs::read_to_string(format!("/proc/{}/limits", agent.pid())).unwrap();
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        assert_eq!(core.split_whitespace().skip(4).collect::<Vec<_>>(), ["0", "0", "bytes"], "{core}");
        let pid = rustix::process::Pid::from_raw(agent.pid().try_into().unwrap()).unwrap();
        let mut agent = agent;
        // The first SIGSEGV only ends Rust's own look at it.
        let status = until("the agent to crash", || {
            let _ = rustix::process::kill_process(pid, signal);
            agent.ended()
        });
        assert_eq!(status.signal(), Some(signal.as_raw()));
        assert!(!status.core_dumped());
    }
}
