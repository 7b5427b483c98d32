//! `candor plugins` and `candor plugin check`.

use std::{
    io::{self, Write},
    path::Path,
    process::{Command, ExitCode},
    time::Duration,
};

use comfy_table::{Table, presets::NOTHING};
use plugin_api::testing;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Found, Outcome, child};
use crate::{load, show::Style};

/// How long a library may take for all checks.
const LIMIT: Duration = Duration::from_secs(10);

/// Prints every library in the plugin folders: a table and, below it, what is wrong with which.
pub fn print_plugins(found: &[Found], style: Style, out: &mut dyn Write) -> io::Result<()> {
    if style == Style::Json {
        return writeln!(out, "{}", Value::from_iter(found.iter().map(as_json)));
    }
    if found.is_empty() {
        return writeln!(out, "no plugins; put libraries into a folder that [plugins] paths names");
    }
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(["name", "version", "kinds", "state", "trust", "reads", "file"]);
    for one in found {
        let file = one.path.display().to_string();
        let info = one.info();
        let list = |words: fn(&super::Info) -> &Vec<String>| {
            info.map_or(String::new(), |info| words(info).join(" "))
        };
        let version = info.map_or("", |info| &info.version);
        let (state, trust) = words(one);
        let (kinds, reads) = (list(|info| &info.roles), list(|info| &info.reads));
        table.add_row([one.name.as_str(), version, &kinds, state, trust, &reads, &file]);
    }
    for line in table.lines() {
        writeln!(out, "{}", line.trim_end())?;
    }
    // What a plugin says of itself, such as how often it is wrong.
    for info in found.iter().filter_map(Found::info) {
        for role in &info.roles {
            if let Some(says) = info.schema[role]["description"].as_str() {
                let says = says.split_whitespace().collect::<Vec<_>>().join(" ");
                writeln!(out, "{} ({role}): {says}", info.name)?;
            }
        }
    }
    found.iter().filter_map(Found::error).try_for_each(|error| writeln!(out, "{error}"))
}

fn words(found: &Found) -> (&'static str, &'static str) {
    match &found.outcome {
        Outcome::Ok(_) if !found.doubts.is_empty() => ("ready", "unsafe"),
        Outcome::Ok(_) => ("ready", "ok"),
        Outcome::Blocked(_) => ("blocked", "ok"),
        Outcome::Untrusted(_) => ("refused", "no"),
        Outcome::Refused(_) => ("refused", "ok"),
    }
}

fn as_json(found: &Found) -> Value {
    let (state, trust) = words(found);
    let mut value = json!({"name": found.name, "file": found.path, "state": state, "trust": trust});
    match &found.outcome {
        Outcome::Ok(info) => {
            value["version"] = info.version.as_str().into();
            value["kinds"] = info.roles.clone().into();
            value["reads"] = info.reads.clone().into();
            value["schema"] = info.schema.clone();
        }
        Outcome::Blocked(reason) | Outcome::Refused(reason) | Outcome::Untrusted(reason) => {
            value["reason"] = reason.as_str().into();
        }
    }
    value
}

/// What the child prints, a line each.
#[derive(Serialize, Deserialize)]
struct Line {
    check: String,
    problem: Option<String>,
}

/// The hidden command `plugin-conform FILE CONFIG`: tries a library over the real ABI and prints a line a check.
pub fn conform_main(path: &Path, config: &str) -> ExitCode {
    child::no_core_dump();
    let print = |check: &str, problem: Option<String>| {
        let line = Line { check: check.to_owned(), problem };
        // The parent misses the line, which is a failure there.
        println!("\n{}", serde_json::to_string(&line).unwrap_or_default());
    };
    let config: Value = match serde_json::from_str(config) {
        Ok(config) => config,
        Err(error) => {
            print("its config", Some(error.to_string()));
            return ExitCode::SUCCESS;
        }
    };
    match load::open(path) {
        Err(error) => print("can be loaded", Some(super::plain(&error))),
        Ok(loaded) => {
            print("can be loaded", None);
            // A config without roles is that of the only one.
            let config = match loaded.roles.as_slice() {
                [role] if config.get(role).is_none() => json!({ role.as_str(): config }),
                _ => config,
            };
            testing::conformance_each(loaded.plugin, &config, &mut |check| print(check.what, check.problem));
            print(DONE, None);
        }
    }
    ExitCode::SUCCESS
}

/// The last line of a child that came to its end.
const DONE: &str = "done";

/// Tries a library in a child and prints what it passed and failed; true if it passed everything.
pub fn plugin_check(
    program: &Path,
    path: &Path,
    config: Option<&Value>,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<bool> {
    let mut command = Command::new(program);
    command.arg("plugin-conform").arg(path).arg(config.unwrap_or(&json!({})).to_string());
    let ended = child::run(command, LIMIT)?;
    let mut lines: Vec<Line> = ended.out.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let done = lines.pop_if(|line| line.check == DONE).is_some();
    let failed = lines.iter().any(|line| line.problem.is_some());
    let clean = matches!(ended.how, child::How::Exit(status) if status.success());
    if !clean || (!done && !failed) {
        let after = lines.last().map_or(String::new(), |line| format!(", after: {}", line.check));
        let problem = Some(format!("{}{after}", ended.how.text(LIMIT)));
        lines.push(Line { check: "comes to an end".to_owned(), problem });
    }
    let passed = lines.iter().all(|line| line.problem.is_none());
    match style {
        Style::Json => {
            writeln!(out, "{}", json!({"file": path, "passed": passed, "checks": lines}))?;
        }
        Style::Text => {
            for line in &lines {
                match &line.problem {
                    None => writeln!(out, "ok      {}", line.check)?,
                    Some(problem) => writeln!(out, "failed  {}: {problem}", line.check)?,
                }
            }
            if config.is_none()
                && lines.iter().any(|line| line.check.ends_with("takes its config") && line.problem.is_some())
            {
                writeln!(out, "it was given no options; pass those it needs with --config JSON")?;
            }
        }
    }
    Ok(passed)
}
