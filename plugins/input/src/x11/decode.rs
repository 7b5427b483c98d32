//! Looks at packets where they lie: fields at the offsets of the protocol, nothing copied, nothing allocated.

use super::Failure;

/// Numbers the server gave the extensions.
#[derive(Clone, Copy)]
pub struct Codes {
    /// Opcode of XInput.
    pub input: u8,
    /// First event of XKEYBOARD.
    pub keyboard: u8,
}

/// A packet of the raw stream.
pub enum Raw<'a> {
    /// Something came from a device.
    Input {
        time: u32,
        device: u16,
        kind: RawKind,
        /// Button or key code.
        detail: u32,
        /// Made up by the server from another event.
        emulated: bool,
        values: Values<'a>,
    },
    /// Devices came, went or changed.
    Devices,
    /// What keys mean changed.
    Keymap,
    /// Another layout of the same keymap is active.
    Group(u8),
}

/// What a device did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RawKind {
    KeyPress,
    KeyRelease,
    Press,
    Release,
    Motion,
    TouchBegin,
    TouchUpdate,
    TouchEnd,
}

/// A core event, as RECORD tells it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Core {
    /// The pointer is at a position in px.
    Motion { time: u32, x: i16, y: i16 },
    /// A key went down, or repeats.
    Press { time: u32, code: u8 },
}

/// The values of a raw event, by number of the axis, as 32.32 fixed-point numbers.
#[derive(Clone, Copy)]
pub struct Values<'a> {
    mask: &'a [u8],
    values: &'a [u8],
}

impl<'a> Values<'a> {
    /// Axis and value of each.
    pub fn iter(self) -> impl Iterator<Item = (u16, i64)> + 'a {
        let Self { mask, values } = self;
        let axes =
            (0..mask.len() as u16 * 8).filter(|axis| mask[usize::from(axis / 8)] & (1 << (axis % 8)) != 0);
        axes.zip(values.chunks_exact(8)).map(|(axis, value)| {
            let whole = i64::from(u32_at(value, 0) as i32);
            (axis, whole << 32 | i64::from(u32_at(value, 4)))
        })
    }
}

/// Reads a packet of the raw stream; `None` for what is of no interest.
pub fn raw<'a>(packet: &'a [u8], codes: &Codes) -> Result<Option<Raw<'a>>, Failure> {
    match packet[0] {
        0 => Err(format!("it answered with error {}", packet[1]).into()),
        35 if packet[1] == codes.input => Ok(generic(packet)),
        event if event == codes.keyboard => Ok(keyboard(packet)),
        34 => Ok(Some(Raw::Keymap)),
        _ => Ok(None),
    }
}

fn generic(packet: &[u8]) -> Option<Raw<'_>> {
    const SLAVE_SWITCH: u8 = 1;
    let kind = match u16_at(packet, 8) {
        1 if packet[20] == SLAVE_SWITCH => return None,
        1 | 11 => return Some(Raw::Devices),
        13 => RawKind::KeyPress,
        14 => RawKind::KeyRelease,
        15 => RawKind::Press,
        16 => RawKind::Release,
        17 => RawKind::Motion,
        22 => RawKind::TouchBegin,
        23 => RawKind::TouchUpdate,
        24 => RawKind::TouchEnd,
        _ => return None,
    };
    const EMULATED: u32 = 1 << 16;
    let mask_length = usize::from(u16_at(packet, 22)) * 4;
    let (mask, values) = packet.get(32..)?.split_at_checked(mask_length)?;
    Some(Raw::Input {
        time: u32_at(packet, 12),
        device: u16_at(packet, 20),
        kind,
        detail: u32_at(packet, 16),
        emulated: u32_at(packet, 24) & EMULATED != 0,
        values: Values { mask, values },
    })
}

fn keyboard(packet: &[u8]) -> Option<Raw<'_>> {
    match packet[1] {
        0 | 1 => Some(Raw::Keymap),
        2 => Some(Raw::Group(packet[13])),
        _ => None,
    }
}

/// Reads an answer of RECORD: the core events in it.
pub fn core(packet: &[u8], mut each: impl FnMut(Core)) {
    const FROM_SERVER: u8 = 0;
    if packet[0] != 1 || packet[1] != FROM_SERVER {
        return;
    }
    for event in packet[32..].chunks_exact(32) {
        let time = u32_at(event, 4);
        match event[0] & 0x7f {
            2 => each(Core::Press { time, code: event[1] }),
            6 => each(Core::Motion { time, x: u16_at(event, 20) as i16, y: u16_at(event, 22) as i16 }),
            _ => {}
        }
    }
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_ne_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

impl Core {
    /// When, by the server's clock.
    pub fn time(self) -> u32 {
        match self {
            Self::Motion { time, .. } | Self::Press { time, .. } => time,
        }
    }
}
