//! Signals on their way out: one buffer, used again and again, so that an event allocates nothing.

use plugin_api::{
    Event, KeyClass, Origin, Out,
    event::{Button, KEY, WHEEL},
    v1::UNKNOWN_POSITION,
};

/// What the host is handed at once at most.
const FULL: usize = 512;

/// A device as events name it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct From {
    pub device: u16,
    pub origin: Origin,
}

/// A position in 1/256 px.
pub type Position = Option<(i32, i32)>;

/// Signals that wait to be handed over.
pub struct Batch {
    events: Vec<Event<'static>>,
}

impl Batch {
    pub fn new() -> Self {
        Self { events: Vec::with_capacity(FULL) }
    }

    pub fn is_full(&self) -> bool {
        self.events.len() >= FULL
    }

    #[cfg(test)]
    pub fn events(&self) -> &[Event<'static>] {
        &self.events
    }

    /// Hands everything over. What the host drops, it counts.
    pub fn flush(&mut self, out: &Out<'_>) {
        if !self.events.is_empty() {
            out.emit(&self.events);
            self.events.clear();
        }
    }

    /// Motion by a distance in 1/256 px.
    pub fn motion(&mut self, time: u64, from: From, distance: (i32, i32), position: Position) {
        let (dx, dy) = distance;
        self.events.push(Event::motion(time, from.origin, from.device, dx, dy, position));
    }

    pub fn button(&mut self, time: u64, from: From, button: i32, pressed: bool, position: Position) {
        let button = Button { button: button.clamp(0, 255), pressed, position };
        self.events.push(Event::button_change(time, from.origin, from.device, button));
    }

    /// Turns in 1/120 notch, positive to the right and down.
    pub fn wheel(&mut self, time: u64, from: From, turns: (i32, i32), position: Position) {
        let (x, y) = position.unwrap_or((UNKNOWN_POSITION, UNKNOWN_POSITION));
        self.events.push(Event::signal(WHEEL, time, from.origin, from.device, [turns.0, turns.1, x, y]));
    }

    pub fn key(&mut self, time: u64, from: From, class: KeyClass, change: KeyChange) {
        let [pressed, repeat] = match change {
            KeyChange::Press => [1, 0],
            KeyChange::Repeat => [1, 1],
            KeyChange::Release => [0, 0],
        };
        self.events.push(Event::signal(
            KEY,
            time,
            from.origin,
            from.device,
            [class as i32, pressed, repeat, 0],
        ));
    }
}

/// What a key did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyChange {
    Press,
    Repeat,
    Release,
}

/// A device's name as an event may carry it: UTF-8, no control characters, not too long.
#[cfg(all(unix, not(target_os = "macos")))]
pub fn name(bytes: &[u8]) -> String {
    let mut name: String = String::from_utf8_lossy(bytes).chars().filter(|c| !c.is_control()).collect();
    while name.len() > plugin_api::event::DEVICE_NAME_MAX {
        name.pop();
    }
    name
}

#[cfg(all(test, unix, not(target_os = "macos")))]
mod tests {
    use super::*;

    #[test]
    fn a_long_or_broken_device_name_is_cut_to_what_the_table_allows() {
        let long = "\u{1f5b1}".repeat(100);
        assert!(name(long.as_bytes()).len() <= plugin_api::event::DEVICE_NAME_MAX);
        assert_eq!(name(b"mouse\xff\0 1\n"), "mouse\u{fffd} 1");
    }
}
