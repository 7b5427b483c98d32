//! From measures to the model: where people lie, and how much each measure counts.

use candor_scripted::{
    feature::{COUNT, Features, MEASURES},
    model::{Measure, Model, SHARES, evidence, sign},
};
use serde_json::{Map, Value, json};

use crate::session::Session;

type People = [[f32; SHARES.len()]; COUNT];

const ROUNDS: i32 = 400;
/// How much large weights cost.
const COST: f64 = 0.02;
/// People are parted into so many, so that nobody's evidence is measured against themselves.
const PARTS: usize = 5;

/// A trained model.
pub struct Fit {
    people: People,
    weights: [f64; COUNT],
    bias: f64,
}

impl Fit {
    /// Learns from these sessions.
    pub fn of(sessions: &[&Session]) -> Self {
        let humans: Vec<&Session> =
            sessions.iter().copied().filter(|session| !session.row.scripted).collect();
        let mut subjects: Vec<&str> = humans.iter().map(|session| session.row.subject.as_str()).collect();
        subjects.sort_unstable();
        subjects.dedup();
        let part = |session: &Session| {
            subjects.iter().position(|subject| *subject == session.row.subject).unwrap_or(0) % PARTS
        };
        let people = people(&humans);
        let others: Vec<People> = (0..PARTS)
            .map(|mine| {
                self::people(
                    &humans.iter().copied().filter(|session| part(session) != mine).collect::<Vec<_>>(),
                )
            })
            .collect();
        let mut rows = Vec::new();
        for session in sessions.iter().filter(|session| !session.learn.is_empty()) {
            let people = if session.row.scripted { &people } else { &others[part(session)] };
            let weight = 1.0 / session.learn.len() as f64;
            rows.extend(session.learn.iter().map(|features| Row {
                evidence: evidences(people, features),
                scripted: session.row.scripted,
                weight,
            }));
        }
        for scripted in [false, true] {
            let sum: f64 = rows.iter().filter(|row| row.scripted == scripted).map(|row| row.weight).sum();
            rows.iter_mut().filter(|row| row.scripted == scripted).for_each(|row| row.weight /= sum);
        }
        let (weights, bias) = regress(&rows);
        Self { people, weights, bias }
    }

    /// As the detector has it; odds times `scale.0` plus `scale.1`.
    pub fn model(&self, scale: (f64, f64)) -> Model {
        let measure = |place: usize| Measure {
            people: self.people[place],
            weight: (self.weights[place] * scale.0) as f32,
        };
        Model::new(std::array::from_fn(measure), (self.bias * scale.0 + scale.1) as f32)
    }

    /// Its part of `model.json`.
    pub fn measures(&self, scale: (f64, f64)) -> (Value, f64) {
        let measures = MEASURES.iter().enumerate().map(|(place, (name, _))| {
            let people: Vec<f64> = self.people[place].iter().map(|knot| round(f64::from(*knot))).collect();
            let weight = round(self.weights[place] * scale.0);
            ((*name).to_owned(), json!({"weight": weight, "people": people}))
        });
        (Value::Object(measures.collect::<Map<String, Value>>()), round(self.bias * scale.0 + scale.1))
    }
}

/// As many digits as `model.json` has.
pub fn round(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

struct Row {
    evidence: [f64; COUNT],
    scripted: bool,
    weight: f64,
}

fn evidences(people: &People, features: &Features) -> [f64; COUNT] {
    std::array::from_fn(|place| f64::from(evidence(&people[place], MEASURES[place].1, features[place])))
}

/// Where people lie in each measure.
fn people(sessions: &[&Session]) -> People {
    std::array::from_fn(|place| {
        let mut values: Vec<(f32, f64)> = Vec::new();
        for session in sessions {
            // Each source of people counts the same, and in it each session.
            let alike = sessions
                .iter()
                .filter(|other| other.row.source == session.row.source && !other.learn.is_empty());
            let weight = 1.0 / (session.learn.len() * alike.count()).max(1) as f64;
            let measured = session.learn.iter().map(|features| sign(MEASURES[place].1) * features[place]);
            values.extend(measured.filter(|value| value.is_finite()).map(|value| (value, weight)));
        }
        values.sort_by(|a, b| a.0.total_cmp(&b.0));
        let sum: f64 = values.iter().map(|(_, weight)| weight).sum();
        SHARES.map(|share| {
            let mut left = sum * f64::from(share);
            let found = values.iter().find(|(_, weight)| {
                left -= weight;
                left <= 0.0
            });
            found.or(values.last()).map_or(0.0, |(value, _)| *value)
        })
    })
}

/// Logistic regression whose weights are never negative, by Adam.
fn regress(rows: &[Row]) -> ([f64; COUNT], f64) {
    let (mut weights, mut bias) = ([0.5; COUNT], -4.0);
    let (mut first, mut second) = ([0.0; COUNT + 1], [0.0; COUNT + 1]);
    for round in 1..=ROUNDS {
        let mut slope = [0.0; COUNT + 1];
        for row in rows {
            let odds: f64 = bias
                + row.evidence.iter().zip(&weights).map(|(evidence, weight)| evidence * weight).sum::<f64>();
            let off = (1.0 / (1.0 + (-odds).exp()) - f64::from(u8::from(row.scripted))) * row.weight;
            slope.iter_mut().zip(&row.evidence).for_each(|(slope, evidence)| *slope += off * evidence);
            slope[COUNT] += off;
        }
        slope.iter_mut().zip(&weights).for_each(|(slope, weight)| *slope += COST * weight);
        for place in 0..=COUNT {
            first[place] = 0.9 * first[place] + 0.1 * slope[place];
            second[place] = 0.99 * second[place] + 0.01 * slope[place] * slope[place];
            let step = 0.05 * (first[place] / (1.0 - 0.9f64.powi(round)))
                / ((second[place] / (1.0 - 0.99f64.powi(round))).sqrt() + 1e-9);
            match weights.get_mut(place) {
                Some(weight) => *weight = (*weight - step).max(0.0),
                None => bias -= step,
            }
        }
    }
    (weights, bias)
}

/// What makes probabilities of a session's highest odds: factor and sum. Both labels count the same.
pub fn calibrate(odds: &[(f64, bool)]) -> (f64, f64) {
    let count = |scripted: bool| odds.iter().filter(|(_, label)| *label == scripted).count().max(1) as f64;
    let counts = [count(false), count(true)];
    let (mut factor, mut sum) = (1.0, 0.0);
    for _ in 0..4_000 {
        let (mut by_factor, mut by_sum) = (0.0, 0.0);
        for (odds, scripted) in odds {
            let off = 1.0 / (1.0 + (-(factor * odds + sum)).exp()) - f64::from(u8::from(*scripted));
            let off = off / counts[usize::from(*scripted)];
            by_factor += off * odds;
            by_sum += off;
        }
        factor -= 0.2 * by_factor;
        sum -= 0.2 * by_sum;
    }
    (factor, sum)
}
