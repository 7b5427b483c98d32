//! A connection that only delivers: packets are read into one buffer and looked at where they lie.

use std::{
    os::fd::{AsFd, BorrowedFd},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
    time::Timespec,
};
use x11rb::{
    connection::{Connection, RequestConnection},
    protocol::{
        record::{self, ConnectionExt as _},
        xinput::{self, ConnectionExt as _, XIEventMask},
        xkb::{self, ConnectionExt as _},
    },
};

use super::{Failure, Server, decode::Codes};

/// Room for the longest packet there can be here: an answer of RECORD has about 1 KB, a change of devices 16 KB.
const ROOM: usize = 64 << 10;
/// X's names for all devices, and for all that others are attached to.
const ALL_DEVICES: u16 = 0;
const ALL_MASTERS: u16 = 1;
const CORE_KEYBOARD: u16 = 0x100;
const KEY_PRESS: u8 = 2;
const MOTION_NOTIFY: u8 = 6;

/// One stream of packets.
pub struct Tap {
    server: Server,
    buffer: Box<[u8]>,
    filled: usize,
    /// What the server had sent while it was still being asked.
    early: Vec<Vec<u8>>,
}

/// Has the server send raw events, changes of devices and changes of the keyboard's layout.
pub fn raw(server: Server, root: u32) -> Result<(Tap, Codes), Failure> {
    let missing = |name: &str| format!("the server has no {name}");
    let input = server
        .extension_information(xinput::X11_EXTENSION_NAME)?
        .ok_or_else(|| missing("XInputExtension"))?;
    let keyboard =
        server.extension_information(xkb::X11_EXTENSION_NAME)?.ok_or_else(|| missing("XKEYBOARD"))?;
    let version = server.xinput_xi_query_version(2, 2)?.reply()?;
    if (version.major_version, version.minor_version) < (2, 1) {
        return Err("the server's XInput is older than 2.1".into());
    }
    server.xkb_use_extension(1, 0)?.reply()?;
    let group = xkb::SelectEventsAux::new().state_notify(xkb::SelectEventsAuxStateNotify {
        affect_state: xkb::StatePart::GROUP_STATE,
        state_details: xkb::StatePart::GROUP_STATE,
    });
    let group = group.new_keyboard_notify(xkb::SelectEventsAuxNewKeyboardNotify {
        affect_new_keyboard: xkb::NKNDetail::KEYCODES | xkb::NKNDetail::DEVICE_ID,
        new_keyboard_details: xkb::NKNDetail::KEYCODES | xkb::NKNDetail::DEVICE_ID,
    });
    let (none, map) = (xkb::EventType::from(0u16), xkb::EventType::MAP_NOTIFY);
    let syms = xkb::MapPart::KEY_SYMS;
    server.xkb_select_events(CORE_KEYBOARD, none, map, syms, syms, &group)?.check()?;
    let mut input_mask = XIEventMask::RAW_KEY_PRESS
        | XIEventMask::RAW_KEY_RELEASE
        | XIEventMask::RAW_BUTTON_PRESS
        | XIEventMask::RAW_BUTTON_RELEASE
        | XIEventMask::RAW_MOTION;
    if version.minor_version >= 2 || version.major_version > 2 {
        input_mask = input_mask
            | XIEventMask::RAW_TOUCH_BEGIN
            | XIEventMask::RAW_TOUCH_UPDATE
            | XIEventMask::RAW_TOUCH_END;
    }
    let change_mask = XIEventMask::DEVICE_CHANGED | XIEventMask::HIERARCHY;
    // Of a raw event all devices would be told twice: once for the device, once for the master it drives.
    let masks = [(ALL_DEVICES, change_mask), (ALL_MASTERS, input_mask)];
    let masks = masks.map(|(deviceid, mask)| xinput::EventMask { deviceid, mask: vec![mask] });
    server.xinput_xi_select_events(root, &masks)?.check()?;
    let codes = Codes { input: input.major_opcode, keyboard: keyboard.first_event };
    let mut tap = Tap::new(server);
    while let Some((packet, _)) = tap.server.poll_for_raw_event_with_sequence()? {
        tap.early.push(packet.to_vec());
    }
    Ok((tap, codes))
}

