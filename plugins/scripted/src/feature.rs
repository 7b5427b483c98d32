//! What is measured of a pointer's last strokes and clicks: shares and ratios, so that no unit, screen, clock or
//! length of a session is in them.

use crate::{
    ring::Ring,
    spread::{Numbers, entropy, line, log},
    stroke::Stroke,
};

/// How many strokes and clicks are looked at, …
pub(crate) const STROKES: usize = 32;
pub(crate) const CLICKS: usize = 32;
/// … as far as they are younger than this, in nanoseconds, …
const YOUNG: u64 = 300_000_000_000;
/// … and that there must be.
const FEWEST: usize = 8;

/// The measures, in the order of their numbers, and on which side machines are: less (false) or more (true).
pub const MEASURES: [(&str, Side); COUNT] = [
    ("gap_spread", Side::Less),
    ("gap_tail", Side::Less),
    ("length_spread", Side::Less),
    ("time_spread", Side::Less),
    ("time_slope", Side::Less),
    ("time_length_link", Side::Less),
    ("time_off_line", Side::Less),
    ("bend", Side::Less),
    ("bend_spread", Side::Less),
    ("straight", Side::More),
    ("peak", Side::Less),
    ("peak_spread", Side::Less),
    ("speed_spread", Side::Less),
    ("shape_spread", Side::Less),
    ("peak_early", Side::Less),
    ("peak_late", Side::More),
    ("skew_spread", Side::Less),
    ("tail", Side::More),
    ("tail_spread", Side::Less),
    ("rough", Side::Less),
    ("rough_spread", Side::Less),
    ("power_law", Side::More),
    ("directions", Side::Less),
    ("click_spread", Side::Less),
    ("hold_spread", Side::Less),
    ("aim_spread", Side::Less),
];
/// How many there are.
pub const COUNT: usize = 26;

/// On which side of people machines are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// Machines vary less.
    Less,
    /// Machines have more of it.
    More,
}

/// How much the logarithms of lengths differ, at least, for times to say anything.
const VARIED: f32 = 0.35;

/// One value for each of [`MEASURES`]; what can't be measured is not a number.
pub type Features = [f32; COUNT];

/// One measure by its name, if it could be measured.
pub(crate) fn value(features: &Features, name: &str) -> Option<f32> {
    let place = MEASURES.iter().position(|(known, _)| *known == name)?;
    Some(features[place]).filter(|value| value.is_finite())
}

/// A click.
#[derive(Clone, Copy, Default)]
pub(crate) struct Click {
    pub at: u64,
    /// How long the button was down, in seconds.
    pub hold: f32,
    /// Since the pointer last moved, in seconds.
    pub aim: f32,
}

