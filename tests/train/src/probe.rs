//! Probes: recordings that say where input came from. A script must be named as injected soon, and nobody be flagged
//! whose own input looks injected because it comes by a remote desktop.

use std::path::Path;

use candor_scripted::{Rule, learned::Learned, watch::Watch};
use serde_json::json;

use crate::{
    manifest::{self, Row},
    session::{self, config, each},
};

/// In seconds from where the script takes over.
const SOON: f64 = 10.0;

/// What was said of one probe: when it was first named as injected and when first flagged, in seconds.
struct Said {
    injected: Option<f64>,
    flagged: Option<f64>,
}

/// Plays all that `manifest.csv` names; true if all is as it must be.
pub fn check(folder: &Path) -> Result<bool, String> {
    let rows = manifest::read(&folder.join("manifest.csv"))?;
    let said: Vec<Said> = each(&rows, |row| play(folder, row)).into_iter().collect::<Result<_, _>>()?;
    let (mut named, mut scripts, mut wrong) = (0, 0, 0);
    for (row, said) in rows.iter().zip(&said) {
        let soon = said.injected.is_some_and(|at| at <= SOON);
        if row.scripted {
            scripts += 1;
            named += usize::from(soon);
        } else {
            wrong += usize::from(said.flagged.is_some());
        }
        if row.scripted != soon && (row.scripted || said.flagged.is_some()) {
            println!("{} ({}): injected {:?}, flagged {:?}", row.file, row.tool, said.injected, said.flagged);
        }
    }
    println!(
        "{named} of {scripts} scripts named as injected within {SOON} s; {wrong} of {} people flagged",
        rows.len() - scripts
    );
    Ok(named == scripts && wrong == 0)
}

fn play(folder: &Path, row: &Row) -> Result<Said, String> {
    let learned = Learned::shipped().map_err(|error| error.to_string())?;
    let mut watch = Watch::new(config(json!({}))?, learned);
    let mut said = Said { injected: None, flagged: None };
    let events = session::events(&folder.join(&row.file))?;
    let begin = events.first().map_or(0, |event| event.mono_ns);
    for event in &events {
        let at = event.mono_ns.saturating_sub(begin) as f64 / 1e9 - row.onset;
        let told = &mut |rule: Rule, _| {
            let first = if rule == Rule::Injected { &mut said.injected } else { &mut said.flagged };
            if rule == Rule::Injected || !rule.is_note() {
                *first = first.or(Some(at));
            }
            Ok(())
        };
        watch.take(event, told).map_err(|error| error.to_string())?;
    }
    Ok(said)
}
