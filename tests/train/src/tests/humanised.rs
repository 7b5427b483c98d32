//! Cursors that are made to look like people's, none of which anything was learned from: written here after what such
//! tools are known to do, with other ways, times and pauses each time.

use plugin_api::{Event, Origin};

use super::flags;
use crate::capture::{CAPTURES, Capture, record};

/// Numbers that are the same each time.
struct Chance(u64);

impl Chance {
    /// From 0 to 1.
    fn even(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.even()
    }

    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.even()).sum::<f64>() - 6.0
    }
}

type Point = (f64, f64);

/// Moves somewhere for five minutes, by what draws a way as steps of seconds and places, and clicks.
fn play(seed: u64, way: impl Fn(Point, Point, &mut Chance) -> Vec<(f64, Point)>) -> Vec<Event<'static>> {
    let (mut chance, mut events) = (Chance(seed), Vec::new());
    let (mut now, mut at) = (10.0, (700.0, 400.0));
    let fixed = |(x, y): Point| ((x.round() * 256.0) as i32, (y.round() * 256.0) as i32);
    while now < 310.0 {
        let to = (chance.between(20.0, 1900.0), chance.between(20.0, 1000.0));
        for (took, point) in way(at, to, &mut chance) {
            // A sleep is never as long as it was to be.
            now += took + chance.between(0.000_1, 0.001);
            let (from, next) = (fixed(at), fixed(point));
            at = point;
            let by = (next.0 - from.0, next.1 - from.1);
            events.push(Event::motion((now * 1e9) as u64, Origin::Unknown, 1, by.0, by.1, Some(next)));
        }
        now += chance.between(0.3, 3.0);
    }
    events
}

fn along(a: Point, b: Point, share: f64) -> Point {
    (a.0 + (b.0 - a.0) * share, a.1 + (b.1 - a.1) * share)
}

/// Steps at even times, by where they are at a time from 0 to 1.
fn steps(seconds: f64, rate: f64, of: impl Fn(f64) -> Point) -> Vec<(f64, Point)> {
    let count = (seconds * rate).ceil();
    (1..=count as u32).map(|n| (1.0 / rate, of(f64::from(n) / count))).collect()
}

fn bezier(a: Point, b: Point, chance: &mut Chance) -> Vec<(f64, Point)> {
    let mut bent = |share: f64| {
        let (x, y) = along(a, b, share);
        (x + chance.between(-200.0, 200.0), y + chance.between(-200.0, 200.0))
    };
    let (c, d) = (bent(0.3), bent(0.7));
    let of = move |t: f64| {
        let (e, f, g) = (along(a, c, t), along(c, d, t), along(d, b, t));
        along(along(e, f, t), along(f, g, t), t)
    };
    steps(chance.between(0.6, 1.6), 100.0, of)
}

fn eased(a: Point, b: Point, chance: &mut Chance) -> Vec<(f64, Point)> {
    let power = chance.between(1.5, 4.0);
    steps(chance.between(0.5, 1.5), 60.0, |t| along(a, b, 1.0 - (1.0 - t).powf(power)))
}

/// The smoothest movement, for as long as Fitts's law has it, with noise on every point.
fn least_jerk(a: Point, b: Point, chance: &mut Chance) -> Vec<(f64, Point)> {
    let far = (b.0 - a.0).hypot(b.1 - a.1);
    let took = 0.3 + 0.16 * (far / 30.0 + 1.0).log2() * chance.between(0.8, 1.2);
    let mut way = steps(took, 125.0, |t| along(a, b, t * t * t * (10.0 - 15.0 * t + 6.0 * t * t)));
    for (_, point) in &mut way {
        *point = (point.0 + 0.5 * chance.normal(), point.1 + 0.5 * chance.normal());
    }
    way
}

/// Goes from one point to another: when it is where.
type Way = fn(Point, Point, &mut Chance) -> Vec<(f64, Point)>;

#[test]
fn humanised_cursors_are_flagged_however_they_are_recorded() {
    let ways: [(&str, Way); 3] =
        [("a Bézier curve", bezier), ("an eased line", eased), ("least jerk with noise", least_jerk)];
    let mut missed = Vec::new();
    for (name, way) in ways {
        for seed in 1..=4 {
            let events = play(seed, way);
            for capture in CAPTURES {
                let flags = flags(&record(&events, capture, name, 0));
                // What a remote desktop merges is of few points, and takes longer.
                let most = if capture == Capture::Remote { 300.0 } else { 120.0 };
                if !flags.first().is_some_and(|(at, _)| *at <= most) {
                    missed.push(format!("{name}, {seed}, {capture:?}: {flags:?}"));
                }
            }
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}
