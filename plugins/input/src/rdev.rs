//! Input by rdev: of macOS, where it hands over what an event tap sees, and elsewhere where the own backend can't work.
//!
//! A listener can't be stopped, so there is one for the life of the process; while nothing observes, it drops what
//! it is told at once. One whose X server went away is left behind for ever ([`crate::sys`]), and the next one gets a
//! thread of its own. What rdev makes of a key, the typed text included, is dropped in the callback.

use std::{
    collections::HashSet,
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use plugin_api::{Origin, Out};
use rdev::{Button, EventType, Key};

use self::{
    key::class,
    system::{BLIND, LOST, NAME, REFUSED, WHEEL_STEP, now_ns},
};
use crate::{
    backend::{Backend, Lost},
    batch::{Batch, From, KeyChange, Position},
    gate::{Gate, Wanted},
};

#[cfg(target_os = "linux")]
pub use system::check;

mod key;
#[cfg_attr(target_os = "linux", path = "rdev/linux.rs")]
#[cfg_attr(target_os = "macos", path = "rdev/macos.rs")]
#[cfg_attr(windows, path = "rdev/windows.rs")]
mod system;

/// How long events gather.
const GATHER: Duration = Duration::from_millis(20);
/// How long a new listener has to fail: that it works only its first event says.
const START: Duration = Duration::from_millis(300);
/// So many listeners are tried in a row: one may get lost while it puts away what the last one left.
const TRIES: usize = 3;
/// What is held at most while nobody fetches it.
const MOST: usize = 4096;
const FROM: From = From { device: 0, origin: Origin::Unknown };

static LISTENER: Mutex<Option<Arc<Listener>>> = Mutex::new(None);

/// A thread that rdev has, and what it was told.
#[derive(Default)]
struct Listener {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    seen: Vec<Seen>,
    /// Keys that are down, for a repeat looks like a press. No more than that is known of them.
    held: HashSet<Key>,
    is_observed: bool,
    end: Option<End>,
}

/// Why a listener ended.
#[derive(Clone)]
enum End {
    /// What it listened to went away.
    Lost,
    /// It was refused, or ended by itself.
    Refused(String),
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
    Key { class: plugin_api::KeyClass, change: KeyChange },
}

/// What rdev tells.
pub struct Rdev {
    listener: Arc<Listener>,
    position: Position,
    /// What would let the own backend work, where this one stands in for it.
    fix: Option<&'static str>,
}

impl Rdev {
    /// Starts the listener, or takes the one there is.
    pub fn open(fix: Option<&'static str>) -> Result<Self, Lost> {
        let mut current = LISTENER.lock().unwrap_or_else(PoisonError::into_inner);
        let listener = match &*current {
            Some(listener) if listener.lock().end.is_none() => {
                if mem::replace(&mut listener.lock().is_observed, true) {
                    let why = "another instance of this plugin observes by rdev already";
                    return Err(Lost::new(why, "remove one of them from the config"));
                }
                listener.clone()
            }
            _ => current.insert(start()?).clone(),
        };
        Ok(Self { listener, position: None, fix })
    }

    fn take(&mut self, seen: Seen, batch: &mut Batch) {
        match seen.what {
            What::Motion { x, y } => {
                let to = ((x * 256.0) as i32, (y * 256.0) as i32);
                let before = self.position.replace(to).unwrap_or(to);
                let distance = (to.0.saturating_sub(before.0), to.1.saturating_sub(before.1));
                batch.motion(seen.time, FROM, distance, self.position);
            }
            What::Button { button, pressed } => batch.button(seen.time, FROM, button, pressed, self.position),
            What::Wheel { dx, dy } => {
                // Up is positive here, down in the table.
                let turns = |steps: i64| {
                    steps.saturating_mul(WHEEL_STEP).clamp(i32::MIN.into(), i32::MAX.into()) as i32
                };
                batch.wheel(seen.time, FROM, (turns(dx), turns(dy.saturating_neg())), self.position);
            }
            What::Key { class, change } => batch.key(seen.time, FROM, class, change),
        }
    }

    /// Waits for events, for the listener's end or for something else to be wanted.
    fn wait(&self, gate: &Gate) {
        let idle =
            |queue: &mut Queue| queue.seen.is_empty() && queue.end.is_none() && gate.wanted() == Wanted::Run;
        drop(self.listener.changed.wait_while(self.listener.lock(), idle));
    }

    fn observe(&mut self, gate: &Gate, batch: &mut Batch, out: &Out<'_>) -> Result<(), End> {
        // What it is stamped by may be another clock than the host's.
        let shift = out.mono_ns().map_or(0, system::shift);
        let mut all = Vec::with_capacity(MOST);
        loop {
            self.wait(gate);
            if gate.wanted() == Wanted::Run {
                gate.wait(Some(GATHER));
            }
            let end = {
                let mut queue = self.listener.lock();
                mem::swap(&mut all, &mut queue.seen);
                queue.end.clone()
            };
            for seen in all.drain(..) {
                self.take(Seen { time: seen.time.wrapping_add(shift), ..seen }, batch);
                if batch.is_full() {
                    batch.flush(out);
                }
            }
            batch.flush(out);
            if gate.wanted() != Wanted::Run {
                return Ok(());
            }
            if let Some(end) = end {
                return Err(end);
            }
        }
    }
}

impl Backend for Rdev {
    fn name(&self) -> String {
        NAME.to_owned()
    }

    fn blind(&self) -> String {
        format!("who made an event (its origin is unknown), which device it was, {BLIND}")
    }

    fn fix(&self) -> Option<&'static str> {
        self.fix
    }

    fn run(&mut self, gate: &Gate, batch: &mut Batch, out: &Out<'_>) -> Result<(), Lost> {
        let waker = self.listener.clone();
        gate.on_change(Some(Box::new(move || waker.wake())));
        let result = self.observe(gate, batch, out);
        gate.on_change(None);
        result.map_err(Lost::from)
    }
}

