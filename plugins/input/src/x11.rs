//! Input of an X server: XInput 2 says which device, RECORD says where the pointer went.
//!
//! Raw events carry the source device, and the XTEST device is how programs inject; but a program that warps the
//! pointer makes no raw event, and neither does a key that repeats. RECORD sees both, though not the device. So both
//! are read, each over a connection of its own, and joined by their server times ([`join`]). A third connection asks
//! questions, so that answers never mix with events.

mod axes;
mod clock;
mod decode;
mod devices;
mod join;
mod keymap;
mod keysym;
mod line;
mod tap;

use std::{sync::Arc, time::Duration};

use plugin_api::{KeyClass, Out, prelude::warn};
use rustix::{
    event::{PollFd, PollFlags, poll},
    time::Timespec,
};
use x11rb::{
    connection::{Connection, RequestConnection},
    protocol::{randr::ConnectionExt as _, xproto::ConnectionExt as _},
    rust_connection::RustConnection,
};

use self::{
    clock::Clock,
    decode::{Core, Raw, RawKind},
    devices::Devices,
    join::{Join, Pairing},
    keymap::Keymap,
    line::Line,
    tap::Tap,
};
use crate::{
    backend::{Backend, Lost},
    batch::Batch,
    gate::{Gate, Wanted},
};

/// How long events gather once there are some. Longer saves little; a person notices nothing of it.
const GATHER: Duration = Duration::from_millis(20);

/// What went wrong between us and the server.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A connection to the server.
type Server = RustConnection<Line>;

/// A session with an X server.
pub struct X11 {
    display: String,
    control: Server,
    root: u32,
    raw: Tap,
    /// Without it warps and repeats are not seen.
    core: Option<Tap>,
    /// A Wayland compositor's own server, which is told only of input to its windows.
    is_xwayland: bool,
    state: State,
}

/// What is known between events.
struct State {
    devices: Devices,
    keymap: Keymap,
    clock: Clock,
    join: Join,
    codes: decode::Codes,
}

impl X11 {
    /// Connects and has the server send events.
    pub fn open(display: &str, gate: &Arc<Gate>) -> Result<Self, Lost> {
        Self::connect(display, gate).map_err(|why| no_display(display, &why))
    }

    /// Whether a display is there and has RECORD, which is all that others may need of it.
    #[cfg(feature = "rdev")]
    pub fn has_record(display: &str, gate: &Arc<Gate>) -> Result<(), Lost> {
        let has = |server: Server| {
            server.extension_information(x11rb::protocol::record::X11_EXTENSION_NAME).map_err(Failure::from)
        };
        match line::connect(display, gate).and_then(|(server, _)| has(server)) {
            Ok(Some(_)) => Ok(()),
            Ok(None) => {
                let why = format!("the X server on {display} has no RECORD");
                Err(Lost::new(why, "start the X server with its RECORD extension"))
            }
            Err(why) => Err(no_display(display, &why)),
        }
    }

    /// Whether a display could be observed.
    #[cfg(target_os = "linux")]
    pub fn answers(display: &str, gate: &Arc<Gate>) -> bool {
        line::connect(display, gate).is_ok()
    }

    fn connect(display: &str, gate: &Arc<Gate>) -> Result<Self, Failure> {
        let (control, screen) = line::connect(display, gate)?;
        let root = control.setup().roots[screen].root;
        let (tap, _) = line::connect(display, gate)?;
        let (raw, codes) = tap::raw(tap, root)?;
        let core = match line::connect(display, gate).and_then(|(tap, _)| tap::core(&control, tap)) {
            Ok(tap) => Some(tap),
            Err(why) => {
                warn!(%why, "no RECORD");
                None
            }
        };
        let keymap = Keymap::new(&control)?;
        let clock = Clock::measure(&control, root)?;
        let mut join = Join::new(if core.is_some() { Pairing::On } else { Pairing::Off });
        let pointer = control.query_pointer(root)?.reply()?;
        join.place(i32::from(pointer.root_x) << 8, i32::from(pointer.root_y) << 8);
        let devices = Devices::new(&control)?;
        let is_xwayland = is_xwayland(&control, root).unwrap_or(false);
        let state = State { devices, keymap, clock, join, codes };
        Ok(Self { display: display.to_owned(), control, root, raw, core, is_xwayland, state })
    }

    /// Reads what came and passes on what is settled. Says how many packets there were.
    fn drain(&mut self, batch: &mut Batch, out: &Out<'_>) -> Result<usize, Failure> {
        let Self { control, raw, core, state, root, .. } = self;
        state.clock.refresh(control, *root)?;
        state.join.turn();
        let mut packets = 0;
        // The core events first: whatever belongs to them in the other stream was sent before.
        if let Some(core) = core {
            packets += core.read(|packet| {
                decode::core(packet, |event| state.core(event));
                Ok(())
            })?;
        }
        packets += raw.read(|packet| state.raw(control, packet, out))?;
        state.join.settle(&state.clock, batch);
        state.keymap.refresh(control)?;
        batch.flush(out);
        Ok(packets)
    }

    fn observe(&mut self, gate: &Gate, batch: &mut Batch, out: &Out<'_>) -> Result<(), Failure> {
        self.state.devices.tell(self.state.clock.now_ns(), out);
        loop {
            while self.drain(batch, out)? > 0 || self.state.join.is_waiting() {
                if pause(gate) {
                    return Ok(());
                }
            }
            // Nothing for a while: sleep until there is something.
            let none = PollFlags::empty();
            let core = self.core.as_ref().unwrap_or(&self.raw);
            let mut fds = [
                PollFd::from_borrowed_fd(gate.fd(), PollFlags::IN),
                PollFd::new(&self.raw, PollFlags::IN),
                PollFd::new(core, if self.core.is_some() { PollFlags::IN } else { none }),
            ];
            let ready = poll(&mut fds, None);
            let asked = !fds[0].revents().is_empty();
            match ready {
                Err(rustix::io::Errno::INTR) | Ok(_) => {}
                Err(error) => return Err(error.into()),
            }
            if asked && changed(gate) {
                return Ok(());
            }
        }
    }
}

