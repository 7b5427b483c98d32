//! `candor outbox`: looks at what waits, and deletes some of it.
//!
//! Looking only reads, so it works beside a running agent and without one. Deleting is the journal's work: of the agent
//! that runs, or of one opened for it.

use std::{io, path::Path, time::Duration};

use comfy_table::{Table, presets};
use serde_json::{Value, json};

use super::{Entry, Outbox, roughly};
use crate::{
    agent,
    clock::{self, Clock},
    config::Config,
    control::{self, Request},
    disk,
    error::{Error, Result},
    instance::{Holder, Lock},
    journal::Journal,
    show::Style,
};

/// How long closing the journal may take.
const CLOSE: Duration = Duration::from_secs(10);

/// Everything that waits in a state folder, with its outbox.
fn waiting(state: &Path) -> Result<Vec<(Outbox, Entry)>> {
    let mut all = Vec::new();
    for device in disk::names(&state.join("outbox"))? {
        let outbox = Outbox::of(state, &device);
        all.extend(outbox.waiting()?.into_iter().map(|entry| (outbox.clone(), entry)));
    }
    Ok(all)
}

/// Prints what waits.
pub fn list(config: &Config, state: &Path, style: Style, out: &mut impl io::Write) -> anyhow::Result<()> {
    let rows: Vec<Value> =
        waiting(state)?.iter().map(|(outbox, entry)| row(outbox, entry, config.outbox.grace)).collect();
    if style == Style::Json {
        return Ok(rows.iter().try_for_each(|row| writeln!(out, "{row}"))?);
    }
    if rows.is_empty() {
        return Ok(writeln!(out, "nothing waits: what was taken has left, or was deleted")?);
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header([
        "id",
        "taken",
        "kind",
        "by",
        "bytes",
        "may leave in",
        "file",
    ]);
    for row in &rows {
        let text = |name: &str| row[name].as_str().map_or_else(|| row[name].to_string(), str::to_owned);
        let columns = ["id", "time", "kind", "instance", "bytes"].map(text);
        table.add_row(columns.into_iter().chain([left(row), text("file")]));
    }
    Ok(table.lines().try_for_each(|line| writeln!(out, "{}", line.trim_end()))?)
}

/// Prints one that waits, and where it can be looked at.
pub fn show(
    config: &Config,
    state: &Path,
    id: u64,
    style: Style,
    out: &mut impl io::Write,
) -> anyhow::Result<()> {
    let found = waiting(state)?.into_iter().find(|(_, entry)| entry.blob.seq == id);
    let (outbox, entry) = found.ok_or(Error::NotWaiting { seq: id })?;
    let row = row(&outbox, &entry, config.outbox.grace);
    if style == Style::Json {
        return Ok(writeln!(out, "{row}")?);
    }
    let blob = &entry.blob;
    let (time, left) = (&entry.time, left(&row));
    writeln!(
        out,
        "{id}: {} by {}, {time}, {} bytes of {}",
        blob.kind, entry.instance, blob.len, blob.media_type
    )?;
    match config.outbox.delete {
        true => writeln!(
            out,
            "may leave in {left}; until then `candor outbox delete {id} --why TEXT` deletes it"
        )?,
        false => writeln!(out, "may leave in {left}")?,
    }
    Ok(writeln!(out, "{}", outbox.file(blob).display())?)
}

fn row(outbox: &Outbox, entry: &Entry, grace: Duration) -> Value {
    let blob = &entry.blob;
    let left = grace.saturating_sub(entry.waited(&Clock::system()));
    json!({
        "id": blob.seq, "time": entry.time, "kind": blob.kind, "instance": entry.instance, "bytes": blob.len,
        "media_type": blob.media_type, "file": outbox.file(blob), "leaves_in_s": left.as_secs(),
    })
}

/// How long it still waits, roughly.
fn left(row: &Value) -> String {
    roughly(row["leaves_in_s"].as_u64().unwrap_or(0))
}

/// Deletes one that waits; what to tell the person.
pub fn delete(config: &Config, state: &Path, id: u64, why: &str) -> Result<String> {
    match control::ask(state, &Request::Delete { id, why: why.to_owned() }) {
        Err(Error::NotRunning { .. }) => delete_here(config, state, id, why),
        answer => answer.map(|_| told(id)),
    }
}

/// The same without an agent.
fn delete_here(config: &Config, state: &Path, id: u64, why: &str) -> Result<String> {
    allowed(config)?;
    let clock = Clock::system();
    let me = Holder { pid: std::process::id(), started: clock::rfc3339(clock.unix_ns()) };
    // Before a journal is opened, which begins one where there is none.
    if !waiting(state)?.iter().any(|(_, entry)| entry.blob.seq == id) {
        return Err(Error::NotWaiting { seq: id });
    }
    let _lock = Lock::take(state, &me)?;
    let (journal, _) = Journal::open(agent::journal_options(config, state, clock))?;
    let deleted = journal.delete(id, why);
    journal.close(CLOSE)?;
    deleted.map(|()| told(id))
}

/// Whether the config lets the person delete.
pub fn allowed(config: &Config) -> Result<()> {
    if config.outbox.delete {
        return Ok(());
    }
    Err(Error::Forbidden {
        text: "deleting is off: [outbox] delete = false; ask whoever manages this device",
    })
}

fn told(id: u64) -> String {
    format!("{id} is deleted; that it was, when and why is stored in its place")
}
