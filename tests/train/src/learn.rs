//! All that is learned from some sessions: limits from people alone, the model and how sure each makes from both.

use std::rc::Rc;

use candor_scripted::{
    Sensitivity,
    learned::Learned,
    mark::{MARKS, Mark},
    model::{Model, probability},
};
use serde_json::{Map, Value, json};

use crate::{
    capture::CAPTURES,
    fit::{self, Fit, round},
    session::Session,
    sure::{self, Judged},
};

/// Sessions are parted into so many, so that what is calibrated has not seen their tools, nor, where there is only one
/// source of people, those people.
const PARTS: usize = 5;

/// What is learned, as `model.json` has it; nothing else shapes what ships.
pub fn learn(sessions: &[&Session]) -> Result<(String, Learned), String> {
    let fit = Fit::of(sessions);
    let unseen = unseen(sessions);
    let odds: Vec<(f64, bool)> =
        unseen.iter().filter_map(|one| Some((one.odds?, one.session.row.scripted))).collect();
    let scale = fit::calibrate(&odds);
    let (measures, bias) = fit.measures(scale);
    let limits = limits(sessions);
    let shown: Map<String, Value> = Mark::ALL
        .into_iter()
        .zip(limits)
        .map(|(mark, (people, limit))| {
            let people = people.map(round);
            (mark.fact().name.to_owned(), json!({"people": people, "limit": round(limit)}))
        })
        .collect();
    let judged: Vec<Judged> =
        unseen.iter().flat_map(|one| one.judged(scale, most(&sources(sessions)))).collect();
    let sure = sure::learn(&judged, CAPTURES.len());
    let knots: Vec<[f64; 2]> = sure.knots.iter().map(|knot| [round(knot.0), round(knot.1)]).collect();
    let count = |scripted: bool| sessions.iter().filter(|session| session.row.scripted == scripted).count();
    let model = json!({
        "version": "scripted 4",
        "from": format!("{} sessions of people, {} of tools; each as recorded, through a remote desktop and by a browser", count(false), count(true)),
        "licences": "people: SapiMouse (Apache-2.0 and MIT), DELBOT-Mouse (MIT), THEcorpus (MIT); tools: recordings made for this project",
        "limits": shown,
        "certain": sure.certain.map(round),
        "sure": knots,
        "most": round(most(&sources(sessions))),
        "bias": bias,
        "measures": measures,
    });
    let text = format!("{model:#}\n");
    let learned = Learned::parse(&text).map_err(|error| error.to_string())?;
    Ok((text, learned))
}

/// Where people end in each mark, if any recording tells, and the limit.
fn limits(sessions: &[&Session]) -> [(Option<f64>, f64); MARKS] {
    let people: Vec<&Session> = sessions.iter().copied().filter(|session| !session.row.scripted).collect();
    Mark::ALL.map(|mark| {
        let (fact, end) = (mark.fact(), end(&people, mark));
        // Without people only a perfect machine is beyond them.
        let limit = end.map_or(fact.machine, |end| mark.along(end, Sensitivity::Balanced.share()));
        (end, fact.fixed.unwrap_or(limit))
    })
}

/// The nearest to a machine that any of these people came.
fn end(people: &[&Session], mark: Mark) -> Option<f64> {
    let nearest = people.iter().map(|session| session.nearest[mark as usize]);
    Some(nearest.fold(f64::NAN, |a, b| mark.nearer(a, b))).filter(|end| !end.is_nan())
}

/// The sources of people whose pointers were measured.
fn sources<'a>(sessions: &[&'a Session]) -> Vec<&'a str> {
    let people = sessions.iter().filter(|session| !session.row.scripted && !session.learn.is_empty());
    names(people.map(|session| session.row.source.as_str()))
}

/// Each name once, in order.
fn names<'a>(of: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut names: Vec<&str> = of.collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The most that the model may say: one source of people more than were seen may be one that it takes for scripts
/// (Laplace's rule of succession).
fn most(sources: &[&str]) -> f64 {
    1.0 - 1.0 / (sources.len() as f64 + 2.0)
}

/// One session, with what has learned nothing from its source of people or its tool.
struct Unseen<'a> {
    session: &'a Session,
    /// The highest odds, if it could be measured.
    odds: Option<f64>,
    learned: Rc<Learned>,
}

impl Unseen<'_> {
    /// What the detector would have to go by at its end, in each way of recording.
    fn judged(&self, scale: (f64, f64), most: f64) -> Vec<Judged> {
        let model = self.odds.map_or(0.0, |odds| probability(odds * scale.0 + scale.1).min(most));
        let judge = |nearest: &[f64; MARKS]| {
            let marks = Mark::ALL.into_iter().filter(|mark| !mark.fact().rule.is_note());
            let marks = || marks.clone().map(|mark| (mark, nearest[mark as usize]));
            let near = marks().filter(|(mark, _)| !mark.must_last());
            let near = near.map(|(mark, nearest)| self.learned.score(mark, nearest)).fold(model, f64::max);
            let reached = marks().filter_map(|(mark, nearest)| self.learned.reached(mark, nearest)).max();
            Judged { scripted: self.session.row.scripted, reached, speaks: near }
        };
        self.session.each.iter().map(judge).collect()
    }
}

/// Every session, judged by what has learned nothing from its source of people or its tool.
fn unseen<'a>(sessions: &[&'a Session]) -> Vec<Unseen<'a>> {
    let sources = sources(sessions);
    let tools = names(
        sessions.iter().filter(|session| session.row.scripted).map(|session| session.row.tool.as_str()),
    );
    let people = names(sessions.iter().map(|session| session.row.subject.as_str()));
    // One source can't be judged without itself.
    let parts = if sources.len() > 1 { sources.len() } else { PARTS };
    let part = |session: &Session| {
        let (names, name) = match session.row.scripted {
            true => (&tools, &session.row.tool),
            false if sources.len() > 1 => (&sources, &session.row.source),
            false => (&people, &session.row.subject),
        };
        names.binary_search(&name.as_str()).unwrap_or(0) % parts
    };
    let judged = |out: usize| {
        let others: Vec<&Session> = sessions.iter().copied().filter(|session| part(session) != out).collect();
        let model = Fit::of(&others).model((1.0, 0.0));
        let learned = Rc::new(Learned::new(model.clone(), limits(&others)));
        let mine = sessions.iter().copied().filter(|session| part(session) == out);
        let judge = |session: &'a Session| {
            let odds = (!session.looks.is_empty()).then(|| highest(&model, session));
            Unseen { session, odds, learned: learned.clone() }
        };
        mine.map(judge).collect::<Vec<_>>()
    };
    (0..parts).flat_map(judged).collect()
}

/// The highest odds of a session, of three looks in a row, as the detector has them.
fn highest(model: &Model, session: &Session) -> f64 {
    let (mut smooth, mut highest) = (None::<f32>, -20f32);
    for features in &session.looks {
        let odds = model.odds(features);
        let now = smooth.map_or(odds, |before| before + (odds - before) / 3.0);
        smooth = Some(now);
        highest = highest.max(now.min(odds));
    }
    highest.into()
}