/// Measures the last strokes and clicks; None when there are too few.
pub(crate) fn measure(
    now: u64,
    strokes: &Ring<Stroke, STROKES>,
    clicks: &Ring<Click, CLICKS>,
) -> Option<Features> {
    let young = |at: u64| now.saturating_sub(at) <= YOUNG;
    let all = || strokes.each().filter(|stroke| young(stroke.begin));
    let long = || all().filter(|stroke| stroke.path >= 16.0);
    if all().count() < FEWEST {
        return None;
    }
    // Touch screens and slow remote connections tell where the pointer is, not how it came there.
    if long().filter(|stroke| stroke.samples >= 3).count() * 4 < long().count() {
        return None;
    }
    let enough =
        |numbers: &Numbers, least: usize, value: Option<f32>| value.filter(|_| numbers.len() >= least);
    let of = |what: fn(&Stroke) -> f32| Numbers::of(long().map(what));
    let gaps = Numbers::of(all().map(|stroke| stroke.gap));
    let (lengths, times) = (of(|stroke| stroke.length), of(|stroke| stroke.time));
    let (length_spread, time_spread) = (lengths.deviation(FEWEST), times.deviation(FEWEST));
    // Where the ways are all as long, so may be the times.
    let varied = |value: Option<f32>| value.filter(|_| length_spread.is_some_and(|spread| spread >= VARIED));
    let fit = line(long().map(|stroke| (stroke.length, stroke.time)), FEWEST);
    let link = |((_, off), spread): ((f32, f32), f32)| 1.0 - (off / spread.max(0.02)).min(1.0).powi(2);
    let bends = Numbers::of(long().filter(|stroke| stroke.samples >= 4).map(|stroke| stroke.bend));
    let slanted = |stroke: &&Stroke| {
        stroke.samples >= 6 && stroke.chord >= 24.0 && stroke.by.0.abs().min(stroke.by.1.abs()) >= 4.0
    };
    let straight = |stroke: &Stroke| f32::from(u8::from(stroke.off <= 0.75f32.max(0.004 * stroke.chord)));
    let straight = Numbers::of(long().filter(slanted).map(straight));
    let (peaks, speeds, skews) =
        (of(|stroke| stroke.peak), of(|stroke| stroke.speeds), of(|stroke| stroke.skew));
    let (tails, roughs) = (of(|stroke| stroke.tail), of(|stroke| stroke.rough));
    let middle = |numbers: &Numbers| enough(numbers, 5, numbers.median());
    // A hand takes time to get fast and to slow down.
    let skew = middle(&skews);
    let pressed = || clicks.each().filter(|click| young(click.at));
    let between = clicks.each().zip(clicks.each().skip(1)).filter(|(click, _)| young(click.at));
    let between = Numbers::of(between.map(|(a, b)| log(b.at.saturating_sub(a.at) as f32 / 1e9, 0.02)));
    let holds = Numbers::of(pressed().map(|click| log(click.hold, 0.004)));
    // Some recorders know no releases: what has no length says nothing.
    let known = holds.median().is_some_and(|hold| hold > (0.005f32).ln());
    // In the order of `MEASURES`.
    let features = [
        gaps.deviation(FEWEST),
        tail(&gaps),
        length_spread,
        varied(time_spread),
        varied(fit.map(|(slope, _)| slope)),
        varied(fit.zip(time_spread).map(link)),
        varied(fit.map(|(_, off)| off)),
        enough(&bends, FEWEST, bends.median()),
        bends.deviation(FEWEST),
        enough(&straight, 4, straight.mean()),
        middle(&peaks),
        peaks.deviation(5),
        middle(&speeds),
        speeds.deviation(5),
        skew,
        skew,
        skews.deviation(5),
        middle(&tails),
        tails.deviation(5),
        middle(&roughs),
        roughs.deviation(5),
        power_law(long()),
        directions(long()),
        between.deviation(6),
        holds.deviation(6).filter(|_| known),
        Numbers::of(pressed().map(|click| log(click.aim, 0.01))).deviation(6),
    ];
    Some(features.map(|value| value.unwrap_or(f32::NAN)))
}

/// How much longer the longest of logarithms is than the middle one.
fn tail(logs: &Numbers) -> Option<f32> {
    Some(logs.highest()? - logs.median()?).filter(|_| logs.len() >= FEWEST)
}

/// How speed follows curvature: people slow down in bends, by about the power of a third.
fn power_law<'a>(strokes: impl Iterator<Item = &'a Stroke>) -> Option<f32> {
    let mut sums = [0f32; 5];
    strokes.for_each(|stroke| sums.iter_mut().zip(stroke.power).for_each(|(sum, by)| *sum += by));
    let [n, x, y, xx, xy] = sums.map(f64::from);
    let spread = xx - x * x / n;
    (n >= 40.0 && spread > 0.01 * n).then(|| ((xy - x * y / n) / spread) as f32)
}

/// The entropy of directions in eighths of a turn, in bits.
fn directions<'a>(strokes: impl Iterator<Item = &'a Stroke>) -> Option<f32> {
    let mut counts = [0u16; 8];
    for stroke in strokes.filter(|stroke| stroke.chord >= 8.0) {
        let eighth = (stroke.by.1.atan2(stroke.by.0) / std::f32::consts::FRAC_PI_4).round() as i32;
        counts[eighth.rem_euclid(8) as usize] += 1;
    }
    (counts.iter().sum::<u16>() >= FEWEST as u16).then(|| entropy(&counts)).flatten()
}
