//! The tables of how well sessions are told apart by what has learned nothing from their source or tool.

use std::collections::BTreeMap;

use candor_scripted::{Rule, learned::Learned, mark::Mark, watch::Watch};
use serde_json::{Value, json};

use crate::{
    capture::{Capture, record},
    learn::learn,
    score::{Said, scores},
    session::{Session, config, each},
};

/// What was learned without each source of people and each tool; "" is from everything that may be learned from.
pub struct Folds(BTreeMap<String, Learned>);

impl Folds {
    /// Learns as often as there are sources and tools.
    pub fn of(sessions: &[Session]) -> Result<Self, String> {
        let mine: Vec<&Session> = sessions.iter().filter(|session| session.row.redistribute).collect();
        let mut names: Vec<String> = mine.iter().map(|session| name(session)).collect();
        names.push(String::new());
        names.sort_unstable();
        names.dedup();
        let learned = each(&names, |out| {
            let others: Vec<&Session> =
                mine.iter().copied().filter(|session| name(session) != *out).collect();
            learn(&others).map(|(_, learned)| (out.clone(), learned))
        });
        Ok(Self(learned.into_iter().collect::<Result<_, _>>()?))
    }

    /// What has learned nothing from this session's source or tool.
    fn unseen(&self, session: &Session) -> &Learned {
        self.0.get(&name(session)).unwrap_or(&self.0[""])
    }
}

/// What is left out together: a tool, or a whole source of people.
fn name(session: &Session) -> String {
    if session.row.scripted { session.row.tool.clone() } else { session.row.source.clone() }
}

/// Runs the detector over every session.
pub fn run(
    sessions: &[Session],
    learned: impl Fn(&Session) -> Learned + Sync,
    options: &Value,
    capture: Capture,
) -> Result<Vec<Said>, String> {
    each(sessions, |session| {
        let onset =
            if matches!(capture, Capture::NoDuration | Capture::Bare) { 0.0 } else { session.row.onset };
        let mut watch = Watch::new(config(options.clone())?, learned(session));
        let mut first = None;
        let events = match capture {
            Capture::AsIs => None,
            _ => Some(record(&session.events, capture, &session.row.file, (session.row.onset * 1e9) as u64)),
        };
        let events = events.as_deref().unwrap_or(&session.events);
        let begin = events.first().map_or(0, |event| event.mono_ns);
        for event in events {
            let told = &mut |rule: Rule, _| {
                let at = event.mono_ns.saturating_sub(begin) as f64 / 1e9 - onset;
                first = first.or((!rule.is_note()).then_some(at));
                Ok(())
            };
            watch.take(event, told).map_err(|error| error.to_string())?;
        }
        Ok(Said { scripted: session.row.scripted, score: watch.score(), first })
    })
    .into_iter()
    .collect()
}

fn without(rules: &[Rule]) -> Value {
    let kept: Vec<&str> =
        Rule::ALL.into_iter().filter(|rule| !rules.contains(rule)).map(Rule::name).collect();
    json!({ "rules": kept })
}

fn only(rules: &[Rule]) -> Value {
    json!({ "rules": rules.iter().map(|rule| rule.name()).collect::<Vec<_>>() })
}

