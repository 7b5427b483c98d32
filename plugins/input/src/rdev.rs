//! Input of macOS by rdev, which hands over what an event tap sees.
//!
//! A listener can't be stopped, so there is one for the life of the process; while nothing observes, it drops what
//! it is told at once. What rdev makes of a key, the typed text included, is dropped in the callback.

use std::{
    collections::HashSet,
    os::fd::{AsFd, OwnedFd},
    sync::{Mutex, OnceLock, PoisonError},
    time::Duration,
};

use plugin_api::{KeyClass, Origin, Out};
use rdev::{Button, EventType, Key};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    time::{ClockId, clock_gettime},
};

use crate::{
    backend::{Backend, Lost},
    batch::{Batch, From, KeyChange, Position},
    gate::{Gate, Wanted},
};

/// How long events gather.
const GATHER: Duration = Duration::from_millis(20);
/// What is held at most while nobody fetches it.
const MOST: usize = 4096;
const FROM: From = From { device: 0, origin: Origin::Unknown };

static LISTENER: OnceLock<Listener> = OnceLock::new();

struct Listener {
    queue: Mutex<Queue>,
    /// Wakes the thread that observes.
    pipe: (OwnedFd, OwnedFd),
}

#[derive(Default)]
struct Queue {
    seen: Vec<Seen>,
    /// Keys that are down, for a repeat looks like a press. No more than that is known of them.
    held: HashSet<Key>,
    is_observed: bool,
    failure: Option<String>,
}

#[derive(Clone, Copy)]
struct Seen {
    time: u64,
    what: What,
}

#[derive(Clone, Copy)]
enum What {
    Motion { x: f64, y: f64 },
    Button { button: i32, pressed: bool },
    Wheel { dx: i64, dy: i64 },
    Key { class: KeyClass, change: KeyChange },
}

/// An event tap.
pub struct Rdev {
    position: Position,
}

impl Rdev {
    pub fn new() -> Self {
        Self { position: None }
    }

    fn take(&mut self, seen: Seen, batch: &mut Batch) {
        match seen.what {
            What::Motion { x, y } => {
                let to = ((x * 256.0) as i32, (y * 256.0) as i32);
                let before = self.position.replace(to).unwrap_or(to);
                batch.motion(seen.time, FROM, (to.0 - before.0, to.1 - before.1), self.position);
            }
            What::Button { button, pressed } => batch.button(seen.time, FROM, button, pressed, self.position),
            What::Wheel { dx, dy } => {
                // Ten points are about a notch; up is positive here, down in the table.
                let turns = |points: i64| (points * 12).clamp(i32::MIN.into(), i32::MAX.into()) as i32;
                batch.wheel(seen.time, FROM, (turns(dx), turns(-dy)), self.position);
            }
            What::Key { class, change } => batch.key(seen.time, FROM, class, change),
        }
    }

    fn observe(
        &mut self,
        listener: &Listener,
        gate: &Gate,
        batch: &mut Batch,
        out: &Out<'_>,
    ) -> Result<(), Lost> {
        let mut seen = Vec::with_capacity(MOST);
        loop {
            let mut fds = [
                PollFd::from_borrowed_fd(gate.fd(), PollFlags::IN),
                PollFd::from_borrowed_fd(listener.pipe.0.as_fd(), PollFlags::IN),
            ];
            let _ = poll(&mut fds, None);
            let mut fds = [PollFd::from_borrowed_fd(gate.fd(), PollFlags::IN)];
            let _ = poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: GATHER.as_nanos() as _ }));
            gate.drain();
            if gate.wanted() != Wanted::Run {
                return Ok(());
            }
            let mut bytes = [0; 64];
            while matches!(rustix::io::read(&listener.pipe.0, &mut bytes), Ok(n) if n > 0) {}
            {
                let mut queue = listener.queue.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(why) = &queue.failure {
                    let fix = "allow the agent in System Settings, Privacy & Security, Input Monitoring; then restart it";
                    return Err(Lost::new(format!("macOS refuses the event tap: {why}"), fix));
                }
                std::mem::swap(&mut seen, &mut queue.seen);
            }
            for seen in seen.drain(..) {
                self.take(seen, batch);
                if batch.is_full() {
                    batch.flush(out);
                }
            }
            batch.flush(out);
        }
    }
}

impl Backend for Rdev {
    fn name(&self) -> String {
        "rdev (event tap)".to_owned()
    }

    fn blind(&self) -> String {
        "who made an event (its origin is unknown), which device it was, motion while a button is held, the middle \
         and further buttons, and password fields"
            .to_owned()
    }

