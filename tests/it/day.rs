//! What a day of heavy use stores.

use std::time::Duration;

use host::{
    clock::Clock,
    journal::{Journal, Options, Record},
    load,
};
use plugin_api::{
    event::{Button, WHEEL},
    prelude::*,
    testing::Harness,
};

const SECOND: u64 = 1_000_000_000;
const MINUTES: u64 = 24 * 60;

/// Counts between two bounds that never repeat in a pattern.
struct Random(u64);

impl Random {
    fn between(&mut self, low: u64, high: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        low + (self.0 >> 33) % (high - low)
    }
}

/// A second of a fast mouse, a typist, a wheel and clicks. A motion stands for fifty of a 1,000 Hz mouse: the sums
/// grow as they would, the test doesn't take as long.
fn second(now: u64, random: &mut Random) -> Vec<Event<'static>> {
    let mut events = Vec::new();
    let at = |n: u64, count: u64| now + n * SECOND / count;
    for n in 0..20 {
        let (dx, dy) =
            (random.between(0, 100_000) as i32 - 50_000, random.between(0, 100_000) as i32 - 50_000);
        events.push(Event::motion(at(n, 20), Origin::Physical, 1, dx, dy, None));
    }
    let keys = random.between(0, 8);
    for n in 0..keys {
        let class = KeyClass::ALL[random.between(0, 9) as usize];
        events.push(Event::key_class(at(n, keys), Origin::Physical, 2, class, true));
        events.push(Event::key_class(at(n, keys), Origin::Physical, 2, class, false));
    }
    for n in 0..random.between(0, 3) {
        let click = Button { button: 1 + 2 * (n as i32 % 2), pressed: true, position: None };
        events.push(Event::button_change(at(n, 3), Origin::Physical, 1, click));
        events.push(Event::signal(WHEEL, at(n, 3), Origin::Physical, 1, [0, 120, 0, 0]));
    }
    events
}

#[test]
fn a_day_of_heavy_use_stores_less_than_a_megabyte_of_records() {
    let state = tempfile::tempdir().unwrap();
    let (clock, manual) = Clock::manual(chrono_tz::Tz::Europe__Berlin);
    manual.set(1_772_020_800 * SECOND as i64);
    let options =
        Options { seal_every: Duration::from_secs(7 * 86_400), ..Options::new(state.path(), clock.clone()) };
    let (journal, _) = Journal::open(options).unwrap();
    let activity = load::open(&crate::Folder::new().plugin("activity")).unwrap();
    let mut bench = Harness::loaded_detector(activity.plugin, json!({})).unwrap();
    let device = |number, name| {
        let device = Device { bus: 3, vendor: 0x46d, product: 0xc077, present: true, name };
        Event::device_change(SECOND, Origin::Physical, number, device)
    };
    bench.tick(SECOND).unwrap();
    bench
        .feed(&[device(1, "Logitech M105 Optical Mouse"), device(2, "AT Translated Set 2 keyboard")])
        .unwrap();
    let mut random = Random(1);
    for now in (1..=MINUTES * 60).map(|second| second * SECOND) {
        bench.feed(&second(now, &mut random)).unwrap();
    }
    bench.tick((MINUTES * 60 + 1) * SECOND).unwrap();
    let records = bench.records();
    assert_eq!(records.len() as u64, MINUTES);
    for (minute, record) in records.iter().enumerate() {
        manual.advance(Duration::from_secs(60));
        journal.append(Record::new("activity", "activity", record.body.to_string())).unwrap();
        if minute % 5 == 4 {
            journal.seal().unwrap();
        }
    }
    journal.close(Duration::from_secs(30)).unwrap();
    let (mut records, mut manifests) = (0, 0);
    for file in crate::store::files(&state.path().join("spool")) {
        let sum = if file.to_string_lossy().contains("_manifest") { &mut manifests } else { &mut records };
        *sum += file.metadata().unwrap().len();
    }
    println!("records {records} bytes, manifests {manifests} bytes");
    assert!(records + manifests < 1_000_000, "records {records} bytes, manifests {manifests} bytes");
}
