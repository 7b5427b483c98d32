//! What `candor queue` and `candor flush` do.

use std::{
    collections::BTreeMap,
    io,
    path::Path,
    process,
    time::{Duration, Instant},
};

use comfy_table::{Table, presets};
use indicatif::{HumanBytes, MultiProgress, ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    clock::{self, Clock},
    config::Config,
    control::{self, Request},
    error::{Error, Result},
    instance::{Holder, Lock},
    show::Style,
    upload::{self, Progress, Refused},
};

/// How long at once `flush` waits for news.
const LONGEST: Duration = Duration::from_secs(60);
/// How many refused objects are printed for a person.
const PRINTED: usize = 20;

/// What waits, and what was refused.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Queue {
    /// Whether an agent runs that sends it.
    pub running: bool,
    /// Each sink.
    pub sinks: Vec<Progress>,
    /// By sink: what it refused for good.
    pub refused: BTreeMap<String, Vec<Refused>>,
}

/// The queue of a running agent, or what its state folder tells where none runs.
pub fn read(config: &Config) -> Result<Queue> {
    let state = config.state()?;
    match control::ask(&state, &Request::Queue) {
        Ok(answer) => parse(answer),
        Err(Error::NotRunning { .. }) => {
            let sinks = config.sink.iter().filter(|entry| entry.enabled);
            let mut queue = Queue::default();
            for entry in sinks {
                queue.sinks.push(upload::look(&state, &entry.id, entry.kinds.as_deref())?);
                queue.refused.insert(entry.id.clone(), upload::Delivered::of(&state, &entry.id).refused);
            }
            Ok(queue)
        }
        Err(error) => Err(error),
    }
}

fn parse(answer: Value) -> Result<Queue> {
    serde_json::from_value(answer)
        .map_err(|error| Error::Refused { text: format!("an answer of another version: {error}") })
}

/// Prints the queue.
pub fn print(config: &Config, style: Style, out: &mut impl io::Write) -> anyhow::Result<()> {
    let queue = read(config)?;
    if style == Style::Json {
        writeln!(out, "{:#}", json!(queue))?;
        return Ok(());
    }
    let mut table = Table::new();
    let header = ["sink", "waiting", "bytes", "oldest", "next try", "refused", "last error"];
    table.load_style(presets::NOTHING).set_header(header);
    for sink in &queue.sinks {
        let next = match (sink.retry_in_s, queue.running) {
            (Some(seconds), _) => format!("in {seconds:.0} s"),
            (None, true) if sink.pending > 0 => "now".to_owned(),
            (None, false) if sink.pending > 0 => "no agent runs".to_owned(),
            _ => "-".to_owned(),
        };
        let error = match (sink.code.as_ref().or(sink.class.as_ref()), &sink.last_error) {
            (Some(class), Some(error)) => format!("{class}: {error}"),
            _ => "-".to_owned(),
        };
        table.add_row([
            sink.id.clone(),
            sink.pending.to_string(),
            HumanBytes(sink.pending_bytes).to_string(),
            sink.oldest.clone().unwrap_or_else(|| "-".to_owned()),
            next,
            sink.refused.to_string(),
            error,
        ]);
    }
    for line in table.lines() {
        writeln!(out, "{}", line.trim_end())?;
    }
    for (sink, refused) in &queue.refused {
        for refused in refused.iter().take(PRINTED) {
            writeln!(out, "{sink} refused {}: {}", refused.key, refused.text)?;
        }
        if !refused.is_empty() {
            writeln!(
                out,
                "{} refused by {sink}; `candor queue retry --sink {sink}` tries again",
                refused.len()
            )?;
        }
    }
    Ok(())
}

/// Has sinks asked again to take what they refused; how many objects.
pub fn retry(config: &Config, sink: Option<&str>, key: Option<&str>) -> Result<u64> {
    let state = config.state()?;
    let request = Request::Retry { sink: sink.map(str::to_owned), key: key.map(str::to_owned) };
    match control::ask(&state, &request) {
        Ok(answer) => Ok(answer.as_u64().unwrap_or(0)),
        Err(Error::NotRunning { .. }) => retry_alone(config, &state, sink, key),
        Err(error) => Err(error),
    }
}

/// Notes it for the next start, with nobody else there.
fn retry_alone(config: &Config, state: &Path, sink: Option<&str>, key: Option<&str>) -> Result<u64> {
    let holder = Holder { pid: process::id(), started: clock::rfc3339(Clock::system().unix_ns()) };
    let _lock = Lock::take(state, &holder)?;
    let mut count = 0;
    for entry in config.sink.iter().filter(|entry| sink.is_none_or(|sink| entry.id == sink)) {
        count += upload::retry_later(state, &entry.id, key)? as u64;
    }
    Ok(count)
}

/// Has everything tried now and waits until nothing waits, or until the time is up; whether nothing waits.
pub fn flush(config: &Config, time: Option<Duration>) -> anyhow::Result<bool> {
    let state = config.state()?;
    let until = time.map(|time| Instant::now() + time);
    let mut queue = parse(control::ask(&state, &Request::Flush)?)?;
    // Hides itself where standard error is no terminal.
    let bars = MultiProgress::new();
    let style = ProgressStyle::with_template(
        "{prefix:>12} {bar:40} {human_pos} of {human_len}, {eta} left {wide_msg}",
    )?;
    let mut shown = BTreeMap::<String, ProgressBar>::new();
    loop {
        for sink in &queue.sinks {
            let bar = shown.entry(sink.id.clone()).or_insert_with(|| {
                let bar = bars.add(ProgressBar::new(sink.pending)).with_prefix(sink.id.clone());
                bar.set_style(style.clone());
                bar
            });
            bar.set_length(bar.length().unwrap_or(0).max(sink.pending));
            bar.set_position(bar.length().unwrap_or(0).saturating_sub(sink.pending));
            bar.set_message(sink.last_error.clone().unwrap_or_default());
        }
        let left: u64 = queue.sinks.iter().map(|sink| sink.pending).sum();
        let is_over = until.is_some_and(|until| Instant::now() >= until);
        if left == 0 || is_over {
            shown.values().for_each(ProgressBar::abandon);
            return Ok(left == 0);
        }
        let left = until.map_or(LONGEST, |until| until.saturating_duration_since(Instant::now()));
        let within_ms = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
        queue = parse(control::ask(&state, &Request::Progress { within_ms })?)?;
    }
}
