//! Any signals at any times, by a fuzzer that looks for code not reached before: `scripted` neither panics nor says
//! more than it may. `make fuzz`, on the stable compiler; debug assertions and checks for overflow are on.

#![no_main]

use candor_scripted::{Rule, learned::Learned, watch::Watch};
use libfuzzer_sys::fuzz_target;
use plugin_api::{
    Event, Origin,
    event::{BUTTON, DEVICE, KEY, POINTER, WHEEL},
};
use serde_json::json;

/// One signal takes so many bytes.
const BYTES: usize = 8;

fuzz_target!(|data: &[u8]| {
    let Some((options, signals)) = data.split_first() else { return };
    let sensitivity = ["strict", "balanced", "lenient"][usize::from(options % 3)];
    let config = json!({"sensitivity": sensitivity, "again": if options & 4 == 0 { "1s" } else { "10m" }});
    let config = serde_json::from_value(config).expect("a config that is right");
    let mut watch = Watch::new(config, Learned::shipped().expect("model.json is right"));
    let (mut now, mut at, mut before) = (1u64 << 40, (0i32, 0i32), [0u8; BYTES]);
    for bytes in signals.chunks_exact(BYTES) {
        let mut bytes: [u8; BYTES] = bytes.try_into().expect("as many as a signal has");
        // What repeats is what the rules look for: a bit says that a signal is like the one before.
        let times = if bytes[0] & 0x80 == 0 { 1 } else { usize::from(bytes[1]) + 1 };
        if bytes[0] & 0x40 != 0 {
            bytes[1..].copy_from_slice(&before[1..]);
        }
        before = bytes;
        for _ in 0..times {
            let event = signal(bytes, &mut now, &mut at);
            let told = &mut |rule: Rule, finding: plugin_api::prelude::Finding| {
                check(rule, &finding);
                Ok(())
            };
            watch.take(&event, told).expect("nothing refuses a finding");
            assert!((0.0..=1.0).contains(&watch.score()), "{}", watch.score());
        }
    }
});

/// The next signal, from its bytes and where the last one left off.
fn signal(bytes: [u8; BYTES], now: &mut u64, at: &mut (i32, i32)) -> Event<'static> {
    let [head, _, wait, power, x, y, class, device] = bytes;
    // From nothing to hours; the highest bit sets the clock back.
    let wait = u64::from(wait) << (power & 0x7f).min(40);
    *now = if power & 0x80 == 0 { now.wrapping_add(wait) } else { now.wrapping_sub(wait) };
    let by = |step: u8| i32::from(step as i8) << (class >> 4).min(23);
    let step = (by(x), by(y));
    *at = (at.0.wrapping_add(step.0), at.1.wrapping_add(step.1));
    let kind = [POINTER, BUTTON, WHEEL, KEY, POINTER, BUTTON, DEVICE, KEY][usize::from(head & 7)];
    let args = match kind {
        POINTER if device & 0x80 != 0 => [i32::MIN, i32::MIN, step.0, step.1],
        POINTER => [at.0, at.1, step.0, step.1],
        BUTTON => [i32::from(class & 7), i32::from(y & 1), at.0, at.1],
        WHEEL => [step.0, step.1, at.0, at.1],
        KEY => [i32::from(class % 9), i32::from(y & 1), i32::from(x & 1), 0],
        _ => [i32::from(class), i32::from(x), i32::from(y), 1],
    };
    let origin = Origin::ALL[usize::from(head >> 3) % Origin::ALL.len()];
    Event::signal(kind, *now, origin, u16::from(device & 0x3f), args)
}

/// A finding keeps what the design promises of it.
fn check(rule: Rule, finding: &plugin_api::prelude::Finding) {
    let body = serde_json::to_value(finding).expect("a finding is JSON");
    let evidence = &body["evidence"];
    assert!(evidence["features"].as_array().is_some_and(|features| !features.is_empty()), "{body}");
    assert!(evidence["path"].as_array().is_none_or(|path| path.len() <= 256), "{body}");
    assert!(body["text"].as_str().is_some_and(|text| text.len() > 40), "{body}");
    assert!(!matches!(rule, Rule::Keys) || evidence["path"].is_null(), "{body}");
    assert!(body.to_string().len() < 16_000, "{body}");
}
