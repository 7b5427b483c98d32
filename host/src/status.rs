//! What `candor status` prints.

use std::{collections::BTreeMap, fmt::Write as _, io, path::PathBuf};

use comfy_table::{Table, presets};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    meter::Cost,
    outbox::{Look, roughly},
    route::{Health, Loss, Role},
};

/// A running agent, as it sees itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// The agent's version.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// When it started, RFC 3339.
    pub started: String,
    /// Seconds since then.
    pub uptime_s: f64,
    /// The device's id.
    pub device: String,
    /// Where it keeps its state.
    pub state_folder: PathBuf,
    /// Its config file; none when it uses the built-in one.
    pub config: Option<PathBuf>,
    /// Changes of the config that wait until the person allows them.
    pub pending: Vec<String>,
    /// Whether capture is paused.
    pub paused: bool,
    /// Screenshots that wait before they may leave.
    #[serde(default)]
    pub outbox: Look,
    /// Every record up to this number is safe on disk.
    pub durable: u64,
    /// What keeps records from being written, if anything does.
    pub trouble: Option<String>,
    /// Milliseconds from the start to the first signal, once there was one.
    pub first_signal_ms: Option<f64>,
    /// What the agent costs, where the platform tells.
    pub cost: Option<Cost>,
    /// Every instance.
    pub plugins: Vec<Plugin>,
    /// What was lost on the way, and why.
    pub lost: Vec<Lost>,
    /// What waits for each sink.
    pub sinks: BTreeMap<String, Value>,
}

/// One instance.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plugin {
    /// Its id.
    pub id: String,
    /// What it is for.
    pub role: Role,
    /// Its plugin.
    pub plugin: String,
    /// The plugin's version, if it was loaded.
    pub version: String,
    /// `ok`, `degraded`, `failed`, `disabled`, `starting`.
    pub state: String,
    /// Why.
    pub cause: String,
    /// What to do.
    pub fix: String,
    /// The cause as a word for programs, if it has one: what `candor doctor` calls it.
    #[serde(default)]
    pub code: Option<String>,
    /// CPU time of its thread, in seconds, where the platform tells.
    pub cpu_s: Option<f64>,
    /// Signals that wait for a detector.
    pub waiting: usize,
}

impl Plugin {
    /// An instance of which nothing but the config is known.
    pub fn unloaded(id: &str, role: Role, plugin: &str) -> Self {
        Self {
            id: id.to_owned(),
            role,
            plugin: plugin.to_owned(),
            version: String::new(),
            state: "starting".to_owned(),
            cause: "nothing came from it yet".to_owned(),
            fix: String::new(),
            code: None,
            cpu_s: None,
            waiting: 0,
        }
    }

    /// With its last word about itself.
    #[must_use]
    pub fn with(self, health: Option<&Health>) -> Self {
        let Some(Health { state, cause, fix, code }) = health.cloned() else { return self };
        Self { state, cause, fix, code, ..self }
    }
}

impl From<Loss> for Lost {
    fn from(loss: Loss) -> Self {
        Self { instance: loss.instance, reason: loss.reason, count: loss.count }
    }
}

/// Something that was lost.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Lost {
    /// Whose.
    pub instance: String,
    /// Why.
    pub reason: String,
    /// How many.
    pub count: u64,
}

/// Prints it for people.
pub fn print(status: &Status, out: &mut impl io::Write) -> io::Result<()> {
    let paused = if status.paused { ", PAUSED" } else { "" };
    writeln!(out, "candor {} runs as pid {} since {}{paused}", status.version, status.pid, status.started)?;
    writeln!(out, "device {}, everything up to record {} is safe", status.device, status.durable)?;
    let config = status.config.as_ref().map_or("the built-in one".into(), |file| file.display().to_string());
    writeln!(out, "state in {}, config {config}", status.state_folder.display())?;
    if let Some(cost) = &status.cost {
        let percent = 100.0 * cost.cpu_s / status.uptime_s.max(0.001);
        let mb = |bytes: u64| bytes as f64 / 1e6;
        writeln!(
            out,
            "costs {percent:.2} % of a core since start, {:.1} MB (at most {:.1} MB), {} threads",
            mb(cost.memory_bytes),
            mb(cost.memory_peak_bytes),
            cost.threads
        )?;
    }
    for change in &status.pending {
        writeln!(out, "WAITS {change}; run `candor reload` on a terminal to allow it")?;
    }
    if let Look { count, first_leaves_in_s: Some(first), last_leaves_in_s: Some(last) } = status.outbox {
        let (first, last) = (roughly(first), roughly(last));
        writeln!(
            out,
            "screenshots that wait: {count}, to be deleted by `candor outbox`; may leave: the first in {first}, the last in {last}"
        )?;
    }
    if let Some(trouble) = &status.trouble {
        writeln!(out, "TROUBLE {trouble}")?;
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["plugin", "role", "state", "CPU s", "cause", "fix"]);
    for plugin in &status.plugins {
        let role = plugin.role.name();
        let cpu = plugin.cpu_s.map_or("-".to_owned(), |cpu| format!("{cpu:.2}"));
        let mut cause = plugin.cause.clone();
        if plugin.waiting > 0 {
            // Writing to a string doesn't fail.
            let _ = write!(cause, " ({} signals wait)", plugin.waiting);
        }
        table.add_row([plugin.id.as_str(), role, &plugin.state, &cpu, &cause, &plugin.fix]);
    }
    writeln!(out)?;
    for line in table.lines() {
        writeln!(out, "{}", line.trim_end())?;
    }
    for lost in &status.lost {
        writeln!(out, "lost {} of {}: {}", lost.count, lost.instance, lost.reason)?;
    }
    for (sink, queue) in &status.sinks {
        let text = |key: &str| match &queue[key] {
            Value::Null => "-".to_owned(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let code = queue["code"].as_str().map_or(String::new(), |code| format!(" ({code})"));
        writeln!(out, "{sink}: {} objects wait, last error {}{code}", text("pending"), text("last_error"))?;
    }
    Ok(())
}
