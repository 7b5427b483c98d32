//! What each rule's limit stands on: one number a rule, where people end in it and where a perfect machine is.
//!
//! Where people end is learned (`candor-train`, rows that may be redistributed), and the limit lies half way from
//! there to a perfect machine. A few are fixed, for a reason that is said. No limit is set by what a tool shows.

use crate::Rule;

/// A number that a rule reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mark {
    /// The share of intervals that equal those one to eight before, within 3 %.
    Beat,
    /// By how much, as a share, the times between strokes differ: four fifths by less.
    Pace,
    /// The share of times between strokes that go on with an earlier row of them.
    Echo,
    /// The entropy of the times between clicks or strokes, in bits.
    Entropy,
    /// The share of times between clicks or strokes, beyond chance, that are multiples of a round time.
    Round,
    /// The share of steps that go on like the one before.
    Steps,
    /// The share of long steps that equal those a pattern before.
    Pattern,
    /// The share of strokes that are one of two.
    Strokes,
    /// The share of clicks on the pixel of an earlier one.
    Spots,
    /// The share of ways that were gone before.
    Ways,
    /// How far most pieces of the path stray from the smoothest curve, in percent of their length.
    Smooth,
    /// By how much most pieces of the path tremble at 8 to 12 Hz, in percent of their length.
    Tremor,
    /// How much of what is off the smoothest curve is noise, as a share.
    White,
    /// The share of ways that are straight lines, to the pixel.
    Straight,
    /// The share of places that are on an earlier track.
    Track,
    /// The share of ways without a point between begin and end.
    Jumps,
    /// How far times are off the line over lengths, in logarithms.
    Reach,
    /// How much times follow lengths or differ at all, beside what is usual with people.
    Flat,
    /// The share of times between keys that equal the one before.
    Even,
    /// The longest time between keys over the middle one.
    Tail,
    /// The entropy of the times between keys, in bits.
    KeyEntropy,
    /// The middle hold of keys, in milliseconds.
    Hold,
    /// Between how much the middle four fifths of key holds lie, in milliseconds.
    HoldRange,
    /// The middle hold of clicks in one place, in milliseconds.
    ClickHold,
}

/// How many there are.
pub const MARKS: usize = 24;

/// One mark's name, the rule that reads it, what a perfect machine shows, and the limit where it is fixed.
pub struct Fact {
    /// Its name in config and `model.json`.
    pub name: &'static str,
    /// Whose it is.
    pub rule: Rule,
    /// What a perfect machine shows.
    pub machine: f64,
    /// The limit, where it comes from published figures or a reason and not from recordings.
    pub fixed: Option<f64>,
}

