//! The tables of how well sessions are told apart by what has learned nothing from their source or tool, as the README
//! of `scripted` has them.

use std::{
    collections::BTreeMap,
    fmt::{Display, Write},
};

use candor_scripted::{Rule, Sensitivity, learned::Learned, mark::Mark, watch::Watch};
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
        let (mut first, mut rules) = (None, 0);
        let events = match capture {
            Capture::AsIs => None,
            _ => Some(record(&session.events, capture, &session.row.file, (session.row.onset * 1e9) as u64)),
        };
        let events = events.as_deref().unwrap_or(&session.events);
        let begin = events.first().map_or(0, |event| event.mono_ns);
        for event in events {
            let told = &mut |rule: Rule, _| {
                let at = event.mono_ns.saturating_sub(begin) as f64 / 1e9 - onset;
                if !rule.is_note() {
                    first = first.or(Some(at));
                    rules |= 1 << rule as u32;
                }
                Ok(())
            };
            watch.take(event, told).map_err(|error| error.to_string())?;
        }
        Ok(Said {
            scripted: session.row.scripted,
            score: watch.score(),
            confidence: watch.confidence(),
            first,
            rules,
        })
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

/// The tables, and what was said with nothing seen before, for the curve.
pub fn write(sessions: &[Session], folds: &Folds, shipped: &Learned) -> Result<(String, Vec<Said>), String> {
    let unseen = |session: &Session| folds.unseen(session).clone();
    let all = json!({});
    // Of these people nothing is ever learned; the model that judges them is the one that ships but for one tool.
    let never = |said: &[Said]| -> Vec<Said> {
        let mine = sessions.iter().zip(said);
        mine.filter(|(session, _)| session.row.scripted || !session.row.redistribute)
            .map(|(_, said)| *said)
            .collect()
    };
    let seen = run(sessions, |_| shipped.clone(), &all, Capture::AsIs)?;
    let honest = run(sessions, unseen, &all, Capture::AsIs)?;
    let mut text = String::new();

    text += "| sensitivity | scripted sessions flagged, each tool left out | people, each source left out | people nothing is learned from | people, as shipped |\n|---|---|---|---|---|\n";
    let mut rows = vec![("balanced", honest.clone(), seen.clone())];
    for sensitivity in ["strict", "lenient"] {
        let options = json!({ "sensitivity": sensitivity });
        let shipped = run(sessions, |_| shipped.clone(), &options, Capture::AsIs)?;
        rows.push((sensitivity, run(sessions, unseen, &options, Capture::AsIs)?, shipped));
    }
    rows.swap(0, 1);
    for (sensitivity, said, shipped) in &rows {
        let (all, some, shipped) = (scores(said), scores(&never(said)), scores(shipped));
        line(
            &mut text,
            &[
                &format!("`{sensitivity}`"),
                &percent(all.found),
                &people(all.people, all.of),
                &people(some.people, some.of),
                &people(shipped.people, shipped.of),
            ],
        );
    }

    let head = "| AUC | true positives at 1 % | at 0 | flagged | people flagged | median time |\n|---|---|---|---|---|---|---|\n";
    let row = |text: &mut String, what: &str, said: &[Said]| {
        let scores = scores(said);
        line(
            text,
            &[
                &what,
                &format!("{:.3}", scores.auc),
                &percent(scores.at_percent),
                &percent(scores.at_none),
                &percent(scores.found),
                &people(scores.people, scores.of),
                &if scores.seconds.is_nan() { "-".to_owned() } else { format!("{:.0} s", scores.seconds) },
            ],
        );
    };
    text += "\n| | ";
    text += &head[2..];
    row(&mut text, "**each source of people and each tool left out**", &honest);
    row(&mut text, "as shipped (has seen what it learned from)", &seen);
    row(&mut text, "people never learned from, each tool left out", &never(&honest));
    use Rule::*;
    let rules = [
        ("without the model", without(&[Unlike])),
        ("the model alone", only(&[Unlike])),
        ("without keys, holds", without(&[Keys, Holds])),
        ("without smooth", without(&[Smooth])),
        ("without track", without(&[Track])),
        ("without ways", without(&[Ways])),
        ("without reach", without(&[Reach])),
        ("without steps, strokes, spots", without(&[Steps, Strokes, Spots])),
        ("without period", without(&[Period])),
        ("smooth, track alone", only(&[Smooth, Track])),
    ];
    for (what, options) in rules {
        row(&mut text, what, &run(sessions, unseen, &options, Capture::AsIs)?);
    }

    text +=
        "\n### Without clock, rate, screen and duration\n\n| each source of people and each tool left out | ";
    text += &head[2..];
    row(&mut text, "as recorded", &honest);
    let apart = [
        ("without clock (all on one of 15.6 ms)", Capture::NoClock),
        ("without rate (all merged to 100 to 124 ms)", Capture::NoRate),
        ("without screen (each half to twice as large)", Capture::NoScreen),
        ("without duration (2 minutes of each)", Capture::NoDuration),
        ("without all four", Capture::Bare),
    ];
    for (what, capture) in apart {
        row(&mut text, what, &run(sessions, unseen, &all, capture)?);
    }
    groups(&mut text, sessions, &honest);
    marks(&mut text, sessions, folds, shipped);
    Ok((text, honest))
}

