//! What the kernel tells about an input device: its bus, and whether software made it.

use std::path::Path;

use plugin_api::Origin;

const BUS_BLUETOOTH: i32 = 5;

/// Origin and bus of a device by its node, such as `/dev/input/event3`.
pub fn origin(node: &Path) -> (Origin, i32) {
    let Some(name) = node.file_name() else { return (Origin::Unknown, 0) };
    let Ok(path) = Path::new("/sys/class/input").join(name).join("device").canonicalize() else {
        return (Origin::Unknown, 0);
    };
    let bus = std::fs::read_to_string(path.join("id/bustype"));
    let bus = bus.ok().and_then(|text| i32::from_str_radix(text.trim(), 16).ok()).unwrap_or(0);
    (by_path(&path, bus), bus)
}

fn by_path(path: &Path, bus: i32) -> Origin {
    let is_in = |folder| path.starts_with(folder);
    if is_in("/sys/devices/virtual/misc/uhid") && bus == BUS_BLUETOOTH {
        // Bluetooth Low Energy mice and keyboards come by way of a program, but are real.
        Origin::Physical
    } else if is_in("/sys/devices/virtual") {
        Origin::Virtual
    } else {
        Origin::Physical
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bluetooth_mouse_is_physical_though_its_path_is_virtual() {
        for (path, bus, origin) in [
            ("/sys/devices/pci0000:00/0000:00:14.0/usb1/1-2/input/input7", 3, Origin::Physical),
            ("/sys/devices/platform/i8042/serio0/input/input1", 0x11, Origin::Physical),
            ("/sys/devices/virtual/input/input12", 3, Origin::Virtual),
            ("/sys/devices/virtual/misc/uhid/0005:046D:B023.0001/input/input30", 5, Origin::Physical),
            ("/sys/devices/virtual/misc/uhid/0003:1234:5678.0002/input/input31", 3, Origin::Virtual),
        ] {
            assert_eq!(by_path(Path::new(path), bus), origin, "{path}");
        }
    }
}
