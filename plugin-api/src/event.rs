//! The kinds of events, typed views of signals, and the table that says what each may carry.

use abi_stable::std_types::RSlice;
use serde_json::Value;

use crate::{
    read,
    v1::{Event, Kind, UNKNOWN_POSITION},
};

/// Pointer motion.
pub const POINTER: Kind = Kind(1);
/// A mouse button.
pub const BUTTON: Kind = Kind(2);
/// A wheel or scroll gesture.
pub const WHEEL: Kind = Kind(3);
/// A key, by class only.
pub const KEY: Kind = Kind(4);
/// An input device, at start and on change.
pub const DEVICE: Kind = Kind(5);
/// What has the focus.
pub const FOCUS: Kind = Kind(6);
/// Power supply and battery.
pub const POWER: Kind = Kind(7);
/// The person's session: locked, switched, suspended.
pub const SESSION: Kind = Kind(8);
/// What was counted in an interval.
pub const ACTIVITY: Kind = Kind(0x100);
/// A detector's conclusion.
pub const FINDING: Kind = Kind(0x101);
/// A screenshot's description; its image is a blob.
pub const SCREENSHOT: Kind = Kind(0x102);
/// What the person was told.
pub const NOTICE: Kind = Kind(0x103);
/// A plugin's health.
pub const STATE: Kind = Kind(0x104);
/// What is missing, and why.
pub const GAP: Kind = Kind(0x105);
/// The device and its agent: the first record of a chain.
pub const DEVICE_RECORD: Kind = Kind(0x106);

/// Every signal with its name.
pub const SIGNALS: &[(Kind, &str)] = &[
    (POINTER, "pointer"),
    (BUTTON, "button"),
    (WHEEL, "wheel"),
    (KEY, "key"),
    (DEVICE, "device"),
    (FOCUS, "focus"),
    (POWER, "power"),
    (SESSION, "session"),
];

/// Every record of this interface with its name, which is also its folder in a store.
pub const RECORDS: &[(Kind, &str)] = &[
    (ACTIVITY, "activity"),
    (FINDING, "finding"),
    (SCREENSHOT, "screenshot"),
    (NOTICE, "notice"),
    (STATE, "state"),
    (GAP, "gap"),
    (DEVICE_RECORD, "device"),
];

/// Fields the host writes into records, the blob's, and the names of partitions: no record's own.
pub const RESERVED_FIELDS: &[&str] = &[
    "seq",
    "time",
    "local_date",
    "mono_ns",
    "boot",
    "offset_s",
    "zone",
    "instance",
    "plugin_version",
    "v",
    "device",
    "kind",
    "date",
    "blob",
    "blob_type",
];

/// The longest body of a signal, in bytes.
pub const SIGNAL_BODY_MAX: usize = 4 << 10;
/// The longest body of a record, in bytes.
pub const RECORD_BODY_MAX: usize = 256 << 10;
/// The longest device name, in bytes.
pub const DEVICE_NAME_MAX: usize = 256;

/// Where an input event came from, as far as the platform tells.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
#[repr(u16)]
pub enum Origin {
    /// The platform doesn't say.
    Unknown = 0,
    /// A device that is plugged in.
    Physical = 1,
    /// A device made by software, such as uinput.
    Virtual = 2,
    /// Sent by a program, such as XTEST or SendInput.
    Injected = 3,
}

impl Origin {
    /// All four, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Unknown, Self::Physical, Self::Virtual, Self::Injected];

    /// Its name in records.
    pub fn name(self) -> &'static str {
        ["unknown", "physical", "virtual", "injected"][self as usize]
    }
}

/// What a key is for; all that is ever known of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
#[repr(i32)]
pub enum KeyClass {
    /// A letter of any script.
    Letter = 0,
    /// A digit.
    Digit = 1,
    /// The space bar.
    Space = 2,
    /// Enter or return.
    Enter = 3,
    /// Backspace or delete.
    Backspace = 4,
    /// Arrows, home, end, page up and down, tab.
    Navigation = 5,
    /// Shift, control, alt and their like.
    Modifier = 6,
    /// F1 and up, media keys, escape.
    Function = 7,
    /// Anything else, punctuation included.
    Other = 8,
}

impl KeyClass {
    /// All nine, in the order of their numbers.
    pub const ALL: [Self; 9] = [
        Self::Letter,
        Self::Digit,
        Self::Space,
        Self::Enter,
        Self::Backspace,
        Self::Navigation,
        Self::Modifier,
        Self::Function,
        Self::Other,
    ];

