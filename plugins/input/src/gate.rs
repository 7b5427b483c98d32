//! What the host wants of `run`, and a way to wake it.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// What the host wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wanted {
    Run,
    Pause,
    Stop,
}

/// Set from any thread; waited on by the one that runs.
pub struct Gate {
    wanted: Mutex<Wanted>,
    changed: Condvar,
    /// Wakes a thread that polls.
    #[cfg(all(unix, not(target_os = "macos")))]
    pipe: (std::os::fd::OwnedFd, std::os::fd::OwnedFd),
    /// Wakes a thread that waits otherwise, such as in a message loop.
    waker: Mutex<Option<Box<dyn Fn() + Send>>>,
}

impl Gate {
    pub fn new() -> std::io::Result<Self> {
        #[cfg(all(unix, not(target_os = "macos")))]
        let pipe = {
            let (read, write) = rustix::pipe::pipe()?;
            for end in [&read, &write] {
                rustix::io::fcntl_setfd(end, rustix::io::FdFlags::CLOEXEC)?;
                rustix::io::ioctl_fionbio(end, true)?;
            }
            (read, write)
        };
        Ok(Self {
            wanted: Mutex::new(Wanted::Run),
            changed: Condvar::new(),
            #[cfg(all(unix, not(target_os = "macos")))]
            pipe,
            waker: Mutex::new(None),
        })
    }

    pub fn wanted(&self) -> Wanted {
        *self.lock()
    }

    /// Changes what is wanted and wakes `run`. After a stop nothing else is.
    pub fn set(&self, wanted: Wanted) {
        let mut current = self.lock();
        if *current == Wanted::Stop {
            return;
        }
        *current = wanted;
        drop(current);
        self.changed.notify_all();
        // Fails only when it is full, and then there is something to wake up for already.
        #[cfg(all(unix, not(target_os = "macos")))]
        let _ = rustix::io::write(&self.pipe.1, &[1]);
        if let Some(wake) = &*self.waker.lock().unwrap_or_else(PoisonError::into_inner) {
            wake();
        }
    }

    /// Waits until something else than now is wanted, or the time is over.
    pub fn wait(&self, time: Option<Duration>) {
        let current = self.lock();
        let before = *current;
        let changed =
            self.changed.wait_timeout_while(current, time.unwrap_or(Duration::MAX), |now| *now == before);
        drop(changed);
        #[cfg(all(unix, not(target_os = "macos")))]
        self.drain();
    }

    /// Has `wake` called after every change from now on; `None` ends that.
    #[cfg_attr(not(any(windows, feature = "rdev")), expect(dead_code, reason = "all others poll"))]
    pub fn on_change(&self, wake: Option<Box<dyn Fn() + Send>>) {
        *self.waker.lock().unwrap_or_else(PoisonError::into_inner) = wake;
    }

    fn lock(&self) -> MutexGuard<'_, Wanted> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(all(unix, not(target_os = "macos")))]
impl Gate {
    /// Readable when something was set since the last [`drain`](Gate::drain).
    pub fn fd(&self) -> std::os::fd::BorrowedFd<'_> {
        use std::os::fd::AsFd;
        self.pipe.0.as_fd()
    }

    pub fn drain(&self) {
        let mut bytes = [0; 64];
        while matches!(rustix::io::read(&self.pipe.0, &mut bytes), Ok(n) if n > 0) {}
    }
}
