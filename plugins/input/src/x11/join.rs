//! Joins the two streams by their server times.
//!
//! Every motion a device makes is one raw event and one core event of the same time. A core event without a raw one
//! is a warp: a program put the pointer elsewhere, a script or a game alike. A press without a raw one is a repeat.
//! Both streams are in order, so the fronts decide; only at the ends it may take a moment until the partner comes.

use std::collections::VecDeque;

use plugin_api::{KeyClass, Origin};

use super::{clock::Clock, decode::Core};
use crate::batch::{Batch, From, KeyChange, Position};

/// For how many turns an event waits for its partner, which the server may be slow to write. Times stay exact.
const PATIENCE: u32 = 3;
/// How many raw events that found no partner are remembered, should it come later still.
const REMEMBERED: usize = 64;
/// One px.
const PX: i32 = 256;

/// Whether there is a second stream.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Pairing {
    On,
    Off,
}

struct Raw {
    time: u32,
    turn: u32,
    from: From,
    what: What,
}

#[derive(Clone, Copy)]
enum What {
    Motion { distance: Option<(i32, i32)> },
    Wheel { turns: (i32, i32) },
    Button { button: i32, pressed: bool },
    Press { code: u8, class: KeyClass },
    Release { code: u8, class: KeyClass },
}

struct Seen {
    turn: u32,
    event: Core,
    class: KeyClass,
}

/// What the fronts of the streams call for.
enum Step {
    Pair,
    Raw,
    Core,
    Wait,
}

/// Both streams, as far as they are not settled.
pub struct Join {
    pairing: Pairing,
    turn: u32,
    raws: VecDeque<Raw>,
    cores: VecDeque<Seen>,
    /// Times of motions that were passed on without their core event.
    alone: VecDeque<u32>,
    /// Which device holds a key down, by code.
    held: Box<[Option<From>; 256]>,
    position: Position,
}

impl Join {
    pub fn new(pairing: Pairing) -> Self {
        Self {
            pairing,
            turn: 0,
            raws: VecDeque::with_capacity(512),
            cores: VecDeque::with_capacity(512),
            alone: VecDeque::with_capacity(REMEMBERED),
            held: Box::new([None; 256]),
            position: None,
        }
    }

    /// Where the pointer is to begin with, in 1/256 px.
    pub fn place(&mut self, x: i32, y: i32) {
        self.position = (self.pairing == Pairing::On).then_some((x, y));
    }

    /// Begins another turn of reading.
    pub fn turn(&mut self) {
        self.turn = self.turn.wrapping_add(1);
    }

    /// Whether something waits for its partner.
    pub fn is_waiting(&self) -> bool {
        !self.raws.is_empty() || !self.cores.is_empty()
    }

    pub fn motion(&mut self, time: u32, from: From, distance: Option<(i32, i32)>) {
        self.raw(time, from, What::Motion { distance });
    }

    pub fn wheel(&mut self, time: u32, from: From, turns: (i32, i32)) {
        self.raw(time, from, What::Wheel { turns });
    }

    pub fn button(&mut self, time: u32, from: From, button: i32, pressed: bool) {
        self.raw(time, from, What::Button { button, pressed });
    }

    pub fn key(&mut self, time: u32, from: From, code: u8, class: KeyClass, pressed: bool) {
        let what = if pressed { What::Press { code, class } } else { What::Release { code, class } };
        self.raw(time, from, what);
    }

    fn raw(&mut self, time: u32, from: From, what: What) {
        self.raws.push_back(Raw { time, turn: self.turn, from, what });
    }

    pub fn core(&mut self, event: Core, class: KeyClass) {
        self.cores.push_back(Seen { turn: self.turn, event, class });
    }

    /// Passes on what is certain.
    pub fn settle(&mut self, clock: &Clock, batch: &mut Batch) {
        loop {
            let turn = self.turn;
            let is_old = |since: u32| turn.wrapping_sub(since) >= PATIENCE;
            match self.step(is_old) {
                Step::Pair => {
                    if let (Some(raw), Some(core)) = (self.raws.pop_front(), self.cores.pop_front()) {
                        self.paired(&raw, core.event, clock, batch);
                    }
                }
                Step::Raw => {
                    if let Some(raw) = self.raws.pop_front() {
                        self.unpaired(&raw, clock, batch);
                    }
                }
                Step::Core => {
                    if let Some(core) = self.cores.pop_front() {
                        self.core_only(&core, clock, batch);
                    }
                }
                Step::Wait => return,
            }
        }
    }

    /// Passes on everything, for no partner will come any more.
    pub fn finish(&mut self, clock: &Clock, batch: &mut Batch) {
        self.turn = self.turn.wrapping_add(PATIENCE);
        self.settle(clock, batch);
    }

