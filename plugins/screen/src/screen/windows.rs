//! The windows of an X screen, in both of the ways they can be found.
//!
//! The window manager lists those it manages; menus and dialogs it does not manage are children of the root. What is
//! not mapped, or minimised, can't be seen and is left out.

use std::collections::HashMap;

use x11rb::{
    errors::ReplyError,
    protocol::xproto::{Atom, AtomEnum, ConnectionExt, MapState, Window as Id, WindowClass},
    rust_connection::RustConnection,
};

use super::{Lost, Windows};
use crate::{frame::Rect, rules::Window};

/// The longest title that is read, in units of four bytes.
const TITLE: u32 = 1 << 10;
/// The longest list of windows that is read.
const LIST: u32 = 1 << 14;
/// How deep windows are nested at most between a client and the root.
const DEPTH: usize = 16;

x11rb::atom_manager! {
    Names: NamesCookie {
        _NET_SUPPORTING_WM_CHECK,
        _NET_CLIENT_LIST_STACKING,
        _NET_WM_NAME,
        _NET_WM_STATE,
        _NET_WM_STATE_HIDDEN,
        _NET_WM_STATE_SHADED,
    }
}

/// Lists what may be visible.
pub fn list(x: &RustConnection, root: Id) -> Result<Windows, ReplyError> {
    let names = Names::new(x)?.reply()?;
    let finder = Finder { x, root, names };
    let managed = finder.managed()?;
    let mut found: HashMap<Id, Window> = HashMap::new();
    let children = x.query_tree(root)?.reply()?.children;
    for id in managed.iter().flatten().chain(&children) {
        // A window that went away meanwhile is no failure; a lost connection is.
        match finder.window(*id) {
            Ok(Some(window)) => {
                found.insert(*id, window);
            }
            Ok(None) | Err(ReplyError::X11Error(_)) => {}
            Err(lost) => return Err(lost),
        }
    }
    let found = found.into_values().collect();
    Ok(match managed {
        Some(_) => Windows::Known(found),
        None => Windows::Unknown(
            found,
            Lost::new(
                "windows can't be told apart: there is no window manager that lists them (EWMH)",
                "start a window manager, or take the exclude rules out of the config",
            ),
        ),
    })
}

struct Finder<'x> {
    x: &'x RustConnection,
    root: Id,
    names: Names,
}

impl Finder<'_> {
    /// What the window manager lists; `None` when there is none, or one that is gone left its list behind.
    fn managed(&self) -> Result<Option<Vec<Id>>, ReplyError> {
        let check = |id| self.ids(id, self.names._NET_SUPPORTING_WM_CHECK, AtomEnum::WINDOW.into());
        let Some(manager) = check(self.root)?.and_then(|ids| ids.first().copied()) else {
            return Ok(None);
        };
        match check(manager) {
            Ok(Some(ids)) if ids.first() == Some(&manager) => {
                self.ids(self.root, self.names._NET_CLIENT_LIST_STACKING, AtomEnum::WINDOW.into())
            }
            Ok(_) | Err(ReplyError::X11Error(_)) => Ok(None),
            Err(lost) => Err(lost),
        }
    }

    fn ids(&self, id: Id, property: Atom, kind: Atom) -> Result<Option<Vec<u32>>, ReplyError> {
        let reply = self.x.get_property(false, id, property, kind, 0, LIST)?.reply()?;
        Ok(reply.value32().map(Iterator::collect))
    }

    /// A window that can be seen and has a name of some kind.
    fn window(&self, id: Id) -> Result<Option<Window>, ReplyError> {
        let about = self.x.get_window_attributes(id)?.reply()?;
        if about.map_state != MapState::VIEWABLE
            || about.class == WindowClass::INPUT_ONLY
            || self.is_hidden(id)?
        {
            return Ok(None);
        }
        let class = self.text(id, AtomEnum::WM_CLASS.into())?;
        let apps: Vec<String> =
            class.split('\0').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        let titles: Vec<String> = [self.names._NET_WM_NAME, AtomEnum::WM_NAME.into()]
            .into_iter()
            .map(|property| self.text(id, property))
            .collect::<Result<_, _>>()?;
        let titles: Vec<String> = titles.into_iter().filter(|title| !title.is_empty()).collect();
        if apps.is_empty() && titles.is_empty() {
            return Ok(None);
        }
        Ok(Some(Window { id, apps, titles, area: self.area(id)? }))
    }

    fn is_hidden(&self, id: Id) -> Result<bool, ReplyError> {
        let state = self.ids(id, self.names._NET_WM_STATE, AtomEnum::ATOM.into())?.unwrap_or_default();
        // Of a shaded window the title bar can still be seen.
        Ok(state.contains(&self.names._NET_WM_STATE_HIDDEN)
            && !state.contains(&self.names._NET_WM_STATE_SHADED))
    }

    fn text(&self, id: Id, property: Atom) -> Result<String, ReplyError> {
        let reply = self.x.get_property(false, id, property, AtomEnum::ANY, 0, TITLE)?.reply()?;
        Ok(if reply.format == 8 { String::from_utf8_lossy(&reply.value).into_owned() } else { String::new() })
    }

    /// Where it is with all its decoration, which shows its title.
    fn area(&self, id: Id) -> Result<Rect, ReplyError> {
        let mut top = id;
        for _ in 0..DEPTH {
            let parent = self.x.query_tree(top)?.reply()?.parent;
            if parent == self.root || parent == 0 {
                break;
            }
            top = parent;
        }
        let frame = self.rect(top)?;
        Ok(if top == id { frame } else { frame.hull(self.rect(id)?) })
    }

    fn rect(&self, id: Id) -> Result<Rect, ReplyError> {
        let size = self.x.get_geometry(id)?.reply()?;
        let place = self.x.translate_coordinates(id, self.root, 0, 0)?.reply()?;
        let border = size.border_width;
        Ok(Rect {
            x: i32::from(place.dst_x) - i32::from(border),
            y: i32::from(place.dst_y) - i32::from(border),
            width: u32::from(size.width) + 2 * u32::from(border),
            height: u32::from(size.height) + 2 * u32::from(border),
        })
    }
}
