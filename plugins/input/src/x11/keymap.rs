//! What each key is for, by the layout in force. Only classes are kept, no symbols.

use plugin_api::KeyClass;
use x11rb::{
    connection::Connection,
    protocol::xkb::{ConnectionExt, MapPart, VMod},
};

use super::{Failure, Server, keysym};

const CORE_KEYBOARD: u16 = 0x100;
/// XKEYBOARD knows four layouts at once.
const GROUPS: usize = 4;

/// The class of each key in each layout.
pub struct Keymap {
    classes: Box<[[KeyClass; GROUPS]; 256]>,
    group: usize,
    is_stale: bool,
}

impl Keymap {
    pub fn new(control: &Server) -> Result<Self, Failure> {
        control.xkb_use_extension(1, 0)?.reply()?;
        let group = control.xkb_get_state(CORE_KEYBOARD)?.reply()?.group;
        let classes = Box::new([[KeyClass::Other; GROUPS]; 256]);
        let mut keymap = Self { classes, group: usize::from(u8::from(group)) % GROUPS, is_stale: true };
        keymap.refresh(control)?;
        Ok(keymap)
    }

    pub fn class(&self, code: u8) -> KeyClass {
        self.classes[usize::from(code)][self.group]
    }

    /// Another layout is active.
    pub fn group(&mut self, group: u8) {
        self.group = usize::from(group) % GROUPS;
    }

    /// The layouts changed.
    pub fn expire(&mut self) {
        self.is_stale = true;
    }

    /// Asks for the layouts if they changed.
    pub fn refresh(&mut self, control: &Server) -> Result<(), Failure> {
        if !self.is_stale {
            return Ok(());
        }
        self.is_stale = false;
        let no_mods = VMod::from(0u16);
        let no_parts = MapPart::from(0u16);
        let symbols = MapPart::KEY_SYMS;
        let reply = control
            .xkb_get_map(CORE_KEYBOARD, symbols, no_parts, 0, 0, 0, 0, 0, 0, 0, 0, no_mods, 0, 0, 0, 0, 0, 0)?
            .reply()?;
        self.classes.fill([KeyClass::Other; GROUPS]);
        let keys = reply.map.syms_rtrn.unwrap_or_default();
        for (code, key) in (usize::from(reply.first_key_sym)..256).zip(keys) {
            let groups = usize::from(key.group_info & 0x0f).min(GROUPS);
            for group in 0..GROUPS {
                // A key with fewer layouts than the keyboard has wraps around, unless the keymap says otherwise.
                let Some(group_of_key) = group.checked_rem(groups) else { break };
                let first = group_of_key * usize::from(key.width);
                let symbol = |level: usize| {
                    let in_group = level < usize::from(key.width);
                    in_group.then(|| key.syms.get(first + level)).flatten().copied().unwrap_or(0)
                };
                self.classes[code][group] = keysym::class(symbol(0), symbol(1));
            }
        }
        // This connection selects nothing, but every client is told of core changes.
        while control.poll_for_raw_event()?.is_some() {}
        Ok(())
    }
}
