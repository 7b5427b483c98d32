//! Finds input that programs make: where it comes from, whether it keeps a beat, whether it repeats itself.
//!
//! Each rule is a layer of its own that looks at one device at a time and keeps a fixed amount of it. A finding says
//! what was seen beside what people's input shows, never what anybody meant by it.

#![forbid(unsafe_code)]

mod device;
mod evidence;
mod period;
mod provenance;
mod ring;
mod sameness;
#[cfg(test)]
mod tests;

use plugin_api::prelude::*;

use device::Device as Watched;
use evidence::Seen;
use provenance::Provenance;

/// So many devices are watched at once; the one that was quiet for longest makes room for a new one.
const DEVICES: usize = 32;

config! {
    /// Finds input that programs make.
    pub struct Config {
        /// The rules in force.
        #[serde(default = "all")]
        #[schemars(extend("examples" = [["period", "steps", "strokes", "spots"]]))]
        pub rules: Vec<Rule>,
        /// A rule speaks of a device at most once in this time (of where input comes from: six times this).
        #[serde(default = "ten_minutes")]
        pub again: Span,
        /// `injected` and `virtual`: the share of a minute's input that must come from a program.
        #[serde(default = "half")]
        pub injected_share: f64,
        /// `period`: the share of intervals that must repeat.
        #[serde(default = "period")]
        pub period_share: f64,
        /// `steps`: the share of steps of a moving pointer that must be as fast as the step before.
        #[serde(default = "steps")]
        pub steps_share: f64,
        /// `strokes`: the share of pointer strokes that must be one of two.
        #[serde(default = "half")]
        pub strokes_share: f64,
        /// `spots`: the share of clicks, after moving, that must hit the pixel of an earlier one.
        #[serde(default = "half")]
        pub spots_share: f64,
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
    }
}

impl Rule {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 6] =
        [Self::Injected, Self::Virtual, Self::Period, Self::Steps, Self::Strokes, Self::Spots];

    /// Its name in config and findings.
    pub fn name(self) -> &'static str {
        ["injected", "virtual", "period", "steps", "strokes", "spots"][self as usize]
    }
}

fn all() -> Vec<Rule> {
    Rule::ALL.to_vec()
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

/// The detector.
pub struct Scripted {
    config: Config,
    provenance: Provenance,
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
            ("strokes_share", config.strokes_share),
            ("spots_share", config.spots_share),
        ];
        if let Some((key, share)) = shares.iter().find(|(_, share)| !(0.1..=1.0).contains(share)) {
            return Err(Error::new(Fault::Config, format!("{key}: {share} is not between 0.1 and 1")));
        }
        let provenance = Provenance::default();
        Ok(Self { config, provenance, devices: Vec::with_capacity(DEVICES), last: 0 })
    }

    fn on_batch(&mut self, batch: &[Event<'_>], out: &mut Out<'_>) -> Result<(), Error> {
        for event in batch {
            let place = self.place(event);
            if let Some(device) = event.device() {
                self.devices[place].rename(device.name);
                continue;
            }
            let device = &mut self.devices[place];
            device.used = event.mono_ns;
            let due = |rule| device.due(rule, event.mono_ns, &self.config);
            if let Some(seen) = self.provenance.take(event, self.config.injected_share, due) {
                tell(device, &seen, out)?;
            }
            if let Some(seen) = device.take(event, &self.config) {
                tell(device, &seen, out)?;
            }
        }
        Ok(())
    }
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
        let new = Watched::new(event, name.unwrap_or_default());
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

impl Rule {
    /// Whether it is about where input comes from, which is no verdict.
    pub fn is_provenance(self) -> bool {
        matches!(self, Self::Injected | Self::Virtual)
    }
}

export_detector!(Scripted);
