//! How the model does on people and tools that it has not learned from.

use std::collections::BTreeMap;

use candor_scripted::model::Model;

use crate::{fit::Fit, session::Session};

/// How many folds of people there are.
const FOLDS: usize = 5;

/// The highest odds of a session, of three looks in a row.
pub fn highest(model: &Model, session: &Session) -> f64 {
    let (mut smooth, mut highest) = (None::<f32>, -20f32);
    for (_, features) in &session.looks {
        let odds = model.odds(features);
        let now = smooth.map_or(odds, |before| before + (odds - before) / 3.0);
        smooth = Some(now);
        highest = highest.max(now.min(odds));
    }
    highest.into()
}

/// The highest odds of each session by a model that has learned nothing from its person and its tool.
pub fn unseen(sessions: &[Session]) -> Vec<(&Session, f64)> {
    let mine = |session: &&Session| session.row.redistribute;
    let whole = Fit::of(&sessions.iter().filter(mine).collect::<Vec<_>>()).model((1.0, 0.0));
    let mut models: BTreeMap<String, Model> = BTreeMap::new();
    let mut tools: Vec<&str> = sessions
        .iter()
        .filter(|session| session.row.scripted)
        .map(|session| session.row.tool.as_str())
        .collect();
    tools.sort_unstable();
    tools.dedup();
    for tool in tools {
        let others =
            |session: &&Session| mine(session) && !(session.row.scripted && session.row.tool == tool);
        let fit = Fit::of(&sessions.iter().filter(others).collect::<Vec<_>>());
        models.insert(tool.to_owned(), fit.model((1.0, 0.0)));
    }
    let mut subjects: Vec<&str> = sessions
        .iter()
        .filter(|session| session.row.redistribute && !session.row.scripted)
        .map(|session| session.row.subject.as_str())
        .collect();
    subjects.sort_unstable();
    subjects.dedup();
    let fold = |session: &Session| {
        subjects.iter().position(|subject| *subject == session.row.subject).unwrap_or(0) % FOLDS
    };
    let people: Vec<Model> = (0..FOLDS)
        .map(|out| {
            let others = |session: &&Session| mine(session) && (session.row.scripted || fold(session) != out);
            Fit::of(&sessions.iter().filter(others).collect::<Vec<_>>()).model((1.0, 0.0))
        })
        .collect();
    let of = |session: &Session| match (session.row.scripted, session.row.redistribute) {
        (true, _) => models.get(&session.row.tool).unwrap_or(&whole).clone(),
        (false, true) => people[fold(session)].clone(),
        (false, false) => whole.clone(),
    };
    sessions
        .iter()
        .filter(|session| !session.looks.is_empty())
        .map(|session| (session, highest(&of(session), session)))
        .collect()
}

/// Prints the table.
pub fn print(sessions: &[Session], odds: &[(&Session, f64)], scale: (f64, f64)) {
    let mut groups: BTreeMap<(bool, &str), Vec<f64>> = BTreeMap::new();
    for (session, odds) in odds {
        let name = if session.row.scripted { &session.row.tool } else { &session.row.source };
        groups.entry((session.row.scripted, name)).or_default().push(scale.0 * odds + scale.1);
    }
    println!(
        "{} sessions, of {} the pointer's strokes can be measured; odds by models that have seen neither person nor tool",
        sessions.len(),
        odds.len()
    );
    println!("{:<10} {:<30} {:>4} {:>7} {:>7} {:>7}", "", "", "n", "least", "middle", "most");
    for ((scripted, name), mut odds) in groups {
        odds.sort_by(f64::total_cmp);
        let label = if scripted { "scripted" } else { "people" };
        println!(
            "{label:<10} {name:<30} {:>4} {:>7.2} {:>7.2} {:>7.2}",
            odds.len(),
            odds[0],
            odds[odds.len() / 2],
            odds[odds.len() - 1]
        );
    }
}

/// Writes what models that have seen neither person nor tool say, for the scorer.
pub fn write(file: &std::path::Path, odds: &[(&Session, f64)], scale: (f64, f64)) -> Result<(), String> {
    let line = |(session, odds): &(&Session, f64)| {
        let score = 1.0 / (1.0 + (-(scale.0 * odds + scale.1)).exp());
        format!("{}\n", serde_json::json!({"file": session.row.file, "score": score}))
    };
    let text: String = odds.iter().map(line).collect();
    std::fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))
}
