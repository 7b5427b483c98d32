//! Finds input that programs make: where it comes from, whether it keeps a beat, whether it repeats itself.
//!
//! Each rule is a layer of its own that looks at one device at a time and keeps a fixed amount of it. A finding says
//! what was seen beside what people's input shows, never what anybody meant by it.

#![forbid(unsafe_code)]

mod device;
mod echo;
mod evidence;
pub mod feature;
mod keys;
pub mod learned;
pub mod mark;
pub mod model;
mod order;
mod period;
pub mod pointer;
mod provenance;
mod repeat;
mod ring;
mod sameness;
pub mod sensitivity;
mod smooth;
mod spread;
mod stroke;
#[cfg(test)]
mod tests;
mod track;
mod tremor;
pub mod watch;
mod whole;

use std::collections::BTreeMap;

use plugin_api::prelude::*;

use learned::Learned;
use mark::Mark;
pub use sensitivity::Sensitivity;
use watch::Watch;

config! {
    /// Finds input that programs make.
    /// Measured on 182 scripted sessions of 20 tools and 287 of 176 people, each judged by what has learned nothing from its
    /// tool or its whole source of people: "strict" flags 98.4 % of scripted sessions and 2 people, "balanced" 97.8 % and
    /// nobody (with 95 % confidence fewer than 1.3 %), "lenient" 91.2 % and nobody.
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
        /// Limits of rules in place of those that were learned, which are in `model.json` with where people end.
        #[serde(default)]
        #[schemars(extend("examples" = [{"steps": 0.97, "hold_ms": 15.0}]))]
        pub marks: BTreeMap<String, f64>,
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
        /// The pointer's path is smoother than a hand draws it, as Bézier curves and eased lines are.
        Smooth,
        /// The pointer runs the same track, as shapes that a program draws do.
        Track,
        /// The pointer is elsewhere at once. Touch screens and slow remote connections do that too.
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
    pub const ALL: [Self; 16] = [
        Self::Injected,
        Self::Virtual,
        Self::Period,
        Self::Steps,
        Self::Strokes,
        Self::Spots,
        Self::Ways,
        Self::Smooth,
        Self::Track,
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
            "injected", "virtual", "period", "steps", "strokes", "spots", "ways", "smooth", "track", "jumps",
            "reach", "keys", "holds", "unlike", "idle", "restless",
        ];
        NAMES[self as usize]
    }

    /// Whether it says nothing by itself, as people do that too.
    pub fn is_note(self) -> bool {
        matches!(self, Self::Injected | Self::Virtual | Self::Jumps | Self::Idle | Self::Restless)
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

/// The detector.
pub struct Scripted {
    watch: Watch,
    score: f64,
}

impl Detector for Scripted {
    type Config = Config;
    const READS: &'static [&'static str] = &["pointer", "button", "wheel", "key", "device"];
    const COLLECTS: &'static str = "when input looks as if a program made it, with what was measured: of the pointer \
                                    up to 256 points of its path, of keys only how long it was between them";
    const NEVER: &'static str = "which keys were pressed, in what order, or exactly when";

    fn new(config: Config, _: &Host) -> Result<Self, Error> {
        let refused = |text: String| Err(Error::new(Fault::Config, text));
        if !(0.1..=1.0).contains(&config.injected_share) {
            return refused(format!("injected_share: {} is not between 0.1 and 1", config.injected_share));
        }
        let mut learned = Learned::shipped()?;
        for (name, limit) in &config.marks {
            let limited = || Mark::ALL.into_iter().filter(|mark| !mark.is_only_shown());
            let Some(mark) = limited().find(|mark| mark.fact().name == name) else {
                let known: Vec<&str> = limited().map(|mark| mark.fact().name).collect();
                return refused(format!("marks: {name} is not known; write some of {}", known.join(", ")));
            };
            if !mark.allows(*limit) {
                return refused(format!(
                    "marks: {name}: {limit} is beyond what a machine shows, or no number"
                ));
            }
            learned.put(mark, *limit);
        }
        Ok(Self { watch: Watch::new(config, learned), score: 0.0 })
    }

    fn on_batch(&mut self, batch: &[Event<'_>], out: &mut Out<'_>) -> Result<(), Error> {
        for event in batch {
            self.watch.take(event, &mut |_, finding| out.finding(finding))?;
        }
        if self.watch.score() > self.score {
            self.score = self.watch.score();
            out.gauge("score", self.score);
        }
        Ok(())
    }
}

export_detector!(Scripted);
