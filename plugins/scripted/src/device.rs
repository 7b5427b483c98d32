//! One device as it is watched: every layer's part of it, and when each last spoke.

mod drawn;
mod hand;
mod typing;

use plugin_api::{Event, Origin};

use crate::{
    Config, Rule,
    echo::ECHOES,
    evidence::{Feature, Seen},
    feature::{self, Features},
    keys::{HOLDS, INTERVALS, Keys, Lasting, Measured, SHORT},
    learned::Learned,
    mark::{MARKS, Mark},
    period::{Beat, Kept, Varied},
    pointer::{Moved, Pointer},
    provenance::Kind,
    repeat::WAYS,
    ring::Ring,
    sameness::{Motion, PATTERNS, STROKES},
    sensitivity::Sensitivity,
};

const SECOND: u64 = 1_000_000_000;
/// A finding's path has at most so many points …
pub const POINTS: usize = 256;
/// … that are at least so far apart, in nanoseconds.
const APART: u64 = SECOND / 20;
/// A beat of keys needs so many, because words have a rhythm.
const SLOW_KEY_BEAT: u32 = 12;
/// In microseconds: intervals from this on are slow.
const SLOW: u32 = 1_000_000;
const SLOW_KEY_LASTS: u64 = 30 * SECOND;
/// The model speaks when so many looks in a row agree on average.
const LOOKS: f32 = 3.0;
/// Strokes of a single step that are looked at.
pub const JUMPS: u32 = 10;
/// So many clicks in one place are looked at.
const STILL: usize = 20;
/// How much the logarithms of lengths must differ for times to say anything.
const WELL_VARIED: f32 = 0.45;
/// So many looks in a row must agree about how times follow lengths.
const REACHED: usize = 10;
/// What is usual with people: how times follow lengths (slope), and how much they differ, in logarithms.
const USUAL_SLOPE: f32 = 0.4;
const USUAL_SPREAD: f32 = 0.8;
/// In pixels: shorter ones are none.
const JUMP: f32 = 40.0;
/// How sure a note is of anything.
const NOTED: f64 = 0.5;

/// What all devices are judged by.
pub struct Ground {
    /// By [`Rule`]: whether it is in force.
    rules: [bool; Rule::ALL.len()],
    /// A rule speaks of a device at most once in this time, in nanoseconds.
    again: u64,
    /// The share of input of a program's that is told.
    pub injected: f64,
    sensitivity: Sensitivity,
    pub learned: Learned,
}

impl Ground {
    pub fn new(config: &Config, learned: Learned) -> Self {
        Self {
            rules: Rule::ALL.map(|rule| config.rules.contains(&rule)),
            again: config.again.nanos(),
            injected: config.injected_share,
            sensitivity: config.sensitivity,
            learned,
        }
    }

    fn limit(&self, mark: Mark) -> f64 {
        self.learned.limit(mark, self.sensitivity)
    }
}

/// One device.
pub struct Device {
    pub source: u32,
    pub origin: Origin,
    pub name: String,
    pub kind: Kind,
    /// Whether nothing is said of it.
    pub suppressed: bool,
    /// When it was last used.
    pub used: u64,
    /// When each rule last spoke of it.
    pub told: [Option<u64>; Rule::ALL.len()],
    pub path: Ring<(u64, i32, i32), POINTS>,
    /// How much speaks for a machine by now, 0 to 1.
    pub score: f64,
    /// The nearest it came to a machine, by [`Mark`].
    pub nearest: [f64; MARKS],
    /// What was measured of the last strokes and clicks, until somebody asks.
    pub looked: Option<Features>,
    /// Where the pointer is, in 1/256 px; from 0 where the platform doesn't tell.
    position: (i32, i32),
    strokes: Beat,
    clicks: Beat,
    motion: Motion,
    pointer: Option<Box<Pointer>>,
    keys: Option<Box<Keys>>,
    /// Since when keys come evenly, without pauses, too short, all alike.
    lasting: [Lasting; 4],
    jumps: u32,
    jumped: u32,
    /// How far times were off the line over lengths in the last looks, and how flat that was.
    reached: Ring<(f32, f32), REACHED>,
    /// The odds of the last looks, the newest counting most.
    odds: Option<f32>,
}

impl Device {
    pub fn new(event: &Event<'_>, name: String) -> Self {
        Self {
            source: event.source,
            origin: event.origin(),
            kind: Kind::of(&name),
            name,
            suppressed: false,
            used: event.mono_ns,
            told: Default::default(),
            path: Ring::new(),
            score: 0.0,
            nearest: [f64::NAN; MARKS],
            looked: None,
            position: (0, 0),
            strokes: Beat::new(16),
            clicks: Beat::new(16),
            motion: Motion::new(),
            pointer: None,
            keys: None,
            lasting: Default::default(),
            jumps: 0,
            jumped: 0,
            reached: Ring::new(),
            odds: None,
        }
    }

    pub fn rename(&mut self, name: &str) {
        self.name.clear();
        self.name.push_str(name);
        self.kind = Kind::of(name);
    }

    /// Whether a rule is in force and may speak of this device: it does so once in a while only.
    pub fn due(&self, rule: Rule, now: u64, ground: &Ground) -> bool {
        let pause = ground.again.saturating_mul(if rule.is_note() { 6 } else { 1 });
        let recently = self.told[rule as usize].is_some_and(|told| now.abs_diff(told) < pause);
        !recently && !self.suppressed && ground.rules[rule as usize]
    }

