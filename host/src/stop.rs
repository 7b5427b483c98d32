//! The order of stopping, with its deadlines.

use std::{
    sync::{Condvar, Mutex, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// How long sources may take to stop.
pub const SOURCES: Duration = Duration::from_secs(1);
/// How long detectors may take to finish.
pub const DETECTORS: Duration = Duration::from_millis(1500);
/// How long the journal may take to sync and seal.
pub const JOURNAL: Duration = Duration::from_millis(1500);
/// How long the host's own threads may take to end.
pub const OTHERS: Duration = Duration::from_millis(500);
/// How long sinks may take to stop.
pub const SINKS: Duration = Duration::from_secs(1);
/// How long the last sync may take, after which nothing more is stored.
pub const LAST: Duration = Duration::from_millis(500);

/// A switch that threads wait on: for the stop, or for a time unless the stop comes first.
#[derive(Default)]
pub struct Stop {
    stopped: Mutex<bool>,
    changed: Condvar,
}

impl Stop {
    /// Throws the switch.
    pub fn stop(&self) {
        *self.stopped.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    /// Whether it was thrown.
    pub fn stopped(&self) -> bool {
        *self.stopped.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until it is thrown.
    pub fn wait(&self) {
        let stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.changed.wait_while(stopped, |stopped| !*stopped));
    }

    /// Waits that long; true when it was thrown meanwhile.
    pub fn wait_for(&self, time: Duration) -> bool {
        let stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(stopped, time, |stopped| !*stopped);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// A named thread that tells when it is done.
pub struct Worker {
    name: String,
    done: std::sync::Arc<Stop>,
    thread: JoinHandle<()>,
}

impl Worker {
    /// Starts a thread.
    pub fn start(name: &str, f: impl FnOnce() + Send + 'static) -> std::io::Result<Self> {
        /// Tells even when the thread panics.
        struct Tell(std::sync::Arc<Stop>);
        impl Drop for Tell {
            fn drop(&mut self) {
                self.0.stop();
            }
        }
        let done = std::sync::Arc::new(Stop::default());
        let tell = Tell(done.clone());
        let thread =
            std::thread::Builder::new().name(name.to_owned()).stack_size(512 << 10).spawn(move || {
                let _tell = tell;
                f();
            })?;
        Ok(Self { name: name.to_owned(), done, thread })
    }

    /// Whose thread it is.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Joins every worker that is done in time; the names of the others, which are left to end with the process.
pub fn join(workers: Vec<Worker>, time: Duration) -> Vec<String> {
    let deadline = Instant::now() + time;
    let mut late = Vec::new();
    for worker in workers {
        if worker.done.wait_for(deadline.saturating_duration_since(Instant::now())) {
            // It is done; a panic of a host thread has been reported where it happened.
            let _ = worker.thread.join();
        } else {
            late.push(worker.name);
        }
    }
    late
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_worker_that_hangs_is_named_and_left_behind() {
        let forever = Arc::new(Stop::default());
        let hold = forever.clone();
        let quick = Worker::start("quick", || {}).unwrap();
        let stuck = Worker::start("stuck", move || hold.wait()).unwrap();
        assert_eq!(join(vec![quick, stuck], Duration::from_millis(50)), ["stuck"]);
        forever.stop();
    }
}
