//! X11: xcap takes the pictures, RandR says where monitors are.

use x11rb::{
    connection::Connection,
    errors::{ConnectError, ConnectionError, ReplyError},
    protocol::{
        randr::{self, ConnectionExt as _},
        xproto::{AtomEnum, ConnectionExt as _, Window},
    },
    rust_connection::RustConnection,
};

use super::{Lost, Monitor, Session, Windows, windows};
use crate::frame::{Frame, Rect};

/// The longest RESOURCE_MANAGER that is read, in units of four bytes.
const RESOURCES: u32 = 64 << 10;

/// A connection for one shot.
pub struct X11 {
    x: RustConnection,
    root: Window,
}

impl X11 {
    pub fn open() -> Result<Self, Lost> {
        let (x, screen) = x11rb::connect(None).map_err(|why| no_display(&why))?;
        let root = x.setup().roots.get(screen).map(|screen| screen.root);
        let root =
            root.ok_or_else(|| Lost::new(format!("the display has no screen {screen}"), "set DISPLAY"))?;
        Ok(Self { x, root })
    }

    fn list(&self) -> Result<Vec<Monitor>, ReplyError> {
        // Without 1.5 there are no monitors to ask for.
        self.x.randr_query_version(1, 5)?.reply()?;
        let scale = self.scale()?;
        let mut monitors: Vec<Monitor> = Vec::new();
        for info in self.x.randr_get_monitors(self.root, true)?.reply()?.monitors {
            for output in info.outputs {
                let about = self.x.randr_get_output_info(output, 0)?.reply()?;
                // Gone since.
                if about.crtc == 0
                    || about.connection == randr::Connection::DISCONNECTED && about.modes.is_empty()
                {
                    continue;
                }
                let area = Rect {
                    x: info.x.into(),
                    y: info.y.into(),
                    width: info.width.into(),
                    height: info.height.into(),
                };
                let name = String::from_utf8_lossy(&about.name).into_owned();
                monitors.push(Monitor { name, number: output, area, scale });
            }
        }
        Ok(monitors)
    }

    /// How large text is: `Xft.dpi` relative to 96. (xcap looks at the first 240 bytes of the property only.)
    fn scale(&self) -> Result<f64, ReplyError> {
        let resources = self
            .x
            .get_property(false, self.root, AtomEnum::RESOURCE_MANAGER, AtomEnum::STRING, 0, RESOURCES)?
            .reply()?;
        let text = String::from_utf8_lossy(&resources.value);
        let mut dpi =
            text.lines().filter_map(|line| line.strip_prefix("Xft.dpi:")?.trim().parse::<f64>().ok());
        Ok(dpi.next_back().filter(|dpi| dpi.is_finite()).map_or(1.0, |dpi| (dpi / 96.0).max(1.0)))
    }
}

impl Session for X11 {
    fn name(&self) -> &'static str {
        "X11"
    }

    fn monitors(&mut self) -> Result<Vec<Monitor>, Lost> {
        self.list().map_err(|why| broken(&why))
    }

    fn capture(&mut self, monitor: &Monitor) -> Result<Frame, Lost> {
        let error = |what: &xcap::XCapError| {
            Lost::new(format!("{}: no picture came: {what}", monitor.name), "nothing; it is tried again")
        };
        let all = xcap::Monitor::all().map_err(|why| error(&why))?;
        let same = all.into_iter().find(|one| one.id().is_ok_and(|id| id == monitor.number));
        let gone =
            || Lost::new(format!("{}: the monitor is gone", monitor.name), "nothing; it is tried again");
        let frame = super::frame(same.ok_or_else(gone)?.capture_image().map_err(|why| error(&why))?)?;
        if (frame.width(), frame.height()) != (monitor.area.width, monitor.area.height) {
            return Err(gone());
        }
        Ok(frame)
    }

    fn windows(&mut self) -> Result<Windows, Lost> {
        windows::list(&self.x, self.root).map_err(|why| broken(&why))
    }

    fn pointer(&mut self) -> Option<(i32, i32)> {
        let pointer = self.x.query_pointer(self.root).ok()?.reply().ok()?;
        Some((pointer.root_x.into(), pointer.root_y.into()))
    }
}

fn no_display(why: &ConnectError) -> Lost {
    let display = std::env::var("DISPLAY").unwrap_or_default();
    Lost::new(
        format!("the X display {display:?} can't be reached: {why}"),
        "start the agent in the session, with DISPLAY and XAUTHORITY set; it is tried again",
    )
}

fn broken(why: &ReplyError) -> Lost {
    let fix = match why {
        ReplyError::ConnectionError(ConnectionError::UnsupportedExtension) => {
            "use an X server with RandR 1.5; there is none without monitors"
        }
        _ => "nothing; it is tried again",
    };
    Lost::new(format!("the X server did not answer: {why}"), fix)
}
