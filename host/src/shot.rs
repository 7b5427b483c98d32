//! `candor shot`: has a screenshot taken now, and says where it is.

use std::{
    fmt::Write as _,
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    clock::Clock,
    control::{self, Request},
    disk,
    error::{Error, Result},
    show::{self, Style},
};

/// The request that sources of screenshots know.
pub const REQUEST: &str = "shot";
/// How far back the record of a shot just taken may lie.
const RECENT_NS: i64 = 3_600 * 1_000_000_000;

/// What came of a shot on one monitor.
#[derive(Clone, Debug, Serialize)]
pub struct Shot {
    /// Who took it.
    pub instance: String,
    /// The monitor; none when it concerns all of them.
    pub monitor: Option<String>,
    /// `stored`, `skipped` or `capture_failed`.
    pub outcome: String,
    /// Why there is no picture.
    pub cause: Option<String>,
    /// What to do about that.
    pub fix: Option<String>,
    /// The picture.
    pub file: Option<PathBuf>,
    /// Its record, as `candor show --json` prints it.
    pub record: Option<Value>,
}

/// What a source answers.
#[derive(Deserialize)]
struct Taken {
    mono_ns: u64,
    monitor: Option<String>,
    outcome: String,
    cause: Option<String>,
    fix: Option<String>,
}

/// Has the agent of a state folder take a screenshot and prints what came of it; true when there is a picture.
pub fn take(state: &Path, style: Style, out: &mut impl io::Write) -> anyhow::Result<bool> {
    let answers = control::ask(state, &Request::Ask { name: REQUEST.to_owned(), options: json!({}) })?;
    let shots = shots(state, &answers)?;
    match style {
        Style::Json => writeln!(out, "{:#}", json!({ "shots": shots }))?,
        Style::Text => write!(out, "{}", lines(&shots))?,
    }
    Ok(shots.iter().any(|shot| shot.file.is_some()))
}

/// Finds the records and pictures of what sources answered.
pub fn shots(state: &Path, answers: &Value) -> Result<Vec<Shot>> {
    let since = Clock::system().unix_ns() - RECENT_NS;
    let records: Vec<Value> =
        show::records(state, Some(since))?.filter(|record| record["kind"] == "screenshot").collect();
    let mut shots = Vec::new();
    for answer in answers.as_array().into_iter().flatten() {
        let instance = answer["instance"].as_str().unwrap_or_default();
        let failed = |cause: &str| Shot {
            instance: instance.to_owned(),
            monitor: None,
            outcome: "capture_failed".to_owned(),
            cause: Some(cause.to_owned()),
            fix: None,
            file: None,
            record: None,
        };
        if let Some(error) = answer["error"].as_str() {
            shots.push(failed(error));
            continue;
        }
        let Ok(taken) = Vec::<Taken>::deserialize(&answer["answer"]["shots"]) else {
            shots.push(failed("answered with what is no list of shots; update the plugin"));
            continue;
        };
        for Taken { mono_ns, monitor, outcome, cause, fix } in taken {
            let is_its = |record: &&Value| record["instance"] == instance && record["mono_ns"] == mono_ns;
            let record = records.iter().find(is_its).cloned();
            let file = record.as_ref().and_then(|record| show::blob(state, record));
            shots.push(Shot { instance: instance.to_owned(), monitor, outcome, cause, fix, file, record });
        }
    }
    match shots.is_empty() {
        false => Ok(shots),
        true => {
            Err(Error::Refused { text: "no monitor was there to be shot; see `candor status`".to_owned() })
        }
    }
}

/// A line for each shot.
pub fn lines(shots: &[Shot]) -> String {
    let mut text = String::new();
    for shot in shots {
        let monitor = shot.monitor.as_deref().unwrap_or("all monitors");
        // Writing to a string doesn't fail.
        let _ = match (&shot.file, &shot.record) {
            (Some(file), Some(record)) => {
                let redaction = match record["redaction"]["mode"].as_str() {
                    Some("none") | None => "not redacted",
                    Some("blur") => "blurred",
                    Some(mode) => mode,
                };
                writeln!(text, "{} ({}, {monitor}, {redaction})", file.display(), shot.instance)
            }
            _ => {
                let why: Vec<&str> =
                    [&shot.cause, &shot.fix].into_iter().flatten().map(String::as_str).collect();
                let why = why.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ");
                writeln!(text, "no picture: {}: {monitor}: {}: {why}", shot.instance, shot.outcome)
            }
        };
    }
    text
}

/// Whether somebody has been shown a first screenshot.
pub fn was_shown(state: &Path) -> bool {
    marker(state).exists()
}

/// Notes that.
pub fn note_shown(state: &Path) -> Result<()> {
    disk::write(&marker(state), b"")
}

fn marker(state: &Path) -> PathBuf {
    state.join("first-shot")
}
