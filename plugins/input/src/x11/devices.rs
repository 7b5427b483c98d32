//! The server's input devices, and where their events come from.

use std::path::Path;

use plugin_api::{Device as Plate, Event, Origin, Out};
use x11rb::protocol::{
    xinput::{ConnectionExt as _, DeviceType, XIDeviceInfo, XIGetPropertyItems},
    xproto::ConnectionExt as _,
};

use super::{Failure, Server, axes::Axes};
use crate::batch::{self, From};

const ALL_DEVICES: u16 = 0;

/// What the server calls the properties that tell something about a device.
struct Names {
    xtest: u32,
    product: u32,
    node: u32,
}

/// The devices there are.
pub struct Devices {
    names: Names,
    known: Vec<Device>,
    /// Those that went since they were last told of.
    gone: Vec<Device>,
}

/// One device.
#[derive(Clone)]
pub struct Device {
    pub from: From,
    pub axes: Axes,
    name: String,
    bus: i32,
    vendor: i32,
    product: i32,
    is_told: bool,
}

impl Devices {
    pub fn new(control: &Server) -> Result<Self, Failure> {
        let atom = |name: &str| -> Result<u32, Failure> {
            Ok(control.intern_atom(false, name.as_bytes())?.reply()?.atom)
        };
        let names = Names {
            xtest: atom("XTEST Device")?,
            product: atom("Device Product ID")?,
            node: atom("Device Node")?,
        };
        control.xinput_xi_query_version(2, 2)?.reply()?;
        let mut devices = Self { names, known: Vec::new(), gone: Vec::new() };
        devices.refresh(control)?;
        Ok(devices)
    }

    pub fn get(&mut self, number: u16) -> Option<&mut Device> {
        self.known.iter_mut().find(|device| device.from.device == number)
    }

    /// Asks which there are.
    pub fn refresh(&mut self, control: &Server) -> Result<(), Failure> {
        let infos = control.xinput_xi_query_device(ALL_DEVICES)?.reply()?.infos;
        let mut before = std::mem::take(&mut self.known);
        for info in infos {
            if matches!(info.type_, DeviceType::MASTER_POINTER | DeviceType::MASTER_KEYBOARD) {
                continue;
            }
            let name = batch::name(&info.name);
            let known = before.iter().position(|old| old.from.device == info.deviceid && old.name == name);
            let device = match known {
                Some(at) => Device { axes: Axes::new(&info.classes), ..before.swap_remove(at) },
                // It may be gone again already; the next change says so.
                None => match self.look(control, &info, name) {
                    Ok(device) => device,
                    Err(_) => continue,
                },
            };
            self.known.push(device);
        }
        self.gone.append(&mut before);
        Ok(())
    }

    fn look(&self, control: &Server, info: &XIDeviceInfo, name: String) -> Result<Device, Failure> {
        let property = |atom| -> Result<XIGetPropertyItems, Failure> {
            Ok(control.xinput_xi_get_property(info.deviceid, false, atom, 0, 0, 256)?.reply()?.items)
        };
        let is_xtest =
            matches!(property(self.names.xtest)?, XIGetPropertyItems::Data8(flag) if flag.contains(&1));
        let (vendor, product) = match property(self.names.product)? {
            XIGetPropertyItems::Data32(ids) if ids.len() >= 2 => (ids[0] as i32, ids[1] as i32),
            _ => (0, 0),
        };
        let node = match property(self.names.node)? {
            XIGetPropertyItems::Data8(path) => String::from_utf8(path).ok(),
            _ => None,
        };
        let node = node.as_deref().map(|node| node.trim_end_matches('\0'));
        // A device without a node is the server's own way in: another machine's, a compositor's, or none at all.
        let (origin, bus) = match node {
            _ if is_xtest => (Origin::Injected, 0),
            Some(node) => by_node(Path::new(node)),
            None => (Origin::Unknown, 0),
        };
        let from = From { device: info.deviceid, origin };
        let axes = Axes::new(&info.classes);
        Ok(Device { from, axes, name, bus, vendor, product, is_told: false })
    }

    /// Tells of devices that came or went since the last time.
    pub fn tell(&mut self, mono_ns: u64, out: &Out<'_>) {
        let tell = |device: &Device, present| {
            let Device { from, name, bus, vendor, product, .. } = device;
            let plate = Plate { bus: *bus, vendor: *vendor, product: *product, present, name };
            out.emit(&[Event::device_change(mono_ns, from.origin, from.device, plate)]);
        };
        for device in self.gone.drain(..).filter(|device| device.is_told) {
            tell(&device, false);
        }
        for device in self.known.iter_mut().filter(|device| !device.is_told) {
            device.is_told = true;
            tell(device, true);
        }
    }
}

#[cfg(target_os = "linux")]
fn by_node(node: &Path) -> (Origin, i32) {
    crate::sysfs::origin(node)
}

#[cfg(not(target_os = "linux"))]
fn by_node(_: &Path) -> (Origin, i32) {
    (Origin::Unknown, 0)
}
