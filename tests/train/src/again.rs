//! People's recordings that are played again: how many are flagged before the second repetition ends, and by what.

use std::{collections::BTreeMap, path::Path};

use candor_scripted::{Rule, learned::Learned, watch::Watch};
use plugin_api::{
    Event,
    event::{BUTTON, POINTER, WHEEL},
};
use serde_json::json;

use crate::{
    capture::{CAPTURES, Chance, record},
    manifest::{self, Row},
    session,
};

const SECOND: u64 = 1_000_000_000;
/// A recording is cut where somebody was at work for so long; a longer pause than the other counts as that.
const WORK: u64 = 150 * SECOND;
const PAUSE: u64 = 5 * SECOND;
/// A longer time between two signals is a rest.
const REST: u64 = SECOND / 4;

/// How a recording is played the second time.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    /// What it is called.
    pub name: &'static str,
    /// How much faster.
    pub pace: f64,
    /// In pixels: how far it is moved.
    pub by: (i32, i32),
    /// -1 when right and left change places, else 1.
    pub side: i32,
    /// In pixels: the noise on each place, as a standard deviation.
    pub noise: f64,
    /// By which share of it each rest is longer or shorter, at most.
    pub rests: f64,
}

/// As it was.
pub const EXACTLY: Way = Way { name: "exactly", pace: 1.0, by: (0, 0), side: 1, noise: 0.0, rests: 0.0 };

const WAYS: [Way; 8] = [
    EXACTLY,
    Way { name: "moved", by: (37, -12), ..EXACTLY },
    Way { name: "moved and mirrored", by: (37, -12), side: -1, ..EXACTLY },
    Way { name: "at 0.8 times the speed", pace: 0.8, ..EXACTLY },
    Way { name: "with noise of 1 px", noise: 1.0, ..EXACTLY },
    Way { name: "with noise of 3 px", noise: 3.0, ..EXACTLY },
    Way { name: "each rest up to 20 % longer or shorter", rests: 0.2, ..EXACTLY },
    Way { name: "with such rests and noise of 1 px", rests: 0.2, noise: 1.0, ..EXACTLY },
];

/// A recording that is played twice.
pub struct Twice {
    /// All signals of both.
    pub events: Vec<Event<'static>>,
    /// When the second repetition begins, in seconds.
    pub second: f64,
}

/// Plays a recording and, a second later, plays it again.
pub fn twice(events: &[Event<'static>], way: Way) -> Twice {
    let mut chance = Chance::new(way.name);
    let (begin, last) = (events[0].mono_ns, events[events.len() - 1].mono_ns);
    let (mut now, mut before) = (last + SECOND, begin);
    let mut both = events.to_vec();
    for event in events {
        let took = event.mono_ns.saturating_sub(before) as f64 / way.pace;
        let longer = if took > REST as f64 { way.rests * (2.0 * chance.even() - 1.0) } else { 0.0 };
        now += (took * (1.0 + longer)) as u64;
        before = event.mono_ns;
        let mut again = Event { mono_ns: now, ..*event };
        let place = match event.kind {
            POINTER => Some(0),
            BUTTON | WHEEL => Some(2),
            _ => None,
        };
        if let Some(place) = place.filter(|place| again.args[*place] != i32::MIN) {
            let noise = if place == 0 { way.noise } else { 0.0 };
            let mut off = || (noise * chance.normal()).round() as i32;
            again.args[place] = way.side * event.args[place] + 256 * (way.by.0 + off());
            again.args[place + 1] += 256 * (way.by.1 + off());
        }
        both.push(again);
    }
    Twice { events: both, second: (last + SECOND - begin) as f64 / 1e9 }
}

/// As much of a recording as somebody was at work for so many nanoseconds.
pub fn cut(events: &[Event<'static>], work: u64) -> Vec<Event<'static>> {
    let (mut worked, mut last) = (0, events.first().map_or(0, |event| event.mono_ns));
    let within = |event: &&Event<'static>| {
        worked += event.mono_ns.saturating_sub(last).min(PAUSE);
        last = event.mono_ns;
        worked < work
    };
    events.iter().take_while(within).copied().collect()
}

/// By what one recording was flagged within the second repetition: by way, as recorded and as others record it.
type Flagged = Vec<[Vec<Rule>; CAPTURES.len()]>;

fn flagged(folder: &Path, row: &Row, learned: &Learned) -> Result<Option<Flagged>, String> {
    let once = cut(&session::events(&folder.join(&row.file))?, WORK);
    if once.iter().all(|event| event.kind != POINTER) {
        return Ok(None);
    }
    let mut flagged = Flagged::new();
    for way in WAYS {
        let both = twice(&once, way);
        let mut by = [const { Vec::new() }; CAPTURES.len()];
        for (capture, rules) in CAPTURES.into_iter().zip(&mut by) {
            let mut watch = Watch::new(session::config(json!({}))?, learned.clone());
            let begin = once[0].mono_ns;
            for event in record(&both.events, capture, &row.file, 0) {
                let at = event.mono_ns.saturating_sub(begin) as f64 / 1e9;
                let mut tell = |rule: Rule, _| {
                    if at >= both.second && !rule.is_note() && !rules.contains(&rule) {
                        rules.push(rule);
                    }
                    Ok(())
                };
                watch.take(&event, &mut tell).map_err(|error| error.to_string())?;
            }
        }
        let motions = once.iter().filter(|event| event.kind == POINTER).count();
        if by.iter().any(Vec::is_empty) {
            eprintln!(
                "{}, {motions} motions in {:.0} s, {}: not always flagged",
                row.file, both.second, way.name
            );
        }
        flagged.push(by);
    }
    Ok(Some(flagged))
}

/// Prints how many people's recordings of each source are flagged within the second repetition.
pub fn print(folder: &Path) -> Result<bool, String> {
    let mut rows = manifest::read(&folder.join("manifest.csv"))?;
    rows.retain(|row| !row.scripted);
    let learned = Learned::shipped().map_err(|error| error.to_string())?;
    let mut sources = BTreeMap::<&str, Vec<Flagged>>::new();
    for (row, flagged) in rows.iter().zip(session::each(&rows, |row| flagged(folder, row, &learned))) {
        if let Some(flagged) = flagged? {
            sources.entry(&row.source).or_default().push(flagged);
        }
    }
    let names: Vec<String> = sources.iter().map(|(name, all)| format!("{name}, of {}", all.len())).collect();
    println!("| played again | {} | by, as recorded |", names.join(" | "));
    println!("|---|{}", "---|".repeat(sources.len() + 1));
    for (place, way) in WAYS.iter().enumerate() {
        let count = |all: &Vec<Flagged>| {
            let of = |capture: usize| all.iter().filter(|one| !one[place][capture].is_empty()).count();
            (0..CAPTURES.len()).map(|capture| of(capture).to_string()).collect::<Vec<_>>().join(" / ")
        };
        let mut by = BTreeMap::<&str, usize>::new();
        let rules = sources.values().flatten().flat_map(|one| &one[place][0]);
        rules.for_each(|rule| *by.entry(rule.name()).or_default() += 1);
        let by: Vec<String> = by.iter().map(|(rule, count)| format!("`{rule}` {count}")).collect();
        let counts: Vec<String> = sources.values().map(count).collect();
        println!("| {} | {} | {} |", way.name, counts.join(" | "), by.join(", "));
    }
    // That nothing was measured is no success.
    Ok(!sources.is_empty())
}
