//! What the agent itself costs: CPU time, memory, threads; measured on Linux, unknown elsewhere.

use serde::{Deserialize, Serialize};

/// What a process or thread has used so far.
#[derive(Clone, Copy, Default, PartialEq, Debug, Serialize, Deserialize)]
pub struct Cost {
    /// CPU time of the whole process, in seconds.
    pub cpu_s: f64,
    /// Resident memory, in bytes.
    pub memory_bytes: u64,
    /// The most resident memory so far, in bytes.
    pub memory_peak_bytes: u64,
    /// Threads.
    pub threads: u64,
}

/// What this process has used; `None` where the platform isn't asked.
#[cfg(target_os = "linux")]
pub fn process() -> Option<Cost> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    Some(Cost {
        cpu_s: cpu_s("/proc/self/stat")?,
        memory_bytes: field("VmRSS:")? << 10,
        memory_peak_bytes: field("VmHWM:")? << 10,
        threads: field("Threads:")?,
    })
}

/// CPU time of the threads of that name, in seconds.
#[cfg(target_os = "linux")]
pub fn thread_cpu_s(name: &str) -> Option<f64> {
    let name = thread_name(name);
    let mut found = None;
    for task in std::fs::read_dir("/proc/self/task").ok()?.flatten() {
        let comm = std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        if comm.trim_end() == name {
            *found.get_or_insert(0.0) += precise(&task.path()).unwrap_or(0.0);
        }
    }
    found
}

/// A thread's name as the kernel keeps it.
#[cfg(target_os = "linux")]
fn thread_name(name: &str) -> &str {
    &name[..name.floor_char_boundary(15)]
}

/// A thread's CPU time to the nanosecond where the kernel keeps it so, else in ticks of 10 ms.
#[cfg(target_os = "linux")]
fn precise(task: &std::path::Path) -> Option<f64> {
    let text = std::fs::read_to_string(task.join("schedstat")).unwrap_or_default();
    match text.split(' ').next().and_then(|ns| ns.parse::<f64>().ok()) {
        Some(ns) => Some(ns / 1e9),
        None => cpu_s(task.join("stat")),
    }
}

#[cfg(target_os = "linux")]
fn cpu_s(path: impl AsRef<std::path::Path>) -> Option<f64> {
    let stat = std::fs::read_to_string(path).ok()?;
    // The second field is a name in parentheses that may hold spaces; user and system time are the 14th and 15th.
    let mut fields = stat.get(stat.rfind(')')? + 2..)?.split(' ').skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    let per_second = rustix::param::clock_ticks_per_second() as f64;
    Some((ticks()? + ticks()?) / per_second)
}

/// What this process has used; `None` where the platform isn't asked.
#[cfg(not(target_os = "linux"))]
pub fn process() -> Option<Cost> {
    None
}

/// CPU time of the threads of that name, in seconds.
#[cfg(not(target_os = "linux"))]
pub fn thread_cpu_s(_: &str) -> Option<f64> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #[test]
    fn this_process_uses_memory_and_has_threads() {
        let cost = super::process().unwrap();
        assert!(
            cost.memory_bytes > 100_000 && cost.memory_peak_bytes >= cost.memory_bytes && cost.threads >= 1
        );
    }
}