    fn run(&mut self, gate: &Gate, batch: &mut Batch, out: &Out<'_>) -> Result<(), Lost> {
        let listener = listener()
            .map_err(|why| Lost::new(format!("the listener does not start: {why}"), "see the message"))?;
        listener.observed(true);
        let result = self.observe(listener, gate, batch, out);
        listener.observed(false);
        result
    }
}

impl Listener {
    fn observed(&self, is_observed: bool) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.is_observed = is_observed;
        queue.seen.clear();
        queue.held.clear();
    }

    fn see(&self, event: EventType) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.is_observed && queue.seen.len() < MOST {
            let what = queue.what(event);
            queue.seen.push(Seen { time: now_ns(), what });
            self.wake();
        }
    }

    fn wake(&self) {
        // Fails only when it is full, and then there is something to wake up for already.
        let _ = rustix::io::write(&self.pipe.1, &[1]);
    }
}

/// The listener of this process, started at the first call.
fn listener() -> std::io::Result<&'static Listener> {
    if let Some(listener) = LISTENER.get() {
        return Ok(listener);
    }
    let pipe = rustix::pipe::pipe()?;
    for end in [&pipe.0, &pipe.1] {
        rustix::io::ioctl_fionbio(end, true)?;
    }
    let mut is_new = false;
    let listener = LISTENER.get_or_init(|| {
        is_new = true;
        Listener { queue: Mutex::default(), pipe }
    });
    if is_new {
        std::thread::Builder::new().name("input tap".to_owned()).spawn(move || {
            let Err(why) = rdev::listen(|event| listener.see(event.event_type)) else { return };
            let mut queue = listener.queue.lock().unwrap_or_else(PoisonError::into_inner);
            queue.failure = Some(format!("{why:?}"));
            listener.wake();
        })?;
    }
    Ok(listener)
}

impl Queue {
    fn what(&mut self, event: EventType) -> What {
        match event {
            EventType::MouseMove { x, y } => What::Motion { x, y },
            EventType::Wheel { delta_x, delta_y } => What::Wheel { dx: delta_x, dy: delta_y },
            EventType::ButtonPress(button) => What::Button { button: number(button), pressed: true },
            EventType::ButtonRelease(button) => What::Button { button: number(button), pressed: false },
            EventType::KeyPress(key) => {
                let change = if self.held.insert(key) { KeyChange::Press } else { KeyChange::Repeat };
                What::Key { class: class(key), change }
            }
            EventType::KeyRelease(key) => {
                self.held.remove(&key);
                What::Key { class: class(key), change: KeyChange::Release }
            }
        }
    }
}

fn number(button: Button) -> i32 {
    match button {
        Button::Left => 1,
        Button::Middle => 2,
        Button::Right => 3,
        Button::Unknown(number) => number.into(),
    }
}

/// What a key is for. Keys are named by their place on a keyboard from the United States.
fn class(key: Key) -> KeyClass {
    use Key::*;
    match key {
        KeyA | KeyB | KeyC | KeyD | KeyE | KeyF | KeyG | KeyH | KeyI | KeyJ | KeyK | KeyL | KeyM | KeyN
        | KeyO | KeyP | KeyQ | KeyR | KeyS | KeyT | KeyU | KeyV | KeyW | KeyX | KeyY | KeyZ => {
            KeyClass::Letter
        }
        Num0 | Num1 | Num2 | Num3 | Num4 | Num5 | Num6 | Num7 | Num8 | Num9 | Kp0 | Kp1 | Kp2 | Kp3 | Kp4
        | Kp5 | Kp6 | Kp7 | Kp8 | Kp9 => KeyClass::Digit,
        Space => KeyClass::Space,
        Return | KpReturn => KeyClass::Enter,
        Backspace | Delete | KpDelete => KeyClass::Backspace,
        Tab | UpArrow | DownArrow | LeftArrow | RightArrow | Home | End | PageUp | PageDown => {
            KeyClass::Navigation
        }
        Alt | AltGr | CapsLock | ControlLeft | ControlRight | MetaLeft | MetaRight | ShiftLeft
        | ShiftRight | NumLock | ScrollLock | Function => KeyClass::Modifier,
        Escape | F1 | F2 | F3 | F4 | F5 | F6 | F7 | F8 | F9 | F10 | F11 | F12 | PrintScreen | Pause => {
            KeyClass::Function
        }
        _ => KeyClass::Other,
    }
}

fn now_ns() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
