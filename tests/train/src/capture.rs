//! The same input as other systems would have recorded it, so that nothing learns how a data set was captured.

use plugin_api::{Event, event::POINTER};

/// How input is recorded, or what of a recording is taken away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Capture {
    /// As it is in the file.
    AsIs,
    /// Through a remote desktop: motion merged to 100–124 ms, the first after a rest too, a clock that ticks every
    /// 15.625 ms.
    Remote,
    /// By a browser: motion merged to 60 Hz, a clock of milliseconds.
    Browser,
    /// All on the coarsest clock.
    NoClock,
    /// All motion merged to 100–124 ms.
    NoRate,
    /// Each on a screen that is half to twice as large.
    NoScreen,
    /// Two minutes from where the script takes over, or from the begin.
    NoDuration,
    /// All four.
    Bare,
}

/// Those that are learned from.
pub const CAPTURES: [Capture; 3] = [Capture::AsIs, Capture::Remote, Capture::Browser];

const TICK: u64 = 15_625_000;
const MILLISECOND: u64 = 1_000_000;
const CUT: u64 = 120_000 * MILLISECOND;

/// Records these signals in another way; the name makes chance repeatable, and `onset` is in nanoseconds.
pub fn record(events: &[Event<'static>], capture: Capture, name: &str, onset: u64) -> Vec<Event<'static>> {
    let mut chance = Chance::new(name);
    let mut events = events.to_vec();
    if matches!(capture, Capture::NoDuration | Capture::Bare) {
        let begin = events.first().map_or(0, |event| event.mono_ns) + onset;
        events.retain(|event| (begin..begin + CUT).contains(&event.mono_ns));
    }
    if matches!(capture, Capture::NoScreen | Capture::Bare) {
        let scale = 4f64.powf(chance.even() - 0.5);
        events.iter_mut().for_each(|event| resize(event, scale));
    }
    match capture {
        Capture::Remote | Capture::NoRate | Capture::Bare => {
            events =
                merge(&events, First::Waits, || ((100.0 + 24.0 * chance.even()) * MILLISECOND as f64) as u64);
        }
        Capture::Browser => events = merge(&events, First::AtOnce, || 16 * MILLISECOND),
        _ => {}
    }
    let tick = match capture {
        Capture::Remote | Capture::NoClock | Capture::Bare => TICK,
        Capture::Browser => MILLISECOND,
        _ => 1,
    };
    events.iter_mut().for_each(|event| event.mono_ns -= event.mono_ns % tick);
    steps(&mut events);
    events
}

/// What becomes of the first motion after a rest.
#[derive(Clone, Copy, PartialEq, Eq)]
enum First {
    AtOnce,
    Waits,
}

/// Merges motion as remote desktops and browsers do: one each while, where it was last.
fn merge(events: &[Event<'static>], first: First, mut every: impl FnMut() -> u64) -> Vec<Event<'static>> {
    let mut merged = Vec::with_capacity(events.len());
    let (mut waiting, mut until) = (None::<Event<'static>>, 0);
    for event in events {
        if let Some(last) = waiting.take_if(|_| event.mono_ns >= until || event.kind != POINTER) {
            let at = until.min(event.mono_ns);
            merged.push(Event { mono_ns: at, ..last });
            until = at + every();
        }
        if event.kind != POINTER {
            merged.push(*event);
            continue;
        }
        if event.mono_ns >= until {
            until = event.mono_ns + every();
            if first == First::AtOnce {
                merged.push(*event);
                continue;
            }
        }
        waiting = Some(*event);
    }
    merged.extend(waiting.map(|last| Event { mono_ns: until, ..last }));
    merged
}

/// Where `x` is in a signal's numbers, if it has a place.
fn place(event: &Event<'_>) -> Option<usize> {
    match event.kind {
        POINTER => Some(0),
        plugin_api::event::BUTTON | plugin_api::event::WHEEL => Some(2),
        _ => None,
    }
}

fn resize(event: &mut Event<'static>, scale: f64) {
    let Some(place) = place(event) else { return };
    for part in &mut event.args[place..place + 2] {
        if *part != i32::MIN {
            // To whole pixels again.
            *part = ((f64::from(*part) * scale / 256.0).round() * 256.0) as i32;
        }
    }
}

/// Motion is from the last place that was told.
fn steps(events: &mut [Event<'static>]) {
    let mut last = None;
    for event in events.iter_mut().filter(|event| event.kind == POINTER) {
        let (x, y) = (event.args[0], event.args[1]);
        let (before_x, before_y) = last.replace((x, y)).unwrap_or((x, y));
        (event.args[2], event.args[3]) = (x.saturating_sub(before_x), y.saturating_sub(before_y));
    }
}

/// Numbers that are the same each time.
pub struct Chance(pub u64);

impl Chance {
    /// Begins with a name.
    pub fn new(name: &str) -> Self {
        Self(name.bytes().fold(7, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into())))
    }

    /// From 0 to 1.
    pub fn even(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Around 0, with a standard deviation of 1.
    pub fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.even()).sum::<f64>() - 6.0
    }
}
