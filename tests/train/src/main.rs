//! Trains what the `scripted` detector has learned, and measures the detector on what it has not.
//!
//! `cargo run -p candor-train -- FOLDER` writes `plugins/scripted/model.json` (limits and model) from the rows of
//! `FOLDER/manifest.csv` whose licence lets what is learned from them be shipped (`redistribute = yes`), then prints
//! the tables of the README: each session judged by limits and a model that have learned nothing from its source of
//! people or its tool, which it writes there too. `--check` only compares `model.json` with what it would write; `--tables` keeps all files.
//! `--probes` plays recordings that say where input came from through what is shipped, and `--replays` people's, twice.

mod again;
mod capture;
mod curve;
mod fit;
mod learn;
mod manifest;
mod probe;
mod score;
mod session;
mod sure;
mod table;
#[cfg(test)]
mod tests;

use std::{path::Path, process::ExitCode};

use candor_scripted::learned::Learned;
use session::Session;

/// Between what the README has the tables.
const BEGIN: &str = "<!-- written by candor-train -->";
const END: &str = "<!-- end -->";

/// What to do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Task {
    Train,
    Check,
    Tables,
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (task, folder) = match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["--check", folder] => (Task::Check, *folder),
        ["--probes", folder] => {
            return ended(probe::check(Path::new(folder)), "the detector fails these probes");
        }
        ["--replays", folder] => {
            return ended(again::print(Path::new(folder)), "there is no recording of a person's pointer");
        }
        ["--tables", folder] => (Task::Tables, *folder),
        [folder] if !folder.starts_with('-') => (Task::Train, *folder),
        _ => {
            eprintln!(
                "usage: candor-train [--check | --tables | --probes | --replays] FOLDER; FOLDER holds manifest.csv and the traces it names"
            );
            return ExitCode::FAILURE;
        }
    };
    ended(train(Path::new(folder), task), "model.json is not what this data gives")
}

fn ended(result: Result<bool, String>, wrong: &str) -> ExitCode {
    match result {
        Ok(true) => return ExitCode::SUCCESS,
        Ok(false) => eprintln!("{wrong}"),
        Err(error) => eprintln!("candor-train: {error}"),
    }
    ExitCode::FAILURE
}

fn train(folder: &Path, task: Task) -> Result<bool, String> {
    let rows = manifest::read(&folder.join("manifest.csv"))?;
    eprintln!("reading {} traces as three systems would have recorded them", rows.len());
    let shipped = Learned::shipped().map_err(|error| error.to_string())?;
    let sessions = session::read(folder, &rows, &shipped)?;
    let mine: Vec<&Session> = sessions.iter().filter(|session| session.row.redistribute).collect();
    let (text, learned) = learn::learn(&mine)?;
    let plugin = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/scripted");
    let file = plugin.join("model.json");
    match task {
        Task::Check => return Ok(std::fs::read_to_string(&file).is_ok_and(|there| there == text)),
        Task::Train => {
            std::fs::write(&file, text).map_err(|error| format!("{}: {error}", file.display()))?;
        }
        Task::Tables => {}
    }
    eprintln!("learning again without each source and each tool");
    let folds = table::Folds::of(&sessions)?;
    let (mut tables, said) = table::write(&sessions, &folds, &learned)?;
    let bins = curve::bins(&said);
    curve::write(&mut tables, &bins);
    print!("{tables}");
    if task == Task::Train {
        curve::draw(&plugin.join("calibration.svg"), &bins)?;
        readme(&plugin.join("README.md"), &tables)?;
    }
    Ok(true)
}

/// Puts the tables in their place.
fn readme(file: &Path, tables: &str) -> Result<(), String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let place = text.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) = place.ok_or_else(|| format!("{}: {BEGIN} or {END} is gone", file.display()))?;
    let text = format!("{before}{BEGIN}\n{tables}{END}{after}");
    std::fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))
}
