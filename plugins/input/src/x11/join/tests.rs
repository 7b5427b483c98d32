//! What two streams of the same input add up to.

use Origin::{Injected, Physical};
use plugin_api::event::Pointer;

use super::*;

const MOUSE: From = From { device: 9, origin: Physical };

struct Case {
    join: Join,
    batch: Batch,
}

impl Case {
    fn new() -> Self {
        let mut join = Join::new(Pairing::On);
        join.place(100 * PX, 100 * PX);
        Self { join, batch: Batch::new() }
    }

    fn core(&mut self, time: u32, x: i16, y: i16) -> &mut Self {
        self.join.core(Core::Motion { time, x, y }, KeyClass::Other);
        self
    }

    fn raw(&mut self, time: u32, dx: i32, dy: i32) -> &mut Self {
        self.join.motion(time, MOUSE, Some((dx * PX, dy * PX)));
        self
    }

    fn turns(&mut self, turns: u32) -> &mut Self {
        for _ in 0..turns {
            self.join.turn();
            self.join.settle(&Clock::ours(1_000_000), &mut self.batch);
        }
        self
    }

    /// Origin and distance in px of each motion.
    fn motions(&self) -> Vec<(Origin, i32, i32)> {
        let motion = |pointer: Pointer| (pointer.dx / PX, pointer.dy / PX);
        let moves = self.batch.events().iter().filter_map(|event| Some((event.origin(), event.pointer()?)));
        moves.map(|(origin, pointer)| (origin, motion(pointer).0, motion(pointer).1)).collect()
    }
}

#[test]
fn motions_that_the_server_merged_are_not_counted_twice() {
    let mut case = Case::new();
    case.raw(1, 3, 0).raw(2, 2, 0).raw(3, 1, 1).core(3, 106, 101).turns(4);
    assert_eq!(case.motions(), [(Physical, 3, 0), (Physical, 2, 0), (Physical, 1, 1)]);
}

#[test]
fn a_core_motion_that_comes_late_is_no_warp() {
    let mut case = Case::new();
    case.raw(1, 3, 0).turns(PATIENCE + 1).core(1, 103, 100).turns(PATIENCE + 1);
    assert_eq!(case.motions(), [(Physical, 3, 0)]);
}

#[test]
fn a_raw_motion_that_comes_a_turn_later_is_no_warp() {
    let mut case = Case::new();
    case.core(1, 103, 100).turns(1).raw(1, 3, 0).turns(1);
    assert_eq!(case.motions(), [(Physical, 3, 0)]);
}

#[test]
fn a_game_that_puts_the_pointer_back_shows_both() {
    let mut case = Case::new();
    for time in 1..=3 {
        case.raw(time, 5, 0).core(time, 105, 100).core(time, 100, 100);
    }
    case.turns(4);
    let both = [(Physical, 5, 0), (Injected, -5, 0)];
    assert_eq!(case.motions(), [both, both, both].concat());
}

#[test]
fn a_tablet_travels_as_far_as_the_pointer() {
    let mut case = Case::new();
    case.join.motion(1, MOUSE, None);
    case.core(1, 300, 100).turns(1);
    assert_eq!(case.motions(), [(Physical, 200, 0)]);
}

#[test]
fn a_device_is_believed_about_fractions_of_a_pixel() {
    let mut case = Case::new();
    for (time, x) in [(1, 100), (2, 101), (3, 101)] {
        case.join.motion(time, MOUSE, Some((128, 0)));
        case.core(time, x, 100);
    }
    case.turns(1);
    let dx: Vec<_> = case.batch.events().iter().filter_map(|event| Some(event.pointer()?.dx)).collect();
    assert_eq!(dx, [128, 128, 128]);
}

#[test]
fn without_record_nothing_waits() {
    let mut case = Case { join: Join::new(Pairing::Off), batch: Batch::new() };
    case.raw(1, 3, 0).turns(1);
    assert!(!case.join.is_waiting());
    assert_eq!(case.motions(), [(Physical, 3, 0)]);
    assert_eq!(case.batch.events()[0].pointer().unwrap().position, None);
}

#[test]
fn two_keyboards_may_press_the_same_key() {
    let mut case = Case::new();
    let other = From { device: 10, ..MOUSE };
    for (time, from) in [(1, MOUSE), (2, other), (3, other)] {
        case.join.key(time, from, 38, KeyClass::Letter, true);
    }
    case.turns(PATIENCE + 1);
    let repeats: Vec<_> = case.batch.events().iter().filter_map(|event| Some(event.key()?.repeat)).collect();
    assert_eq!(repeats, [false, false, true]);
}
