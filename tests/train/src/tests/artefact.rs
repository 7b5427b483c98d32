//! Faults of clocks, devices and recordings, put into people's sessions: none may look like a script or cost memory.

use plugin_api::{
    Event, KeyClass, Origin,
    event::{BUTTON, KEY, POINTER, WHEEL},
};
use proptest::{collection::vec, prelude::*};

use super::{KEYS, POINTERS, flags, recorded, told};
use crate::capture::{Capture, record};

const MS: u64 = 1_000_000;
const DAY: u64 = 86_400_000 * MS;

/// A signal's wait, kind, numbers, origin and device.
type Any = (i64, usize, [i32; 4], usize, u16);

/// Any signal at all, after any time at all.
fn any_signal() -> impl Strategy<Value = Any> {
    let wait = prop_oneof![
        0..20_000_000i64,
        Just(0),
        -2_000_000_000..5_000_000_000i64,
        any::<i64>().prop_map(|wait| wait / 2)
    ];
    let number = || prop_oneof![-5_000..5_000i32, any::<i32>(), Just(i32::MIN), Just(i32::MAX)];
    (wait, 0..4usize, [number(), number(), number(), number()], 0..4usize, 0..40u16)
}

fn signal(now: u64, (_, kind, mut args, origin, device): Any) -> Event<'static> {
    let kind = [POINTER, BUTTON, WHEEL, KEY][kind];
    if kind == KEY {
        args = [args[0].rem_euclid(9), args[1] & 1, args[2] & 1, 0];
    } else if kind == BUTTON {
        (args[0], args[1]) = (args[0].rem_euclid(256), args[1] & 1);
    }
    Event::signal(kind, now, Origin::ALL[origin], device, args)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_signals_whatever_make_it_panic(signals in vec(any_signal(), 0..600), begin in any::<u64>()) {
        let mut now = begin;
        let events: Vec<Event<'static>> = signals
            .into_iter()
            .map(|any| {
                now = now.wrapping_add_signed(any.0);
                signal(now, any)
            })
            .collect();
        told(&events, serde_json::json!({ "again": "1s", "sensitivity": "strict" }));
    }

    #[test]
    fn a_clock_that_steps_flags_nobody(at in vec(0.0..1.0f64, 1..8), by in vec(-3_600_000..3_600_000i64, 8), who in 0..6usize) {
        let name = POINTERS.iter().chain(&KEYS).nth(who).unwrap();
        let mut events = recorded(name);
        for (at, by) in at.iter().zip(by) {
            let place = (at * events.len() as f64) as usize;
            events[place..].iter_mut().for_each(|event| event.mono_ns = (event.mono_ns + DAY).saturating_add_signed(by * MS as i64));
        }
        prop_assert!(flags(&events).is_empty(), "{name}: {:?}", flags(&events));
    }

    #[test]
    fn signals_out_of_order_flag_nobody(seed in any::<u64>(), far in 1..12usize, who in 0..6usize) {
        let name = POINTERS.iter().chain(&KEYS).nth(who).unwrap();
        let mut events = recorded(name);
        let mut chance = seed | 1;
        for place in far..events.len() {
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            if chance >> 60 == 0 {
                events.swap(place, place - (chance >> 32) as usize % far);
            }
        }
        prop_assert!(flags(&events).is_empty(), "{name}: {:?}", flags(&events));
    }

    #[test]
    fn any_clock_rate_and_screen_flag_nobody(tick in 1..16_000_000u64, scale in 0.5..4.0f64, who in 0..6usize) {
        let name = POINTERS.iter().chain(&KEYS).nth(who).unwrap();
        let mut events = recorded(name);
        for event in &mut events {
            event.mono_ns -= event.mono_ns % tick;
            let parts = if event.kind == POINTER { 0..4 } else { 2..4 };
            if event.kind != KEY {
                event.args[parts].iter_mut().for_each(|part| *part = (f64::from(*part) * scale) as i32);
            }
        }
        prop_assert!(flags(&events).is_empty(), "{name}: {:?}", flags(&events));
    }
}

