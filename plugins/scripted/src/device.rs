//! One device as it is watched: its beats, its motion, its path.

use plugin_api::{Event, KeyClass, Origin};

use crate::{
    Config, Rule,
    evidence::{Feature, Seen},
    period::{Beat, Kept},
    ring::Ring,
    sameness::{Motion, STROKES},
};

const SECOND: u64 = 1_000_000_000;
/// A finding's path has at most so many points …
pub const POINTS: usize = 256;
/// … that are at least so far apart, in nanoseconds.
const APART: u64 = SECOND / 10;
/// A beat of clicks or strokes needs so many intervals; slow ones fewer, because chance makes them less often.
const FAST_BEAT: u32 = 24;
const SLOW_BEAT: u32 = 12;
const SLOW: u32 = 1_000_000;
/// A beat of keys needs so many, because words have a rhythm; and it must last without a pause, because password
/// managers and text expanders type in bursts.
const KEY_BEAT: u32 = 60;
const KEY_SHARE: f64 = 0.75;
const KEY_LASTS: u64 = 20 * SECOND;
const KEY_PAUSE: u64 = 5 * SECOND;
const SLOW_KEY_BEAT: u32 = 20;
const SLOW_KEY_LASTS: u64 = 30 * SECOND;

/// One device.
pub struct Device {
    pub source: u32,
    pub origin: Origin,
    pub name: String,
    /// When it was last used.
    pub used: u64,
    /// When each rule last spoke of it.
    pub told: [Option<u64>; Rule::ALL.len()],
    pub path: Ring<(u64, i32, i32), POINTS>,
    /// Where the pointer is, in 1/256 px; from 0 where the platform doesn't tell.
    position: (i32, i32),
    strokes: Beat,
    clicks: Beat,
    keys: Beat,
    /// Since when keys keep a beat, and the last of them.
    keys_since: Option<(u64, u64)>,
    /// The last press, until a release.
    held: Option<KeyClass>,
    motion: Motion,
}

impl Device {
    pub fn new(event: &Event<'_>, name: String) -> Self {
        Self {
            source: event.source,
            origin: event.origin(),
            name,
            used: event.mono_ns,
            told: Default::default(),
            path: Ring::new(),
            position: (0, 0),
            strokes: Beat::new(16),
            clicks: Beat::new(16),
            keys: Beat::new(8),
            keys_since: None,
            held: None,
            motion: Motion::new(),
        }
    }

    pub fn rename(&mut self, name: &str) {
        self.name.clear();
        self.name.push_str(name);
    }

    /// Whether a rule is in force and may speak of this device: it does so once in a while only.
    pub fn due(&self, rule: Rule, now: u64, config: &Config) -> bool {
        let pause = config.again.nanos().saturating_mul(if rule.is_provenance() { 6 } else { 1 });
        let recently = self.told[rule as usize].is_some_and(|told| now.abs_diff(told) < pause);
        !recently && config.rules.contains(&rule)
    }

    /// Takes one signal; answers what is remarkable about the last ones, as far as it is due.
    pub fn take(&mut self, event: &Event<'_>, config: &Config) -> Option<Seen> {
        let now = event.mono_ns;
        if let Some(pointer) = event.pointer() {
            let (x, y) = self.position;
            self.position =
                pointer.position.unwrap_or((x.saturating_add(pointer.dx), y.saturating_add(pointer.dy)));
            if self.path.back(0).is_none_or(|(last, ..)| now.abs_diff(last) >= APART) {
                self.path.push((now, self.position.0.div_euclid(256), self.position.1.div_euclid(256)));
            }
            let began = self.motion.push(now, pointer);
            if began {
                self.strokes.push(now);
                return self.strokes(now, config);
            }
            return self.steps(now, config);
        }
        if let Some(button) = event.button().filter(|button| button.pressed) {
            self.clicks.push(now);
            self.motion.click(button.position);
            return self.clicks(now, config);
        }
        if let Some(key) = event.key() {
            // Held keys repeat evenly; not every platform marks that.
            let again = key.repeat || (key.pressed && self.held == Some(key.class));
            self.held = key.pressed.then_some(key.class);
            if key.pressed && !again {
                self.keys.push(now);
                return self.keys(now, config);
            }
        }
        None
    }

