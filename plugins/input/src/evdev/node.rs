//! One device: what it is, and its events as signals.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
    path::Path,
    time::SystemTime,
};

use evdev::{AbsoluteAxisCode, InputEvent, KeyCode, PropType, RelativeAxisCode, raw_stream::RawDevice};
use plugin_api::{Device as Plate, Event, Out};
use rustix::fs::{Mode, OFlags};

use super::code;
use crate::{
    batch::{self, Batch, From, KeyChange},
    sys, sysfs,
};

/// How wide and high an absolute device's whole range is taken to be, in px, where it tells no size in mm.
const RANGE: (f64, f64) = (1920.0, 1080.0);
/// Pixels a millimetre, at 96 a inch.
const PX_PER_MM: f64 = 96.0 / 25.4;
/// How far two fingers go for one notch of a wheel, in px.
const PX_PER_NOTCH: i32 = 15;

/// What an event node turned out to be.
pub enum Opened {
    Input(Box<Node>),
    /// A lid, a joystick, a sensor.
    Other,
}

/// An open device.
pub struct Node {
    device: RawDevice,
    from: From,
    name: String,
    ids: [i32; 3],
    is_told: bool,
    has_fine_wheel: bool,
    surface: Option<Surface>,
    report: Report,
}

/// What gathers until the device says that a report is complete.
#[derive(Default)]
struct Report {
    distance: (i32, i32),
    turns: (i32, i32),
    /// The kernel dropped events, so what comes until the next report is not whole.
    is_broken: bool,
}

/// A device that tells positions.
struct Surface {
    kind: SurfaceKind,
    /// 1/256 px of a unit.
    scale: (f64, f64),
    last: (Option<i32>, Option<i32>),
    is_touched: bool,
    has_more_fingers: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum SurfaceKind {
    /// Moves the pointer while it is touched; two fingers scroll.
    Pad,
    /// A touch is a click: touch screens and pens.
    Direct,
    /// Always knows where it is: the mouse of a virtual machine.
    Mouse,
}

impl Node {
    pub fn open(path: &Path, number: u64) -> io::Result<Opened> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let device = RawDevice::from_fd(rustix::fs::open(path, flags, Mode::empty())?)?;
        let has_keys =
            device.supported_keys().is_some_and(|keys| keys.iter().any(|key| code::is_key(key.code())));
        let axes = device.supported_relative_axes();
        let is_mouse = axes.is_some_and(|axes| axes.contains(RelativeAxisCode::REL_X));
        let has_wheel = axes.is_some_and(|axes| axes.contains(RelativeAxisCode::REL_WHEEL));
        let has_fine_wheel = axes.is_some_and(|axes| axes.contains(RelativeAxisCode::REL_WHEEL_HI_RES));
        let surface = Surface::of(&device)?;
        if !has_keys && !is_mouse && !has_wheel && surface.is_none() {
            return Ok(Opened::Other);
        }
        sys::monotonic(&device)?;
        let (origin, _) = sysfs::origin(path);
        let id = device.input_id();
        Ok(Opened::Input(Box::new(Self {
            // 0 is no device at all.
            from: From { device: u16::try_from(number + 1).unwrap_or(u16::MAX), origin },
            name: batch::name(device.name().unwrap_or_default().as_bytes()),
            ids: [id.bus_type().0, id.vendor(), id.product()].map(i32::from),
            device,
            is_told: false,
            has_fine_wheel,
            surface,
            report: Report::default(),
        })))
    }

    /// Tells of the device, once.
    pub fn tell(&mut self, mono_ns: u64, out: &Out<'_>) {
        if !self.is_told {
            self.is_told = true;
            self.plate(mono_ns, true, out);
        }
    }

    /// Tells that it is gone.
    pub fn leave(self, mono_ns: u64, out: &Out<'_>) {
        self.plate(mono_ns, false, out);
    }

    fn plate(&self, mono_ns: u64, present: bool, out: &Out<'_>) {
        let [bus, vendor, product] = self.ids;
        let plate = Plate { bus, vendor, product, present, name: &self.name };
        out.emit(&[Event::device_change(mono_ns, self.from.origin, self.from.device, plate)]);
    }

    /// Reads what there is; how many events that were.
    pub fn read(&mut self, batch: &mut Batch, out: &Out<'_>) -> io::Result<usize> {
        let mut count = 0;
        let Self { device, from, surface, report, has_fine_wheel, .. } = self;
        loop {
            let events = match device.fetch_events() {
                Ok(events) => events,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            for event in events {
                count += 1;
                report.take(event, *from, surface.as_mut(), *has_fine_wheel, batch);
                if batch.is_full() {
                    batch.flush(out);
                }
            }
        }
    }
}

impl AsFd for Node {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.device.as_fd()
    }
}

const SYN: u16 = 0;
const KEY: u16 = 1;
const REL: u16 = 2;
const ABS: u16 = 3;

