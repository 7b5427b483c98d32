//! The process that gets killed: appends, syncs, seals, and says what was acknowledged.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};

use host::{
    clock::Clock,
    journal::{Blob, Journal, Options, Record},
    outbox::Outbox,
};

const STATE: &str = "CANDOR_DRIVER_STATE";
const FIRST: &str = "CANDOR_DRIVER_FIRST";
const SEAL: &str = "CANDOR_DRIVER_SEAL_MS";
const COUNT: &str = "CANDOR_DRIVER_COUNT";
const GRACE: &str = "CANDOR_DRIVER_GRACE_MS";
const MAX: &str = "CANDOR_DRIVER_MAX";

/// Does nothing unless it is the child of a test below.
#[test]
fn driver() {
    let Ok(state) = std::env::var(STATE) else { return };
    let number = |name| std::env::var(name).expect("set").parse().expect("a number");
    let first: u64 = number(FIRST);
    let clock = Clock::system();
    let mut options = Options::new(state, clock.clone());
    options.seal_every = Duration::from_millis(number(SEAL));
    let grace = std::env::var(GRACE).ok().map(|text| text.parse().expect("a number"));
    options.grace = Duration::from_millis(grace.unwrap_or(0));
    if let Ok(max) = std::env::var(MAX) {
        options.max = max.parse().expect("a number");
        options.sinks = vec!["away".to_owned()];
    }
    let (journal, recovery) = match Journal::open(options) {
        Ok(opened) => opened,
        Err(error) => return eprintln!("driver: {error}"),
    };
    let mut out = std::io::stdout().lock();
    for finding in &recovery.findings {
        writeln!(out, "found {finding}").expect("a reader");
    }
    writeln!(out, "ack none").expect("a reader");
    let count = std::env::var(COUNT).map_or(u64::MAX / 2, |count| count.parse().expect("a number"));
    for n in first..first + count {
        let kind = ["activity", "finding", "state"][n as usize % 3];
        let mut record = Record::new(
            kind,
            "driver",
            format!("{{\"n\":{n},\"text\":\"{}\"}}", "y".repeat(n as usize % 900)),
        );
        if n % 50 == 49 || (grace.is_some() && n % 3 == 0) {
            record.blob = Some(Blob { media_type: "image/webp".into(), bytes: pixels(n) });
        }
        journal.append(record).expect("taken");
        if n % 7 == 6 {
            // After a power cut nothing can be made durable, and nothing is said to be.
            if journal.sync().is_err()
                || writeln!(out, "ack {n} {}", clock.mono_ns()).and_then(|()| out.flush()).is_err()
            {
                return;
            }
            if grace.is_some() {
                delete(&journal, &mut out);
            }
        }
    }
}

/// What the blob of a record shows.
pub fn pixels(n: u64) -> Vec<u8> {
    format!("<pixels of {n}>").repeat(200).into_bytes()
}

/// Deletes what has waited longest, and says so before and after.
fn delete(journal: &Journal, out: &mut impl Write) {
    let spool = journal.spool();
    let state = spool.root().parent().expect("a state folder");
    let outbox = Outbox::of(state, &spool.sealed().0);
    let Some(entry) = outbox.waiting().expect("entries").into_iter().next() else { return };
    let seq = entry.blob.seq;
    writeln!(out, "deleting {seq}").and_then(|()| out.flush()).expect("a reader");
    if journal.delete(seq, "mine").is_ok() {
        writeln!(out, "deleted {seq}").and_then(|()| out.flush()).expect("a reader");
    }
}

fn this() -> std::path::PathBuf {
    std::env::current_exe().expect("this binary")
}

/// A running driver.
pub struct Driver {
    child: Child,
    out: BufReader<ChildStdout>,
    /// What it said was acknowledged: `n`, and when on the monotonic clock.
    pub acknowledged: Vec<(u64, u64)>,
    /// Whether it had opened the journal.
    pub ready: bool,
    /// What it found when it opened the journal.
    pub found: Vec<String>,
    /// The numbers it was about to delete the blobs of, and those it had deleted.
    pub deleting: Vec<u64>,
    /// See `deleting`.
    pub deleted: Vec<u64>,
}

impl Driver {
    /// Starts one on a state folder, counting from `first`.
    pub fn start(state: &Path, first: u64) -> Self {
        Self::spawn(Command::new(this()), state, first, "40")
    }

