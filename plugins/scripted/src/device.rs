//! One device as it is watched: every layer's part of it, and when each last spoke.

mod hand;
mod typing;

use plugin_api::{Event, Origin};

use crate::{
    Config, Rule,
    evidence::{Feature, Seen},
    feature::{self, Features},
    keys::{HOLDS, INTERVALS, Keys, Lasting, Measured, SHORT},
    model::Model,
    period::{Beat, Kept},
    pointer::Pointer,
    provenance::Kind,
    repeat::WAYS,
    ring::Ring,
    sameness::{Motion, PATTERNS, STROKES},
    sensitivity::{CERTAIN, Limits, probability},
};

const SECOND: u64 = 1_000_000_000;
/// A finding's path has at most so many points …
pub const POINTS: usize = 256;
/// … that are at least so far apart, in nanoseconds.
const APART: u64 = SECOND / 20;
/// A beat of clicks or strokes needs so many intervals; slow ones fewer, because chance makes them less often.
const FAST_BEAT: u32 = 24;
const SLOW_BEAT: u32 = 10;
const SLOW: u32 = 1_000_000;
/// A beat of keys needs so many, because words have a rhythm.
const SLOW_KEY_BEAT: u32 = 12;
const SLOW_KEY_LASTS: u64 = 30 * SECOND;
/// The model speaks when so many looks in a row agree on average.
const LOOKS: f32 = 3.0;
/// Strokes of a single step that are looked at.
pub const JUMPS: u32 = 10;
/// So many clicks in one place are looked at.
const STILL: usize = 20;
/// How little time follows length, and how little times differ, when a way takes the same time however far.
const SAME_SLOPE: f32 = 0.12;
const SAME_SPREAD: f32 = 0.36;
/// How little times are off the line when all ways have one speed.
const EVEN_OFF: f32 = 0.11;
/// How much the logarithms of lengths must differ for that to say anything.
const WELL_VARIED: f32 = 0.45;
/// So many looks in a row must find that.
const REACHED: u32 = 10;
/// In pixels: shorter ones are none.
const JUMP: f32 = 40.0;

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
    /// How sure anything is by now, 0 to 1.
    pub score: f64,
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
    /// How many looks in a row found times that don't follow lengths as people's do.
    reached: u32,
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
            position: (0, 0),
            strokes: Beat::new(16),
            clicks: Beat::new(16),
            motion: Motion::new(),
            pointer: None,
            keys: None,
            lasting: Default::default(),
            jumps: 0,
            jumped: 0,
            reached: 0,
            odds: None,
        }
    }

    pub fn rename(&mut self, name: &str) {
        self.name.clear();
        self.name.push_str(name);
        self.kind = Kind::of(name);
    }

    /// Whether a rule is in force and may speak of this device: it does so once in a while only.
    pub fn due(&self, rule: Rule, now: u64, config: &Config) -> bool {
        let pause = config.again.nanos().saturating_mul(if rule.is_note() { 6 } else { 1 });
        let recently = self.told[rule as usize].is_some_and(|told| now.abs_diff(told) < pause);
        !recently && !self.suppressed && config.rules.contains(&rule)
    }

    /// Takes one signal; answers what is remarkable about the last ones, as far as it is due.
    pub fn take(
        &mut self,
        event: &Event<'_>,
        config: &Config,
        limits: &Limits,
        model: &Model,
    ) -> Option<Seen> {
        let now = event.mono_ns;
        if let Some(pointer) = event.pointer() {
            let (x, y) = self.position;
            self.position =
                pointer.position.unwrap_or((x.saturating_add(pointer.dx), y.saturating_add(pointer.dy)));
            if self.path.back(0).is_none_or(|(last, ..)| now.abs_diff(last) >= APART) {
                self.path.push((now, self.position.0.div_euclid(256), self.position.1.div_euclid(256)));
            }
            let (x, y) = (self.position.0 as f32 / 256.0, self.position.1 as f32 / 256.0);
            let ended = self.pointer.get_or_insert_with(Box::default).motion(now, x, y);
            let began = self.motion.push(now, pointer);
            if began {
                self.strokes.push(now);
            }
            let seen = if began { self.began(now, config, limits) } else { self.steps(now, config, limits) };
            let seen = seen.or_else(|| if ended { self.ways(now, config, limits) } else { None });
            return seen.or_else(|| self.look(now, config, limits, model));
        }
        if let Some(button) = event.button() {
            let watched = self.pointer.get_or_insert_with(Box::default);
            watched.button(now, button.pressed);
            let hold = if button.pressed { None } else { watched.still(STILL) };
            if let Some(seen) = hold.and_then(|hold| self.still(now, hold, config, limits)) {
                return Some(seen);
            }
            if !button.pressed {
                return self.look(now, config, limits, model);
            }
            self.clicks.push(now);
            self.motion.click(button.position);
            return self.clicks(now, config, limits);
        }
        let key = event.key()?;
        let keys = self.keys.get_or_insert_with(|| Box::new(Keys::new()));
        let interval = keys.push(now, key)?;
        let measured = keys.measure();
        self.typed(now, interval, &measured, config, limits)
    }

    /// Notes how sure something is; true when that is enough and the rule is due.
    fn enough(&mut self, rule: Rule, now: u64, confidence: f64, config: &Config, limits: &Limits) -> bool {
        if config.rules.contains(&rule) && !self.suppressed {
            self.score = self.score.max(confidence);
        }
        confidence >= limits.confidence && self.due(rule, now, config)
    }

    /// A finding about motion; what is known of the path is the window.
    fn same(&self, rule: Rule, to: u64, text: String, features: Vec<Feature>) -> Seen {
        let from = self.path.iter().next().map_or(to, |(from, ..)| from.min(to));
        Seen { rule, confidence: CERTAIN, from, to, text, features, histogram: None, path: true, model: None }
    }
}

/// How sure a measure makes: half at people's most, [`CERTAIN`] from the limit on.
fn rising(value: f64, people: f64, limit: f64) -> f64 {
    if value >= limit {
        return CERTAIN;
    }
    if value <= people {
        0.3 * value / people.max(1e-6)
    } else {
        0.3 + 0.3 * (value - people) / (limit - people).max(1e-6)
    }
}

fn beat(beat: &Beat, share: f64) -> Option<Kept> {
    let slow = beat.kept(SLOW_BEAT, share).filter(|kept| kept.median >= SLOW);
    slow.or_else(|| beat.kept(FAST_BEAT, share))
}

fn in_time(kept: Kept, to: u64, what: &str, beat: &Beat, path: bool) -> Seen {
    let Kept { lag, matched, of, median, from } = kept;
    let rhythm = match lag {
        1 => format!("about {} ms apart", median / 1_000),
        _ => format!("in a rhythm of {lag}"),
    };
    let text = format!(
        "{matched} of {of} {what} came {rhythm}, each within 3 % of the time before. People's times vary by a tenth and more."
    );
    let features = vec![
        Feature::new("matched", f64::from(matched) / f64::from(of), 0.0, 0.5),
        Feature { name: "median_ms", value: f64::from(median) / 1_000.0, people: None },
    ];
    let histogram = Some(beat.histogram());
    Seen { rule: Rule::Period, confidence: CERTAIN, from, to, text, features, histogram, path, model: None }
}
