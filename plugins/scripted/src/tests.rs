//! Which input is found to be a program's, and which isn't.

use std::collections::BTreeSet;

use plugin_api::{event::Button, prelude::*, testing::Harness};

use super::{Rule, Scripted};

plugin_api::conformance!(json!({"detector": {}}));

type Bench = Harness<plugin_api::call::Detector>;

const MS: u64 = 1_000_000;
const MOUSE: u16 = 1;
const KEYS: u16 = 2;

fn bench(config: Value) -> Bench {
    Harness::detector::<Scripted>(config).unwrap()
}

/// The rules about repetition: the hand that these tests draw by a formula is as even as a machine's to the others.
fn repetition() -> Value {
    json!({"rules": ["injected", "virtual", "period", "steps", "strokes", "spots", "ways", "jumps", "keys"]})
}

fn rules(bench: &Bench) -> BTreeSet<String> {
    bench.records().iter().map(|record| record.body["rule"].as_str().unwrap().to_owned()).collect()
}

/// Numbers that are the same each time.
struct Random(u64);

impl Random {
    /// From 0 to 1.
    fn even(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.even()).sum::<f64>() - 6.0
    }
}

/// Writes signals: time, pointer and a list.
struct Script {
    now: f64,
    at: (f64, f64),
    origin: Origin,
    /// How long buttons are held, in milliseconds.
    hold: f64,
    events: Vec<Event<'static>>,
}

impl Script {
    fn new() -> Self {
        Self { now: 5_000.0, at: (500.0, 500.0), origin: Origin::Physical, hold: 0.3, events: Vec::new() }
    }

    fn ns(&self) -> u64 {
        (self.now * MS as f64) as u64
    }

    fn wait(&mut self, ms: f64) -> &mut Self {
        self.now += ms;
        self
    }

    fn move_to(&mut self, x: f64, y: f64) -> &mut Self {
        let fixed = |(x, y): (f64, f64)| ((x.round() * 256.0) as i32, (y.round() * 256.0) as i32);
        let (from, to) = (fixed(self.at), fixed((x, y)));
        self.at = (x, y);
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        self.events.push(Event::motion(self.ns(), self.origin, MOUSE, dx, dy, Some(to)));
        self
    }

    fn click(&mut self) -> &mut Self {
        let position = Some(((self.at.0.round() * 256.0) as i32, (self.at.1.round() * 256.0) as i32));
        for pressed in [true, false] {
            let button = Button { button: 1, pressed, position };
            self.events.push(Event::button_change(self.ns(), self.origin, MOUSE, button));
            self.now += if pressed { self.hold } else { 0.3 };
        }
        self
    }

    fn key(&mut self, class: KeyClass) -> &mut Self {
        for pressed in [true, false] {
            self.events.push(Event::key_class(self.ns(), self.origin, KEYS, class, pressed));
            self.now += 0.2;
        }
        self
    }

    /// A movement as people make it: a bell-shaped speed, a curve, tremor; sampled so many times a second.
    fn reach(&mut self, x: f64, y: f64, rate: f64, random: &mut Random) -> &mut Self {
        let from = self.at;
        let (dx, dy) = (x - from.0, y - from.1);
        let took = 250.0 + 1.2 * dx.hypot(dy) * (0.8 + 0.4 * random.even());
        let bend = 0.12 * random.normal();
        let n = (took * rate / 1_000.0).ceil();
        for step in 1..=n as u32 {
            let t = f64::from(step) / n;
            let way = t * t * t * (10.0 - 15.0 * t + 6.0 * t * t);
            let side = bend * (std::f64::consts::PI * way).sin();
            let tremor = (0.4 * random.normal(), 0.4 * random.normal());
            self.wait(took / n)
                .move_to(from.0 + dx * way - dy * side + tremor.0, from.1 + dy * way + dx * side + tremor.1);
        }
        self
    }

    fn run(&self, config: Value) -> Bench {
        let mut bench = bench(config);
        for batch in self.events.chunks(64) {
            bench.feed(batch).unwrap();
        }
        bench
    }
}