impl Mark {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; MARKS] = [
        Self::Beat,
        Self::Pace,
        Self::Echo,
        Self::Entropy,
        Self::Round,
        Self::Steps,
        Self::Pattern,
        Self::Strokes,
        Self::Spots,
        Self::Ways,
        Self::Smooth,
        Self::Tremor,
        Self::White,
        Self::Straight,
        Self::Track,
        Self::Jumps,
        Self::Reach,
        Self::Flat,
        Self::Even,
        Self::Tail,
        Self::KeyEntropy,
        Self::Hold,
        Self::HoldRange,
        Self::ClickHold,
    ];

    /// What is fixed of it.
    pub const fn fact(self) -> Fact {
        let (name, rule, machine, fixed) = match self {
            // Stricter than half way: no recording has somebody who taps in time as well as they can.
            Self::Beat => ("beat", Rule::Period, 1.0, Some(0.9)),
            Self::Pace => ("pace", Rule::Period, 0.0, None),
            Self::Echo => ("echo", Rule::Period, 1.0, None),
            Self::Entropy => ("entropy", Rule::Period, 0.0, None),
            Self::Round => ("round", Rule::Period, 1.0, None),
            Self::Steps => ("steps", Rule::Steps, 1.0, None),
            Self::Pattern => ("pattern", Rule::Steps, 1.0, None),
            Self::Strokes => ("strokes", Rule::Strokes, 1.0, None),
            Self::Spots => ("spots", Rule::Spots, 1.0, None),
            Self::Ways => ("ways", Rule::Ways, 1.0, None),
            Self::Smooth => ("smooth", Rule::Smooth, 0.0, None),
            Self::Tremor => ("tremor", Rule::Smooth, 0.0, None),
            Self::White => ("white", Rule::Smooth, 1.0, None),
            Self::Straight => ("straight", Rule::Smooth, 1.0, None),
            Self::Track => ("track", Rule::Track, 1.0, None),
            // All of them; and it is only a note, since touch screens and slow remote connections tell no ways.
            Self::Jumps => ("jumps", Rule::Jumps, 1.0, Some(0.95)),
            Self::Reach => ("reach", Rule::Reach, 0.0, None),
            Self::Flat => ("flat", Rule::Reach, 0.0, None),
            Self::Even => ("even", Rule::Keys, 1.0, None),
            Self::Tail => ("tail", Rule::Keys, 1.0, None),
            Self::KeyEntropy => ("key_entropy", Rule::Keys, 0.0, None),
            // Four standard deviations below the mean of 168,960 people's averages, 116.25 ms (SD 23.88).
            Self::Hold => ("hold_ms", Rule::Holds, 0.0, Some(20.7)),
            // No published figure was found: a tenth of the usual hold. Fingers are not that even.
            Self::HoldRange => ("hold_range_ms", Rule::Holds, 0.0, Some(8.0)),
            Self::ClickHold => ("click_hold_ms", Rule::Holds, 0.0, None),
        };
        Fact { name, rule, machine, fixed }
    }

    /// The one of these two that is nearer to a machine; what is no number says nothing.
    pub fn nearer(self, a: f64, b: f64) -> f64 {
        if a.is_nan() || b.is_nan() {
            return if a.is_nan() { b } else { a };
        }
        if self.is_above() == (a > b) { a } else { b }
    }

    /// Whether a value is at the limit or beyond.
    pub fn reaches(self, value: f64, limit: f64) -> bool {
        value == limit || (!value.is_nan() && self.nearer(value, limit) == value)
    }

    /// What any value is as near to a machine as.
    pub fn anything(self) -> f64 {
        if self.is_above() { f64::NEG_INFINITY } else { f64::INFINITY }
    }

    /// Whether machines show more of it than people.
    fn is_above(self) -> bool {
        self.fact().machine > 0.5 && self != Self::Tail
    }

    /// Whether a limit lies where people and machines are.
    pub fn allows(self, limit: f64) -> bool {
        limit.is_finite() && limit >= 0.0 && (self.reaches(self.fact().machine, limit))
    }

    /// How far from a machine people come, as shown beside a value: shares start at none, other things at what is common.
    pub fn common(self) -> f64 {
        match self {
            Self::Pace | Self::Reach | Self::Flat => 1.5,
            Self::Entropy | Self::KeyEntropy => 5.0,
            Self::Smooth => 10.0,
            Self::Tremor => 2.0,
            Self::Tail => 500.0,
            Self::Hold | Self::ClickHold => 250.0,
            // No published figure was found: a tenth of the usual hold. Fingers are not that even.
            Self::HoldRange => 160.0,
            _ => 0.0,
        }
    }

    /// What lies so far on the way from where people end to a perfect machine; of a ratio, by its logarithm.
    pub fn along(self, people: f64, share: f64) -> f64 {
        let machine = self.fact().machine;
        match self {
            Self::Tail => people * (machine / people).powf(share),
            _ => people + (machine - people) * share,
        }
    }

    /// Whether it is only shown beside what rules read: people who tap in time have times of few lengths, and what
    /// delivers input at round times makes everybody's round.
    pub fn is_only_shown(self) -> bool {
        matches!(self, Self::Entropy | Self::Round | Self::Tremor | Self::White | Self::KeyEntropy)
    }

    /// Whether it must last before it is told.
    pub fn must_last(self) -> bool {
        matches!(self, Self::Even | Self::Tail | Self::Hold | Self::HoldRange)
    }
}
