//! What only recordings can show: that a replay is found soon, and that no fault of a recording looks like a script.

mod artefact;
mod humanised;
mod replayed;

use std::path::Path;

use candor_scripted::{Rule, learned::Learned, mark::MARKS, watch::Watch};
use plugin_api::Event;
use serde_json::{Value, json};

use crate::{capture::Chance, session};

/// Recordings of people's pointers that may be shipped.
const POINTERS: [&str; 4] = ["sapimouse_1", "sapimouse_2", "delbot_1", "delbot_2"];
/// And of people's keys.
const KEYS: [&str; 2] = ["thecorpus_1", "thecorpus_2"];

impl Chance {
    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.even()
    }
}

fn recorded(name: &str) -> Vec<Event<'static>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/people");
    session::events(&folder.join(format!("{name}.ndjson.gz"))).unwrap()
}

/// The nearest these signals come to a machine, by mark.
fn nearest(events: &[Event<'_>]) -> [f64; MARKS] {
    let mut watch = Watch::new(session::config(json!({})).unwrap(), Learned::shipped().unwrap());
    events.iter().for_each(|event| watch.take(event, &mut |_, _| Ok(())).unwrap());
    watch.nearest()
}

/// What is told of these signals, with the seconds since the first.
fn told(events: &[Event<'_>], options: Value) -> Vec<(f64, Rule)> {
    let mut watch = Watch::new(session::config(options).unwrap(), Learned::shipped().unwrap());
    let begin = events.first().map_or(0, |event| event.mono_ns);
    let mut told = Vec::new();
    for event in events {
        let at = event.mono_ns.saturating_sub(begin) as f64 / 1e9;
        watch
            .take(event, &mut |rule, _| {
                told.push((at, rule));
                Ok(())
            })
            .unwrap();
    }
    told
}

/// What is flagged of them.
fn flags(events: &[Event<'_>]) -> Vec<(f64, Rule)> {
    told(events, json!({})).into_iter().filter(|(_, rule)| !rule.is_note()).collect()
}