    /// Its name in records.
    pub fn name(self) -> &'static str {
        ["letter", "digit", "space", "enter", "backspace", "navigation", "modifier", "function", "other"]
            [self as usize]
    }
}

/// Motion, in 1/256 px.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pointer {
    /// Where it is now, if the platform tells.
    pub position: Option<(i32, i32)>,
    /// How far it went to the right.
    pub dx: i32,
    /// How far it went down.
    pub dy: i32,
}

/// A button went down or up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Button {
    /// 1 left, 2 middle, 3 right, 8 back, 9 forward.
    pub button: i32,
    /// Down.
    pub pressed: bool,
    /// Where, in 1/256 px, if the platform tells.
    pub position: Option<(i32, i32)>,
}

/// A wheel turned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wheel {
    /// To the right, in 1/120 notch.
    pub dx: i32,
    /// Down, in 1/120 notch.
    pub dy: i32,
}

/// A key went down or up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Key {
    /// What it is for.
    pub class: KeyClass,
    /// Down.
    pub pressed: bool,
    /// The keyboard repeats it while it is held.
    pub repeat: bool,
}

/// An input device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Device<'a> {
    /// Linux bus type (3 USB, 5 Bluetooth, 6 virtual), 0 unknown.
    pub bus: i32,
    /// USB vendor id or alike, 0 unknown.
    pub vendor: i32,
    /// USB product id or alike, 0 unknown.
    pub product: i32,
    /// Plugged in (as opposed to gone).
    pub present: bool,
    /// What it calls itself.
    pub name: &'a str,
}

impl<'a> Event<'a> {
    /// A signal without body.
    pub fn signal(kind: Kind, mono_ns: u64, origin: Origin, device: u16, args: [i32; 4]) -> Self {
        let source = u32::from(device);
        Event { seq: 0, mono_ns, unix_ns: 0, kind, flags: origin as u16, source, args, body: RSlice::EMPTY }
    }

    /// Motion by `dx`, `dy` to `position`, all in 1/256 px.
    pub fn motion(
        mono_ns: u64,
        origin: Origin,
        device: u16,
        dx: i32,
        dy: i32,
        position: Option<(i32, i32)>,
    ) -> Self {
        let (x, y) = position.unwrap_or((UNKNOWN_POSITION, UNKNOWN_POSITION));
        Self::signal(POINTER, mono_ns, origin, device, [x, y, dx, dy])
    }

    /// A button that went down or up.
    pub fn button_change(mono_ns: u64, origin: Origin, device: u16, button: Button) -> Self {
        let (x, y) = button.position.unwrap_or((UNKNOWN_POSITION, UNKNOWN_POSITION));
        Self::signal(BUTTON, mono_ns, origin, device, [button.button, button.pressed.into(), x, y])
    }

    /// A key of a class that went down or up.
    pub fn key_class(mono_ns: u64, origin: Origin, device: u16, class: KeyClass, pressed: bool) -> Self {
        Self::signal(KEY, mono_ns, origin, device, [class as i32, pressed.into(), 0, 0])
    }

    /// A device that came or went.
    pub fn device_change(mono_ns: u64, origin: Origin, number: u16, device: Device<'a>) -> Self {
        let args = [device.bus, device.vendor, device.product, device.present.into()];
        Event { body: device.name.as_bytes().into(), ..Self::signal(DEVICE, mono_ns, origin, number, args) }
    }

