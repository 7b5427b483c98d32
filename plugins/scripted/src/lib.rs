//! Finds input that programs make: where it comes from, whether it keeps a beat, whether it repeats itself.
//!
//! Each rule is a layer of its own that looks at one device at a time and keeps a fixed amount of it. A finding says
//! what was seen beside what people's input shows, never what anybody meant by it.

#![forbid(unsafe_code)]

mod device;
mod evidence;
pub mod feature;
mod keys;
pub mod model;
mod period;
pub mod pointer;
mod provenance;
mod repeat;
mod ring;
mod sameness;
mod sensitivity;
mod spread;
mod stroke;
#[cfg(test)]
mod tests;
mod whole;

use plugin_api::prelude::*;

use device::Device as Watched;
use evidence::Seen;
use model::Model;
use provenance::Provenance;
use sensitivity::Limits;
pub use sensitivity::Sensitivity;
use whole::Whole;

/// So many devices are watched at once; the one that was quiet for longest makes room for a new one.
const DEVICES: usize = 32;

config! {
    /// Finds input that programs make.
    /// Measured on 287 sessions of 176 people (31 h) and 182 of 20 tools: "strict" flags 96.7 % of scripted sessions
    /// and 3 of people's; "balanced" 94.5 % and none; "lenient" 91.8 % and none.
    pub struct Config {
        /// The rules in force.
        #[serde(default = "all")]
        #[schemars(extend("x-raises" = "addition", "examples" = [["period", "steps", "strokes", "spots"]]))]
        pub rules: Vec<Rule>,
        /// How readily something is flagged: "lenient", "balanced" or "strict".
        #[serde(default = "balanced")]
        #[schemars(extend("x-raises" = ["lenient", "balanced", "strict"]))]
        pub sensitivity: Sensitivity,
        /// Devices nothing is said of, for example those of accessibility tools: "vendor:product" in hexadecimal, or the whole name.
        #[serde(default)]
        #[schemars(extend("x-raises" = "removal", "examples" = [["2104:0127", "Onboard on-screen keyboard"]]))]
        pub suppress: Vec<String>,
        /// A rule speaks of a device at most once in this time (of where input comes from: six times this).
        #[serde(default = "ten_minutes")]
        #[schemars(extend("x-raises" = "down"))]
        pub again: Span,
        /// `injected` and `virtual`: the share of a minute's input that must come from a program.
        #[serde(default = "half")]
        #[schemars(extend("x-raises" = "down"))]
        pub injected_share: f64,
        /// `period`: the share of intervals that must repeat.
        #[serde(default = "period")]
        #[schemars(extend("x-raises" = "down"))]
        pub period_share: f64,
        /// `steps`: the share of steps of a moving pointer that must be as fast as the step before.
        #[serde(default = "steps")]
        #[schemars(extend("x-raises" = "down"))]
        pub steps_share: f64,
        /// `steps`: the share of long steps that must equal those a few before, to the pixel.
        #[serde(default = "pattern")]
        #[schemars(extend("x-raises" = "down"))]
        pub pattern_share: f64,
        /// `strokes`: the share of pointer strokes that must be one of two.
        #[serde(default = "half")]
        #[schemars(extend("x-raises" = "down"))]
        pub strokes_share: f64,
        /// `spots`: the share of clicks, after moving, that must hit the pixel of an earlier one.
        #[serde(default = "half")]
        #[schemars(extend("x-raises" = "down"))]
        pub spots_share: f64,
        /// `ways`: how many of the last 12 ways of the pointer must have been gone before.
        #[serde(default = "ways")]
        #[schemars(extend("x-raises" = "down"))]
        pub ways_again: u32,
        /// `keys`: the share of times between keys that must equal the one before.
        #[serde(default = "even")]
        #[schemars(extend("x-raises" = "down"))]
        pub keys_even: f64,
        /// `keys`: how many times the usual time between keys the longest may be, at most, in 64 keys.
        #[serde(default = "tail")]
        #[schemars(extend("x-raises" = "up"))]
        pub keys_tail: f64,
        /// `holds`: how long half of the keys are held, at most, in milliseconds.
        #[serde(default = "hold")]
        #[schemars(extend("x-raises" = "up"))]
        pub keys_hold_ms: f64,
        /// `holds`: how long half of 20 clicks in one place are held, at most, in milliseconds.
        #[serde(default = "click_hold")]
        #[schemars(extend("x-raises" = "up"))]
        pub clicks_hold_ms: f64,
        /// `holds`: between how much the middle four fifths of holds lie, at most, in milliseconds.
        #[serde(default = "hold_range")]
        #[schemars(extend("x-raises" = "up"))]
        pub keys_hold_range_ms: f64,
    }
}

