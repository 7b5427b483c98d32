//! Trains the model of the `scripted` detector, and prints how it does on people and tools it has not seen.
//!
//! `cargo run --release -p candor-train -- FOLDER` writes `plugins/scripted/model.json` from the rows of
//! `FOLDER/manifest.csv` whose licence lets what is learned from them be shipped (`redistribute = yes`), and prints
//! a table for every row of that folder. `--check` only compares what is there with what it would write.
//! `--unseen FILE` writes, for the scorer, what models say that have learned nothing from a session's person or tool.

mod capture;
mod fit;
mod manifest;
mod report;
mod session;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use fit::Fit;
use session::Session;

fn main() -> ExitCode {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let only_check = args.iter().position(|arg| arg == "--check").map(|place| args.remove(place)).is_some();
    let unseen = args.iter().position(|arg| arg == "--unseen").filter(|place| place + 1 < args.len());
    let unseen = unseen.map(|place| (args.remove(place), args.remove(place)).1).map(PathBuf::from);
    let [folder] = args.as_slice() else {
        eprintln!(
            "usage: candor-train [--check] [--unseen FILE] FOLDER; FOLDER holds manifest.csv and the traces it names"
        );
        return ExitCode::FAILURE;
    };
    match train(Path::new(folder), only_check, unseen.as_deref()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("model.json is not what this data gives");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("candor-train: {error}");
            ExitCode::FAILURE
        }
    }
}

fn train(folder: &Path, only_check: bool, unseen: Option<&Path>) -> Result<bool, String> {
    let rows = manifest::read(&folder.join("manifest.csv"))?;
    eprintln!("reading {} traces as three systems would have recorded them", rows.len());
    let sessions = session::read(folder, &rows)?;
    let mine: Vec<&Session> = sessions.iter().filter(|session| session.row.redistribute).collect();
    let odds = report::unseen(&sessions);
    let scale = fit::calibrate(
        &odds
            .iter()
            .filter(|(session, _)| session.row.redistribute)
            .map(|(session, odds)| (*odds, session.row.scripted))
            .collect::<Vec<_>>(),
    );
    let fit = Fit::of(&mine);
    let text = fit.json(scale, &mine);
    report::print(&sessions, &odds, scale);
    if let Some(file) = unseen {
        report::write(file, &odds, scale)?;
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/scripted/model.json");
    if only_check {
        return Ok(std::fs::read_to_string(&file).is_ok_and(|there| there == text));
    }
    std::fs::write(&file, text).map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(true)
}
