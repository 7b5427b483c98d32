//! Input of the kernel's own devices: Linux without X, be it Wayland or the console.
//!
//! It sees what the kernel sees, on every seat and in every session, and nothing that is injected above it. Distance
//! is in the device's own counts, before acceleration, for nobody down here knows about pixels.

mod code;
mod node;

use std::{
    collections::HashMap,
    ffi::OsStr,
    io,
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
    time::Duration,
};

use plugin_api::Out;
use rustix::{
    event::{
        PollFd, PollFlags,
        epoll::{self, EventData, EventFlags},
        poll,
    },
    fs::inotify,
    time::{ClockId, Timespec, clock_gettime},
};

use self::node::{Node, Opened};
use crate::{
    backend::{Backend, Lost, READ_DEVICES},
    batch::Batch,
    gate::{Gate, Wanted},
    watch::Watch,
    x11::X11,
};

const FOLDER: &str = "/dev/input";
/// How long events gather. The kernel holds only some twenty reports of a device, so a quick one is read more often.
const LONGEST_GATHER: Duration = Duration::from_millis(20);
const SHORTEST_GATHER: Duration = Duration::from_millis(1);
/// Of how many events in one reading it follows that reading is too seldom, or more often than it must be.
const MANY: usize = 32;
const FEW: usize = 12;

/// How often it is looked whether a display that came answers, which it does a little later, and how long between.
const LOOKS: u32 = 25;
const LOOK_AGAIN: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };

const GATE: u64 = u64::MAX;
const CHANGES: u64 = u64::MAX - 1;
const DISPLAY: u64 = u64::MAX - 2;

/// The kernel's input devices that may be read.
pub struct Evdev {
    nodes: HashMap<u64, Node>,
    changes: OwnedFd,
    epoll: OwnedFd,
    denied: usize,
    better: Option<Better>,
}

/// A display that would be observed rather than the devices, were it there.
struct Better {
    display: String,
    gate: Arc<Gate>,
    watch: Watch,
}

impl Evdev {
    /// Opens the devices; should the display come that is better than they are, the observation ends.
    pub fn open(better: Option<(String, Arc<Gate>)>) -> Result<Self, Lost> {
        let fix = "see the message; it tries again by itself";
        let mut evdev = Self::empty().map_err(|why| Lost::new(format!("{FOLDER}: {why}"), fix))?;
        evdev.better = better.map(|(display, gate)| Better { display, gate, watch: Watch::displays() });
        if let Some(fd) = evdev.better.as_ref().and_then(|better| better.watch.fd()) {
            // Without the watch it stays with the devices.
            let _ = epoll::add(&evdev.epoll, fd, EventData::new_u64(DISPLAY), EventFlags::IN);
        }
        evdev.look();
        match (evdev.nodes.len(), evdev.denied) {
            (0, 0) => Err(Lost::new(
                format!("no keyboard or pointer in {FOLDER}"),
                "plug one in; it is found by itself",
            )),
            (0, denied) => Err(Lost::new(
                format!("the user may not read any of {denied} devices in {FOLDER}"),
                READ_DEVICES,
            )),
            _ => Ok(evdev),
        }
    }

