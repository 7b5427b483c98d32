//! A person's recording that is played again, in all the ways that hide it.

use plugin_api::Origin;

use super::{POINTERS, flags, recorded, told};
use crate::{
    again::{EXACTLY, Twice, Way, cut, twice},
    capture::{CAPTURES, Capture, record},
};

/// So much of a recording is played again, in nanoseconds.
const WORK: u64 = 90_000_000_000;

/// What is not flagged within the second repetition, in any way of recording.
fn late(name: &str, way: Way) -> Vec<String> {
    let Twice { events, second } = twice(&cut(&recorded(name), WORK), way);
    let of = |capture| {
        let flags = flags(&record(&events, capture, name, 0));
        let first = flags.first().map(|(at, _)| *at);
        let soon = first.is_some_and(|first| first >= second);
        (!soon).then(|| format!("{name}, {way:?}, {capture:?}: {flags:?}, repeated from {second}"))
    };
    CAPTURES.into_iter().filter_map(of).collect()
}

#[test]
fn a_replayed_person_is_flagged_within_the_second_repetition_however_it_is_carried() {
    let exactly = [EXACTLY, Way { by: (37, -12), side: -1, ..EXACTLY }];
    let paced = [Way { pace: 0.8, ..EXACTLY }, Way { pace: 1.3, by: (5, 5), ..EXACTLY }];
    let mut late: Vec<String> =
        POINTERS.iter().flat_map(|name| exactly.iter().flat_map(|way| late(name, *way))).collect();
    // DELBOT's first is told in hundredths of the window, and the second hardly rests: at another pace it rests
    // elsewhere.
    let pixels = ["sapimouse_1", "sapimouse_2"];
    late.extend(pixels.iter().flat_map(|name| paced.iter().flat_map(|way| self::late(name, *way))));
    assert!(late.is_empty(), "{}", late.join("\n"));
}

#[test]
fn noise_on_each_place_of_a_replay_does_not_hide_it() {
    // Noise of a pixel is twice as wide as all of DELBOT's first; the second has twelve strokes, and SapiMouse's first
    // tells places where the pointer rests, which noise makes strokes of.
    let ways = [0.5, 1.0, 3.0].map(|noise| Way { noise, ..EXACTLY });
    let late: Vec<String> = ways.iter().flat_map(|way| late("sapimouse_2", *way)).collect();
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

#[test]
fn noise_on_a_persons_own_path_flags_nobody() {
    for name in POINTERS {
        let events = recorded(name);
        for noise in [0.5, 1.0, 3.0] {
            // Only the second repetition, which has it.
            let half = twice(&events, Way { noise, ..EXACTLY }).events.split_off(events.len());
            for capture in CAPTURES {
                let flags = flags(&record(&half, capture, name, 0));
                assert!(flags.is_empty(), "{name}, {noise} px, {capture:?}: {flags:?}");
            }
        }
    }
}
