//! What was learned from recordings: where people end in each mark, the limits that follow, and the model.

use plugin_api::prelude::*;

use crate::{
    mark::{MARKS, Mark},
    model::Model,
};

/// `model.json`, or what a part of the data gives.
#[derive(Clone, Debug)]
pub struct Learned {
    /// The model.
    pub model: Model,
    /// The nearest to a machine that people came, by [`Mark`].
    pub people: [f64; MARKS],
    /// From where on a rule speaks.
    pub limits: [f64; MARKS],
    /// How sure it is when a limit is reached.
    pub certain: f64,
}

impl Learned {
    /// What this version ships.
    pub fn shipped() -> Result<Self, Error> {
        Self::parse(include_str!("../model.json"))
    }

    /// Reads it.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let wrong = |what: &str| Error::new(Fault::Malformed, format!("model.json: {what}; train it again"));
        let json: Value = text.parse().map_err(|_| wrong("not JSON"))?;
        let (mut people, mut limits) = ([0.0; MARKS], [0.0; MARKS]);
        for (place, mark) in Mark::ALL.into_iter().enumerate() {
            let row = &json["limits"][mark.fact().name];
            limits[place] = row["limit"].as_f64().ok_or_else(|| wrong(mark.fact().name))?;
            // No number where recordings say nothing.
            people[place] = row["people"].as_f64().unwrap_or(f64::NAN);
        }
        let certain = json["certain"].as_f64().ok_or_else(|| wrong("certain"))?;
        Ok(Self { model: Model::parse(&json)?, people, limits, certain })
    }

    /// Between which two values people are; up to the limit where no recording tells.
    pub fn range(&self, mark: Mark) -> (f64, f64) {
        let people = self.people[mark as usize];
        let end = if people.is_nan() { self.limits[mark as usize] } else { people };
        (end.min(mark.common()), end.max(mark.common()))
    }

    /// How sure a value makes: little as long as people show it, more from there to the limit.
    pub fn confidence(&self, mark: Mark, value: f64) -> f64 {
        let (people, limit) = (self.people[mark as usize], self.limits[mark as usize]);
        if mark.reaches(value, limit) {
            return self.certain;
        }
        if people.is_nan() || mark.reaches(people, value) {
            return 0.02;
        }
        // On the way from where people end to the limit; most scripts go beyond it.
        0.05 + 0.45 * ((value - people) / (limit - people)).clamp(0.0, 1.0)
    }
}