    /// Takes one signal; answers what is remarkable about the last ones, as far as it is due.
    pub fn take(&mut self, event: &Event<'_>, ground: &Ground) -> Option<Seen> {
        let now = event.mono_ns;
        if let Some(pointer) = event.pointer() {
            let (x, y) = self.position;
            self.position =
                pointer.position.unwrap_or((x.saturating_add(pointer.dx), y.saturating_add(pointer.dy)));
            if self.path.back(0).is_none_or(|(last, ..)| now.abs_diff(last) >= APART) {
                self.path.push((now, self.position.0.div_euclid(256), self.position.1.div_euclid(256)));
            }
            let (x, y) = (self.position.0 as f32 / 256.0, self.position.1 as f32 / 256.0);
            let moved = self.pointer.get_or_insert_with(Box::default).motion(now, x, y);
            let began = self.motion.push(now, pointer);
            if began {
                self.strokes.push(now);
                self.shown(self.strokes.varied(), Mark::Entropy);
            }
            let seen = if began { self.began(now, ground) } else { self.steps(now, ground) };
            let seen = seen.or_else(|| if moved.ended { self.ways(now, ground) } else { None });
            let seen = seen.or_else(|| self.drawn(&moved, now, ground));
            return seen.or_else(|| self.look(now, ground));
        }
        if let Some(button) = event.button() {
            let watched = self.pointer.get_or_insert_with(Box::default);
            watched.button(now, button.pressed);
            let hold = if button.pressed { None } else { watched.still(STILL) };
            if let Some(seen) = hold.and_then(|hold| self.still(now, hold, ground)) {
                return Some(seen);
            }
            if !button.pressed {
                return self.look(now, ground);
            }
            self.clicks.push(now);
            self.shown(self.clicks.varied(), Mark::Entropy);
            self.motion.click(button.position);
            return self.clicks(now, ground);
        }
        let key = event.key()?;
        let keys = self.keys.get_or_insert_with(|| Box::new(Keys::new()));
        let interval = keys.push(now, key)?;
        let (measured, varied) = (keys.measure(), keys.beat.varied());
        self.shown(varied, Mark::KeyEntropy);
        self.typed(now, interval, &measured, ground)
    }

    /// The limit of a mark, and from where on a value says anything new: beyond the limit, or nearer to a machine than
    /// any before.
    fn worth(&self, mark: Mark, ground: &Ground) -> (f64, f64) {
        let (limit, nearest) = (ground.limit(mark), self.nearest[mark as usize]);
        let farther = if mark.nearer(limit, nearest) == limit { nearest } else { limit };
        (limit, if nearest.is_nan() { mark.anything() } else { farther })
    }

    /// Takes what is only shown beside what rules read.
    fn shown(&mut self, varied: Option<Varied>, entropy: Mark) {
        let Some(varied) = varied else { return };
        let round = varied.round.filter(|_| entropy == Mark::Entropy);
        for (mark, value) in [(entropy, Some(varied.entropy)), (Mark::Round, round)] {
            let nearest = &mut self.nearest[mark as usize];
            *nearest = mark.nearer(*nearest, value.map_or(f64::NAN, f64::from));
        }
    }

    /// Takes what a rule reads; true when that is enough for it to speak.
    fn judge(&mut self, mark: Mark, value: f64, now: u64, ground: &Ground) -> bool {
        let nearest = &mut self.nearest[mark as usize];
        *nearest = mark.nearer(*nearest, value);
        let rule = mark.fact().rule;
        self.note(rule, ground.learned.score(mark, value), ground);
        mark.reaches(value, ground.limit(mark)) && self.due(rule, now, ground)
    }

    /// Notes how much something speaks for a machine.
    fn note(&mut self, rule: Rule, score: f64, ground: &Ground) {
        if ground.rules[rule as usize] && !self.suppressed && !rule.is_note() {
            self.score = self.score.max(score);
        }
    }

    /// What was seen beside where people end; what is known of the path is the window.
    fn seen(&self, mark: Mark, value: f64, now: u64, text: String, ground: &Ground) -> Seen {
        let (rule, name) = (mark.fact().rule, mark.fact().name);
        let from = self.path.iter().next().map_or(now, |(from, ..)| from.min(now));
        let people = ground.learned.range(mark);
        // No recording tells how often people do what is only a note.
        let confidence =
            if rule.is_note() { NOTED } else { ground.learned.confidence(ground.learned.score(mark, value)) };
        let features = vec![Feature::new(name, value, people.0, people.1)];
        Seen { rule, confidence, from, to: now, text, features, histogram: None, path: true, model: None }
    }
}

/// How varied times are, beside people's.
fn varied(beat: &Beat, [entropy, round]: [Mark; 2], ground: &Ground) -> impl Iterator<Item = Feature> {
    let varied = beat.varied();
    let values =
        [(entropy, varied.map(|varied| varied.entropy)), (round, varied.and_then(|varied| varied.round))];
    let ranges = values.map(|(mark, value)| (mark.fact().name, value, ground.learned.range(mark)));
    let feature =
        |(name, value, (low, high)): (_, Option<f32>, _)| Some(Feature::new(name, value?.into(), low, high));
    ranges.into_iter().filter_map(feature)
}
