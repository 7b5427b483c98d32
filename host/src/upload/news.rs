//! Lets others wait until something was sent, or was tried.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

/// Counts what came of objects.
pub struct News {
    /// The count; none once nobody is to wait.
    turn: Mutex<Option<u64>>,
    changed: Condvar,
}

impl Default for News {
    fn default() -> Self {
        Self { turn: Mutex::new(Some(0)), changed: Condvar::new() }
    }
}

impl News {
    /// The count now.
    pub fn turn(&self) -> u64 {
        self.lock().unwrap_or(u64::MAX)
    }

    /// Counts one.
    pub fn tell(&self) {
        let mut turn = self.lock();
        *turn = turn.map(|turn| turn + 1);
        self.changed.notify_all();
    }

    /// Waits for another count, at most until a moment; the count then.
    pub fn wait(&self, seen: u64, until: Instant) -> u64 {
        let mut turn = self.lock();
        while *turn == Some(seen) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            turn = self.changed.wait_timeout(turn, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        turn.unwrap_or(u64::MAX)
    }

    /// Lets nobody wait any more.
    pub fn close(&self) {
        *self.lock() = None;
        self.changed.notify_all();
    }

    /// Whether nobody is to wait.
    pub fn is_closed(&self) -> bool {
        self.lock().is_none()
    }

    fn lock(&self) -> MutexGuard<'_, Option<u64>> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
