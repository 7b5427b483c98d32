//! What the person is told: what is collected, what never is, where it goes, how to look and pause.
//!
//! Made from the effective config and what the plugins say of themselves, so that it can't fall behind them.

use std::{fmt::Write as _, path::Path};

use plugin_api::call::schema;
use serde::Serialize;
use serde_json::Value;

use crate::{call::Instance, policy::Settled, route::Role};

/// The notice, as it is stored.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Notice {
    /// Why it is given: `start`, `config`, `pause`, `resume`.
    pub cause: String,
    /// What changed of the config.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<String>,
    /// What waits until the person allows it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pending: Vec<String>,
    /// What is collected, by instance.
    pub collects: Vec<Line>,
    /// What never is, by instance.
    pub never: Vec<Line>,
    /// Where it goes, by sink.
    pub goes_to: Vec<Line>,
}

/// What one instance does.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Line {
    /// The instance.
    pub instance: String,
    /// In words.
    pub what: String,
}

impl Notice {
    /// With what changed and what waits.
    #[must_use]
    pub fn changed(mut self, cause: &str, settled: &Settled) -> Self {
        cause.clone_into(&mut self.cause);
        self.changes.extend(settled.changes.iter().map(ToString::to_string));
        self.pending.extend(settled.pending.iter().map(ToString::to_string));
        self
    }
}

/// Collects what the instances say of themselves.
pub fn notice(instances: &[Instance]) -> Notice {
    let mut notice = Notice {
        cause: "start".to_owned(),
        changes: vec![],
        pending: vec![],
        collects: vec![],
        never: vec![],
        goes_to: vec![],
    };
    for instance in instances {
        let schema = &schema(instance.plugin)[instance.port.role.name()];
        let line = |what: &str| Line { instance: instance.port.id.clone(), what: what.to_owned() };
        let said = |key: &str| schema[key].as_str().filter(|text| !text.is_empty());
        let unsaid = "does not say what; ask whoever installed it, or remove it from the config";
        if instance.port.role == Role::Sink {
            let what = said("x-collects").or(said("description")).unwrap_or("does not say where");
            notice.goes_to.push(line(&format!("{what}{}", options(&instance.config(), Value::is_string))));
        } else {
            let what = said("x-collects").or(said("description")).unwrap_or(unsaid);
            let is_source = instance.port.role == Role::Source;
            let options = options(&instance.config(), |_| is_source);
            notice.collects.push(line(&format!("{what}{options}")));
            notice.never.extend(said("x-never").map(line));
        }
    }
    notice
}

/// The options that are set, such as how often a source looks and the folder or bucket of a sink; a config holds no secrets.
fn options(config: &Value, shows: impl Fn(&Value) -> bool) -> String {
    let options = config.as_object().into_iter().flatten();
    let texts: Vec<String> =
        options.filter(|(_, value)| shows(value)).map(|(key, value)| format!("{key} = {value}")).collect();
    if texts.is_empty() { String::new() } else { format!(" ({})", texts.join(", ")) }
}

/// The notice for a terminal.
pub fn text(notice: &Notice, state: &Path, commands: &[String]) -> String {
    let mut out = format!("Candor {} runs on this computer, in the open.\n", env!("CARGO_PKG_VERSION"));
    for (title, texts) in [
        ("Its config changed", &notice.changes),
        ("Waits until you allow it (`candor reload`)", &notice.pending),
    ] {
        if !texts.is_empty() {
            let _ = writeln!(out, "\n{title}\n  {}", texts.join("\n  "));
        }
    }
    let mut part = |title: &str, lines: &[Line], none: &str| {
        // Writing to a string doesn't fail.
        let _ = writeln!(out, "\n{title}");
        if lines.is_empty() {
            let _ = writeln!(out, "  {none}");
        }
        let width = lines.iter().map(|line| line.instance.chars().count()).max().unwrap_or(0);
        for line in lines {
            let _ = writeln!(out, "  {:width$}  {}", line.instance, line.what);
        }
    };
    part("It collects", &notice.collects, "nothing: no source or detector runs");
    part("It never collects", &notice.never, "(no plugin says so)");
    part("It goes to", &notice.goes_to, "no store: no sink runs");
    let _ = writeln!(out, "  until then it is in {}, for this user only", state.display());
    let _ = writeln!(out, "\nLook at it and pause it at any time");
    for command in commands {
        let _ = writeln!(out, "  {command}");
    }
    out
}

/// The commands to try next, with full paths.
pub fn commands(exe: &Path, state: &Path, default_state: Option<&Path>) -> Vec<String> {
    let quote = |path: &Path| {
        let text = path.display().to_string();
        let plain = |c: char| c.is_alphanumeric() || "/\\._-:+".contains(c);
        if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
    };
    let flag =
        if default_state == Some(state) { String::new() } else { format!(" --state {}", quote(state)) };
    ["status", "show --last 1h", "pause"].map(|command| format!("{} {command}{flag}", quote(exe))).to_vec()
}
