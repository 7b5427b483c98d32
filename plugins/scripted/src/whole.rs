//! All devices together: a pointer that moves for long while nothing else is used, and hours without a break.
//!
//! People who watch or read do the first, and people in a hurry the second: both are notes.

use plugin_api::{
    Event,
    event::{BUTTON, KEY, POINTER, WHEEL},
};

use crate::{
    Rule,
    evidence::{Feature, Seen},
};

const MINUTE: u64 = 60_000_000_000;
/// A pointer that moves, with no rest longer than this, …
const REST: u64 = 2 * MINUTE;
/// … for so long and nothing else.
const ALONE: u64 = 20 * MINUTE;
/// A break is at least so long, …
const BREAK: u64 = 5 * MINUTE;
/// … and so long without one is remarkable.
const RESTLESS: u64 = 6 * 60 * MINUTE;

/// What is known of all devices.
#[derive(Default)]
pub struct Whole {
    last: u64,
    /// Since when there was no break, and since when only pointers moved.
    since: u64,
    alone: u64,
}

impl Whole {
    /// Takes one signal.
    pub fn take(&mut self, event: &Event<'_>, due: impl Fn(Rule) -> bool) -> Option<Seen> {
        let now = event.mono_ns;
        let rest = now.abs_diff(self.last);
        if self.last == 0 || now < self.since || rest > BREAK {
            self.since = now;
        }
        let other = matches!(event.kind, BUTTON | KEY | WHEEL);
        if self.last == 0 || other || now < self.alone || rest > REST {
            self.alone = now;
        }
        self.last = now;
        if event.kind != POINTER {
            return None;
        }
        let (alone, since) = (now - self.alone, now - self.since);
        if alone >= ALONE && due(Rule::Idle) {
            let text = format!(
                "The pointer has moved for {} minutes and no button, wheel or key was used. Who reads or watches may do this.",
                alone / MINUTE
            );
            return Some(seen(
                Rule::Idle,
                self.alone,
                now,
                text,
                Feature::new("minutes", (alone / MINUTE) as f64, 0.0, 20.0),
            ));
        }
        if since >= RESTLESS && due(Rule::Restless) {
            let text = format!(
                "There was input for {} hours without a break of {} minutes. People do this too, rarely.",
                since / MINUTE / 60,
                BREAK / MINUTE
            );
            return Some(seen(
                Rule::Restless,
                self.since,
                now,
                text,
                Feature::new("hours", (since / MINUTE / 60) as f64, 0.0, 6.0),
            ));
        }
        None
    }
}

fn seen(rule: Rule, from: u64, to: u64, text: String, feature: Feature) -> Seen {
    Seen {
        rule,
        confidence: 0.3,
        from,
        to,
        text,
        features: vec![feature],
        histogram: None,
        path: false,
        model: None,
    }
}
