//! `candor replay`: runs a detector over recorded traces, through the same interface as in the agent.
//!
//! Nothing here reads a clock: time comes from the recording, so each run gives the same result.

mod play;
mod trace;

use std::{
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use indicatif::{ProgressBar, ProgressStyle};
use plugin_api::v1::Plugin;
use serde_json::{Map, Value, json};

use crate::{
    check,
    config::{self, Config},
    disk::Doing,
    error::{Error, Result},
    load,
    scan::{Found, Outcome},
    show::Style,
};
pub use play::{Played, play};
pub use trace::Trace;

/// What to replay.
#[derive(clap::Args)]
pub struct Args {
    /// Traces: one signal a line as JSON, plain, .gz or .zst; - is standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The detector; its options are those of its entry in the config.
    #[arg(long, value_name = "NAME")]
    detector: String,
    /// Writes a prediction for each file instead: {"file", "score", "flagged", "first_flag_s"}; - is standard output.
    #[arg(long, value_name = "FILE")]
    predictions: Option<PathBuf>,
    /// The config file; default: the one `candor run` would use.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Prints findings as JSON.
    #[arg(long)]
    json: bool,
}

/// Replays every file and prints what came of it; true when every one could be read to its end.
pub fn run(replay: &Args, config: &Config, found: &[Found], out: &mut dyn Write) -> anyhow::Result<bool> {
    let style = if replay.json { Style::Json } else { Style::Text };
    refuse(&replay.files, replay.predictions.as_deref())?;
    let (plugin, options) = detector(&replay.detector, config, found)?;
    // Before hours of replay, not after.
    let file =
        replay.predictions.as_deref().filter(|path| *path != Path::new("-")).map(create).transpose()?;
    let size = |file: &PathBuf| std::fs::metadata(file).map_or(0, |meta| meta.len());
    let bar = ProgressBar::new(replay.files.iter().map(size).sum());
    // The template is right; without it the bar only looks plainer.
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {bytes}/{total_bytes}, {eta} left") {
        bar.set_style(style);
    }
    let next = AtomicUsize::new(0);
    let results: Vec<Mutex<Option<Result<Played>>>> = replay.files.iter().map(|_| Mutex::default()).collect();
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(replay.files.len());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((file, result)) = {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    replay.files.get(place).zip(results.get(place))
                } {
                    let played = one(file, plugin, &options, &bar);
                    *result.lock().unwrap_or_else(PoisonError::into_inner) = Some(played);
                }
            });
        }
    });
    bar.finish_and_clear();
    let mut good = true;
    let mut predictions = Vec::new();
    for (file, result) in replay.files.iter().zip(results) {
        let gone =
            || Err(Error::Trace { place: file.display().to_string(), text: "was not replayed".into() });
        match result.into_inner().unwrap_or_else(PoisonError::into_inner).unwrap_or_else(gone) {
            Ok(played) if replay.predictions.is_some() => {
                writeln!(predictions, "{}", prediction(file, &played))?;
            }
            Ok(played) => print(file, &played, style, out)?,
            Err(error) => {
                good = false;
                writeln!(io::stderr(), "candor: {error}")?;
            }
        }
    }
    match file.zip(replay.predictions.as_deref()) {
        None => out.write_all(&predictions)?,
        Some((mut file, path)) => file.write_all(&predictions).doing("write", path)?,
    }
    Ok(good)
}

/// Refuses what can't be meant: standard input twice, predictions that could be of either of two files, or in place of
/// a trace.
fn refuse(files: &[PathBuf], predictions: Option<&Path>) -> Result<()> {
    let wrong = |place: String, text: &str| Err(Error::Trace { place, text: text.to_owned() });
    if files.iter().filter(|file| *file == Path::new("-")).count() > 1 {
        return wrong("-".to_owned(), "is named twice; standard input can be read once");
    }
    let Some(predictions) = predictions else { return Ok(()) };
    let mut names: Vec<String> = files.iter().map(|file| base_name(file)).collect();
    names.sort_unstable();
    if let Some(two) = names.windows(2).find(|two| two[0] == two[1]) {
        let text = "two files have this name, which is all that predictions tell of a file; replay them apart or rename one";
        return wrong(two[0].clone(), text);
    }
    let there = std::fs::canonicalize(predictions).ok();
    if there.is_some() && files.iter().any(|file| std::fs::canonicalize(file).ok() == there) {
        return wrong(
            predictions.display().to_string(),
            "is one of the traces; write predictions to another file",
        );
    }
    Ok(())
}

