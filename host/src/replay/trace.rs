//! A recorded trace: one JSON object a line, plain or compressed, as signals.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use plugin_api::{
    Event, KeyClass, Origin,
    event::{BUTTON, Button, DEVICE_NAME_MAX, Device, KEY, POINTER, WHEEL},
    v1::UNKNOWN_POSITION,
};
use serde::Deserialize;
use serde_json::Value;

use crate::error::{Error, Result};

/// Where a trace's time 0 is on the clock that the detector sees, in nanoseconds.
pub const BEGIN: u64 = 1_000_000_000;
/// The longest line, in bytes.
const LINE_MAX: u64 = 64 << 10;
/// What some editors put before text.
const MARK: &[u8] = "\u{feff}".as_bytes();
/// Numbers of devices where the trace names none.
const MOUSE: u16 = 1;
const KEYBOARD: u16 = 2;

/// One line; keys it doesn't know are left to others.
#[derive(Deserialize)]
struct Line<'a> {
    t_us: u64,
    #[serde(borrow)]
    kind: &'a str,
    x: Option<f64>,
    y: Option<f64>,
    button: Option<&'a str>,
    pressed: Option<bool>,
    #[serde(default)]
    repeat: bool,
    key_class: Option<&'a str>,
    origin: Option<&'a str>,
    device: Option<u16>,
    #[serde(default)]
    bus: i32,
    name: Option<String>,
}

/// A signal as it was recorded; a device has a name.
pub struct Recorded {
    event: Event<'static>,
    name: Option<(i32, String)>,
}

impl Recorded {
    /// The signal.
    pub fn event(&self) -> Event<'_> {
        let Some((bus, name)) = &self.name else { return self.event };
        let device = Device { bus: *bus, vendor: 0, product: 0, present: true, name };
        Event::device_change(self.event.mono_ns, self.event.origin(), self.event.device_number(), device)
    }

    /// When it happened.
    pub fn mono_ns(&self) -> u64 {
        self.event.mono_ns
    }
}

/// A trace that is being read.
pub struct Trace<'a> {
    name: String,
    input: Box<dyn BufRead + 'a>,
    line: Vec<u8>,
    number: u64,
    /// Where the pointer was, in 1/256 px.
    position: Option<(i32, i32)>,
}

impl<'a> Trace<'a> {
    /// Begins to read; what it is packed with is told by its first bytes. `name` is for messages.
    pub fn new(name: &str, input: impl Read + 'a) -> Result<Self> {
        let fault = |error: io::Error| fault(name, &format!("can't be read: {error}; check the file"));
        let mut input = BufReader::with_capacity(1 << 16, input);
        let input: Box<dyn BufRead> = match input.fill_buf().map_err(fault)? {
            [0x1f, 0x8b, ..] => Box::new(BufReader::new(MultiGzDecoder::new(input))),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => {
                Box::new(BufReader::new(zstd::Decoder::with_buffer(input).map_err(fault)?))
            }
            _ => Box::new(input),
        };
        Ok(Self { name: name.to_owned(), input, line: Vec::new(), number: 0, position: None })
    }

    /// What messages call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The next signal; None at the end.
    pub fn signal(&mut self) -> Result<Option<Recorded>> {
        loop {
            self.line.clear();
            self.number += 1;
            let read = (&mut self.input).take(LINE_MAX).read_until(b'\n', &mut self.line);
            let read = read.map_err(|error| {
                self.fault(&format!("can't be read on: {error}; copy or pack the file again"))
            })?;
            if read == 0 {
                return Ok(None);
            }
            if read as u64 == LINE_MAX {
                return Err(self.fault("longer than 64 KiB; a line is one signal"));
            }
            if self.number == 1 && self.line.starts_with(MARK) {
                self.line.drain(..MARK.len());
            }
            if !self.line.iter().all(u8::is_ascii_whitespace) {
                let line = std::mem::take(&mut self.line);
                let signal = self.parse(&line).map_err(|text| self.fault(&text));
                self.line = line;
                return signal.map(Some);
            }
        }
    }

    fn fault(&self, text: &str) -> Error {
        fault(&format!("{}:{}", self.name, self.number), text)
    }