impl Report {
    fn take(
        &mut self,
        event: InputEvent,
        from: From,
        mut surface: Option<&mut Surface>,
        has_fine_wheel: bool,
        batch: &mut Batch,
    ) {
        const DROPPED: u16 = 3;
        let (code, value) = (event.code(), event.value());
        match (event.event_type().0, code) {
            (SYN, DROPPED) => {
                *self = Self { is_broken: true, ..Self::default() };
                if let Some(surface) = surface {
                    surface.last = (None, None);
                }
            }
            (SYN, 0) if self.is_broken => self.is_broken = false,
            (SYN, 0) => self.complete(time(&event), from, batch),
            _ if self.is_broken => {}
            (REL, 0) => self.distance.0 += value.saturating_mul(256),
            (REL, 1) => self.distance.1 += value.saturating_mul(256),
            // The kernel counts up and right as positive; the table counts down and right.
            (REL, 6) if !has_fine_wheel => self.turns.0 += value.saturating_mul(120),
            (REL, 8) if !has_fine_wheel => self.turns.1 -= value.saturating_mul(120),
            (REL, 12) => self.turns.0 += value,
            (REL, 11) => self.turns.1 -= value,
            (ABS, 0 | 1) => {
                if let Some(surface) = surface {
                    surface.moved(code == 0, value, self);
                }
            }
            (KEY, _) => {
                if let Some(button) = code::button(code) {
                    batch.button(time(&event), from, button, value != 0, None);
                } else if let Some(surface) = surface.as_mut().filter(|_| !code::is_key(code)) {
                    if surface.touched(code, value != 0) {
                        batch.button(time(&event), from, 1, value != 0, None);
                    }
                } else if code::is_key(code) {
                    let change = match value {
                        0 => KeyChange::Release,
                        1 => KeyChange::Press,
                        _ => KeyChange::Repeat,
                    };
                    batch.key(time(&event), from, code::class(code), change);
                }
            }
            _ => {}
        }
    }

    fn complete(&mut self, time: u64, from: From, batch: &mut Batch) {
        if self.distance != (0, 0) {
            batch.motion(time, from, self.distance, None);
        }
        if self.turns != (0, 0) {
            batch.wheel(time, from, self.turns, None);
        }
        *self = Self::default();
    }
}

impl Surface {
    fn of(device: &RawDevice) -> io::Result<Option<Self>> {
        let Some(keys) = device.supported_keys() else { return Ok(None) };
        let touches = keys.contains(KeyCode::BTN_TOUCH);
        if !touches && !keys.contains(KeyCode::BTN_LEFT) {
            return Ok(None);
        }
        let kind = if device.properties().contains(PropType::DIRECT) || keys.contains(KeyCode::BTN_TOOL_PEN) {
            SurfaceKind::Direct
        } else if touches {
            SurfaceKind::Pad
        } else {
            SurfaceKind::Mouse
        };
        let (mut x, mut y) = (None, None);
        for (axis, info) in device.get_absinfo()? {
            let scale = |range: f64| match (info.resolution(), info.maximum() - info.minimum()) {
                (per_mm, _) if per_mm > 0 => 256.0 * PX_PER_MM / f64::from(per_mm),
                (_, units) if units > 0 => 256.0 * range / f64::from(units),
                _ => 256.0,
            };
            match axis {
                AbsoluteAxisCode::ABS_X => x = Some(scale(RANGE.0)),
                AbsoluteAxisCode::ABS_Y => y = Some(scale(RANGE.1)),
                _ => {}
            }
        }
        let (Some(x), Some(y)) = (x, y) else { return Ok(None) };
        Ok(Some(Self { kind, scale: (x, y), last: (None, None), is_touched: false, has_more_fingers: false }))
    }

    /// Takes a position on one axis.
    fn moved(&mut self, is_x: bool, value: i32, report: &mut Report) {
        let (last, scale) =
            if is_x { (&mut self.last.0, self.scale.0) } else { (&mut self.last.1, self.scale.1) };
        let before = last.replace(value).unwrap_or(value);
        let distance = (f64::from(value.saturating_sub(before)) * scale).round() as i32;
        if self.kind == SurfaceKind::Pad && !self.is_touched {
            return;
        }
        let (sum, distance) = if self.kind == SurfaceKind::Pad && self.has_more_fingers {
            (&mut report.turns, distance / (256 * PX_PER_NOTCH / 120))
        } else {
            (&mut report.distance, distance)
        };
        if is_x { sum.0 += distance } else { sum.1 += distance }
    }

    /// Takes a touch; whether it counts as a click.
    fn touched(&mut self, code: u16, is_down: bool) -> bool {
        const TOUCH: u16 = KeyCode::BTN_TOUCH.0;
        const TWO: u16 = KeyCode::BTN_TOOL_DOUBLETAP.0;
        const THREE: u16 = KeyCode::BTN_TOOL_TRIPLETAP.0;
        match code {
            TOUCH => self.is_touched = is_down,
            TWO | THREE => self.has_more_fingers = is_down,
            _ => return false,
        }
        // Where the next finger lands is no way that anything went.
        self.last = (None, None);
        code == TOUCH && self.kind == SurfaceKind::Direct
    }
}

/// The kernel's own stamp, on the monotonic clock.
fn time(event: &InputEvent) -> u64 {
    let since = event.timestamp().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
