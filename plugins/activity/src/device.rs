//! What devices call themselves.

use plugin_api::Device;

/// More than any desk has; one that spawns devices without end gets no more names.
const MOST: usize = 64;

/// The names of the devices that are plugged in, by the source they come from.
pub struct Names(Vec<Name>);

struct Name {
    source: u32,
    name: String,
    present: bool,
}

impl Names {
    pub fn new() -> Self {
        Self(Vec::with_capacity(MOST))
    }

    /// Takes what a device signal says.
    pub fn set(&mut self, source: u32, device: Device<'_>) {
        if let Some(known) = self.0.iter_mut().find(|known| known.source == source) {
            known.name.clear();
            known.name.push_str(device.name);
            known.present = device.present;
        } else if self.0.len() < MOST {
            self.0.push(Name { source, name: device.name.to_owned(), present: device.present });
        }
    }

    pub fn get(&self, source: u32) -> Option<&str> {
        self.0.iter().find(|known| known.source == source).map(|known| known.name.as_str())
    }

    /// Drops devices that were unplugged, once the interval they were used in is stored.
    pub fn forget_gone(&mut self) {
        self.0.retain(|known| known.present);
    }
}