impl Drop for Rdev {
    fn drop(&mut self) {
        let mut queue = self.listener.lock();
        queue.is_observed = false;
        queue.seen.clear();
        queue.held.clear();
    }
}

impl std::convert::From<End> for Lost {
    fn from(end: End) -> Self {
        match end {
            End::Lost => Self::new(LOST.0, LOST.1),
            End::Refused(why) => Self::new(format!("{}: {why}", REFUSED.0), REFUSED.1),
        }
    }
}

impl Listener {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn see(&self, event: EventType) {
        let mut queue = self.lock();
        if !queue.is_observed {
            return;
        }
        // Looked at even when there is no room, so that a key that was let go isn't taken for held.
        if let Some(what) = queue.what(event).filter(|_| queue.seen.len() < MOST) {
            queue.seen.push(Seen { time: now_ns(), what });
            self.changed.notify_all();
        }
    }

    fn end(&self, end: End) {
        self.lock().end = Some(end);
        self.changed.notify_all();
    }

    fn wake(&self) {
        // With the lock, so that it does not fall between a look and the wait that follows it.
        let _queue = self.lock();
        self.changed.notify_all();
    }
}

/// Starts a listener, observed from the first, and gives it time to fail.
fn start() -> Result<Arc<Listener>, Lost> {
    let mut end = End::Lost;
    for _ in 0..TRIES {
        let listener = Arc::new(Listener::default());
        listener.lock().is_observed = true;
        let own = listener.clone();
        let listen = move || {
            system::prepare(&own);
            let told = own.clone();
            let why = match rdev::listen(move |event| told.see(event.event_type)) {
                Ok(()) => "it ended".to_owned(),
                Err(why) => format!("{why:?}"),
            };
            own.end(End::Refused(why));
        };
        let thread = std::thread::Builder::new().name("input tap".to_owned()).stack_size(512 << 10);
        // Not joined: it can't be stopped.
        thread.spawn(listen).map_err(|why| Lost::from(End::Refused(why.to_string())))?;
        let unknown = |queue: &mut Queue| queue.end.is_none() && queue.seen.is_empty();
        let waited = listener.changed.wait_timeout_while(listener.lock(), START, unknown);
        let ended = waited.unwrap_or_else(PoisonError::into_inner).0.end.clone();
        match ended {
            None => return Ok(listener),
            Some(End::Lost) => {}
            Some(refused) => {
                end = refused;
                break;
            }
        }
    }
    Err(end.into())
}

impl Queue {
    /// What an event is; nothing if it stands for nothing that happened.
    fn what(&mut self, event: EventType) -> Option<What> {
        Some(match event {
            EventType::MouseMove { x, y } => What::Motion { x, y },
            EventType::Wheel { delta_x, delta_y } => What::Wheel { dx: delta_x, dy: delta_y },
            EventType::ButtonPress(button) => What::Button { button: number(button)?, pressed: true },
            EventType::ButtonRelease(button) => What::Button { button: number(button)?, pressed: false },
            EventType::KeyPress(key) => {
                let change = if self.held.insert(key) { KeyChange::Press } else { KeyChange::Repeat };
                What::Key { class: class(key), change }
            }
            EventType::KeyRelease(key) => {
                self.held.remove(&key);
                What::Key { class: class(key), change: KeyChange::Release }
            }
        })
    }
}

fn number(button: Button) -> Option<i32> {
    match button {
        Button::Left => Some(1),
        Button::Middle => Some(2),
        Button::Right => Some(3),
        Button::Unknown(number) => system::further(number.into()),
    }
}
