//! What is counted, interval by interval.

use plugin_api::{
    event::{Button, WHEEL},
    prelude::*,
    testing::{Harness, Stored},
};

use super::{Activity, SECOND};

plugin_api::conformance!(json!({"detector": {"interval": "60s"}}));

type Bench = Harness<plugin_api::call::Detector>;

fn bench(interval: &str) -> Bench {
    let mut bench = Harness::detector::<Activity>(json!({ "interval": interval })).unwrap();
    bench.tick(100 * SECOND).unwrap();
    bench
}

/// A key press so many milliseconds after the start.
fn key(ms: u64) -> Event<'static> {
    Event::key_class(at(ms), Origin::Physical, 1, KeyClass::Letter, true)
}

fn at(ms: u64) -> u64 {
    100 * SECOND + ms * 1_000_000
}

fn sum(records: &[Stored], field: &str) -> f64 {
    records.iter().map(|record| record.body[field].as_f64().unwrap()).sum()
}

#[test]
fn an_interval_sums_up_by_class_button_origin_and_device() {
    let mut bench = bench("60s");
    let device = Device { bus: 3, vendor: 1, product: 2, present: true, name: "A mouse" };
    let left = Button { button: 1, pressed: true, position: None };
    let repeat = Event { args: [KeyClass::Backspace as i32, 1, 1, 0], ..key(3_000) };
    bench
        .feed(&[
            Event::device_change(at(0), Origin::Physical, 2, device),
            key(0),
            key(1_500),
            Event::key_class(at(1_600), Origin::Physical, 1, KeyClass::Letter, false),
            repeat,
            Event::motion(at(3_100), Origin::Injected, 2, 3 * 256, -4 * 256, None),
            Event::button_change(at(3_200), Origin::Physical, 2, left),
            Event::button_change(at(3_300), Origin::Physical, 2, Button { pressed: false, ..left }),
            Event::button_change(at(3_300), Origin::Physical, 2, Button { button: 77, ..left }),
            Event::signal(WHEEL, at(9_000), Origin::Physical, 2, [0, -180, 0, 0]),
        ])
        .unwrap();
    assert_eq!(bench.tick(at(60_000)).unwrap(), Some(at(120_000)));
    let records = bench.records();
    assert_eq!(records.len(), 1);
    let body = &records[0].body;
    assert_eq!(records[0].mono_ns, at(60_000));
    for (pointer, expect) in [
        ("/from_mono_ns", json!(at(0))),
        ("/to_mono_ns", json!(at(60_000))),
        ("/seconds", json!(60.0)),
        ("/active_s", json!(4)),
        ("/idle_s", json!(56.0)),
        ("/keys", json!(2)),
        ("/repeats", json!(1)),
        ("/keys_by_class/letter", json!(2)),
        ("/keys_by_class/backspace", json!(0)),
        ("/repeats_by_class/backspace", json!(1)),
        ("/clicks", json!(2)),
        (
            "/clicks_by_button",
            json!({"left": 1, "middle": 0, "right": 0, "back": 0, "forward": 0, "other": 1}),
        ),
        ("/scrolls", json!(1.5)),
        ("/distance_px", json!(5)),
        ("/by_origin/injected/distance_px", json!(5)),
        ("/by_origin/injected/active_s", json!(1)),
        ("/by_origin/physical/keys", json!(2)),
        ("/by_origin/physical/distance_px", json!(0)),
        ("/devices/0/number", json!(1)),
        ("/devices/0/name", json!(null)),
        ("/devices/0/keys", json!(2)),
        ("/devices/1/name", json!("A mouse")),
        ("/devices/1/origin", json!("injected")),
        ("/devices/2/name", json!("A mouse")),
        ("/devices/2/clicks", json!(2)),
    ] {
        assert_eq!(body.pointer(pointer), Some(&expect), "{pointer}");
    }
    assert!(body.pointer("/by_origin/virtual").is_none());
    assert!(body.pointer("/skipped_s").is_none());
}

#[test]
fn events_out_of_their_interval_are_never_lost() {
    // Milliseconds of the events of each batch, then when the time is told; keys per record.
    type Batches = &'static [(&'static [u64], u64)];
    let cases: [(&str, Batches, &[u64]); 6] = [
        ("late by a minute", &[(&[10_000], 60_000), (&[20_000], 120_000)], &[1, 1]),
        ("past the end, before the tick", &[(&[59_000, 60_001, 61_000], 60_100), (&[], 120_000)], &[1, 2]),
        ("backwards", &[(&[30_000, 20_000, 10_000], 60_000)], &[3]),
        ("time told backwards", &[(&[1_000], 30_000), (&[2_000], 5_000), (&[3_000], 60_000)], &[3]),
        ("from the far future", &[(&[1_000, 9_999_999_999], 60_000), (&[61_000], 120_000)], &[1, 2]),
        (
            "while the tick was a day late",
            &[(&[1_000, 50_000], 86_400_000), (&[86_400_001], 86_460_000)],
            &[2, 1],
        ),
    ];
    for (name, batches, expect) in cases {
        let mut bench = bench("60s");
        for (events, now) in batches {
            bench.instance.on_batch(&events.iter().map(|ms| key(*ms)).collect::<Vec<_>>()).unwrap();
            bench.tick(at(*now)).unwrap();
        }
        bench.instance.finish().unwrap();
        let keys: Vec<u64> =
            bench.records().iter().filter_map(|record| record.body["keys"].as_u64()).collect();
        let keys: Vec<u64> = keys.into_iter().filter(|keys| *keys > 0).collect();
        assert_eq!(keys, expect, "{name}");
    }
}

