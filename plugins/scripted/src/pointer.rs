//! One pointer as it is watched: its strokes, its ways and its clicks.

use crate::{
    feature::{self, CLICKS, Click, Features, STROKES},
    repeat::Ways,
    ring::Ring,
    spread::Numbers,
    stroke::{Pen, Stroke},
};

/// In nanoseconds: how often it is looked at, at most.
const LOOK: u64 = 1_000_000_000;
/// A button that is down for longer than this, in nanoseconds, drags.
const DRAG: u64 = 2_000_000_000;

/// One pointer.
pub struct Pointer {
    pen: Pen,
    pub(crate) ways: Ways,
    pub(crate) strokes: Ring<Stroke, STROKES>,
    pub(crate) clicks: Ring<Click, CLICKS>,
    /// The press that has not come up yet, and since when the pointer rested then.
    down: Option<(u64, f32)>,
    moved: u64,
    looked: u64,
    /// Strokes and clicks since the last look.
    fresh: bool,
    /// Clicks since the pointer moved.
    still: u32,
}

impl Default for Pointer {
    fn default() -> Self {
        Self {
            pen: Pen::new(),
            ways: Ways::new(),
            strokes: Ring::new(),
            clicks: Ring::new(),
            down: None,
            moved: 0,
            looked: 0,
            fresh: false,
            still: 0,
        }
    }
}

impl Pointer {
    /// Takes a position, in pixels; true when a stroke has ended.
    pub fn motion(&mut self, now: u64, x: f32, y: f32) -> bool {
        (self.moved, self.still) = (now, 0);
        let Some(stroke) = self.pen.push(now, x, y) else { return false };
        self.strokes.push(stroke);
        self.ways.push(stroke.to);
        self.fresh = true;
        true
    }

    /// Takes a button that went down or up.
    pub fn button(&mut self, now: u64, pressed: bool) {
        if pressed {
            let aim = if self.moved == 0 { f32::NAN } else { now.saturating_sub(self.moved) as f32 / 1e9 };
            self.down = Some((now, aim));
        } else if let Some((at, aim)) = self.down.take() {
            let held = now.saturating_sub(at);
            let hold = if held <= DRAG { held as f32 / 1e9 } else { f32::NAN };
            self.clicks.push(Click { at, hold, aim });
            (self.fresh, self.still) = (true, self.still.saturating_add(1));
        }
    }

    /// The middle hold of the last clicks in seconds, when there were so many without any motion between.
    pub(crate) fn still(&self, clicks: usize) -> Option<f32> {
        let held = (0..clicks).filter_map(|back| self.clicks.back(back)).map(|click| click.hold);
        if (self.still as usize) < clicks { None } else { Numbers::of(held).median() }
    }

    /// Whether there is something new to look at, and long enough since the last look.
    pub fn due(&mut self, now: u64) -> bool {
        let due = self.fresh && now.abs_diff(self.looked) >= LOOK;
        if due {
            (self.looked, self.fresh) = (now, false);
        }
        due
    }

    /// What the last strokes and clicks measure.
    pub fn measure(&self, now: u64) -> Option<Features> {
        feature::measure(now, &self.strokes, &self.clicks)
    }
}