/// Motion with points between, as a faster device would have told it.
fn finer(events: &[Event<'static>], rate: u64) -> Vec<Event<'static>> {
    let apart = 1_000 * MS / rate;
    let mut fine: Vec<Event<'static>> = Vec::new();
    for event in events {
        let before = fine.iter().rev().find(|before| before.kind == POINTER).copied();
        if let (POINTER, Some(before)) = (event.kind, before) {
            let took = event.mono_ns - before.mono_ns;
            let parts = if took <= 50 * MS { (took / apart).max(1) } else { 1 };
            for part in 1..parts {
                let along =
                    |from: i32, to: i32| from + (i64::from(to - from) * part as i64 / parts as i64) as i32;
                let (x, y) = (along(before.args[0], event.args[0]), along(before.args[1], event.args[1]));
                let mono_ns = before.mono_ns + took * part / parts;
                fine.push(Event { mono_ns, args: [x & !0xff, y & !0xff, 0, 0], ..*event });
            }
        }
        fine.push(*event);
    }
    fine.sort_by_key(|event| event.mono_ns);
    record(&fine, Capture::AsIs, "", 0)
}

#[test]
fn fast_mice_flag_nobody() {
    for name in POINTERS {
        for rate in [125, 1_000, 8_000] {
            let flags = flags(&finer(&recorded(name), rate));
            assert!(flags.is_empty(), "{name} at {rate} Hz: {flags:?}");
        }
    }
}

#[test]
fn a_touch_screen_that_is_elsewhere_at_each_touch_and_tells_one_point_flags_nobody() {
    // Touches as a person makes them: where the recorded pointer clicked, without the way there.
    for name in ["sapimouse_1", "sapimouse_2"] {
        let mut clicks: Vec<Event<'static>> = Vec::new();
        for event in recorded(name).into_iter().filter(|event| event.kind == BUTTON) {
            if event.args[1] == 1 {
                let at = [event.args[2], event.args[3], 0, 0];
                clicks.push(Event { kind: POINTER, args: at, ..event });
            }
            clicks.push(event);
        }
        let flags = flags(&record(&clicks, Capture::AsIs, name, 0));
        assert!(flags.is_empty(), "{name}: {flags:?}");
    }
}

#[test]
fn a_tablet_that_tells_fractions_of_pixels_flags_nobody() {
    for name in POINTERS {
        let mut events = finer(&recorded(name), 200);
        for (place, event) in events.iter_mut().enumerate().filter(|(_, event)| event.kind == POINTER) {
            event.args[0] += (place as i32).wrapping_mul(0x9e37_79b1u32 as i32) >> 24;
            event.args[1] += (place as i32).wrapping_mul(0x85eb_ca77u32 as i32) >> 24;
        }
        let flags = flags(&record(&events, Capture::AsIs, name, 0));
        assert!(flags.is_empty(), "{name}: {flags:?}");
    }
}

#[test]
fn a_trackpoint_that_tells_no_place_and_small_steps_flags_nobody() {
    for name in POINTERS {
        let mut events = finer(&recorded(name), 100);
        for event in events.iter_mut().filter(|event| event.kind == POINTER) {
            (event.args[0], event.args[1]) = (i32::MIN, i32::MIN);
        }
        let flags = flags(&events);
        assert!(flags.is_empty(), "{name}: {flags:?}");
    }
}

#[test]
fn keys_that_repeat_while_they_are_held_flag_nobody() {
    for name in KEYS {
        let mut events = Vec::new();
        for event in recorded(name) {
            events.push(event);
            // A held key now and then, at the rate of a keyboard, until the next key.
            if events.len() % 9 == 0 {
                let held = KeyClass::Navigation as i32;
                events.extend((0..40).map(|n| Event {
                    mono_ns: event.mono_ns + n * 30 * MS / 10,
                    args: [held, 1, i32::from(n > 0), 0],
                    ..event
                }));
            }
        }
        let flags = flags(&events);
        assert!(flags.is_empty(), "{name}: {flags:?}");
    }
}

#[test]
fn a_remote_desktop_that_delivers_in_bursts_flags_nobody() {
    for name in POINTERS.iter().chain(&KEYS) {
        for burst in [20, 124, 400] {
            let mut events = record(&recorded(name), Capture::Remote, name, 0);
            // All that was held back comes at the same moment.
            events.iter_mut().for_each(|event| event.mono_ns = event.mono_ns.next_multiple_of(burst * MS));
            let flags = flags(&events);
            assert!(flags.is_empty(), "{name}, {burst} ms: {flags:?}");
        }
    }
}

#[test]
fn empty_sessions_and_those_of_one_signal_say_nothing() {
    assert!(told(&[], serde_json::json!({})).is_empty());
    for kind in [POINTER, BUTTON, WHEEL, KEY] {
        let one = Event::signal(kind, u64::MAX, Origin::Injected, 1, [1, 1, 0, 0]);
        assert!(told(&[one], serde_json::json!({})).is_empty());
    }
}

#[test]
fn a_session_of_a_week_flags_nobody() {
    // Half a minute of somebody's input, then a pause of four hours, until the recordings are used up.
    let mut week = Vec::new();
    let mut now = 1_000 * MS;
    for name in POINTERS.iter().chain(&KEYS) {
        let events = recorded(name);
        for piece in events.chunk_by(|a, b| a.mono_ns / (30_000 * MS) == b.mono_ns / (30_000 * MS)) {
            let begin = piece[0].mono_ns;
            week.extend(piece.iter().map(|event| Event { mono_ns: now + event.mono_ns - begin, ..*event }));
            now += 4 * 3_600_000 * MS + (begin % 977) * MS;
        }
    }
    assert!(now > 7 * DAY, "{}", now / DAY);
    let told = told(&week, serde_json::json!({}));
    assert!(told.iter().all(|(_, rule)| rule.is_note()), "{told:?}");
}
