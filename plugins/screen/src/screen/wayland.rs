//! Wayland with wlroots' screencopy protocol: sway, Hyprland, river and their like.

use libwayshot_xcap::{WayshotConnection, output::OutputInfo};

use super::{Lost, Monitor, Session, Windows};
use crate::frame::{Frame, Rect};

/// A connection for one shot.
pub struct Wayland {
    connection: WayshotConnection,
}

impl Wayland {
    pub fn open() -> Result<Self, Lost> {
        // It logs every global that is no monitor as an error.
        let quietly = tracing::subscriber::NoSubscriber::default();
        let connection = tracing::subscriber::with_default(quietly, WayshotConnection::new).map_err(|why| {
            Lost::new(
                format!("the Wayland compositor can't be reached: {why}"),
                "start the agent in the session, with WAYLAND_DISPLAY and XDG_RUNTIME_DIR set; it is tried again",
            )
        })?;
        Ok(Self { connection })
    }
}

impl Session for Wayland {
    fn name(&self) -> &'static str {
        "Wayland (wlroots)"
    }

    fn monitors(&mut self) -> Result<Vec<Monitor>, Lost> {
        Ok(self
            .connection
            .get_all_outputs()
            .iter()
            .zip(0..)
            .map(|(output, number)| monitor(output, number))
            .collect())
    }

    fn capture(&mut self, monitor: &Monitor) -> Result<Frame, Lost> {
        let gone =
            || Lost::new(format!("{}: the monitor is gone", monitor.name), "nothing; it is tried again");
        let outputs = self.connection.get_all_outputs();
        let output = outputs.iter().find(|output| output.name == monitor.name).ok_or_else(gone)?;
        let picture = self.connection.screenshot_single_output(output, false).map_err(|why| {
            Lost::new(
                format!("{}: no picture came: {why}", monitor.name),
                "use a compositor with wlr-screencopy (sway, Hyprland) or an X11 session; other ways leave unredacted files",
            )
        })?;
        super::frame(picture.into_rgba8())
    }

    fn windows(&mut self) -> Result<Windows, Lost> {
        Ok(Windows::Unknown(
            Vec::new(),
            Lost::new(
                "windows can't be told apart: Wayland doesn't say which there are and where",
                "use an X11 session, or take the exclude rules out of the config",
            ),
        ))
    }

    fn pointer(&mut self) -> Option<(i32, i32)> {
        None
    }
}

fn monitor(output: &OutputInfo, number: u32) -> Monitor {
    let (real, shown) = (output.physical_size, output.logical_region.inner);
    let area = Rect { x: shown.position.x, y: shown.position.y, width: real.width, height: real.height };
    // The longer sides, so that a turned monitor is no exception.
    let (pixels, points) = (real.width.max(real.height), shown.size.width.max(shown.size.height));
    let scale = f64::from(pixels) / f64::from(points.max(1));
    Monitor { name: output.name.clone(), number, area, scale: scale.max(1.0) }
}