#[test]
fn scripts_are_found_by_what_they_repeat() {
    let mut noise = Random(3);
    let mut case = |rule: &str, write: &mut dyn FnMut(&mut Script, u32, &mut Random)| {
        let mut script = Script::new();
        (0..400).for_each(|n| write(&mut script, n, &mut noise));
        let found = rules(&script.run(json!({})));
        assert!(found.contains(rule), "{rule}: found only {found:?}");
    };
    case("period", &mut |script, n, noise| {
        // A jiggler of hardware: one pixel there and back every ten seconds.
        script.wait(10_000.0 + noise.even()).move_to(500.0 + f64::from(n % 2), 500.0);
    });
    case("period", &mut |script, _, noise| {
        script.wait(100.0 + noise.even()).click();
    });
    case("holds", &mut |script, _, noise| {
        script.wait(400.0 + 900.0 * noise.even()).key(KeyClass::Letter);
    });
    case("period", &mut |script, n, noise| {
        // A macro: three keys in a rhythm.
        let pause = [5_000.0, 2_000.0, 2_000.0][n as usize % 3];
        script
            .wait(pause + noise.even())
            .key([KeyClass::Letter, KeyClass::Digit, KeyClass::Enter][n as usize % 3]);
    });
    case("steps", &mut |script, n, noise| {
        // A straight line at one speed, there and back.
        let way = f64::from(n % 100) * 7.0;
        script
            .wait(10.0 + 0.2 * noise.even())
            .move_to(if n / 100 % 2 == 0 { way } else { 700.0 - way }, 300.0);
    });
    case("strokes", &mut |script, n, noise| {
        script.wait(500.0 + 3_000.0 * noise.even()).move_to(500.0 + 40.0 * f64::from(n % 2), 500.0);
    });
    case("ways", &mut |script, n, noise| {
        // The same five places again and again, at other times and by other ways.
        let (x, y) = [(200, 200), (640, 512), (333, 780), (900, 90), (410, 222)][n as usize % 5];
        script
            .wait(700.0 + 2_000.0 * noise.even())
            .reach(x.into(), y.into(), 60.0, noise)
            .move_to(x.into(), y.into());
    });
    case("jumps", &mut |script, _, noise| {
        script.wait(700.0 + 2_000.0 * noise.even()).move_to(1_800.0 * noise.even(), 900.0 * noise.even());
    });
    case("keys", &mut |script, _, noise| {
        // An auto-typer without pauses.
        script.wait(100.0 + 40.0 * noise.even()).key(KeyClass::Letter);
    });
    case("spots", &mut |script, n, noise| {
        let (x, y) = [(200.0, 200.0), (640.0, 512.0), (333.0, 780.0)][n as usize % 3];
        script.wait(700.0 + 2_000.0 * noise.even()).reach(x, y, 60.0, noise).move_to(x, y).click();
    });
}

#[test]
fn people_are_not_found() {
    for rate in [60.0, 125.0, 1_000.0, 8_000.0] {
        let mut random = Random(rate as u64);
        let mut script = Script::new();
        for n in 0..60 {
            let (x, y) = (1_800.0 * random.even(), 1_000.0 * random.even());
            script.reach(x, y, rate, &mut random).wait(90.0 + 60.0 * random.even()).click();
            // Keys in the rhythm of words.
            for letter in 0..(n % 12) {
                let class = if letter % 5 == 4 { KeyClass::Space } else { KeyClass::Letter };
                let class = if letter % 7 == 6 { KeyClass::Other } else { class };
                script.wait((160.0 + 50.0 * random.normal()).max(40.0)).key(class);
            }
            script.wait(300.0 + 2_000.0 * random.even());
        }
        let bench = script.run(repetition());
        assert!(bench.records().is_empty(), "{rate} Hz: {:?}", bench.records());
    }
}