config! {
    /// What input is looked at for.
    pub enum Rule {
        /// It comes from a program, as far as the system tells. Remote control and accessibility tools do that too.
        Injected,
        /// It comes from a device made by software. Key remappers do that too.
        Virtual,
        /// Clicks, strokes or keys keep a beat.
        Period,
        /// The pointer moves at one speed in one direction.
        Steps,
        /// The pointer makes the same stroke again and again.
        Strokes,
        /// Clicks hit the same pixel again after going elsewhere.
        Spots,
        /// The pointer goes the same ways again, as a recording that is played again does.
        Ways,
        /// The pointer is elsewhere at once.
        Jumps,
        /// Far ways take the pointer as long as near ones, or exactly as much longer as they are farther.
        Reach,
        /// Keys come evenly, or without a pause.
        Keys,
        /// Keys are held too shortly, or all for the same time.
        Holds,
        /// The model: strokes and clicks are unlike people's in many measures.
        Unlike,
        /// The pointer moves for long and nothing else is used.
        Idle,
        /// There is input for many hours without a break.
        Restless,
    }
}

impl Rule {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 14] = [
        Self::Injected,
        Self::Virtual,
        Self::Period,
        Self::Steps,
        Self::Strokes,
        Self::Spots,
        Self::Ways,
        Self::Jumps,
        Self::Reach,
        Self::Keys,
        Self::Holds,
        Self::Unlike,
        Self::Idle,
        Self::Restless,
    ];

    /// Its name in config and findings.
    pub fn name(self) -> &'static str {
        const NAMES: [&str; Rule::ALL.len()] = [
            "injected", "virtual", "period", "steps", "strokes", "spots", "ways", "jumps", "reach", "keys",
            "holds", "unlike", "idle", "restless",
        ];
        NAMES[self as usize]
    }

    /// Whether it says nothing by itself, as people do that too.
    pub fn is_note(self) -> bool {
        matches!(self, Self::Injected | Self::Virtual | Self::Idle | Self::Restless)
    }
}

fn all() -> Vec<Rule> {
    Rule::ALL.to_vec()
}

fn balanced() -> Sensitivity {
    Sensitivity::Balanced
}

fn ten_minutes() -> Span {
    Span::seconds(600)
}

fn half() -> f64 {
    0.5
}

fn period() -> f64 {
    0.9
}

fn steps() -> f64 {
    0.97
}

fn pattern() -> f64 {
    0.7
}

fn ways() -> u32 {
    4
}

fn even() -> f64 {
    0.45
}

fn tail() -> f64 {
    1.55
}

fn hold() -> f64 {
    25.0
}

fn click_hold() -> f64 {
    10.0
}

fn hold_range() -> f64 {
    8.0
}

/// The detector.
pub struct Scripted {
    config: Config,
    limits: Limits,
    model: Model,
    provenance: Provenance,
    whole: Whole,
    score: f64,
    devices: Vec<Watched>,
    /// The device of the last event; the next one is mostly the same's.
    last: usize,
}

