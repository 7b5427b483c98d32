//! Input by Windows' low-level hooks, which say of each event whether a program sent it.

use plugin_api::{KeyClass, Origin, Out};

use crate::{
    backend::{Backend, Lost},
    batch::{Batch, From, KeyChange, Position},
    gate::{Gate, Wanted},
    sys::{self, Hook, Seen},
};

/// Mouse and keyboard hooks of the thread that opened it.
pub struct Hooks {
    hook: Hook,
}

impl Hooks {
    pub fn open() -> Result<Self, Lost> {
        Hook::new().map(|hook| Self { hook }).map_err(lost)
    }
}

fn lost(why: std::io::Error) -> Lost {
    Lost::new(format!("Windows refuses the input hooks: {why}"), "start the agent in the session")
}

impl Backend for Hooks {
    fn name(&self) -> String {
        "windows (low-level hooks)".to_owned()
    }

    fn blind(&self) -> String {
        "which device it was, devices that software makes (they count as physical), and input to programs that run \
         as administrator, to the lock screen and to other sessions"
            .to_owned()
    }

    fn run(&mut self, gate: &Gate, batch: &mut Batch, out: &Out<'_>) -> Result<(), Lost> {
        let thread = sys::thread();
        gate.on_change(Some(Box::new(move || sys::wake(thread))));
        // Hooks are stamped by the performance counter, events by the host's clock.
        let shift = out.mono_ns().map_or(0, |now| now.wrapping_sub(sys::mono_ns()));
        let mut state = State { shift, position: None, held: Box::new([false; 256]) };
        let result = loop {
            if gate.wanted() != Wanted::Run {
                break Ok(());
            }
            let waited = self.hook.wait(|seen| {
                state.take(seen, batch);
                if batch.is_full() {
                    batch.flush(out);
                }
            });
            batch.flush(out);
            if let Err(why) = waited {
                break Err(lost(why));
            }
        };
        gate.on_change(None);
        result
    }
}

struct State {
    shift: u64,
    position: Position,
    held: Box<[bool; 256]>,
}

impl State {
    fn take(&mut self, seen: Seen, batch: &mut Batch) {
        match seen {
            Seen::Mouse { time, message, x, y, data, injected } => {
                let time = time.wrapping_add(self.shift);
                let from = from(injected);
                let to = (x.saturating_mul(256), y.saturating_mul(256));
                // The upper half is signed: turns, or the number of a button.
                let upper = i32::from((data >> 16) as u16 as i16);
                match message {
                    0x200 => {
                        let before = self.position.replace(to).unwrap_or(to);
                        let distance = (to.0.saturating_sub(before.0), to.1.saturating_sub(before.1));
                        batch.motion(time, from, distance, self.position);
                    }
                    0x201 | 0x202 => batch.button(time, from, 1, message == 0x201, Some(to)),
                    0x204 | 0x205 => batch.button(time, from, 3, message == 0x204, Some(to)),
                    0x207 | 0x208 => batch.button(time, from, 2, message == 0x207, Some(to)),
                    0x20b | 0x20c => batch.button(time, from, upper + 7, message == 0x20b, Some(to)),
                    // Away from the person is positive here; in the table down is.
                    0x20a => batch.wheel(time, from, (0, -upper), Some(to)),
                    0x20e => batch.wheel(time, from, (upper, 0), Some(to)),
                    _ => {}
                }
            }
            Seen::Key { time, key, is_up, injected } => {
                let time = time.wrapping_add(self.shift);
                let was_held = std::mem::replace(&mut self.held[(key & 0xff) as usize], !is_up);
                let change = match (is_up, was_held) {
                    (true, _) => KeyChange::Release,
                    (false, false) => KeyChange::Press,
                    (false, true) => KeyChange::Repeat,
                };
                batch.key(time, from(injected), class(key), change);
            }
        }
    }
}

fn from(injected: bool) -> From {
    From { device: 0, origin: if injected { Origin::Injected } else { Origin::Physical } }
}

/// What a virtual key is for.
fn class(key: u32) -> KeyClass {
    match key {
        0x41..=0x5a => KeyClass::Letter,
        0x30..=0x39 | 0x60..=0x69 => KeyClass::Digit,
        0x20 => KeyClass::Space,
        0x0d => KeyClass::Enter,
        0x08 | 0x2e => KeyClass::Backspace,
        0x09 | 0x21..=0x28 => KeyClass::Navigation,
        0x10..=0x12 | 0x14 | 0x5b | 0x5c | 0x90 | 0x91 | 0xa0..=0xa5 => KeyClass::Modifier,
        0x1b | 0x70..=0x87 | 0xa6..=0xb7 => KeyClass::Function,
        // Keys whose place the layout fills: punctuation here, a letter there.
        0xba..=0xe2 if sys::character(key).is_some_and(char::is_alphabetic) => KeyClass::Letter,
        _ => KeyClass::Other,
    }
}