#[test]
fn what_looks_like_a_script_but_is_none_is_not_found() {
    let mut random = Random(11);
    let mut case = |name: &str, write: &mut dyn FnMut(&mut Script, &mut Random)| {
        let mut script = Script::new();
        write(&mut script, &mut random);
        let rules =
            ["period", "steps", "strokes", "spots", "ways", "jumps", "keys", "holds", "reach", "unlike"];
        let bench = script.run(json!({"rules": rules}));
        assert!(bench.records().is_empty(), "{name}: {:?}", bench.records());
    };
    case("a password manager and a text expander", &mut |script, random| {
        for burst in [16, 300, 20, 500] {
            for n in 0..burst {
                script.wait(10.0).key(KeyClass::ALL[n % 3]);
            }
            script.wait(20_000.0 + 9_000.0 * random.even());
        }
    });
    case("a key that is held for a minute", &mut |script, _| {
        for n in 0..1_800 {
            let repeat = Event::key_class(script.ns(), Origin::Physical, KEYS, KeyClass::Navigation, true);
            script.events.push(Event { args: [repeat.args[0], 1, i32::from(n > 0), 0], ..repeat });
            script.wait(33.0);
        }
    });
    case("the same, where the platform does not mark repeats", &mut |script, _| {
        for _ in 0..1_800 {
            script.events.push(Event::key_class(script.ns(), Origin::Physical, KEYS, KeyClass::Letter, true));
            script.wait(33.0);
        }
    });
    case("many clicks on one spot without moving", &mut |script, random| {
        for _ in 0..200 {
            script.hold = 60.0 + 50.0 * random.even();
            script.wait(250.0 + 400.0 * random.even()).click();
        }
    });
    case("a desk that shakes", &mut |script, random| {
        for n in 0..400 {
            script.wait(300.0 + 3_000.0 * random.even()).move_to(500.0 + f64::from(n % 2), 500.0);
        }
    });
    case("a remote desktop that merges motion to 110 ms", &mut |script, random| {
        for _ in 0..400 {
            let (x, y) = (script.at.0 + 60.0 * random.normal(), script.at.1 + 60.0 * random.normal());
            script.wait(if random.even() < 0.5 { 109.375 } else { 125.0 }).move_to(x, y);
        }
    });
    case("a clock that stands still, then jumps a week, then goes back", &mut |script, _| {
        for wait in [0.0, 604_800_000.0, -604_799_000.0] {
            script.wait(wait);
            for n in 0..300 {
                script.move_to(f64::from(n % 50) * 9.0, 10.0).now -= 0.0;
                script.events.push(Event::key_class(
                    script.ns(),
                    Origin::Physical,
                    KEYS,
                    KeyClass::Letter,
                    n % 2 == 0,
                ));
            }
        }
    });
}

#[test]
fn where_input_comes_from_is_told_and_no_more_is_concluded_from_it() {
    for (origin, rule) in [(Origin::Injected, "injected"), (Origin::Virtual, "virtual")] {
        let mut random = Random(5);
        let mut script = Script { origin, ..Script::new() };
        for _ in 0..20 {
            let (x, y) = (1_800.0 * random.even(), 1_000.0 * random.even());
            script.reach(x, y, 60.0, &mut random).wait(500.0 + 900.0 * random.even()).click();
        }
        let bench = script.run(repetition());
        assert_eq!(rules(&bench), BTreeSet::from([rule.to_owned()]));
        let body = &bench.records()[0].body;
        assert!(body["text"].as_str().unwrap().contains("do this too"));
        assert_eq!(body["evidence"]["device"]["origin"], origin.name());
    }
    let mut script = Script::new();
    for n in 0..50 {
        script.wait(30.0).move_to(f64::from(n * n), 1.0);
    }
    script.origin = Origin::Injected;
    for n in 0..20 {
        script.wait(30.0).move_to(f64::from(n * n), 1.0);
    }
    assert!(rules(&script.run(json!({}))).is_empty(), "less than half of a minute's input");
}

#[test]
fn a_rule_speaks_of_a_device_once_in_a_while_and_not_when_it_is_off() {
    let mut script = Script::new();
    // Half an hour of a click a second.
    for _ in 0..1_800 {
        script.wait(999.4).click();
    }
    let count = |config| script.run(config).records().len();
    assert_eq!(count(json!({"rules": ["period"]})), 3);
    assert_eq!(count(json!({"rules": ["period"], "again": "1h"})), 1);
    assert_eq!(count(json!({"rules": ["steps"]})), 0);
}

