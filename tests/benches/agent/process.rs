//! What a process has used, by what Linux says of it; the agent as such a process.

use std::{
    fs,
    ops::Sub,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use host::control::{self, Request};
use serde_json::Value;
use tempfile::TempDir;

/// A process; killed when dropped.
pub struct Process(Child);

/// CPU time and wake-ups of all its threads.
#[derive(Clone, Copy, Debug)]
pub struct Used {
    /// On a core.
    pub cpu: Duration,
    /// How often one of them had slept.
    pub wake_ups: u64,
}

impl Sub for Used {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self { cpu: self.cpu - before.cpu, wake_ups: self.wake_ups - before.wake_ups }
    }
}

impl Process {
    /// Takes a child over.
    pub fn new(child: Child) -> Self {
        Self(child)
    }

    /// Asks it to stop, and waits until it has.
    pub fn end(mut self) {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        assert!(self.0.wait().unwrap().success());
    }

    /// What was used so far.
    pub fn used(&self) -> Used {
        let mut used = Used { cpu: Duration::ZERO, wake_ups: 0 };
        for task in fs::read_dir(format!("/proc/{}/task", self.0.id())).unwrap() {
            let task = task.unwrap().path();
            let times = fs::read_to_string(task.join("schedstat")).unwrap();
            used.cpu += Duration::from_nanos(times.split(' ').next().unwrap().parse().unwrap());
            used.wake_ups +=
                number(&fs::read_to_string(task.join("status")).unwrap(), "voluntary_ctxt_switches:");
        }
        used
    }

    /// Processor time so far, that of threads that have ended included; in hundredths of a second.
    pub fn time(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap();
        // In user mode and in the kernel; counted after the name, which may hold anything.
        let fields = stat.rsplit(')').next().unwrap().split(' ').skip(12).take(2);
        let ticks: u64 = fields.map(|field| field.parse::<u64>().unwrap()).sum();
        Duration::from_millis(ticks * 1_000 / rustix::param::clock_ticks_per_second())
    }

    /// Resident memory, in bytes.
    pub fn memory(&self) -> u64 {
        self.kilobytes("VmRSS:") << 10
    }

    /// Resident memory that belongs to no file, such as code: what the system can't take back. In bytes.
    pub fn own_memory(&self) -> u64 {
        self.kilobytes("RssAnon:") << 10
    }

    /// The most resident memory there was so far, in bytes.
    pub fn peak(&self) -> u64 {
        self.kilobytes("VmHWM:") << 10
    }

    fn kilobytes(&self, field: &str) -> u64 {
        number(&fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap(), field)
    }
}

fn number(status: &str, field: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The agent on a state folder of its own.
pub struct Agent {
    /// Where that is.
    pub state: TempDir,
    /// Its process.
    pub process: Process,
}

impl Agent {
    /// Starts it on a display.
    pub fn spawn(candor: &Path, display: &str, config: &str) -> Self {
        let state = TempDir::with_prefix("candor-bench-").unwrap();
        fs::set_permissions(state.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let file = state.path().join("agent.toml");
        fs::write(&file, config).unwrap();
        // It ends with this bench, however that ends.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(candor).arg("run").arg("--config").arg(file);
        command.arg("--state").arg(state.path()).env("DISPLAY", display);
        // By these it would look for a Wayland session.
        command.env_remove("WAYLAND_DISPLAY").env_remove("XDG_SESSION_TYPE");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self { state, process: Process::new(command.spawn().unwrap()) }
    }

    /// What it answers; nothing before it listens.
    pub fn ask(&self, request: &Request) -> Option<Value> {
        control::ask(self.state.path(), request).ok()
    }

    /// How it is doing.
    pub fn status(&self) -> Option<Value> {
        self.ask(&Request::Status)
    }
}