/// Has the server record where the pointer goes and which keys repeat. `control` makes the context, `server` carries it.
pub fn core(control: &Server, server: Server) -> Result<Tap, Failure> {
    control.record_query_version(1, 13)?.reply()?;
    // An extension is known per connection.
    server.record_query_version(1, 13)?.reply()?;
    let context = control.generate_id()?;
    let range = |event| record::Range {
        device_events: record::Range8 { first: event, last: event },
        ..record::Range::default()
    };
    let clients = [record::CS::ALL_CLIENTS.into()];
    control
        .record_create_context(context, 0, &clients, &[range(MOTION_NOTIFY), range(KEY_PRESS)])?
        .check()?;
    drop(record::enable_context(&server, context)?);
    server.flush()?;
    let mut tap = Tap::new(server);
    tap.await_start()?;
    Ok(tap)
}

impl Tap {
    fn new(server: Server) -> Self {
        Self { server, buffer: vec![0; ROOM].into_boxed_slice(), filled: 0, early: Vec::new() }
    }

    /// Hands on every packet there is, without waiting. Says how many there were.
    pub fn read(&mut self, mut each: impl FnMut(&[u8]) -> Result<(), Failure>) -> Result<usize, Failure> {
        let mut count = self.early.len();
        for packet in self.early.drain(..) {
            each(&packet)?;
        }
        loop {
            match rustix::io::read(self.server.stream(), &mut self.buffer[self.filled..]) {
                Ok(0) => return Err("it closed the connection".into()),
                Ok(n) => self.filled += n,
                Err(Errno::AGAIN) => return Ok(count),
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            }
            let mut start = 0;
            while let Some(length) = packet_length(&self.buffer[start..self.filled])? {
                if self.filled - start < length {
                    break;
                }
                each(&self.buffer[start..start + length])?;
                count += 1;
                start += length;
            }
            self.buffer.copy_within(start..self.filled, 0);
            self.filled -= start;
        }
    }

    /// Waits for RECORD to say that it records.
    fn await_start(&mut self) -> Result<(), Failure> {
        const START_OF_DATA: u8 = 4;
        let end = Instant::now() + Duration::from_secs(5);
        let mut started = false;
        while !started {
            let mut fds = [PollFd::new(self.server.stream(), PollFlags::IN)];
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err("RECORD did not start within 5 s".into());
            }
            let time = Timespec { tv_sec: left.as_secs() as _, tv_nsec: left.subsec_nanos() as _ };
            let _ = poll(&mut fds, Some(&time));
            self.read(|packet| match packet[0] {
                0 => Err("the server refused to record".into()),
                _ => {
                    started |= packet[0] == 1 && packet[1] == START_OF_DATA;
                    Ok(())
                }
            })?;
        }
        Ok(())
    }
}

impl AsFd for Tap {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.server.stream().as_fd()
    }
}

/// How long the packet is that starts here, if that can be told yet.
fn packet_length(bytes: &[u8]) -> Result<Option<usize>, Failure> {
    const REPLY: u8 = 1;
    const GENERIC: u8 = 35;
    let Some(head) = bytes.get(..8) else { return Ok(None) };
    if !matches!(head[0] & 0x7f, REPLY | GENERIC) {
        return Ok(Some(32));
    }
    let more = u32::from_ne_bytes([head[4], head[5], head[6], head[7]]) as usize;
    match more.checked_mul(4) {
        Some(more) if more <= ROOM - 32 => Ok(Some(32 + more)),
        _ => Err("its packets are out of step".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_as_long_as_it_says_and_no_longer_than_the_room() {
        let packet = |kind: u8, more: u32| {
            let mut bytes = [0; 32];
            bytes[0] = kind;
            bytes[4..8].copy_from_slice(&more.to_ne_bytes());
            packet_length(&bytes)
        };
        assert_eq!(packet(35, 3).unwrap(), Some(44));
        assert_eq!(packet(1, 0).unwrap(), Some(32));
        assert_eq!(packet(6, u32::MAX).unwrap(), Some(32), "a core event has no length");
        assert!(packet(35, u32::MAX).is_err());
        assert_eq!(packet_length(&[35, 0, 0]).unwrap(), None);
    }
}
