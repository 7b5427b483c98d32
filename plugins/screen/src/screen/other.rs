//! Windows and macOS, all by xcap.

use super::{Lost, Monitor, Session, Windows};
use crate::frame::{Frame, Rect};

/// Needs no connection.
pub struct Other;

fn lost(why: &xcap::XCapError) -> Lost {
    Lost::new(
        format!("the screen can't be read: {why}"),
        "allow screen recording for the agent; it is tried again",
    )
}

fn monitor(one: &xcap::Monitor) -> Result<Monitor, xcap::XCapError> {
    let area = Rect { x: one.x()?, y: one.y()?, width: one.width()?, height: one.height()? };
    Ok(Monitor { name: one.name()?, number: one.id()?, area, scale: f64::from(one.scale_factor()?).max(1.0) })
}

impl Session for Other {
    fn name(&self) -> &'static str {
        "xcap"
    }

    fn monitors(&mut self) -> Result<Vec<Monitor>, Lost> {
        let all = xcap::Monitor::all().map_err(|why| lost(&why))?;
        all.iter().map(monitor).collect::<Result<_, _>>().map_err(|why| lost(&why))
    }

    fn capture(&mut self, monitor: &Monitor) -> Result<Frame, Lost> {
        let all = xcap::Monitor::all().map_err(|why| lost(&why))?;
        let same = all.into_iter().find(|one| one.id().is_ok_and(|id| id == monitor.number));
        let gone =
            || Lost::new(format!("{}: the monitor is gone", monitor.name), "nothing; it is tried again");
        super::frame(same.ok_or_else(gone)?.capture_image().map_err(|why| lost(&why))?)
    }

    fn windows(&mut self) -> Result<Windows, Lost> {
        Ok(Windows::Unknown(
            Vec::new(),
            Lost::new(
                "windows can't be told apart on this platform yet",
                "take the exclude rules out of the config",
            ),
        ))
    }

    fn pointer(&mut self) -> Option<(i32, i32)> {
        None
    }
}