impl Detector for Scripted {
    type Config = Config;
    const READS: &'static [&'static str] = &["pointer", "button", "wheel", "key", "device"];
    const COLLECTS: &'static str = "when input looks as if a program made it, with what was measured: of the pointer \
                                    up to 256 points of its path, of keys only how long it was between them";
    const NEVER: &'static str = "which keys were pressed, in what order, or exactly when";

    fn new(config: Config, _: &Host) -> Result<Self, Error> {
        let shares = [
            ("injected_share", config.injected_share),
            ("period_share", config.period_share),
            ("steps_share", config.steps_share),
            ("pattern_share", config.pattern_share),
            ("strokes_share", config.strokes_share),
            ("spots_share", config.spots_share),
        ];
        if let Some((key, share)) = shares.iter().find(|(_, share)| !(0.1..=1.0).contains(share)) {
            return Err(Error::new(Fault::Config, format!("{key}: {share} is not between 0.1 and 1")));
        }
        if !(1..=12).contains(&config.ways_again) {
            let text = format!("ways_again: {} is not between 1 and 12", config.ways_again);
            return Err(Error::new(Fault::Config, text));
        }
        Ok(Self {
            limits: config.sensitivity.limits(),
            model: Model::shipped()?,
            config,
            provenance: Provenance::default(),
            whole: Whole::default(),
            score: 0.0,
            devices: Vec::with_capacity(DEVICES),
            last: 0,
        })
    }

    fn on_batch(&mut self, batch: &[Event<'_>], out: &mut Out<'_>) -> Result<(), Error> {
        for event in batch {
            let place = self.place(event);
            if let Some(device) = event.device() {
                let watched = &mut self.devices[place];
                watched.rename(device.name);
                watched.suppressed = is_listed(&self.config.suppress, &device);
                continue;
            }
            let device = &mut self.devices[place];
            device.used = event.mono_ns;
            let due = |rule| device.due(rule, event.mono_ns, &self.config);
            if let Some(seen) = self.provenance.take(event, device.kind, self.config.injected_share, due) {
                tell(device, &seen, out)?;
            }
            if let Some(seen) = self.whole.take(event, |rule| device.due(rule, event.mono_ns, &self.config)) {
                tell(device, &seen, out)?;
            }
            if let Some(seen) = device.take(event, &self.config, &self.limits, &self.model) {
                tell(device, &seen, out)?;
            }
            if device.score > self.score {
                self.score = device.score;
                out.gauge("score", self.score);
            }
        }
        Ok(())
    }
}

/// Whether nothing is to be said of a device.
fn is_listed(list: &[String], device: &Device<'_>) -> bool {
    let id = format!("{:04x}:{:04x}", device.vendor, device.product);
    list.iter().any(|listed| listed.eq_ignore_ascii_case(&id) || listed == device.name)
}

impl Scripted {
    /// Where the device of an event is watched.
    fn place(&mut self, event: &Event<'_>) -> usize {
        let is = |device: &Watched| device.source == event.source && device.origin == event.origin();
        if self.devices.get(self.last).is_some_and(is) {
            return self.last;
        }
        self.last = self.devices.iter().position(is).unwrap_or_else(|| self.watch(event));
        self.last
    }

    fn watch(&mut self, event: &Event<'_>) -> usize {
        // One device can act as two: what moves the pointer without it is told apart by its origin.
        let name =
            self.devices.iter().find(|known| known.source == event.source).map(|known| known.name.clone());
        let suppressed = self.devices.iter().any(|known| known.source == event.source && known.suppressed);
        let mut new = Watched::new(event, name.unwrap_or_default());
        new.suppressed = suppressed;
        if self.devices.len() < DEVICES {
            self.devices.push(new);
            return self.devices.len() - 1;
        }
        let quiet = (0..self.devices.len()).min_by_key(|place| self.devices[*place].used).unwrap_or(0);
        self.devices[quiet] = new;
        quiet
    }
}

/// Stores a finding, and notes when its rule spoke.
fn tell(device: &mut Watched, seen: &Seen, out: &mut Out<'_>) -> Result<(), Error> {
    device.told[seen.rule as usize] = Some(seen.to);
    out.finding(evidence::finding(seen, device))
}

export_detector!(Scripted);