    /// Starts one whose blobs wait so long, and that deletes some of them meanwhile.
    pub fn start_waiting(state: &Path, first: u64, grace_ms: u64) -> Self {
        let mut command = Command::new(this());
        command.env(GRACE, grace_ms.to_string());
        Self::spawn(command, state, first, "40")
    }

    /// Starts one with so many bytes for what waits.
    pub fn start_within(state: &Path, first: u64, max: u64) -> Self {
        let mut command = Command::new(this());
        command.env(MAX, max.to_string());
        Self::spawn(command, state, first, "40")
    }

    /// Starts one whose files can't grow beyond so many blocks of 512 bytes, and that does not seal.
    pub fn start_limited(state: &Path, first: u64, blocks: u64) -> Self {
        let mut command = Command::new("sh");
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
        command.args(["-c", &script]).arg(this());
        Self::spawn(command, state, first, "600000")
    }

    /// Starts one that appends so many records, with every seventh of its calls to `fdatasync` failing; none if that
    /// can't be had here.
    pub fn start_failing(state: &Path, first: u64, count: u64) -> Option<Self> {
        let faults = ["-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync", "-e"];
        let mut command = Command::new("strace");
        command.args(faults).arg("inject=fdatasync:error=EIO:when=3+7");
        let mut probe = Command::new("strace");
        let works = probe.args(faults).args(["inject=fdatasync:error=EIO:when=3+7", "true"]).output();
        if !works.is_ok_and(|output| output.status.success()) {
            return None;
        }
        command.arg(this()).env(COUNT, count.to_string());
        Some(Self::spawn(command, state, first, "40"))
    }

    fn spawn(mut command: Command, state: &Path, first: u64, seal_ms: &str) -> Self {
        let mut child = command
            .args(["driver::driver", "--exact", "--nocapture", "--test-threads=1"])
            .env(STATE, state)
            .env(FIRST, first.to_string())
            .env(SEAL, seal_ms)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("a driver");
        let out = BufReader::new(child.stdout.take().expect("its output"));
        Self {
            child,
            out,
            acknowledged: Vec::new(),
            ready: false,
            found: Vec::new(),
            deleting: Vec::new(),
            deleted: Vec::new(),
        }
    }

    /// Lets it come up and work for a random time; every fourth time it may not even get that far.
    pub fn run(&mut self, round: u64, lines: u64) {
        if round % 4 != 3 {
            while !self.ready {
                self.work(1);
            }
            self.work(1 + random(lines));
        }
        linger();
    }

    /// Reads one line; false at the end.
    pub fn read(&mut self) -> bool {
        let mut line = String::new();
        if self.out.read_line(&mut line).unwrap_or(0) == 0 {
            return false;
        }
        // The harness puts its own words in front of the first line.
        if let Some((_, found)) = line.split_once("found ") {
            self.found.push(found.trim().to_owned());
        } else if let Some((_, seq)) = line.split_once("deleting ") {
            self.deleting.extend(seq.trim().parse::<u64>());
        } else if let Some((_, seq)) = line.split_once("deleted ") {
            self.deleted.extend(seq.trim().parse::<u64>());
        } else if let Some((_, n)) = line.split_once("ack ")
            && line.ends_with('\n')
        {
            self.ready = true;
            let number = |text: &str| text.parse().ok();
            self.acknowledged
                .extend(n.trim().split_once(' ').and_then(|(n, when)| Some((number(n)?, number(when)?))));
        }
        true
    }

    /// Lets it work until so many further lines were read.
    pub fn work(&mut self, lines: u64) {
        for _ in 0..lines {
            assert!(self.read(), "the driver ended by itself");
        }
    }

    /// Kills it, and reads what it still said before.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        while self.read() {}
        self.child.wait().expect("gone");
    }

    /// The numbers acknowledged before a moment, in a run that counts from `first`.
    pub fn before(&self, first: u64, moment: u64) -> std::ops::Range<u64> {
        let last = self.acknowledged.iter().filter(|(_, when)| *when < moment).map(|(n, _)| n + 1).max();
        first..last.unwrap_or(first)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A number below `limit` from the system's randomness, so that every run tries other moments.
pub fn random(limit: u64) -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::hash::RandomState::new().build_hasher().finish() % limit
}

/// Lets a random short time pass, to leave the beat of the acknowledgements.
fn linger() {
    let until = std::time::Instant::now() + Duration::from_micros(random(20_000));
    while std::time::Instant::now() < until {
        std::hint::spin_loop();
    }
}

/// How often to repeat: a few times, or what the variable says for the long form.
pub fn rounds(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}