/// One line of a table.
pub fn line(text: &mut String, cells: &[&dyn Display]) {
    for cell in cells {
        let _ = write!(text, "| {cell} ");
    }
    text.push_str("|\n");
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

fn people(some: usize, of: usize) -> String {
    format!("{some} of {of}")
}

/// By tool and by source of people.
fn groups(text: &mut String, sessions: &[Session], said: &[Said]) {
    let mut groups: BTreeMap<(bool, String), Vec<Said>> = BTreeMap::new();
    for (session, said) in sessions.iter().zip(said) {
        groups.entry((session.row.scripted, name(session))).or_default().push(*said);
    }
    *text += "\n### By tool and by source of people (left out each)\n\n| | flagged | middle score | by |\n|---|---|---|---|\n";
    for ((_, name), mut said) in groups {
        said.sort_by(|a, b| a.score.total_cmp(&b.score));
        let flagged =
            said.iter().filter(|said| if said.scripted { said.found() } else { said.first.is_some() });
        let count = |rule: &Rule| said.iter().filter(|said| said.rules & 1 << *rule as u32 != 0).count();
        let mut by: Vec<(usize, &str)> =
            Rule::ALL.iter().map(|rule| (count(rule), rule.name())).filter(|(count, _)| *count > 0).collect();
        by.sort_by(|a, b| b.cmp(a));
        let by: Vec<String> = by.iter().map(|(count, rule)| format!("`{rule}` {count}")).collect();
        line(
            text,
            &[
                &name,
                &people(flagged.count(), said.len()),
                &format!("{:.3}", said[said.len() / 2].score),
                &by.join(", "),
            ],
        );
    }
}

/// Where people end in each mark, by source, and how much of the tools' sessions is beyond the limit.
fn marks(text: &mut String, sessions: &[Session], folds: &Folds, shipped: &Learned) {
    *text += "\n### Where people end, and the limits\n\n| mark | SapiMouse | DELBOT | THEcorpus | people never learned from | limit | without DELBOT | without SapiMouse | scripted sessions beyond |\n|---|---|---|---|---|---|---|---|---|\n";
    for mark in Mark::ALL {
        let place = mark as usize;
        let end = |is: &dyn Fn(&Session) -> bool| {
            let mine = sessions.iter().filter(|session| !session.row.scripted && is(session));
            let end = mine.map(|session| session.nearest[place]).fold(f64::NAN, |a, b| mark.nearer(a, b));
            if end.is_nan() { "-".to_owned() } else { format!("{end:.3}") }
        };
        let from = |name: &'static str| move |session: &Session| session.row.source == name;
        let limit = |learned: &Learned| format!("{:.3}", learned.limit(mark, Sensitivity::Balanced));
        let beyond = sessions
            .iter()
            .filter(|session| session.row.scripted)
            .filter(|session| {
                mark.reaches(session.nearest[place], shipped.limit(mark, Sensitivity::Balanced))
            })
            .count();
        let fold = |name: &str| folds.0.get(name).map_or("-".to_owned(), limit);
        line(
            text,
            &[
                &format!("`{}`{}", mark.fact().name, if mark.is_only_shown() { " (only shown)" } else { "" }),
                &end(&from("sapimouse")),
                &end(&from("delbot")),
                &end(&from("thecorpus")),
                &end(&|session| !session.row.redistribute),
                &limit(shipped),
                &fold("delbot"),
                &fold("sapimouse"),
                &beyond,
            ],
        );
    }
}
