//! What was learned from recordings: where people end in each mark, the limits that follow, the model, and how sure each
//! makes.

use plugin_api::prelude::*;

use crate::{
    mark::{MARKS, Mark},
    model::Model,
    sensitivity::Sensitivity,
};

/// The limits that make sure by themselves; below them all that speaks for a machine is looked at together.
pub const CERTAIN: [Sensitivity; 2] = [Sensitivity::Balanced, Sensitivity::Lenient];
/// How much a value speaks for a machine: where people are, from where they end to the limit, …
const AMONG_PEOPLE: f64 = 0.02;
const BEYOND_THEM: f64 = 0.05;
const NEXT_TO_LIMIT: f64 = 0.5;
/// … and at the limits, by [`CERTAIN`].
const AT_LIMIT: [f64; CERTAIN.len()] = [0.95, 1.0];

/// `model.json`, or what a part of the data gives.
#[derive(Clone, Debug)]
pub struct Learned {
    /// The model.
    pub model: Model,
    /// The nearest to a machine that people came, by [`Mark`].
    pub people: [f64; MARKS],
    /// From where on a rule speaks, by [`Sensitivity`] and [`Mark`].
    limits: [[f64; MARKS]; Sensitivity::ALL.len()],
    /// How sure it is when a limit is reached, by [`CERTAIN`].
    certain: [f64; CERTAIN.len()],
    /// How sure it is when none is: what speaks for a machine, and the probability that it is one, in order.
    sure: Vec<(f64, f64)>,
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
        let mut limits = [(None, 0.0); MARKS];
        for (place, mark) in Mark::ALL.into_iter().enumerate() {
            let row = &json["limits"][mark.fact().name];
            let limit = row["limit"].as_f64().ok_or_else(|| wrong(mark.fact().name))?;
            // No number where recordings say nothing.
            limits[place] = (row["people"].as_f64(), limit);
        }
        let mut learned = Self::new(Model::parse(&json)?, limits);
        for (place, certain) in learned.certain.iter_mut().enumerate() {
            *certain = json["certain"][place].as_f64().ok_or_else(|| wrong("certain"))?;
        }
        let knot = |knot: &Value| Some((knot[0].as_f64()?, knot[1].as_f64()?));
        let sure: Option<_> = json["sure"].as_array().and_then(|knots| knots.iter().map(knot).collect());
        learned.sure = sure.ok_or_else(|| wrong("sure"))?;
        Ok(learned)
    }

    /// A model, where people end in each mark, if any recording tells, and the limit half way; nothing is sure yet.
    pub fn new(model: Model, limits: [(Option<f64>, f64); MARKS]) -> Self {
        let limit = |mark: Mark, sensitivity: Sensitivity| match (limits[mark as usize], mark.fact().fixed) {
            ((Some(people), _), None) if sensitivity != Sensitivity::Balanced => {
                mark.along(people, sensitivity.share())
            }
            ((_, limit), _) => limit,
        };
        Self {
            model,
            people: limits.map(|(people, _)| people.unwrap_or(f64::NAN)),
            limits: Sensitivity::ALL.map(|sensitivity| Mark::ALL.map(|mark| limit(mark, sensitivity))),
            certain: [1.0; CERTAIN.len()],
            sure: Vec::new(),
        }
    }

    /// From where on a rule speaks.
    pub fn limit(&self, mark: Mark, sensitivity: Sensitivity) -> f64 {
        self.limits[sensitivity as usize][mark as usize]
    }

    /// Puts another limit in place of what was learned, whatever the sensitivity.
    pub fn put(&mut self, mark: Mark, limit: f64) {
        self.limits.iter_mut().for_each(|limits| limits[mark as usize] = limit);
    }

    /// Between which two values people are; up to the limit where no recording tells.
    pub fn range(&self, mark: Mark) -> (f64, f64) {
        let people = self.people[mark as usize];
        let end = if people.is_nan() { self.limit(mark, Sensitivity::Balanced) } else { people };
        (end.min(mark.common()), end.max(mark.common()))
    }

    /// How sure it must be to flag something that has no limit of its own: as sure as a limit that is reached makes.
    pub fn enough(&self) -> f64 {
        self.certain[0]
    }

    /// The farthest limit that a value reaches.
    pub fn reached(&self, mark: Mark, value: f64) -> Option<Sensitivity> {
        if mark.is_only_shown() {
            return None;
        }
        let reaches = |sensitivity: &Sensitivity| mark.reaches(value, self.limit(mark, *sensitivity));
        // The nearest limit of all comes first.
        Sensitivity::ALL.into_iter().take_while(reaches).last()
    }

    /// How much a value speaks for a machine, 0 to 1: little as long as people show it, more from there on.
    pub fn score(&self, mark: Mark, value: f64) -> f64 {
        let reached = self.reached(mark, value);
        if let Some(place) = CERTAIN.into_iter().rposition(|limit| reached >= Some(limit)) {
            return AT_LIMIT[place];
        }
        let (people, limit) = (self.people[mark as usize], self.limit(mark, Sensitivity::Balanced));
        if people.is_nan() || mark.reaches(people, value) || value.is_nan() || mark.is_only_shown() {
            return AMONG_PEOPLE;
        }
        let way = ((value - people) / (limit - people)).clamp(0.0, 1.0);
        BEYOND_THEM + (NEXT_TO_LIMIT - BEYOND_THEM) * way
    }

    /// How much the model's odds speak for a machine, 0 to 1.
    pub fn score_of(&self, odds: f32) -> f64 {
        self.model.speaks(odds).min(AT_LIMIT[0] - 0.01)
    }

    /// The probability of a machine, with people and tools equally frequent, of what speaks for one.
    pub fn confidence(&self, score: f64) -> f64 {
        if let Some(place) = AT_LIMIT.iter().rposition(|at| score >= *at) {
            return self.certain[place];
        }
        let mut before = (0.0, 0.0);
        for knot in self.sure.iter().copied() {
            if score <= knot.0 {
                let way = (score - before.0) / (knot.0 - before.0).max(1e-6);
                return before.1 + (knot.1 - before.1) * way;
            }
            before = knot;
        }
        // Beyond what was seen it grows no more than in proportion.
        (before.1 * score / before.0.max(1e-6)).clamp(before.1, self.certain[0].max(before.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_that_speaks_for_a_machine_never_makes_less_sure_and_a_limit_makes_surest() {
        let learned = Learned::shipped().unwrap();
        assert!(learned.confidence(0.75) < 0.5 && learned.confidence(1.0) > 0.95);
        let mut before = 0.0;
        for speaks in 0..=100 {
            let sure = learned.confidence(f64::from(speaks) / 100.0);
            assert!((before..=1.0).contains(&sure), "{speaks}: {sure} after {before}");
            before = sure;
        }
        for mark in Mark::ALL {
            let limits = Sensitivity::ALL.map(|sensitivity| learned.limit(mark, sensitivity));
            assert!(mark.reaches(limits[1], limits[0]) && mark.reaches(limits[2], limits[1]), "{limits:?}");
            let reached = (!mark.is_only_shown()).then_some(Sensitivity::Lenient);
            assert_eq!(learned.reached(mark, limits[2]), reached, "{mark:?}");
            assert!(mark.allows(limits[2]), "{mark:?}");
        }
    }
}
