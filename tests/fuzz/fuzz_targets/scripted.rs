//! Any signals at any times: no panic, whatever comes.
#![no_main]

use candor_scripted::{Config, learned::Learned, watch::Watch};
use libfuzzer_sys::fuzz_target;
use plugin_api::{
    Event, Origin,
    event::{BUTTON, KEY, POINTER, WHEEL},
};

fuzz_target!(|bytes: &[u8]| {
    let config: Config =
        serde_json::from_value(serde_json::json!({ "again": "1s", "sensitivity": "strict" })).unwrap();
    let mut watch = Watch::new(config, Learned::shipped().unwrap());
    let mut now = 0u64;
    // A signal is 8 bytes: what, how long after the last one, and two numbers.
    for part in bytes.chunks_exact(8) {
        let [what, device, wait, unit, a, b, c, d] = *part else { return };
        let wait = i64::from(wait as i8) << (unit & 63).min(56);
        now = now.wrapping_add_signed(wait);
        let (x, y) = (i16::from_le_bytes([a, b]), i16::from_le_bytes([c, d]));
        let (x, y) = (i32::from(x) << (unit >> 6) * 5, i32::from(y) << (unit >> 6) * 5);
        let (kind, args) = match what & 3 {
            0 => (POINTER, [x, y, x.wrapping_sub(y), y]),
            1 => (BUTTON, [i32::from(a), i32::from(b & 1), y, x]),
            2 => (KEY, [i32::from(a % 9), i32::from(b & 1), i32::from(c & 1), 0]),
            _ if d == 0 => (POINTER, [i32::MIN, i32::MIN, x, y]),
            _ => (WHEEL, [x, y, y, x]),
        };
        let origin = Origin::ALL[usize::from(what >> 2 & 3)];
        let event = Event::signal(kind, now, origin, u16::from(device), args);
        watch.take(&event, &mut |_, _| Ok(())).unwrap();
    }
});