/// Makes the file of predictions.
fn create(path: &Path) -> Result<File> {
    if path.parent().is_some_and(|folder| folder != Path::new("") && !folder.exists()) {
        let text = "the folder for it isn't there; make it first".to_owned();
        return Err(Error::Trace { place: path.display().to_string(), text });
    }
    File::create(path).doing("write", path)
}

/// The detector's library, and its options: those of its entry in the config, else none.
fn detector(name: &str, config: &Config, found: &[Found]) -> Result<(&'static Plugin, Value)> {
    let named = |text: String| Error::Library { plugin: name.to_owned(), path: config.name(), text };
    let entry = config.detector.iter().find(|entry| entry.plugin == name).cloned();
    if let Some(mut entry) = entry {
        entry.enabled = true;
        let options = check::options(&entry);
        let one = Config { detector: vec![entry], source: vec![], sink: vec![], ..config.clone() };
        if let Some(matched) = check::matches(&one, found).into_iter().next() {
            let (library, _) = matched.outcome?;
            check::create(&one, matched.entry, matched.role, library)?;
            return Ok((load::open(&library.path)?.plugin, options));
        }
    }
    let is_detector = |found: &&Found| matches!(&found.outcome, Outcome::Ok(info) if info.roles.iter().any(|role| role == "detector"));
    let detectors: Vec<&str> = found.iter().filter(is_detector).map(|found| found.name.as_str()).collect();
    let Some(library) = found.iter().find(|found| found.name == name) else {
        return Err(named(format!("no such detector; {}", config::suggest(name, detectors))));
    };
    if let Some(error) = library.error() {
        return Err(error);
    }
    let loaded = load::open(&library.path)?;
    if loaded.plugin.detector.is_none() {
        let (roles, known) = (loaded.roles.join(" and a "), detectors.join(", "));
        return Err(named(format!("not a detector; it is a {roles}; detectors are {known}")));
    }
    Ok((loaded.plugin, json!({})))
}

fn one(file: &Path, plugin: &'static Plugin, options: &Value, bar: &ProgressBar) -> Result<Played> {
    let name = file.display().to_string();
    if file == Path::new("-") {
        return play(Trace::new(&name, bar.wrap_read(io::stdin()))?, plugin, options);
    }
    if file.is_dir() {
        let text = format!("is a folder; name the traces in it, as {name}/*.ndjson.gz does");
        return Err(Error::Trace { place: name, text });
    }
    let opened = File::open(file).map_err(|source| Error::Unreadable { file: file.to_owned(), source })?;
    play(Trace::new(&name, bar.wrap_read(opened))?, plugin, options)
}

/// A line as `score.py` and its like read it.
fn prediction(file: &Path, played: &Played) -> Value {
    let first = played.first_flag();
    json!({"file": base_name(file), "score": played.score(), "flagged": first.is_some(), "first_flag_s": first})
}

fn base_name(file: &Path) -> String {
    file.file_name().map_or_else(|| "-".to_owned(), |name| name.to_string_lossy().into_owned())
}

fn print(file: &Path, played: &Played, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let name = base_name(file);
    for (at_s, finding) in &played.findings {
        let Value::Object(fields) = finding else { continue };
        match style {
            Style::Json => {
                let mut line =
                    Map::from_iter([("file".to_owned(), json!(name)), ("at_s".to_owned(), json!(at_s))]);
                line.extend(fields.clone());
                writeln!(out, "{}", Value::Object(line))?;
            }
            Style::Text => {
                let text = |key: &str| fields.get(key).and_then(Value::as_str).unwrap_or_default();
                let sure = 100.0 * fields.get("confidence").and_then(Value::as_f64).unwrap_or(0.0);
                let (severity, rule) = (text("severity"), text("rule"));
                writeln!(
                    out,
                    "{name}  {at_s:>8.1} s  {severity:<4}  {rule:<10} {sure:>3.0} %  {}",
                    text("text")
                )?;
            }
        }
    }
    if played.findings.is_empty() && style == Style::Text {
        writeln!(out, "{name}  nothing found in {} signals of {:.0} s", played.signals, played.seconds)?;
    }
    Ok(())
}