    fn empty() -> io::Result<Self> {
        let changes = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
        let what = inotify::WatchFlags::CREATE | inotify::WatchFlags::ATTRIB | inotify::WatchFlags::MOVED_TO;
        inotify::add_watch(&changes, FOLDER, what)?;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &changes, EventData::new_u64(CHANGES), EventFlags::IN)?;
        Ok(Self { nodes: HashMap::new(), changes, epoll, denied: 0, better: None })
    }

    /// Opens what came, or what may be read only now.
    fn look(&mut self) {
        self.denied = 0;
        let Ok(entries) = std::fs::read_dir(FOLDER) else { return };
        for entry in entries.flatten() {
            let Some(number) = event_number(&entry.file_name()) else { continue };
            if self.nodes.contains_key(&number) {
                continue;
            }
            match Node::open(&entry.path(), number) {
                Ok(Opened::Input(node)) => {
                    let data = EventData::new_u64(number);
                    if epoll::add(&self.epoll, node.as_fd(), data, EventFlags::IN).is_ok() {
                        self.nodes.insert(number, *node);
                    }
                }
                Ok(Opened::Other) => {}
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => self.denied += 1,
                // Gone again, or not ready; the next change of the folder says so.
                Err(_) => {}
            }
        }
    }

    fn tell(&mut self, out: &Out<'_>) {
        let now = now_ns();
        for node in self.nodes.values_mut() {
            node.tell(now, out);
        }
    }

    /// Reads a device to its end; the number of events.
    fn read(&mut self, number: u64, batch: &mut Batch, out: &Out<'_>) -> usize {
        let Some(node) = self.nodes.get_mut(&number) else { return 0 };
        match node.read(batch, out) {
            Ok(count) => count,
            Err(_) => {
                batch.flush(out);
                if let Some(gone) = self.nodes.remove(&number) {
                    // Closing it takes it out of the set that is waited for.
                    gone.leave(now_ns(), out);
                }
                0
            }
        }
    }

    fn observe(&mut self, gate: &Gate, batch: &mut Batch, out: &Out<'_>) -> io::Result<()> {
        epoll::add(&self.epoll, gate.fd(), EventData::new_u64(GATE), EventFlags::IN)?;
        self.tell(out);
        let mut ready = Vec::with_capacity(64);
        let mut gather = LONGEST_GATHER / 4;
        let mut is_quiet = true;
        let mut looks = 0;
        loop {
            let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
            let time = if is_quiet { (looks > 0).then_some(&LOOK_AGAIN) } else { Some(&at_once) };
            ready.clear();
            match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut ready), time) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            let mut most = 0;
            is_quiet = true;
            for event in &ready {
                match event.data.u64() {
                    GATE => {
                        gate.drain();
                        if gate.wanted() != Wanted::Run {
                            return Ok(());
                        }
                    }
                    CHANGES => {
                        let mut bytes = [0; 4096];
                        while matches!(rustix::io::read(&self.changes, &mut bytes), Ok(n) if n > 0) {}
                        self.look();
                        self.tell(out);
                    }
                    DISPLAY => {
                        self.better.iter().for_each(|better| better.watch.drain());
                        looks = LOOKS;
                    }
                    number => {
                        is_quiet = false;
                        most = most.max(self.read(number, batch, out));
                    }
                }
            }
            batch.flush(out);
            if looks > 0 && is_quiet {
                looks -= 1;
                if self.better.as_ref().is_some_and(|better| X11::answers(&better.display, &better.gate)) {
                    // The display tells its own devices.
                    self.nodes.drain().for_each(|(_, node)| node.leave(now_ns(), out));
                    return Ok(());
                }
            }
            if !is_quiet {
                if most > MANY {
                    gather = SHORTEST_GATHER.max(gather / 2);
                } else if most < FEW {
                    gather = LONGEST_GATHER.min(gather * 2);
                }
                let mut fds = [PollFd::from_borrowed_fd(gate.fd(), PollFlags::IN)];
                let _ = poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: gather.as_nanos() as _ }));
            }
        }
    }
}

impl Backend for Evdev {
    fn name(&self) -> String {
        format!("evdev ({} devices of {FOLDER})", self.nodes.len())
    }

    fn blind(&self) -> String {
        let denied = match self.denied {
            0 => String::new(),
            denied => format!("{denied} devices the user may not read, "),
        };
        format!(
            "{denied}input that programs inject into X or Wayland, pointer position, taps on a touchpad; \
             all sessions and seats of this machine are seen"
        )
    }

    fn fix(&self) -> Option<&'static str> {
        (self.denied > 0).then_some(READ_DEVICES)
    }

    fn run(&mut self, gate: &Gate, batch: &mut Batch, out: &Out<'_>) -> Result<(), Lost> {
        let result = self.observe(gate, batch, out);
        let fix = "nothing to do: it tries again by itself";
        result.map_err(|why| Lost::new(format!("the devices of {FOLDER} can't be waited for: {why}"), fix))
    }
}

/// 3 of `event3`.
fn event_number(name: &OsStr) -> Option<u64> {
    name.to_str()?.strip_prefix("event")?.parse().ok()
}

fn now_ns() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
