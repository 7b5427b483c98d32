//! The small model: how far a pointer's measures are from everybody's on the side of machines, added up.
//!
//! Each measure counts only towards machines and by at most so much; nothing can look *more* human than people do
//! and make up for it. Trained by `candor-train` from redistributable recordings; `model.json` is what it wrote.

use plugin_api::prelude::*;

use crate::feature::{COUNT, Features, MEASURES, Side};

/// Where on the way from the middle person to the farthest the knots of evidence are, and what each is worth.
pub const SHARES: [f32; KNOTS] = [0.5, 0.75, 0.9, 0.97, 0.99, 0.998];
const WORTH: [f32; KNOTS] = [0.0, 0.0, 0.17, 0.4, 0.67, 1.0];
const KNOTS: usize = 6;
/// The most that one measure is worth.
const MOST: f32 = 1.33;

/// The model as it stands in `model.json`.
#[derive(Clone, Debug)]
pub struct Model {
    /// What wrote it, and from what.
    pub version: String,
    measures: [Measure; COUNT],
    bias: f32,
    /// The most it may say: nothing vouches for a source of people it has not seen but those it has.
    most: f64,
}

/// One measure's part.
#[derive(Clone, Copy, Debug, Default)]
pub struct Measure {
    /// What people's measure is at [`SHARES`], in the direction of machines.
    pub people: [f32; KNOTS],
    /// How much its evidence counts.
    pub weight: f32,
}

/// One measure's part in what the model says.
pub struct Part {
    /// The measure.
    pub name: &'static str,
    /// What it is.
    pub value: f32,
    /// From the middle person to the farthest on the side of machines.
    pub people: (f32, f32),
    /// How much it counts.
    pub counts: f32,
}

impl Model {
    /// Reads its part of `model.json`.
    pub fn parse(json: &Value) -> Result<Self, Error> {
        let wrong = |what: &str| Error::new(Fault::Malformed, format!("model.json: {what}; train it again"));
        let number = |value: &Value| value.as_f64().map(|number| number as f32);
        let mut measures = [Measure::default(); COUNT];
        for ((name, _), measure) in MEASURES.iter().zip(&mut measures) {
            let row = &json["measures"][*name];
            measure.weight = number(&row["weight"]).ok_or_else(|| wrong(name))?;
            for (place, knot) in measure.people.iter_mut().enumerate() {
                *knot = number(&row["people"][place]).ok_or_else(|| wrong(name))?;
            }
        }
        let bias = number(&json["bias"]).ok_or_else(|| wrong("bias"))?;
        let version = json["version"].as_str().ok_or_else(|| wrong("version"))?.to_owned();
        let most = json["most"].as_f64().ok_or_else(|| wrong("most"))?;
        Ok(Self { version, measures, bias, most })
    }

    /// A new one of these parts.
    pub fn new(measures: [Measure; COUNT], bias: f32) -> Self {
        Self { version: String::new(), measures, bias, most: 1.0 }
    }

    /// How much odds speak for a machine, 0 to 1.
    pub fn speaks(&self, odds: f32) -> f64 {
        probability(odds.into()).min(self.most)
    }

    /// How much speaks for a machine: the logarithm of the odds.
    pub fn odds(&self, features: &Features) -> f32 {
        let parts = self.measures.iter().zip(MEASURES).zip(features);
        self.bias
            + parts
                .map(|((measure, (_, side)), value)| measure.weight * evidence(&measure.people, side, *value))
                .sum::<f32>()
    }

    /// What speaks for a machine, the most first.
    pub fn parts(&self, features: &Features) -> Vec<Part> {
        let parts =
            self.measures.iter().zip(MEASURES).zip(features).map(|((measure, (name, side)), value)| {
                let sign = sign(side);
                let (middle, far) = (sign * measure.people[0], sign * measure.people[KNOTS - 1]);
                let counts = measure.weight * evidence(&measure.people, side, *value);
                Part { name, value: *value, people: (middle.min(far), middle.max(far)), counts }
            });
        let mut parts: Vec<Part> = parts.filter(|part| part.counts > 0.0).collect();
        parts.sort_by(|a, b| b.counts.total_cmp(&a.counts));
        parts
    }
}

/// The probability of these odds, given as a logarithm.
pub fn probability(odds: f64) -> f64 {
    1.0 / (1.0 + (-odds).exp())
}

/// Machines are above.
pub fn sign(side: Side) -> f32 {
    if side == Side::More { 1.0 } else { -1.0 }
}

/// What a value is worth beside people's; 0 where it can't be measured.
pub fn evidence(people: &[f32; KNOTS], side: Side, value: f32) -> f32 {
    if !value.is_finite() {
        return 0.0;
    }
    let value = sign(side) * value;
    let above = people.iter().take_while(|knot| value > **knot).count();
    match above {
        0 => WORTH[0],
        KNOTS => {
            let far = (people[KNOTS - 1] - people[0]).max(1e-3);
            (WORTH[KNOTS - 1] + (value - people[KNOTS - 1]) / far).min(MOST)
        }
        _ => {
            let (low, high) = (people[above - 1], people[above]);
            let along = (value - low) / (high - low).max(1e-4);
            WORTH[above - 1] + (WORTH[above] - WORTH[above - 1]) * along.min(1.0)
        }
    }
}