    fn strokes(&self, now: u64, config: &Config) -> Option<Seen> {
        let kept =
            self.due(Rule::Period, now, config).then(|| beat(&self.strokes, config.period_share)).flatten();
        if let Some(kept) = kept {
            return Some(in_time(kept, now, "strokes of the pointer", &self.strokes, true));
        }
        if !self.due(Rule::Strokes, now, config) {
            return None;
        }
        let equal = self.motion.equal_strokes().filter(|share| *share >= config.strokes_share)?;
        let text = format!(
            "{:.0} of the last {STROKES} strokes of the pointer are one of two, to the pixel. People hardly make the same stroke twice.",
            equal * STROKES as f64
        );
        Some(self.same(
            Rule::Strokes,
            now,
            text,
            Feature { name: "equal_strokes", value: equal, people: Some((0.0, 0.2)) },
        ))
    }

    fn steps(&self, now: u64, config: &Config) -> Option<Seen> {
        let equal = self.motion.equal_steps().filter(|share| *share >= config.steps_share)?;
        if !self.due(Rule::Steps, now, config) {
            return None;
        }
        let text = format!(
            "{:.0} % of the pointer's steps were as fast and in the same direction as the one before. People speed up, slow down and curve.",
            equal * 100.0
        );
        Some(self.same(
            Rule::Steps,
            now,
            text,
            Feature { name: "equal_steps", value: equal, people: Some((0.0, 0.8)) },
        ))
    }

    fn clicks(&self, now: u64, config: &Config) -> Option<Seen> {
        let kept =
            self.due(Rule::Period, now, config).then(|| beat(&self.clicks, config.period_share)).flatten();
        if let Some(kept) = kept {
            return Some(in_time(kept, now, "clicks", &self.clicks, true));
        }
        if !self.due(Rule::Spots, now, config) {
            return None;
        }
        let equal = self.motion.equal_spots().filter(|share| *share >= config.spots_share)?;
        let text = format!(
            "{:.0} % of the clicks hit exactly the pixel of an earlier one after the pointer had gone elsewhere. People miss it by a few pixels.",
            equal * 100.0
        );
        Some(self.same(
            Rule::Spots,
            now,
            text,
            Feature { name: "equal_spots", value: equal, people: Some((0.0, 0.1)) },
        ))
    }

    fn keys(&mut self, now: u64, config: &Config) -> Option<Seen> {
        if !self.due(Rule::Period, now, config) {
            return None;
        }
        let slow = self.keys.kept(SLOW_KEY_BEAT, config.period_share);
        if let Some(kept) = slow.filter(|kept| now.saturating_sub(kept.from) >= SLOW_KEY_LASTS) {
            return Some(in_time(kept, now, "keys", &self.keys, false));
        }
        let Some(kept) = self.keys.kept(KEY_BEAT, KEY_SHARE.min(config.period_share)) else {
            self.keys_since = None;
            return None;
        };
        let begun = self.keys_since.filter(|(_, last)| now.saturating_sub(*last) < KEY_PAUSE);
        let from = begun.map_or(now, |(from, _)| from);
        self.keys_since = Some((from, now));
        (now.saturating_sub(from) >= KEY_LASTS)
            .then(|| in_time(Kept { from, ..kept }, now, "keys", &self.keys, false))
    }

    /// A finding about motion; what is known of the path is the window.
    fn same(&self, rule: Rule, to: u64, text: String, feature: Feature) -> Seen {
        let from = self.path.iter().next().map_or(to, |(from, ..)| from.min(to));
        Seen { rule, confidence: 0.9, from, to, text, features: vec![feature], histogram: None, path: true }
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
        Feature { name: "matched", value: f64::from(matched) / f64::from(of), people: Some((0.0, 0.5)) },
        Feature { name: "median_ms", value: f64::from(median) / 1_000.0, people: None },
    ];
    let histogram = Some(beat.histogram());
    Seen { rule: Rule::Period, confidence: 0.9, from, to, text, features, histogram, path }
}