    /// The body's bytes.
    pub fn bytes(&self) -> &'a [u8] {
        read::slice(self.body)
    }

    /// Where it came from.
    pub fn origin(&self) -> Origin {
        Origin::ALL[usize::from(self.flags & 3)]
    }

    /// The number of its device within its source.
    pub fn device_number(&self) -> u16 {
        (self.source & 0xffff) as u16
    }

    /// The motion, if that is what it is.
    pub fn pointer(&self) -> Option<Pointer> {
        let [x, y, dx, dy] = self.args;
        (self.kind == POINTER).then_some(Pointer { position: position(x, y), dx, dy })
    }

    /// The button, if that is what it is.
    pub fn button(&self) -> Option<Button> {
        let [button, pressed, x, y] = self.args;
        (self.kind == BUTTON).then_some(Button { button, pressed: pressed != 0, position: position(x, y) })
    }

    /// The wheel, if that is what it is.
    pub fn wheel(&self) -> Option<Wheel> {
        (self.kind == WHEEL).then_some(Wheel { dx: self.args[0], dy: self.args[1] })
    }

    /// The key, if that is what it is.
    pub fn key(&self) -> Option<Key> {
        let [class, pressed, repeat, _] = self.args;
        let class = *KeyClass::ALL.get(usize::try_from(class).ok()?)?;
        (self.kind == KEY).then_some(Key { class, pressed: pressed != 0, repeat: repeat != 0 })
    }

    /// The device, if that is what it is.
    pub fn device(&self) -> Option<Device<'a>> {
        let [bus, vendor, product, present] = self.args;
        let name = std::str::from_utf8(self.bytes()).ok()?;
        (self.kind == DEVICE).then_some(Device { bus, vendor, product, present: present != 0, name })
    }

    /// The fields of a record or of a signal with a JSON body.
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(self.bytes()).ok()
    }
}

fn position(x: i32, y: i32) -> Option<(i32, i32)> {
    (x != UNKNOWN_POSITION && y != UNKNOWN_POSITION).then_some((x, y))
}

impl Kind {
    /// Neither stored nor numbered.
    pub fn is_signal(self) -> bool {
        (1..0x100).contains(&self.0)
    }

    /// Stored and numbered.
    pub fn is_record(self) -> bool {
        self.0 >= 0x100
    }

    /// The name of a signal or record of this interface.
    pub fn name(self) -> Option<&'static str> {
        SIGNALS.iter().chain(RECORDS).find(|(kind, _)| *kind == self).map(|(_, name)| *name)
    }

    /// The signal of that name.
    pub fn signal(name: &str) -> Option<Self> {
        SIGNALS.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind)
    }

    /// The record of that name.
    pub fn record(name: &str) -> Option<Self> {
        RECORDS.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind)
    }
}

/// How a signal breaks its kind's table, if it does. The host drops, counts and reports such signals.
pub fn signal_fault(event: &Event<'_>) -> Option<&'static str> {
    let body = event.bytes();
    let [a, b, c, d] = event.args;
    let flag = |value: i32| value == 0 || value == 1;
    if event.flags & !3 != 0 {
        return Some("unknown flags");
    }
    match event.kind {
        POINTER | BUTTON | WHEEL | KEY if !body.is_empty() => Some("a body where none may be"),
        KEY if !(0..9).contains(&a) => Some("a key class that does not exist"),
        KEY if !flag(b) || !flag(c) || d != 0 => Some("key fields out of range"),
        BUTTON if !(0..=255).contains(&a) || !flag(b) => Some("button fields out of range"),
        DEVICE if !flag(d) => Some("device fields out of range"),
        DEVICE if body.len() > DEVICE_NAME_MAX => Some("a device name that is too long"),
        DEVICE if std::str::from_utf8(body).is_err() => Some("a device name that is not UTF-8"),
        FOCUS | POWER | SESSION if body.len() > SIGNAL_BODY_MAX => Some("a body that is too long"),
        FOCUS | POWER | SESSION if !is_object(body) => Some("a body that is not a JSON object"),
        POINTER | BUTTON | WHEEL | KEY | DEVICE | FOCUS | POWER | SESSION => None,
        _ => Some("a kind that does not exist"),
    }
}

/// How a record's body breaks the rules for all records, if it does.
pub fn record_fault(body: &[u8]) -> Option<String> {
    if body.len() > RECORD_BODY_MAX {
        return Some(format!("a body of {} bytes; the most is {RECORD_BODY_MAX}", body.len()));
    }
    let Ok(Value::Object(fields)) = serde_json::from_slice(body) else {
        return Some("a body that is not a JSON object".to_owned());
    };
    let reserved = RESERVED_FIELDS.iter().find(|name| fields.contains_key(**name))?;
    Some(format!("a field named {reserved}, which is the host's"))
}

fn is_object(body: &[u8]) -> bool {
    matches!(serde_json::from_slice(body), Ok(Value::Object(_)))
}

/// A name for a vendor's kind: `vendor.name`, lower-case letters, digits, `_` and one or more dots.
pub fn is_vendor_name(name: &str) -> bool {
    let part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_lowercase())
            && part.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_')
    };
    name.len() <= 64 && name.contains('.') && name.split('.').all(part)
}
