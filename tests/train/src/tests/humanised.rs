//! Cursors that are made to look like people's, none of which anything was learned from: written here after what such
//! tools do and what is published of movements, with other ways, times and pauses each time.

use candor_scripted::mark::Mark;
use plugin_api::{Event, Origin};

use super::{POINTERS, flags, nearest, recorded};
use crate::capture::{CAPTURES, Capture, Chance, record};

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

/// Where the smoothest movement is (Flash and Hogan, 1985), both from 0 to 1.
fn smoothest(t: f64) -> f64 {
    let t = t.clamp(0.0, 1.0);
    t * t * t * (10.0 - 15.0 * t + 6.0 * t * t)
}

/// How long a way takes (Fitts's law), a little different each time.
fn fitts(a: Point, b: Point, chance: &mut Chance) -> f64 {
    let far = (b.0 - a.0).hypot(b.1 - a.1);
    (0.1 + 0.15 * (far / 20.0 + 1.0).log2()) * chance.between(0.85, 1.15)
}

/// Two of the smoothest movements: the first misses, the second corrects it and begins before that has ended (Meyer and
/// others, 1988).
fn corrected(a: Point, b: Point, chance: &mut Chance) -> Vec<(f64, Point)> {
    let (far, took) = ((b.0 - a.0).hypot(b.1 - a.1), fitts(a, b, chance));
    let (x, y) = along(a, b, chance.between(0.85, 1.05));
    let missed = (x + 0.04 * far * chance.normal(), y + 0.04 * far * chance.normal());
    let (first, second) = (0.7 * took, 0.45 * took);
    steps(took + 0.1, 125.0, |t| {
        let at = t * (took + 0.1);
        let main = along(a, missed, smoothest(at / first));
        let by = smoothest((at - 0.65 * took) / second);
        (main.0 + by * (b.0 - missed.0), main.1 + by * (b.1 - missed.1))
    })
}

/// Two strokes whose speed is lognormal over time, turning on the way (Plamondon, 1995).
fn lognormal(a: Point, b: Point, chance: &mut Chance) -> Vec<(f64, Point)> {
    let share = chance.between(0.85, 0.95);
    let stroke = |begin: f64, share: f64, chance: &mut Chance| {
        let (middle, spread) = (chance.between(-1.6, -1.2), chance.between(0.2, 0.35));
        (begin, share, middle, spread, chance.between(-0.3, 0.3))
    };
    let second = chance.between(0.2, 0.35);
    let strokes = [stroke(0.0, share, chance), stroke(second, 1.0 - share, chance)];
    let (mut at, mut way) = (a, Vec::new());
    for n in 1..=150 {
        let now = f64::from(n) / 125.0;
        for (begin, share, middle, spread, turn) in strokes {
            let since: f64 = now - begin;
            if since <= 0.0 {
                continue;
            }
            let off = (since.ln() - middle) / spread;
            let speed = (-0.5 * off * off).exp() / (since * spread * std::f64::consts::TAU.sqrt());
            // It turns by so much from its begin to its end.
            let angle: f64 = turn * (1.0 - 2.0 * (now - begin).min(0.6) / 0.6);
            let (x, y) = ((b.0 - a.0) * share * speed / 125.0, (b.1 - a.1) * share * speed / 125.0);
            at = (at.0 + x * angle.cos() - y * angle.sin(), at.1 + x * angle.sin() + y * angle.cos());
        }
        way.push((1.0 / 125.0, at));
    }
    way
}

/// Wind and gravity (Land, 2021, with the numbers given there), a step every 8 to 12 ms.
fn wind(a: Point, b: Point, chance: &mut Chance) -> Vec<(f64, Point)> {
    let (gravity, strongest, near) = (9.0, 3f64, 12.0);
    let (mut at, mut speed, mut wind, mut most) = (a, (0.0, 0.0), (0.0, 0.0), 15.0f64);
    let mut way = Vec::new();
    loop {
        let (x, y) = (b.0 - at.0, b.1 - at.1);
        let far: f64 = f64::hypot(x, y);
        if far < 1.0 || way.len() > 2_000 {
            return way;
        }
        wind = (wind.0 / 3f64.sqrt(), wind.1 / 3f64.sqrt());
        if far >= near {
            let gust = strongest.min(far) / 5f64.sqrt();
            wind = (wind.0 + chance.between(-gust, gust), wind.1 + chance.between(-gust, gust));
        } else {
            most = if most < 3.0 { chance.between(3.0, 6.0) } else { most / 5f64.sqrt() };
        }
        speed = (speed.0 + wind.0 + gravity * x / far, speed.1 + wind.1 + gravity * y / far);
        let fast = f64::hypot(speed.0, speed.1);
        if fast > most {
            let clip = chance.between(most / 2.0, most) / fast;
            speed = (speed.0 * clip, speed.1 * clip);
        }
        at = (at.0 + speed.0, at.1 + speed.1);
        way.push((chance.between(0.008, 0.012), at));
    }
}

/// The way with noise on every point, in pixels.
fn noisy(mut way: Vec<(f64, Point)>, by: f64, chance: &mut Chance) -> Vec<(f64, Point)> {
    for (_, point) in &mut way {
        *point = (point.0 + by * chance.normal(), point.1 + by * chance.normal());
    }
    way
}

fn jittered(a: Point, b: Point, chance: &mut Chance) -> Vec<(f64, Point)> {
    noisy(bezier(a, b, chance), 1.0, chance)
}

fn trembling(a: Point, b: Point, chance: &mut Chance) -> Vec<(f64, Point)> {
    let took = fitts(a, b, chance);
    noisy(steps(took, 125.0, |t| along(a, b, smoothest(t))), 3.0, chance)
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

/// How many of eight sessions are flagged, at least, as they are, through a remote desktop and in a browser. What is
/// flagged less often is what the README says is missed.
#[test]
fn cursors_after_published_models_of_movement_are_flagged_as_often_as_measured() {
    let ways: [(&str, Way, [usize; 3]); 5] = [
        ("a Bézier curve with noise of 1 px", jittered, [8, 8, 8]),
        ("wind and gravity", wind, [8, 0, 8]),
        ("two lognormal strokes", lognormal, [8, 8, 8]),
        ("two movements of least jerk", corrected, [4, 6, 5]),
        ("least jerk with noise of 3 px", trembling, [0, 4, 0]),
    ];
    let mut fewer = Vec::new();
    for (name, way, least) in ways {
        for (capture, least) in CAPTURES.into_iter().zip(least) {
            let found = |seed: &u64| !flags(&record(&play(*seed, way), capture, name, 0)).is_empty();
            let found = (1..=8).filter(found).count();
            if found < least {
                fewer.push(format!("{name}, {capture:?}: {found} of 8, not {least}"));
            }
        }
    }
    assert!(fewer.is_empty(), "{}", fewer.join("\n"));
}

#[test]
fn noise_on_a_smooth_curve_is_seen_as_noise_and_not_on_anybodys_path() {
    let white = |events: &[Event<'_>]| nearest(events)[Mark::White as usize];
    for seed in 1..=4 {
        let noisy = white(&play(seed, trembling));
        assert!(noisy > 0.7, "{seed}: {noisy}");
    }
    for name in POINTERS {
        let person = white(&recorded(name));
        assert!(person.is_nan() || person < 0.3, "{name}: {person}");
    }
}