/// Prints every table; answers what was said with nothing seen before, for the curve.
pub fn print(sessions: &[Session], folds: &Folds, shipped: &Learned) -> Result<Vec<Said>, String> {
    let unseen = |session: &Session| folds.unseen(session).clone();
    let all = json!({});
    println!(
        "{:<44} {:>6} {:>6} {:>6} {:>8} {:>10} {:>7}",
        "", "AUC", "at 1 %", "at 0", "flagged", "people", "middle"
    );
    let row = |what: &str, said: &[Said]| {
        let scores = scores(said);
        println!(
            "{what:<44} {:>6.3} {:>6.3} {:>6.3} {:>8.3} {:>4} of {:>3} {:>5.0} s",
            scores.auc,
            scores.at_percent,
            scores.at_none,
            scores.found,
            scores.people,
            scores.of,
            scores.seconds
        );
    };
    row(
        "as shipped (has seen what it learned from)",
        &run(sessions, |_| shipped.clone(), &all, Capture::AsIs)?,
    );
    let honest = run(sessions, unseen, &all, Capture::AsIs)?;
    row("each source of people and each tool left out", &honest);
    // What is learned without one of two sources of pointers is not what ships; these people nothing is learned from.
    let never = |said: &[Said]| -> Vec<Said> {
        let mine = sessions.iter().zip(said);
        mine.filter(|(session, _)| session.row.scripted || !session.row.redistribute)
            .map(|(_, said)| *said)
            .collect()
    };
    let row = |what: &str, said: &[Said]| row(what, &never(said));
    row("people never learned from, each tool left out", &honest);
    for sensitivity in ["strict", "lenient"] {
        let said = run(sessions, unseen, &json!({ "sensitivity": sensitivity }), Capture::AsIs)?;
        row(&format!("  {sensitivity}"), &said);
    }
    let apart: [(&str, Capture); 5] = [
        ("  without clock (all on one of 15.6 ms)", Capture::NoClock),
        ("  without rate (all merged to 100-124 ms)", Capture::NoRate),
        ("  without screen (each half to twice as large)", Capture::NoScreen),
        ("  without duration (2 minutes of each)", Capture::NoDuration),
        ("  without all four", Capture::Bare),
    ];
    for (what, capture) in apart {
        row(what, &run(sessions, unseen, &all, capture)?);
    }
    use Rule::*;
    let rules = [
        ("  without the model", without(&[Unlike])),
        ("  the model alone", only(&[Unlike])),
        ("  without keys, holds", without(&[Keys, Holds])),
        ("  without ways", without(&[Ways])),
        ("  without reach", without(&[Reach])),
        ("  without steps, strokes, spots", without(&[Steps, Strokes, Spots])),
        ("  without period", without(&[Period])),
        ("  without jumps", without(&[Jumps])),
    ];
    for (what, options) in rules {
        row(what, &run(sessions, unseen, &options, Capture::AsIs)?);
    }
    groups(sessions, &honest);
    marks(sessions, shipped);
    Ok(honest)
}

/// By tool and by source of people.
fn groups(sessions: &[Session], said: &[Said]) {
    let mut groups: BTreeMap<(bool, String), Vec<Said>> = BTreeMap::new();
    for (session, said) in sessions.iter().zip(said) {
        groups.entry((session.row.scripted, name(session))).or_default().push(*said);
    }
    println!("\n{:<44} {:>4} {:>8} {:>14}", "sources and tools left out", "n", "flagged", "middle score");
    for ((_, name), mut said) in groups {
        said.sort_by(|a, b| a.score.total_cmp(&b.score));
        let flagged =
            said.iter().filter(|said| if said.scripted { said.found() } else { said.first.is_some() });
        println!("{name:<44} {:>4} {:>8} {:>14.3}", said.len(), flagged.count(), said[said.len() / 2].score);
    }
}

/// Where people end in each mark, and how much of the tools' sessions is beyond the limit.
fn marks(sessions: &[Session], shipped: &Learned) {
    println!(
        "\n{:<14} {:>8} {:>8} {:>22} {:>10}",
        "mark", "people", "limit", "people never learned from", "tools"
    );
    for mark in Mark::ALL {
        let place = mark as usize;
        let of = |scripted: bool, mine: bool| {
            sessions.iter().filter(move |session| {
                session.row.scripted == scripted && (scripted || session.row.redistribute == mine)
            })
        };
        let end = |mine| {
            of(false, mine).map(|session| session.nearest[place]).fold(f64::NAN, |a, b| mark.nearer(a, b))
        };
        let show = |value: f64| if value.is_nan() { "-".to_owned() } else { format!("{value:.3}") };
        let beyond = of(true, true)
            .filter(|session| mark.reaches(session.nearest[place], shipped.limits[place]))
            .count();
        println!(
            "{:<14} {:>8} {:>8.3} {:>22} {beyond:>10}",
            mark.fact().name,
            show(end(true)),
            shipped.limits[place],
            show(end(false)),
        );
    }
}
