//! Waits for a display or a device to appear.

use std::time::Duration;

use crate::gate::Gate;

/// Where X servers put their sockets.
#[cfg(target_os = "linux")]
const DISPLAYS: &str = "/tmp/.X11-unix";
/// Where the kernel puts input devices.
#[cfg(target_os = "linux")]
const DEVICES: &str = "/dev/input";

/// Sees changes in the folders where displays and devices appear; only the time where that can't be watched.
pub struct Watch {
    #[cfg(target_os = "linux")]
    inotify: Option<std::os::fd::OwnedFd>,
}

impl Watch {
    /// Sees displays and devices.
    #[cfg(target_os = "linux")]
    pub fn new() -> Self {
        Self::of(&[DISPLAYS, DEVICES])
    }

    /// Sees displays only.
    #[cfg(target_os = "linux")]
    pub fn displays() -> Self {
        Self::of(&[DISPLAYS])
    }

    /// Readable when there was a change since the last [`drain`](Self::drain), if that can be watched.
    #[cfg(target_os = "linux")]
    pub fn fd(&self) -> Option<std::os::fd::BorrowedFd<'_>> {
        self.inotify.as_ref().map(std::os::fd::AsFd::as_fd)
    }

    #[cfg(target_os = "linux")]
    pub fn drain(&self) {
        let mut bytes = [0; 4096];
        while self.fd().is_some_and(|fd| rustix::io::read(fd, &mut bytes).is_ok_and(|n| n > 0)) {}
    }

    #[cfg(target_os = "linux")]
    fn of(folders: &[&str]) -> Self {
        use rustix::fs::inotify;
        let watched = || -> rustix::io::Result<_> {
            let fd = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
            let what =
                inotify::WatchFlags::CREATE | inotify::WatchFlags::ATTRIB | inotify::WatchFlags::MOVED_TO;
            for folder in folders {
                // Each may be missing; then the time is all there is.
                let _ = inotify::add_watch(&fd, *folder, what);
            }
            Ok(fd)
        };
        Self { inotify: watched().ok() }
    }

    #[cfg(not(target_os = "linux"))]
    pub fn new() -> Self {
        Self {}
    }

    /// Waits for a change or for the time to be over, and says if it was a change. The gate ends it too.
    pub fn wait(&self, gate: &Gate, time: Duration) -> bool {
        #[cfg(target_os = "linux")]
        if let Some(inotify) = &self.inotify {
            use rustix::event::{PollFd, PollFlags, poll};
            let mut fds =
                [PollFd::from_borrowed_fd(gate.fd(), PollFlags::IN), PollFd::new(inotify, PollFlags::IN)];
            let time =
                rustix::time::Timespec { tv_sec: time.as_secs() as _, tv_nsec: time.subsec_nanos().into() };
            let _ = poll(&mut fds, Some(&time));
            let (asked, changed) = (!fds[0].revents().is_empty(), !fds[1].revents().is_empty());
            if asked {
                gate.drain();
            } else if changed {
                // A server makes its socket a little before it answers on it.
                gate.wait(Some(Duration::from_millis(200)));
            }
            return changed;
        }
        gate.wait(Some(time));
        false
    }
}
