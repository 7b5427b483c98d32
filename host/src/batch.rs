//! Signals on their way to one detector: a bounded queue that never blocks its writer.
//!
//! The reader sleeps until something comes and then lingers, so that a busy mouse costs a few wake-ups a second
//! rather than one per event; signals carry their own time, so waiting changes no measurement.

use std::{
    mem,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use plugin_api::Event;

/// The most signals that wait: half a minute of a 1,000 Hz mouse, 2 MB.
pub const CAPACITY: usize = 32 << 10;
/// The most bytes of bodies that wait.
const BODIES_MAX: usize = 1 << 20;
/// How long the reader lets signals gather.
const LINGER: Duration = Duration::from_millis(250);
/// What a reader keeps allocated between batches.
const KEEP: usize = 1 << 10;

/// Signals taken from a queue at once.
#[derive(Default)]
pub struct Batch {
    events: Vec<Event<'static>>,
    /// Bodies of the few signals that have one, by index.
    bodies: Vec<(usize, Box<[u8]>)>,
}

impl Batch {
    /// Passes the signals on, in one piece.
    pub fn with<R>(&self, f: impl FnOnce(&[Event<'_>]) -> R) -> R {
        if self.bodies.is_empty() {
            return f(&self.events);
        }
        let mut events: Vec<Event<'_>> = self.events.clone();
        for (index, body) in &self.bodies {
            events[*index].body = body[..].into();
        }
        f(&events)
    }

    /// How many signals it holds.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    fn clear(&mut self) {
        self.events.clear();
        self.events.shrink_to(KEEP);
        self.bodies.clear();
    }

    fn push(&mut self, event: Event<'_>) -> Pushed {
        if self.events.len() >= CAPACITY {
            return Pushed::Dropped;
        }
        let body = event.bytes();
        if !body.is_empty() {
            if self.bodies.iter().map(|(_, body)| body.len()).sum::<usize>() + body.len() > BODIES_MAX {
                return Pushed::Dropped;
            }
            self.bodies.push((self.events.len(), body.into()));
        }
        self.events.push(Event { body: (&[][..]).into(), ..event });
        Pushed::Kept
    }
}

#[derive(PartialEq, Eq)]
enum Pushed {
    Kept,
    Dropped,
}

/// What ended a wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Popped {
    /// The batch holds signals.
    Signals,
    /// The deadline came first.
    Deadline,
    /// The queue is paused, and empty.
    Paused,
    /// The detector's config was changed.
    Changed,
    /// The queue is closed and empty.
    Closed,
}

#[derive(Default)]
struct State {
    batch: Batch,
    since: Option<Instant>,
    paused: bool,
    changed: bool,
    closed: bool,
}

/// The queue of one detector.
#[derive(Default)]
pub struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

impl Queue {
    /// Adds signals; answers how many found no room.
    pub fn push<'a>(&self, events: impl Iterator<Item = Event<'a>>) -> u64 {
        let mut state = self.lock();
        let before = state.batch.len();
        let dropped = events.filter(|event| state.batch.push(*event) == Pushed::Dropped).count() as u64;
        let after = state.batch.len();
        let half = CAPACITY / 2;
        if (before == 0 && after > 0) || (before < half && after >= half) {
            state.since.get_or_insert_with(Instant::now);
            drop(state);
            self.changed.notify_one();
        }
        dropped
    }

    /// Waits for signals to gather, at most until `deadline`, and swaps them into `batch`.
    pub fn pop(&self, batch: &mut Batch, deadline: Option<Instant>) -> Popped {
        batch.clear();
        let mut state = self.lock();
        loop {
            let now = Instant::now();
            let gathered = state.since.map(|since| since + LINGER);
            let full = state.batch.len() >= CAPACITY / 2;
            let due = deadline.is_some_and(|deadline| deadline <= now);
            if !state.batch.is_empty()
                && (full || due || state.paused || state.closed || gathered.is_some_and(|at| at <= now))
            {
                mem::swap(&mut state.batch, batch);
                state.since = None;
                return Popped::Signals;
            }
            if state.closed {
                return Popped::Closed;
            }
            if state.paused {
                return Popped::Paused;
            }
            if mem::take(&mut state.changed) {
                return Popped::Changed;
            }
            if due {
                return Popped::Deadline;
            }
            let until = [deadline, gathered].into_iter().flatten().min();
            state = match until {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(until) => {
                    let wait = until.saturating_duration_since(now);
                    self.changed.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// How many signals wait.
    pub fn waiting(&self) -> usize {
        self.lock().batch.len()
    }

    /// Lets the reader take what is left and then rest, or lets it go on.
    pub fn pause(&self, paused: bool) {
        self.lock().paused = paused;
        self.changed.notify_one();
    }

    /// Waits until the queue is not paused any more; false when it was closed instead.
    pub fn rest(&self) -> bool {
        let waiting = self.changed.wait_while(self.lock(), |state| state.paused && !state.closed);
        !waiting.unwrap_or_else(PoisonError::into_inner).closed
    }

    /// Tells the reader that its config was changed; false when it is gone.
    pub fn change(&self) -> bool {
        let mut state = self.lock();
        state.changed = true;
        self.changed.notify_one();
        !state.closed
    }

    /// Forgets that.
    pub fn unchanged(&self) {
        self.lock().changed = false;
    }

    /// Lets the reader take what is left and then go.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use plugin_api::{Device, KeyClass, Origin};

    use super::*;

    fn key(n: u64) -> Event<'static> {
        Event::key_class(n, Origin::Physical, 0, KeyClass::Letter, true)
    }

    #[test]
    fn signals_come_out_in_order_with_their_bodies() {
        let queue = Queue::default();
        let device = Device { bus: 3, vendor: 1, product: 2, present: true, name: "mouse" };
        queue.push([key(1), Event::device_change(2, Origin::Physical, 7, device), key(3)].into_iter());
        let mut batch = Batch::default();
        assert_eq!(queue.pop(&mut batch, Some(Instant::now())), Popped::Signals);
        batch.with(|events| {
            assert_eq!(events.iter().map(|event| event.mono_ns).collect::<Vec<_>>(), [1, 2, 3]);
            assert_eq!(events[1].device(), Some(device));
        });
    }

    #[test]
    fn a_reader_that_is_stuck_costs_signals_and_never_the_writer() {
        let queue = Queue::default();
        let sent = CAPACITY as u64 + 10;
        assert_eq!(queue.push((0..sent).map(key)), 10);
        assert_eq!(queue.waiting(), CAPACITY);
    }

    #[test]
    fn a_deadline_comes_even_when_nothing_does() {
        let mut batch = Batch::default();
        assert_eq!(Queue::default().pop(&mut batch, Some(Instant::now())), Popped::Deadline);
    }

    #[test]
    fn a_paused_queue_hands_over_what_is_left_and_then_rests_until_it_goes_on_or_closes() {
        let queue = Queue::default();
        queue.push([key(1)].into_iter());
        queue.pause(true);
        let mut batch = Batch::default();
        assert_eq!(queue.pop(&mut batch, None), Popped::Signals);
        assert_eq!(queue.pop(&mut batch, None), Popped::Paused);
        queue.pause(false);
        assert!(queue.rest());
        queue.pause(true);
        queue.close();
        assert!(!queue.rest());
    }

    #[test]
    fn closing_hands_over_what_is_left_first() {
        let queue = Queue::default();
        queue.push([key(1)].into_iter());
        queue.close();
        let mut batch = Batch::default();
        assert_eq!(queue.pop(&mut batch, None), Popped::Signals);
        assert_eq!(queue.pop(&mut batch, None), Popped::Closed);
    }
}
