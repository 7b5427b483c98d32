//! One pointer as it is watched: its strokes, its ways and its clicks.

use crate::{
    echo::Echo,
    feature::{self, CLICKS, Click, Features, STROKES},
    repeat::Ways,
    ring::Ring,
    smooth::{Beside, Smooth},
    spread::Numbers,
    stroke::{Pen, Stroke},
    track::Track,
};

/// In nanoseconds: how often it is looked at, at most, …
const LOOK: u64 = 1_000_000_000;
/// … and after how many signals, because a look costs as much as many of them.
const SIGNALS: u32 = 16;
/// So many ways are looked at for being straight, that are so long and so far from an eighth of a turn, in pixels, …
pub const STRAIGHT: usize = 12;
const LONG: f32 = 60.0;
const SLANTED: f32 = 4.0;
/// … have so many points, and stray by this at most, which is what whole pixels make of a straight line.
const POINTS: u16 = 3;
const STRAY: f32 = 1.0;
/// A button that is down for longer than this, in nanoseconds, drags.
const DRAG: u64 = 2_000_000_000;

/// One pointer.
pub struct Pointer {
    pen: Pen,
    pub(crate) ways: Ways,
    pub(crate) echo: Echo,
    pub(crate) smooth: Smooth,
    /// Whether the last ways were straight lines, as far as they could have been others.
    straight: Ring<bool, STRAIGHT>,
    track: Track,
    pub(crate) strokes: Ring<Stroke, STROKES>,
    pub(crate) clicks: Ring<Click, CLICKS>,
    /// The press that has not come up yet, and since when the pointer rested then.
    down: Option<(u64, f32)>,
    moved: u64,
    looked: u64,
    /// Signals since.
    signals: u32,
    /// Strokes and clicks since the last look.
    fresh: bool,
    /// Clicks since the pointer moved.
    still: u32,
}

/// What one motion brought to an end.
pub struct Moved {
    /// Whether a stroke has ended.
    pub ended: bool,
    /// What the last pieces have beside the smoothest curve.
    pub(crate) beside: Option<Beside>,
    /// The share of the last ways that are straight lines.
    pub straight: Option<f32>,
    /// The share of the last places that are on an earlier track.
    pub again: Option<f32>,
}

impl Default for Pointer {
    fn default() -> Self {
        Self {
            pen: Pen::new(),
            ways: Ways::new(),
            echo: Echo::new(),
            smooth: Smooth::new(),
            straight: Ring::new(),
            track: Track::new(),
            strokes: Ring::new(),
            clicks: Ring::new(),
            down: None,
            moved: 0,
            looked: 0,
            signals: 0,
            fresh: false,
            still: 0,
        }
    }
}

impl Pointer {
    /// Takes a position, in pixels.
    pub fn motion(&mut self, now: u64, x: f32, y: f32) -> Moved {
        (self.moved, self.still) = (now, 0);
        let (beside, again) = (self.smooth.push(now, x, y), self.track.push(now, x, y));
        let stroke = self.pen.push(now, x, y);
        let mut straight = None;
        if let Some(stroke) = stroke {
            self.strokes.push(stroke);
            self.ways.push(stroke.to);
            self.fresh = true;
            // People who move the pointer by keys go straight in eighths of a turn.
            let (x, y) = (stroke.by.0.abs(), stroke.by.1.abs());
            let slanted = x.min(y).min((x - y).abs()) >= SLANTED;
            if stroke.chord >= LONG && slanted && stroke.samples >= POINTS {
                self.straight.push(stroke.off <= STRAY);
                let count = self.straight.iter().filter(|straight| *straight).count();
                straight = self.straight.is_full().then_some(count as f32 / STRAIGHT as f32);
            }
        }
        Moved { ended: stroke.is_some(), beside, straight, again }
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

    /// Whether, with one signal more, there is something new to look at, and long enough since the last look.
    pub fn due(&mut self, now: u64) -> bool {
        self.signals = self.signals.saturating_add(1);
        let due = self.fresh && self.signals >= SIGNALS && now.abs_diff(self.looked) >= LOOK;
        if due {
            (self.looked, self.fresh, self.signals) = (now, false, 0);
        }
        due
    }

    /// What the last strokes and clicks measure.
    pub fn measure(&self, now: u64) -> Option<Features> {
        feature::measure(now, &self.strokes, &self.clicks)
    }
}
