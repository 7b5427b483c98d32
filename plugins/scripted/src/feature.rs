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
    let all = || strokes.iter().filter(|stroke| young(stroke.begin));
    let long = || all().filter(|stroke| stroke.path >= 16.0);
    if all().count() < FEWEST {
        return None;
    }
    // Touch screens and slow remote connections tell where the pointer is, not how it came there.
    if long().filter(|stroke| stroke.samples >= 3).count() * 4 < long().count() {
        return None;
    }
    let mut features = [f32::NAN; COUNT];
    let mut put = |name: &str, value: Option<f32>| {
        if let (Some(place), Some(value)) = (MEASURES.iter().position(|(known, _)| *known == name), value) {
            features[place] = value;
        }
    };
    let gaps = Numbers::of(all().map(|stroke| log(stroke.gap, 0.02)));
    put("gap_spread", gaps.deviation(FEWEST));
    put("gap_tail", tail(&gaps));
    let lengths = Numbers::of(long().map(|stroke| log(stroke.path, 1.0)));
    put("length_spread", lengths.deviation(FEWEST));
    let time = |stroke: &Stroke| log(stroke.end.saturating_sub(stroke.begin) as f32 / 1e9, 0.02);
    let times = Numbers::of(long().map(|stroke| time(&stroke)));
    let fit = line(long().map(|stroke| (log(stroke.path, 1.0), time(&stroke))), FEWEST);
    // Where the ways are all as long, so may be the times.
    let varied = lengths.deviation(FEWEST).is_some_and(|spread| spread >= VARIED);
    put("time_spread", times.deviation(FEWEST).filter(|_| varied));
    put("time_slope", fit.map(|(slope, _)| slope).filter(|_| varied));
    put("time_off_line", fit.map(|(_, off)| off).filter(|_| varied));
    let link = fit.zip(times.deviation(FEWEST)).filter(|_| varied);
    put("time_length_link", link.map(|((_, off), spread)| 1.0 - (off / spread.max(0.02)).min(1.0).powi(2)));
    let drawn = long().filter(|stroke| stroke.samples >= 4);
    let bends = Numbers::of(drawn.map(|stroke| log(stroke.bend, 0.001)));
    put("bend", bends.median().filter(|_| bends.len() >= FEWEST));
    put("bend_spread", bends.deviation(FEWEST));
    let slanted = |stroke: &Stroke| {
        stroke.samples >= 6 && stroke.chord >= 24.0 && stroke.by.0.abs().min(stroke.by.1.abs()) >= 4.0
    };
    let straight = Numbers::of(
        long()
            .filter(slanted)
            .map(|stroke| f32::from(u8::from(stroke.off <= 0.75f32.max(0.004 * stroke.chord)))),
    );
    put("straight", straight.mean().filter(|_| straight.len() >= 4));
    // A hand takes time to get fast and to slow down.
    let places = Numbers::of(long().map(|stroke| stroke.skew));
    let place = places.median().filter(|_| places.len() >= 5);
    put("peak_early", place);
    put("peak_late", place);
    let mut middle = |name: &str, spread: &str, of: &dyn Fn(&Stroke) -> f32| {
        let numbers = Numbers::of(long().map(|stroke| of(&stroke)));
        put(name, numbers.median().filter(|_| numbers.len() >= 5));
        put(spread, numbers.deviation(5));
    };
    middle("peak", "peak_spread", &|stroke| log(stroke.peak, 1.0));
    middle("speed_spread", "shape_spread", &|stroke| stroke.speeds);
    middle("", "skew_spread", &|stroke| stroke.skew);
    middle("tail", "tail_spread", &|stroke| log(stroke.tail, 0.02));
    middle("rough", "rough_spread", &|stroke| log(stroke.rough, 0.01));
    put("power_law", power_law(long()));
    put("directions", directions(long()));
    let pressed = || clicks.iter().filter(|click| young(click.at));
    let between = clicks.iter().zip(clicks.iter().skip(1)).filter(|(click, _)| young(click.at));
    let between = Numbers::of(between.map(|(a, b)| log(b.at.saturating_sub(a.at) as f32 / 1e9, 0.02)));
    put("click_spread", between.deviation(6));
    let holds = Numbers::of(pressed().map(|click| log(click.hold, 0.004)));
    // Some recorders know no releases: what has no length says nothing.
    let known = holds.median().is_some_and(|hold| hold > (0.005f32).ln());
    put("hold_spread", holds.deviation(6).filter(|_| known));
    put("aim_spread", Numbers::of(pressed().map(|click| log(click.aim, 0.01))).deviation(6));
    Some(features)
}

/// How much longer the longest of logarithms is than the middle one.
fn tail(logs: &Numbers) -> Option<f32> {
    Some(logs.sorted().last()? - logs.median()?).filter(|_| logs.len() >= FEWEST)
}

/// How speed follows curvature: people slow down in bends, by about the power of a third.
fn power_law(strokes: impl Iterator<Item = Stroke>) -> Option<f32> {
    let mut sums = [0f32; 5];
    strokes.for_each(|stroke| sums.iter_mut().zip(stroke.power).for_each(|(sum, by)| *sum += by));
    let [n, x, y, xx, xy] = sums.map(f64::from);
    let spread = xx - x * x / n;
    (n >= 40.0 && spread > 0.01 * n).then(|| ((xy - x * y / n) / spread) as f32)
}

/// The entropy of directions in eighths of a turn, in bits.
fn directions(strokes: impl Iterator<Item = Stroke>) -> Option<f32> {
    let mut counts = [0u16; 8];
    for stroke in strokes.filter(|stroke| stroke.chord >= 8.0) {
        let eighth = (stroke.by.1.atan2(stroke.by.0) / std::f32::consts::FRAC_PI_4).round() as i32;
        counts[eighth.rem_euclid(8) as usize] += 1;
    }
    (counts.iter().sum::<u16>() >= FEWEST as u16).then(|| entropy(&counts)).flatten()
}
