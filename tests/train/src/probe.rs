//! Probes: recordings that say where input came from. A script must be named as injected soon, and nobody be flagged
//! whose own input looks injected because it comes by a remote desktop.

use std::path::Path;

use candor_scripted::{Rule, learned::Learned, watch::Watch};
use serde_json::json;

use crate::{
    manifest::{self, Row},
    session::{self, config, each},
};

/// In seconds from where the script takes over; what was said more than a second before was said of the person.
const SOON: std::ops::RangeInclusive<f64> = -1.0..=10.0;

/// What was said of one probe: when it was first named as injected and when first flagged, in seconds.
struct Said {
    injected: Option<f64>,
    flagged: Option<f64>,
}

/// Plays all that `manifest.csv` names; true if all is as it must be.
pub fn check(folder: &Path) -> Result<bool, String> {
    let rows = manifest::read(&folder.join("manifest.csv"))?;
    let said: Vec<Said> = each(&rows, |row| play(folder, row)).into_iter().collect::<Result<_, _>>()?;
    let (mut wrong, mut all) = ([0, 0], [0, 0]);
    for (row, said) in rows.iter().zip(&said) {
        let is_wrong = match row.scripted {
            true => !said.injected.is_some_and(|at| SOON.contains(&at)),
            false => said.flagged.is_some(),
        };
        all[usize::from(row.scripted)] += 1;
        wrong[usize::from(row.scripted)] += usize::from(is_wrong);
        if is_wrong {
            println!("{} ({}): injected {:?}, flagged {:?}", row.file, row.tool, said.injected, said.flagged);
        }
    }
    println!(
        "{} of {} scripts named as injected within {} s; {} of {} people flagged",
        all[1] - wrong[1],
        all[1],
        SOON.end(),
        wrong[0],
        all[0]
    );
    Ok(wrong == [0, 0])
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A probe: its label, when the script takes over, and its trace.
    type Probe = (&'static str, f64, String);

    fn passes(probes: &[Probe]) -> Result<bool, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let mut table = "file,label,source,tool,onset_s\n".to_owned();
        for (place, (label, onset, trace)) in probes.iter().enumerate() {
            table += &format!("{place}.ndjson,{label},made,made,{onset}\n");
            std::fs::write(folder.path().join(format!("{place}.ndjson")), trace).unwrap();
        }
        std::fs::write(folder.path().join("manifest.csv"), table).unwrap();
        check(folder.path())
    }

    /// Motion that never repeats, 20 times a second from one second to another.
    fn moves(seconds: std::ops::Range<u64>, origin: &str) -> String {
        let line = |n: u64| {
            let noise = n.wrapping_mul(6_364_136_223_846_793_005) >> 40;
            let (at, x, y) = (n * 50_000 + noise % 9_000, 300 + noise % 701, 300 + noise / 701 % 401);
            format!("{}\n", json!({"t_us": at, "kind": "mouse_move", "x": x, "y": y, "origin": origin}))
        };
        (seconds.start * 20..seconds.end * 20).map(line).collect()
    }

    /// A click a second, to the millisecond.
    fn beat(origin: &str) -> String {
        let line = |n: u64| {
            let at = n / 2 * 1_000_000 + n % 2 * 40_000;
            format!(
                "{}\n",
                json!({"t_us": at, "kind": "mouse_button", "x": 5, "y": 6, "button": "left", "pressed": n.is_multiple_of(2), "origin": origin})
            )
        };
        (0..240).map(line).collect()
    }

    #[test]
    fn a_script_that_is_named_late_or_never_fails_and_so_does_one_named_before_it_took_over() {
        let script = |onset, trace| passes(&[("scripted", onset, trace)]);
        assert_eq!(script(0.0, moves(0..60, "injected")), Ok(true));
        assert_eq!(script(30.0, moves(0..5, "physical") + &moves(30..90, "injected")), Ok(true));
        assert_eq!(script(0.0, moves(0..60, "physical")), Ok(false), "never named");
        assert_eq!(script(0.0, moves(0..30, "physical") + &moves(30..90, "injected")), Ok(false), "late");
        assert_eq!(script(30.0, moves(0..90, "injected")), Ok(false), "the person was named, not the script");
    }

    #[test]
    fn a_person_who_is_flagged_fails_and_one_who_is_only_named_as_injected_does_not() {
        assert_eq!(passes(&[("human", 0.0, moves(0..60, "injected"))]), Ok(true));
        assert_eq!(passes(&[("human", 0.0, beat("physical"))]), Ok(false));
        assert_eq!(passes(&[("human", 0.0, beat("injected"))]), Ok(false), "named as injected, and flagged");
        let good = ("scripted", 0.0, moves(0..60, "injected"));
        assert_eq!(passes(&[good, ("human", 0.0, beat("physical"))]), Ok(false), "one of two");
    }

    #[test]
    fn a_folder_without_a_table_or_a_trace_is_named() {
        let folder = tempfile::tempdir().unwrap();
        assert!(check(folder.path()).unwrap_err().contains("manifest.csv"));
        std::fs::write(
            folder.path().join("manifest.csv"),
            "file,label,source,tool,onset_s\ngone.ndjson,human,a,a,0\n",
        )
        .unwrap();
        assert!(check(folder.path()).unwrap_err().contains("gone.ndjson"));
    }
}