    fn parse(&mut self, line: &[u8]) -> Result<Recorded, String> {
        let line: Line<'_> =
            serde_json::from_slice(line).map_err(|error| wrong(line.trim_ascii_end(), &error))?;
        let origin = match line.origin {
            None => Origin::Unknown,
            Some(name) => *Origin::ALL
                .iter()
                .find(|origin| origin.name() == name)
                .ok_or_else(|| one_of("origin", name, Origin::ALL.iter().map(|origin| origin.name())))?,
        };
        let mono_ns =
            line.t_us.checked_mul(1_000).and_then(|at| at.checked_add(BEGIN)).ok_or_else(|| {
                format!("t_us: {} is too large; count microseconds from the start", line.t_us)
            })?;
        let signal = |kind, device: u16, args| {
            Event::signal(kind, mono_ns, origin, line.device.unwrap_or(device), args)
        };
        let down = || line.pressed.ok_or("pressed: missing; true when it went down, false when it came up");
        let mut name = None;
        let event = match line.kind {
            "mouse_move" => {
                let (x, y) = self.position(&line)?.ok_or("x, y: missing; where the pointer is, in pixels")?;
                let (x0, y0) = self.position.replace((x, y)).unwrap_or((x, y));
                signal(POINTER, MOUSE, [x, y, x.saturating_sub(x0), y.saturating_sub(y0)])
            }
            "mouse_button" => {
                let button = line.button.unwrap_or_default();
                let button = BUTTONS
                    .iter()
                    .find(|(name, _)| *name == button)
                    .ok_or_else(|| one_of("button", button, BUTTONS.iter().map(|(name, _)| *name)))?;
                let position = self.position(&line)?.or(self.position);
                let change = Button { button: button.1, pressed: down()?, position };
                let event = Event::button_change(mono_ns, origin, line.device.unwrap_or(MOUSE), change);
                Event { kind: BUTTON, ..event }
            }
            "wheel" => {
                let way = line.button.unwrap_or_default();
                let (_, dx, dy) = WAYS
                    .iter()
                    .find(|(name, ..)| *name == way)
                    .ok_or_else(|| one_of("button", way, WAYS.iter().map(|(name, ..)| *name)))?;
                let (x, y) = self.position.unwrap_or((UNKNOWN_POSITION, UNKNOWN_POSITION));
                signal(WHEEL, MOUSE, [*dx, *dy, x, y])
            }
            "key" => {
                let class = line.key_class.unwrap_or_default();
                let class = KeyClass::ALL.iter().find(|known| known.name() == class).ok_or_else(|| {
                    one_of("key_class", class, KeyClass::ALL.iter().map(|known| known.name()))
                })?;
                signal(KEY, KEYBOARD, [*class as i32, down()?.into(), line.repeat.into(), 0])
            }
            "device" => {
                let mut text = line.name.ok_or("name: missing; what the device calls itself")?;
                while text.len() > DEVICE_NAME_MAX {
                    text.pop();
                }
                name = Some((line.bus, text));
                signal(POINTER, MOUSE, [0; 4])
            }
            other => {
                let kinds = ["mouse_move", "mouse_button", "wheel", "key", "device"];
                return Err(one_of("kind", other, kinds.into_iter()));
            }
        };
        Ok(Recorded { event, name })
    }

    /// In 1/256 px.
    fn position(&self, line: &Line<'_>) -> Result<Option<(i32, i32)>, String> {
        let fixed = |name: &str, value: f64| {
            let value = (value * 256.0).round();
            let fits = value > f64::from(UNKNOWN_POSITION) && value <= f64::from(i32::MAX);
            if fits { Ok(value as i32) } else { Err(format!("{name}: no screen is so large; give pixels")) }
        };
        match (line.x, line.y) {
            (Some(x), Some(y)) => Ok(Some((fixed("x", x)?, fixed("y", y)?))),
            _ => Ok(None),
        }
    }
}

const BUTTONS: [(&str, i32); 5] = [("left", 1), ("middle", 2), ("right", 3), ("x1", 8), ("x2", 9)];
const WAYS: [(&str, i32, i32); 4] = [("up", 0, -120), ("down", 0, 120), ("left", -120, 0), ("right", 120, 0)];

fn fault(place: &str, text: &str) -> Error {
    Error::Trace { place: place.to_owned(), text: text.to_owned() }
}

fn one_of<'a>(key: &str, value: &str, known: impl Iterator<Item = &'a str>) -> String {
    let known = known.collect::<Vec<_>>().join(", ");
    match value {
        "" => format!("{key}: missing; write one of {known}"),
        _ => format!("{key}: {value:?} is not known; write one of {known}"),
    }
}

/// Whether a value is what its key must be.
type Fits = fn(&Value) -> bool;

/// What each key must be.
const KEYS: [(&str, Fits, &str); 11] = [
    ("t_us", Value::is_u64, "a whole number from 0 on, microseconds from the start"),
    ("kind", Value::is_string, "text"),
    ("x", Value::is_number, "a number, in pixels"),
    ("y", Value::is_number, "a number, in pixels"),
    ("button", Value::is_string, "text"),
    ("pressed", Value::is_boolean, "true or false"),
    ("repeat", Value::is_boolean, "true or false"),
    ("key_class", Value::is_string, "text"),
    ("origin", Value::is_string, "text"),
    (
        "device",
        |value| value.as_u64().is_some_and(|number| number <= u16::MAX.into()),
        "a number from 0 to 65535",
    ),
    ("name", Value::is_string, "text"),
];
const FORMAT: &str = "a line is one signal as JSON, see plugin-api/KINDS.md";

/// What is wrong with a line that couldn't be read, and what to do.
fn wrong(line: &[u8], error: &serde_json::Error) -> String {
    let Ok(text) = std::str::from_utf8(line) else {
        return "not UTF-8; save the file as UTF-8".to_owned();
    };
    let fields = match serde_json::from_str(text) {
        Ok(Value::Object(fields)) => fields,
        Ok(_) => return format!("not a signal; {FORMAT}"),
        Err(error) => {
            let (what, column) = (error.to_string(), error.column());
            let what = what.split(" at line ").next().unwrap_or_default();
            return format!("not JSON: {what} (column {column}); {FORMAT}");
        }
    };
    for (key, fits, expected) in KEYS {
        match fields.get(key) {
            None if matches!(key, "t_us" | "kind") => return format!("{key}: missing; it is {expected}"),
            Some(value) if !fits(value) && !value.is_null() => {
                let value: String = value.to_string().chars().take(40).collect();
                return format!("{key}: {value} is not {expected}");
            }
            _ => {}
        }
    }
    format!("{error}; {FORMAT}")
}