#[test]
fn nothing_is_said_of_a_suppressed_device_and_all_of_its_neighbour() {
    let mut script = Script::new();
    for _ in 0..40 {
        script.wait(999.4).click();
    }
    let told = |suppress: Value, number: u16| -> Vec<Value> {
        let mut bench = bench(json!({"suppress": suppress}));
        let name = Device { bus: 3, vendor: 0x2104, product: 0x0127, present: true, name: "Quha Zono" };
        bench.feed(&[Event::device_change(MS, Origin::Physical, number, name)]).unwrap();
        bench.feed(&script.events).unwrap();
        bench.records().into_iter().map(|record| record.body).collect()
    };
    for listed in [json!(["2104:0127"]), json!(["2104:0127".to_uppercase(), "x"]), json!(["Quha Zono"])] {
        assert!(told(listed.clone(), MOUSE).is_empty(), "{listed}");
    }
    for other in [json!([]), json!(["2104:0128"]), json!(["Quha"])] {
        assert!(!told(other.clone(), MOUSE).is_empty(), "{other}");
    }
    // Another device is not meant, and an accessibility device is told apart but not passed over by its name alone.
    assert!(!told(json!(["2104:0127"]), MOUSE + 1).is_empty());
    assert_eq!(told(json!([]), MOUSE)[0]["evidence"]["device"]["looks_like"], "accessibility");
}

#[test]
fn evidence_never_shows_more_than_it_may() {
    let mut script = Script::new();
    for n in 0..3_000 {
        script.wait(500.0).move_to(f64::from(n % 700), 100.0).click();
        script.wait(500.0).key([KeyClass::Letter, KeyClass::Digit][n as usize % 2]);
    }
    let records = script.run(json!({})).records();
    assert!(records.len() >= 4);
    for record in &records {
        let evidence = &record.body["evidence"];
        assert!(evidence["features"].as_array().is_some_and(|features| !features.is_empty()));
        assert!(record.body["text"].as_str().unwrap().len() > 40);
        assert!(record.body.to_string().len() < 8_000);
        if evidence["device"]["number"] == KEYS {
            let fields: Vec<_> = evidence.as_object().unwrap().keys().map(String::as_str).collect();
            assert_eq!(fields, ["device", "features", "interval_histogram", "score", "version"]);
        } else {
            assert!((1..=256).contains(&evidence["path"].as_array().unwrap().len()));
        }
    }
    assert!(records.iter().any(|record| record.body["evidence"]["device"]["number"] == KEYS));
}

#[test]
fn devices_without_end_take_no_more_memory() {
    let mut bench = bench(json!({"rules": ["period"]}));
    for source in 0..10_000 {
        let name = Device { bus: 3, vendor: 1, product: 1, present: true, name: "a mouse" };
        let device = Event::device_change(MS, Origin::Physical, 0, name);
        let click = Button { button: 1, pressed: true, position: None };
        let click = Event::button_change(2 * MS, Origin::Physical, 0, click);
        bench.feed(&[Event { source, ..device }, Event { source, ..click }]).unwrap();
    }
    // A device that comes after all of them is watched all the same.
    let mut script = Script { now: 9_000.0, ..Script::new() };
    for _ in 0..40 {
        script.wait(999.4).click();
    }
    bench.feed(&script.events).unwrap();
    assert_eq!(bench.records().len(), 1);
}

#[test]
fn shares_that_make_no_sense_and_unknown_rules_are_refused() {
    for config in [
        json!({"injected_share": 0.0}),
        json!({"marks": {"steps": 1.5}}),
        json!({"marks": {"hold_ms": -1}}),
        json!({"marks": {"beats": 0.5}}),
        json!({"rules": ["beat"]}),
        json!({"again": "soon"}),
    ] {
        let failure = Harness::detector::<Scripted>(config.clone()).err().unwrap();
        assert_eq!(failure.fault, Fault::Config, "{config}");
    }
    assert!(Rule::ALL.iter().enumerate().all(|(place, rule)| *rule as usize == place));
}