#[test]
fn a_week_asleep_is_skipped_not_counted_as_idle() {
    const WEEK: u64 = 7 * 86_400_000;
    let mut bench = bench("60s");
    bench.feed(&[key(1_000)]).unwrap();
    bench.instance.on_batch(&[key(WEEK + 5_000)]).unwrap();
    assert_eq!(bench.tick(at(WEEK + 5_001)).unwrap(), Some(at(WEEK + 60_000)));
    bench.tick(at(WEEK + 60_000)).unwrap();
    let records = bench.records();
    assert_eq!(records.len(), 2);
    assert!(records.iter().all(|record| record.body["seconds"] == 60.0 && record.body["keys"] == 1));
    assert_eq!(records[1].body["skipped_s"], json!((WEEK - 60_000) as f64 / 1_000.0));
    assert_eq!(records[1].body["active_s"], 1);
}

#[test]
fn a_night_without_input_is_a_record_an_hour() {
    let mut bench = bench("60s");
    bench.feed(&[key(1)]).unwrap();
    for minute in 1..=601 {
        bench.tick(at(minute * 60_000)).unwrap();
    }
    bench.feed(&[key(601 * 60_000 + 1)]).unwrap();
    bench.instance.finish().unwrap();
    let records = bench.records();
    assert_eq!(records.len(), 12);
    assert_eq!(sum(&records, "seconds"), 601.0 * 60.0 + 0.001);
    assert_eq!(sum(&records, "keys"), 2.0);
    for pair in records.windows(2) {
        assert_eq!(pair[0].body["to_mono_ns"], pair[1].body["from_mono_ns"], "no hole, no overlap");
    }
}

#[test]
fn finishing_stores_the_begun_interval_with_its_exact_length() {
    let mut bench = bench("60s");
    bench.feed(&[key(12_345)]).unwrap();
    bench.instance.finish().unwrap();
    assert_eq!(bench.records()[0].body["seconds"], 12.345);

    let mut untouched = super::tests::bench("60s");
    untouched.instance.finish().unwrap();
    assert!(untouched.records().is_empty(), "no time passed and nothing happened");
}

#[test]
fn a_thousand_devices_share_one_entry_and_no_key_is_lost() {
    let mut bench = bench("60s");
    for source in 0..1_000 {
        bench.feed(&[Event { source, ..key(1) }, Event { source, flags: 3, ..key(1) }]).unwrap();
    }
    bench.tick(at(60_000)).unwrap();
    let body = &bench.records()[0].body;
    let devices = body["devices"].as_array().unwrap();
    assert_eq!(devices.len(), 34);
    assert_eq!((&devices[33]["number"], &devices[33]["keys"]), (&Value::Null, &json!(984)));
    assert_eq!(body["keys"], 2_000);
    assert_eq!(body["by_origin"]["injected"]["keys"], 1_000);
}

#[test]
fn whatever_order_and_times_the_sums_add_up() {
    // A linear congruential generator: the same numbers each time.
    let mut state = 1u64;
    let mut random = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    for round in 0..50 {
        let mut bench = bench("5s");
        let (mut now, mut keys) = (0, 0);
        for _ in 0..200 {
            now += [3, 700, 5_000, 100_000][random(4) as usize];
            let batch: Vec<_> =
                (0..random(20)).map(|_| key((now + random(8_000)).saturating_sub(4_000))).collect();
            keys += batch.len() as u64;
            bench.instance.on_batch(&batch).unwrap();
            bench.tick(at(now)).unwrap();
        }
        bench.instance.finish().unwrap();
        let records = bench.records();
        assert_eq!(sum(&records, "keys"), keys as f64, "round {round}");
        let skipped: f64 = records.iter().filter_map(|record| record.body["skipped_s"].as_f64()).sum();
        assert!((sum(&records, "seconds") + skipped - now as f64 / 1_000.0).abs() < 1e-6, "round {round}");
        for record in &records {
            assert!(
                record.body["active_s"].as_f64().unwrap() < record.body["seconds"].as_f64().unwrap() + 1.0
            );
        }
    }
}

#[test]
fn an_interval_that_is_no_use_is_refused_with_its_key() {
    for interval in ["0s", "999ms", "2d", "soon"] {
        let failure = Harness::detector::<Activity>(json!({ "interval": interval })).err().unwrap();
        assert_eq!(failure.fault, Fault::Config, "{interval}");
        assert!(failure.text.contains("interval") || failure.text.contains(interval), "{}", failure.text);
    }
}
