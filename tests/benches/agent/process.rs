//! What a process has used, by what Linux says of it.

use std::{fs, ops::Sub, process::Child, time::Duration};

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

    /// Resident memory, in bytes.
    pub fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        number(&status, "VmRSS:") << 10
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
