//! The child that opens a library first, and what its parent makes of its end.

use std::{
    io::Read,
    path::Path,
    process::{Child, Command, ExitCode, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

use plugin_api::call;
use serde::{Deserialize, Serialize};

use super::{Info, LIMIT, Outcome, plain};
use crate::{error::Error, load};

/// The longest answer that is kept.
const ANSWER_MAX: u64 = 4 << 20;

/// What the child prints, in one line.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Ok(Info),
    Refused(String),
    Lies(String),
}

/// The hidden command `plugin-probe FILE`: opens one library and prints what it is.
pub fn probe_main(path: &Path) -> ExitCode {
    no_core_dump();
    let answer = match load::open(path) {
        Ok(loaded) => Answer::Ok(Info {
            schema: call::schema(loaded.plugin),
            name: loaded.name,
            version: loaded.version,
            roles: loaded.roles,
            reads: loaded.reads,
        }),
        Err(error @ Error::Lies { .. }) => Answer::Lies(plain(&error)),
        Err(error) => Answer::Refused(plain(&error)),
    };
    match serde_json::to_string(&answer) {
        Ok(line) => println!("\n{line}"),
        Err(_) => return ExitCode::FAILURE,
    }
    ExitCode::SUCCESS
}

/// Looks at one library in a child.
pub fn probe(program: &Path, path: &Path) -> Outcome {
    let mut command = Command::new(program);
    command.arg("plugin-probe").arg(path);
    let ended = match run(command, LIMIT) {
        Ok(ended) => ended,
        Err(error) => {
            return Outcome::Refused(format!(
                "can't be looked at: {} does not start ({error}); try again",
                program.display()
            ));
        }
    };
    // The library may have printed too, before the answer or after.
    let answer = ended.out.lines().rev().find_map(|line| serde_json::from_str(line).ok());
    match (ended.how, answer) {
        (How::Exit(status), Some(answer)) if status.success() => match answer {
            Answer::Ok(info) => Outcome::Ok(info),
            Answer::Refused(text) => Outcome::Refused(text),
            Answer::Lies(text) => Outcome::Blocked(text),
        },
        (How::Exit(status), None) if status.success() && !ended.out.trim().is_empty() => Outcome::Blocked(
            "printed garbage and ended the process as it was loaded; ask its author".to_owned(),
        ),
        (How::Exit(status), _) if outside(status) => {
            Outcome::Refused(format!("was not looked at to the end ({status}); start again"))
        }
        (how, _) => Outcome::Blocked(format!("{} as it was loaded; ask its author", how.text(LIMIT))),
    }
}

/// How a child ended.
pub enum How {
    /// By itself.
    Exit(ExitStatus),
    /// It was killed when its time was up.
    Late,
}

impl How {
    /// What the library did, for a message.
    pub fn text(&self, limit: Duration) -> String {
        match self {
            Self::Late => format!("hung for {} s", limit.as_secs()),
            Self::Exit(status) => match signal(*status) {
                Some(signal) => format!("crashed (signal {signal})"),
                None => format!("ended the process ({status})"),
            },
        }
    }
}

/// A child that has ended, and what it printed.
pub struct Ended {
    /// How it ended.
    pub how: How,
    /// Its standard output.
    pub out: String,
}

/// Runs a command with a time limit. Its standard error goes nowhere.
pub fn run(mut command: Command, limit: Duration) -> std::io::Result<Ended> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    own_group(&mut command);
    let mut child = command.spawn()?;
    let said = Arc::new(Mutex::new(Vec::new()));
    let (done, at_end) = mpsc::channel();
    if let Some(out) = child.stdout.take() {
        let said = said.clone();
        thread::spawn(move || {
            listen(out.take(ANSWER_MAX), &said);
            // The other side may have given up.
            let _ = done.send(());
        });
    }
    let how = wait(&mut child, limit)?;
    // Whatever it started may hold the pipe open; its own answer is in it by now.
    let _ = at_end.recv_timeout(Duration::from_millis(200));
    let out = String::from_utf8_lossy(&said.lock().unwrap_or_else(PoisonError::into_inner)).into_owned();
    Ok(Ended { how, out })
}

fn listen(mut out: impl Read, said: &Mutex<Vec<u8>>) {
    let mut buffer = [0; 4096];
    while let Ok(n @ 1..) = out.read(&mut buffer) {
        said.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&buffer[..n]);
    }
}

fn wait(child: &mut Child, limit: Duration) -> std::io::Result<How> {
    let end = Instant::now() + limit;
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(How::Exit(status));
        }
        if Instant::now() >= end {
            kill_group(child);
            // Killed or gone: either way there is an end to wait for.
            let _ = child.kill();
            child.wait()?;
            return Ok(How::Late);
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(10));
    }
}

#[cfg(unix)]
fn signal(status: ExitStatus) -> Option<String> {
    use std::os::unix::process::ExitStatusExt;
    status.signal().map(|number| {
        let name = match number {
            4 => " SIGILL",
            5 => " SIGTRAP",
            6 => " SIGABRT",
            8 => " SIGFPE",
            11 => " SIGSEGV",
            _ => "",
        };
        format!("{number}{name}")
    })
}

#[cfg(not(unix))]
fn signal(_: ExitStatus) -> Option<String> {
    None
}

/// Whether somebody else ended it: a person, a shutdown, the system short of memory.
#[cfg(unix)]
fn outside(status: ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt;
    matches!(status.signal(), Some(1 | 2 | 9 | 15))
}

#[cfg(not(unix))]
fn outside(_: ExitStatus) -> bool {
    false
}

/// A group of its own, so that what a library starts ends with it.
#[cfg(unix)]
fn own_group(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    command.process_group(0);
}

#[cfg(not(unix))]
fn own_group(_: &mut Command) {}

#[cfg(unix)]
fn kill_group(child: &Child) {
    use rustix::process::{Pid, Signal, kill_process_group};
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // It may have ended just now.
        let _ = kill_process_group(pid, Signal::KILL);
    }
}

#[cfg(not(unix))]
fn kill_group(_: &Child) {}

/// A crash is expected here: it need not fill the disk.
#[cfg(unix)]
pub fn no_core_dump() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    // Without it a crash is only bigger.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
}

#[cfg(not(unix))]
pub fn no_core_dump() {}
