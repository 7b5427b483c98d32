//! A person's recording that is played again, in all the ways that hide it.

use plugin_api::{Event, Origin, event::POINTER};

use super::{POINTERS, flags, recorded, told};
use crate::capture::{CAPTURES, Capture, Chance, record};

const SECOND: u64 = 1_000_000_000;

/// The first so many seconds.
fn cut(events: &[Event<'static>], seconds: u64) -> Vec<Event<'static>> {
    let end = events[0].mono_ns + seconds * SECOND;
    events.iter().copied().take_while(|event| event.mono_ns < end).collect()
}

/// Plays a recording twice, the second time faster or slower, moved, and mirrored or not.
fn twice(
    events: &[Event<'static>],
    pace: f64,
    by: (i32, i32),
    mirrored: i32,
) -> (Vec<Event<'static>>, f64, f64) {
    let (begin, end) = (events[0].mono_ns, events[events.len() - 1].mono_ns + SECOND);
    let again = events.iter().map(|event| {
        let mut again = *event;
        again.mono_ns = end + ((event.mono_ns - begin) as f64 / pace) as u64;
        let place = if event.kind == POINTER { 0 } else { 2 };
        again.args[place] = mirrored * event.args[place] + 256 * by.0;
        again.args[place + 1] += 256 * by.1;
        again
    });
    let both: Vec<Event<'static>> = events.iter().copied().chain(again).collect();
    let last = both[both.len() - 1].mono_ns;
    let since = |at: u64| (at - begin) as f64 / 1e9;
    let times = (since(end), since(last));
    (both, times.0, times.1)
}

#[test]
fn a_replayed_person_is_flagged_within_the_second_repetition_however_it_is_carried() {
    let mut late = Vec::new();
    // DELBOT's first is not in pixels, and the second hardly rests: at another pace it rests elsewhere.
    let ways = [(1.0, (0, 0), 1), (1.0, (37, -12), -1), (0.8, (0, 0), 1), (1.3, (5, 5), 1)];
    for (name, ways) in [("sapimouse_1", &ways[..]), ("sapimouse_2", &ways), ("delbot_2", &ways[..2])] {
        let once = cut(&recorded(name), 90);
        for (pace, by, mirrored) in ways.iter().copied() {
            let (both, second, end) = twice(&once, pace, by, mirrored);
            for capture in CAPTURES {
                let flags = flags(&record(&both, capture, name, 0));
                let first = flags.first().map(|(at, _)| *at);
                if !first.is_some_and(|first| (second..=end).contains(&first)) {
                    late.push(format!("{name}, pace {pace}, moved {by:?}, {capture:?}: {flags:?}, repeated from {second} to {end}"));
                }
            }
        }
    }
    assert!(late.is_empty(), "{}", late.join("\n"));
}

#[test]
fn a_person_whose_input_arrives_injected_is_noted_and_not_flagged() {
    for name in POINTERS {
        for capture in [Capture::AsIs, Capture::Remote] {
            let mut events = record(&recorded(name), capture, name, 0);
            events.iter_mut().for_each(|event| event.flags = Origin::Injected as u16);
            let told = told(&events, serde_json::json!({}));
            assert!(told.first().is_some_and(|(at, _)| *at <= 10.0), "{name}: {told:?}");
            assert!(told.iter().all(|(_, rule)| rule.is_note()), "{name}: {told:?}");
        }
    }
}

/// Plays a recording so many times, each but the first with noise of so many pixels on every place of the pointer.
fn noisy(events: &[Event<'static>], times: u64, by: f64) -> Vec<Event<'static>> {
    let mut chance = Chance::new("noise");
    let lasts = events[events.len() - 1].mono_ns - events[0].mono_ns + SECOND;
    let mut all = Vec::new();
    for n in 0..times {
        all.extend(events.iter().map(|event| {
            let mut event = Event { mono_ns: event.mono_ns + n * lasts, ..*event };
            if event.kind == POINTER && n > 0 {
                event.args[..2]
                    .iter_mut()
                    .for_each(|place| *place += (by * chance.normal()).round() as i32 * 256);
            }
            event
        }));
    }
    all
}

#[test]
fn noise_on_a_persons_own_path_flags_nobody() {
    for name in POINTERS {
        let events = recorded(name);
        for by in [0.5, 1.0, 3.0] {
            // The first repetition is without.
            let half = noisy(&events, 2, by).split_off(events.len());
            for capture in CAPTURES {
                let flags = flags(&record(&half, capture, name, 0));
                assert!(flags.is_empty(), "{name}, {by} px, {capture:?}: {flags:?}");
            }
        }
    }
}
