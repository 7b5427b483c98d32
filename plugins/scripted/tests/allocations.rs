//! Counts what is allocated while signals come in, for a while and for a week, over the same vtable the agent calls.

use candor_scripted::Scripted;
use plugin_api::{event::Button, prelude::*, testing::Harness};

type Bench = Harness<plugin_api::call::Detector>;

const SECOND: u64 = 1_000_000_000;

/// Batches of 64 signals, each after a rest that is a little different.
fn send(bench: &mut Bench, now: &mut u64, batches: u64, rest: u64) {
    for n in 0..batches {
        // Pauses and steps that never repeat.
        let noise = n.wrapping_mul(6_364_136_223_846_793_005) >> 40 & 0xfff;
        let click = Button { button: 1, pressed: true, position: Some((noise as i32 * 256, 256)) };
        let mut batch = [Event::motion(*now, Origin::Physical, 1, 0, 0, None); 64];
        for (place, event) in batch.iter_mut().enumerate() {
            *now += 1_000_000 + noise * (place as u64 + 1) * 7;
            *event = match place {
                5 => Event::button_change(*now, Origin::Physical, 1, click),
                9 => Event::key_class(*now, Origin::Physical, 2, KeyClass::Letter, true),
                10 => Event::key_class(*now, Origin::Physical, 2, KeyClass::Letter, false),
                _ => Event::motion(*now, Origin::Physical, 1, (noise % 999) as i32 * place as i32, 300, None),
            };
        }
        bench.instance.on_batch(&batch).expect("signals are taken");
        *now += rest + noise * 900;
    }
}

#[test]
fn nothing_is_allocated_per_signal() {
    let mut bench = Harness::detector::<Scripted>(json!({ "again": "365d" })).unwrap();
    let mut now = SECOND;
    // Whatever is remarkable is told in the beginning.
    send(&mut bench, &mut now, 2_000, 300_000_000);
    let allocated = allocation_counter::measure(|| send(&mut bench, &mut now, 1_000, 300_000_000));
    assert_eq!(allocated.count_total, 0, "in 64,000 signals");
}

#[test]
fn a_week_takes_no_more_memory_than_its_first_hours() {
    let mut bench = Harness::detector::<Scripted>(json!({ "again": "365d" })).unwrap();
    let mut now = SECOND;
    send(&mut bench, &mut now, 2_000, 20 * SECOND);
    let (begin, mut batches) = (now, 0);
    let week = allocation_counter::measure(|| {
        while now - begin < 7 * 86_400 * SECOND {
            send(&mut bench, &mut now, 100, 20 * SECOND);
            batches += 100;
        }
    });
    assert!(batches > 20_000, "{batches}");
    assert_eq!((week.bytes_max, week.bytes_current), (0, 0), "in {batches} batches of 64 signals");
}