    fn step(&self, is_old: impl Fn(u32) -> bool) -> Step {
        let (raw, core) = (self.raws.front(), self.cores.front());
        match (raw, core) {
            (None, None) => Step::Wait,
            (Some(raw), None)
                if self.pairing == Pairing::Off || !raw.what.has_partner() || is_old(raw.turn) =>
            {
                Step::Raw
            }
            (None, Some(core)) if is_old(core.turn) => Step::Core,
            (Some(_), None) | (None, Some(_)) => Step::Wait,
            (Some(raw), Some(core)) => {
                let later = raw.time.wrapping_sub(core.event.time()) as i32;
                match (raw.what, core.event) {
                    _ if later < 0 => Step::Raw,
                    _ if later > 0 => Step::Core,
                    (What::Motion { distance }, Core::Motion { x, y, .. }) => {
                        let travelled = self.travelled(x, y);
                        let fits = distance.is_none_or(|distance| is_near(distance, travelled));
                        if !fits && self.has_warp(raw.time) { Step::Core } else { Step::Pair }
                    }
                    (What::Press { code: raw, .. }, Core::Press { code, .. }) if raw == code => Step::Pair,
                    (_, Core::Press { code, .. }) if self.held[usize::from(code)].is_some() => Step::Core,
                    // Of a warp and a click in the same millisecond, the warp is taken to have come first.
                    (_, Core::Motion { .. }) if self.has_warp(raw.time) => Step::Core,
                    _ => Step::Raw,
                }
            }
        }
    }

    /// Whether more core motions than raw ones are of that millisecond, so that one at least is a warp.
    fn has_warp(&self, time: u32) -> bool {
        let raws = self.raws.iter().take_while(|raw| raw.time == time);
        let cores = self.cores.iter().take_while(|core| core.event.time() == time);
        let raws = raws.filter(|raw| matches!(raw.what, What::Motion { .. })).count();
        cores.filter(|core| matches!(core.event, Core::Motion { .. })).count() > raws
    }

    fn paired(&mut self, raw: &Raw, core: Core, clock: &Clock, batch: &mut Batch) {
        let time = clock.mono_ns(raw.time);
        match (raw.what, core) {
            (What::Motion { distance }, Core::Motion { x, y, .. }) => {
                let travelled = self.go(x, y);
                // What the device said has fractions, but only where the pointer followed it is it the distance.
                let followed = distance.filter(|distance| is_near(*distance, travelled));
                batch.motion(time, raw.from, followed.unwrap_or(travelled), self.position);
            }
            _ => self.raw_only(raw, time, batch),
        }
    }

    fn unpaired(&mut self, raw: &Raw, clock: &Clock, batch: &mut Batch) {
        if self.pairing == Pairing::On && matches!(raw.what, What::Motion { .. }) {
            if self.alone.len() == REMEMBERED {
                self.alone.pop_front();
            }
            self.alone.push_back(raw.time);
        }
        if let (What::Motion { distance: Some((dx, dy)) }, Some((x, y))) = (raw.what, &mut self.position) {
            // A busy server merges core motions, so the next one will say where this one led too.
            (*x, *y) = (x.saturating_add(dx), y.saturating_add(dy));
        }
        self.raw_only(raw, clock.mono_ns(raw.time), batch);
    }

    fn raw_only(&mut self, raw: &Raw, time: u64, batch: &mut Batch) {
        let from = raw.from;
        match raw.what {
            What::Motion { distance } => batch.motion(time, from, distance.unwrap_or((0, 0)), self.position),
            What::Wheel { turns } => batch.wheel(time, from, turns, self.position),
            What::Button { button, pressed } => batch.button(time, from, button, pressed, self.position),
            What::Press { code, class } => {
                let before = self.held[usize::from(code)].replace(from);
                let change = if before == Some(from) { KeyChange::Repeat } else { KeyChange::Press };
                batch.key(time, from, class, change);
            }
            // Some scripts release a key twice; only the first is one.
            What::Release { code, class } => {
                if self.held[usize::from(code)].take().is_some() {
                    batch.key(time, from, class, KeyChange::Release);
                }
            }
        }
    }

    fn core_only(&mut self, core: &Seen, clock: &Clock, batch: &mut Batch) {
        let time = clock.mono_ns(core.event.time());
        match core.event {
            Core::Motion { x, y, time: at } => {
                let travelled = self.go(x, y);
                if let Some(late) = self.alone.iter().position(|alone| *alone == at) {
                    self.alone.remove(late);
                } else if travelled != (0, 0) {
                    let from = From { device: 0, origin: Origin::Injected };
                    batch.motion(time, from, travelled, self.position);
                }
            }
            Core::Press { code, .. } => {
                if let Some(from) = self.held[usize::from(code)] {
                    batch.key(time, from, core.class, KeyChange::Repeat);
                }
            }
        }
    }

    /// Moves the pointer to a position in px and says how far that was in 1/256 px.
    fn go(&mut self, x: i16, y: i16) -> (i32, i32) {
        let travelled = self.travelled(x, y);
        self.position = Some((i32::from(x) * PX, i32::from(y) * PX));
        travelled
    }

    fn travelled(&self, x: i16, y: i16) -> (i32, i32) {
        let to = (i32::from(x) * PX, i32::from(y) * PX);
        let from = self.position.unwrap_or(to);
        (to.0 - from.0, to.1 - from.1)
    }
}

impl What {
    fn has_partner(self) -> bool {
        matches!(self, Self::Motion { .. } | Self::Press { .. })
    }
}

/// Within a pixel, for positions are told in whole ones.
fn is_near(a: (i32, i32), b: (i32, i32)) -> bool {
    a.0.abs_diff(b.0) < PX as u32 && a.1.abs_diff(b.1) < PX as u32
}

#[cfg(test)]
mod tests;