fn no_display(display: &str, why: &Failure) -> Lost {
    let fix = "start the agent in the session, where DISPLAY is set (for a trial: \
               `Xvfb :99 -noreset &` and `DISPLAY=:99`); it connects by itself once the display is there";
    Lost::new(format!("no X display {display} ({why})"), fix)
}

impl Backend for X11 {
    fn name(&self) -> String {
        let record = if self.core.is_some() { " and RECORD" } else { "" };
        format!("x11 on {} (XInput 2{record})", self.display)
    }

    fn blind(&self) -> String {
        let mut blind = String::new();
        if self.is_xwayland {
            blind.push_str("all input to Wayland windows, ");
        }
        if self.core.is_none() {
            blind.push_str("pointer warps, pointer position and key repeats (the server has no RECORD), ");
        }
        blind.push_str("events that programs send straight to a window, and other sessions");
        blind
    }

    fn fix(&self) -> Option<&'static str> {
        #[cfg(target_os = "linux")]
        if self.is_xwayland {
            return Some(crate::backend::READ_DEVICES);
        }
        self.core.is_none().then_some("start the X server with its RECORD extension")
    }

    fn run(&mut self, gate: &Gate, batch: &mut Batch, out: &Out<'_>) -> Result<(), Lost> {
        let result = self.observe(gate, batch, out);
        self.state.join.finish(&self.state.clock, batch);
        batch.flush(out);
        if gate.wanted() != Wanted::Run {
            return Ok(());
        }
        result.map_err(|why| {
            let fix = "nothing to do: capture comes back by itself once the display is there again";
            Lost::new(format!("the X server on {} is gone ({why})", self.display), fix)
        })
    }
}

impl State {
    fn core(&mut self, event: Core) {
        if let Core::Press { code, .. } = event {
            self.join.core(event, self.keymap.class(code));
        } else {
            self.join.core(event, KeyClass::Other);
        }
    }

    /// Takes one packet of the raw stream.
    fn raw(&mut self, control: &Server, packet: &[u8], out: &Out<'_>) -> Result<(), Failure> {
        match decode::raw(packet, &self.codes)? {
            Some(Raw::Devices) => {
                self.devices.refresh(control)?;
                self.devices.tell(self.clock.now_ns(), out);
            }
            Some(Raw::Keymap) => self.keymap.expire(),
            Some(Raw::Group(group)) => self.keymap.group(group),
            Some(Raw::Input { time, device, kind, detail, emulated, values }) => {
                let Some(device) = self.devices.get(device) else { return Ok(()) };
                let from = device.from;
                match kind {
                    RawKind::Motion | RawKind::TouchBegin | RawKind::TouchUpdate => {
                        let moved = device.axes.read(values);
                        if let Some(turns) = moved.turns {
                            self.join.wheel(time, from, turns);
                        }
                        if moved.is_motion {
                            self.join.motion(time, from, moved.distance);
                        }
                        if kind == RawKind::TouchBegin {
                            self.join.button(time, from, 1, true);
                        }
                    }
                    RawKind::TouchEnd => self.join.button(time, from, 1, false),
                    RawKind::Press | RawKind::Release => match wheel_turn(detail) {
                        // A wheel with fine steps sends motion of its own; the buttons are made up from that.
                        Some(turns) if kind == RawKind::Press && !emulated => {
                            self.join.wheel(time, from, turns)
                        }
                        Some(_) => {}
                        None => self.join.button(time, from, detail as i32, kind == RawKind::Press),
                    },
                    RawKind::KeyPress | RawKind::KeyRelease => {
                        self.keymap.refresh(control)?;
                        let code = detail as u8;
                        self.join.key(time, from, code, self.keymap.class(code), kind == RawKind::KeyPress);
                    }
                }
            }
            None => {}
        }
        Ok(())
    }
}

/// Whether the server is Xwayland: since version 23 by its extension, before that by the names of its outputs.
fn is_xwayland(control: &Server, root: u32) -> Result<bool, Failure> {
    if control.extension_information("XWAYLAND")?.is_some() {
        return Ok(true);
    }
    control.randr_query_version(1, 3)?.reply()?;
    let resources = control.randr_get_screen_resources_current(root)?.reply()?;
    let Some(first) = resources.outputs.first() else { return Ok(false) };
    let output = control.randr_get_output_info(*first, resources.config_timestamp)?.reply()?;
    Ok(output.name.starts_with(b"XWAYLAND"))
}

/// What a wheel button stands for, in 1/120 notch to the right and down.
fn wheel_turn(button: u32) -> Option<(i32, i32)> {
    match button {
        4 => Some((0, -120)),
        5 => Some((0, 120)),
        6 => Some((-120, 0)),
        7 => Some((120, 0)),
        _ => None,
    }
}

/// Lets events gather. True when something else is wanted.
fn pause(gate: &Gate) -> bool {
    let mut fds = [PollFd::from_borrowed_fd(gate.fd(), PollFlags::IN)];
    let time = Timespec { tv_sec: 0, tv_nsec: GATHER.as_nanos() as _ };
    matches!(poll(&mut fds, Some(&time)), Ok(n) if n > 0) && changed(gate)
}

fn changed(gate: &Gate) -> bool {
    gate.drain();
    gate.wanted() != Wanted::Run
}
