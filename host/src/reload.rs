//! `candor reload`: has the running agent take over its config, and asks the person before anything is raised.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Write},
    path::Path,
};

use serde::{Deserialize, Serialize};

use crate::{
    control::{self, Request},
    policy::Change,
    show::Style,
};

/// What came of reading the config again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Reloaded {
    /// What changed.
    pub changes: Vec<Change>,
    /// What raises intrusiveness, and so waits for the person.
    pub pending: Vec<Change>,
    /// What takes effect at the next start.
    pub later: Vec<String>,
    /// Stands for what is pending; whoever passes it on says that the person agrees to just that.
    pub token: Option<String>,
}

/// Has the agent of a state folder read its config again and prints what came of it; true when nothing waits.
pub fn run(state: &Path, style: Style, out: &mut impl Write) -> anyhow::Result<bool> {
    let reload = |proof: Option<String>| -> anyhow::Result<Reloaded> {
        Ok(serde_json::from_value(control::ask(state, &Request::Reload { proof })?)?)
    };
    let first = reload(None)?;
    if style == Style::Json {
        writeln!(out, "{:#}", serde_json::json!(first))?;
        return Ok(first.pending.is_empty());
    }
    print(&first, out)?;
    let Some(token) = first.token else { return Ok(true) };
    let mut question = "Candor would know more of you by this:\n".to_owned();
    first.pending.iter().for_each(|change| question += &format!("  {change}\n"));
    question += "Type yes to allow it: ";
    out.flush()?;
    match answer(&question) {
        Ok(answer) if answer.trim() == "yes" => {
            print(&reload(Some(token))?, out)?;
            Ok(true)
        }
        Ok(_) => {
            writeln!(out, "not allowed; it goes on as before")?;
            Ok(false)
        }
        Err(_) => {
            let pending: Vec<String> = first.pending.iter().map(ToString::to_string).collect();
            writeln!(out, "WAITS  {}", pending.join("\nWAITS  "))?;
            writeln!(out, "this lets Candor know more: run `candor reload` on a terminal to allow it")?;
            Ok(false)
        }
    }
}

fn print(done: &Reloaded, out: &mut impl Write) -> io::Result<()> {
    for change in &done.changes {
        writeln!(out, "done   {change}")?;
    }
    for what in &done.later {
        writeln!(out, "later  {what}: takes effect when the agent is started again")?;
    }
    if done.changes.is_empty() && done.later.is_empty() && done.pending.is_empty() {
        writeln!(out, "nothing changed")?;
    }
    Ok(())
}

/// Asks on the terminal itself, whatever standard input is: what a script pipes in is nobody's consent.
pub(crate) fn answer(question: &str) -> io::Result<String> {
    let (input, output) = if cfg!(windows) { ("CONIN$", "CONOUT$") } else { ("/dev/tty", "/dev/tty") };
    let mut terminal = File::options().write(true).open(output)?;
    let input = File::open(input)?;
    terminal.write_all(question.as_bytes())?;
    let mut line = String::new();
    BufReader::new(input).read_line(&mut line)?;
    Ok(line)
}
