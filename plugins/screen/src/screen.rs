//! The screen as this platform shows it: monitors, their pictures, windows, the pointer.
//!
//! X11 is captured by xcap. Under Wayland xcap asks GNOME and the desktop portal first, which write the unredacted
//! picture to a file, and it needs an X server and a session bus even where the compositor does without; so the
//! part of it that speaks wlroots' own protocol is used alone, and other compositors are told as not supported.

#[cfg(not(all(unix, not(target_os = "macos"))))]
mod other;
#[cfg(target_os = "linux")]
mod wayland;
#[cfg(all(unix, not(target_os = "macos")))]
mod windows;
#[cfg(all(unix, not(target_os = "macos")))]
mod x11;

use xcap::image::RgbaImage;

use crate::{
    frame::{Frame, Rect},
    rules::Window,
};

/// Why something can't be read now, and what to do about it. Names no window.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{cause}")]
pub struct Lost {
    /// What is wrong.
    pub cause: String,
    /// What to do.
    pub fix: String,
}

impl Lost {
    /// With its fix.
    pub fn new(cause: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { cause: cause.into(), fix: fix.into() }
    }
}

/// A monitor.
#[derive(Clone, PartialEq, Debug)]
pub struct Monitor {
    /// The same after it was unplugged and plugged in again: its connector.
    pub name: String,
    /// What the platform numbers it now.
    pub number: u32,
    /// Where it is on the desktop, in its own pixels.
    pub area: Rect,
    /// How much larger than usual text is shown on it.
    pub scale: f64,
}

/// What can be told of windows.
pub enum Windows {
    /// All that may be visible.
    Known(Vec<Window>),
    /// Some, perhaps; this is why not all.
    Unknown(Vec<Window>, Lost),
}

impl Windows {
    /// The windows that are known, and why that may not be all.
    pub fn split(self) -> (Vec<Window>, Option<Lost>) {
        match self {
            Self::Known(windows) => (windows, None),
            Self::Unknown(windows, why) => (windows, Some(why)),
        }
    }
}

/// One session with the screen, for one shot.
pub trait Session {
    /// How it captures.
    fn name(&self) -> &'static str;
    /// All monitors that are on.
    fn monitors(&mut self) -> Result<Vec<Monitor>, Lost>;
    /// What a monitor shows.
    fn capture(&mut self, monitor: &Monitor) -> Result<Frame, Lost>;
    /// The windows that may be visible.
    fn windows(&mut self) -> Result<Windows, Lost>;
    /// Where the pointer is, if that can be told.
    fn pointer(&mut self) -> Option<(i32, i32)>;
}

/// Connects to the screen.
pub fn open() -> Result<Box<dyn Session>, Lost> {
    #[cfg(target_os = "linux")]
    if is_wayland() {
        return Ok(Box::new(wayland::Wayland::open()?));
    }
    #[cfg(all(unix, not(target_os = "macos")))]
    return Ok(Box::new(x11::X11::open()?));
    #[cfg(not(all(unix, not(target_os = "macos"))))]
    return Ok(Box::new(other::Other));
}

/// Whether xcap too takes this for a Wayland session.
#[cfg(target_os = "linux")]
fn is_wayland() -> bool {
    std::env::var("XDG_SESSION_TYPE").is_ok_and(|session| session == "wayland")
        || std::env::var("WAYLAND_DISPLAY").is_ok_and(|name| name.to_lowercase().contains("wayland"))
}

/// Takes over a picture.
fn frame(picture: RgbaImage) -> Result<Frame, Lost> {
    let (width, height) = picture.dimensions();
    Frame::tight(width, height, picture.into_raw()).ok_or_else(|| {
        Lost::new(format!("a picture of {width}×{height} pixels came"), "nothing; it is tried again")
    })
}
