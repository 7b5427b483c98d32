//! What the path that a pointer draws is looked at for.

use super::*;
use crate::{
    pointer::STRAIGHT,
    smooth::{MOST, PIECES},
    track::PLACES,
};

impl Device {
    /// Whether the path is smoother than hands draw it, or is gone again and again.
    pub(super) fn drawn(&mut self, moved: &Moved, now: u64, ground: &Ground) -> Option<Seen> {
        if let Some(beside) = moved.beside {
            for (mark, value) in beside.shown() {
                let nearest = &mut self.nearest[mark as usize];
                *nearest = mark.nearer(*nearest, value.map_or(f64::NAN, f64::from));
            }
        }
        if let Some(stray) = moved.beside.map(|beside| beside.stray.into())
            && self.judge(Mark::Smooth, stray, now, ground)
        {
            let text = format!(
                "{MOST} of the last {PIECES} pieces of the pointer's path stray by {stray:.2} % of their length or less from the smoothest curve there is. Hands stray by half a percent and more."
            );
            return Some(self.trembling(self.seen(Mark::Smooth, stray, now, text, ground), ground));
        }
        if let Some(straight) = moved.straight.map(f64::from)
            && self.judge(Mark::Straight, straight, now, ground)
        {
            let text = format!(
                "{:.0} of the last {STRAIGHT} ways of the pointer are straight lines, to the pixel. A hand's way is bent.",
                straight * STRAIGHT as f64
            );
            return Some(self.trembling(self.seen(Mark::Straight, straight, now, text, ground), ground));
        }
        let again = f64::from(moved.again?);
        if !self.judge(Mark::Track, again, now, ground) {
            return None;
        }
        let text = format!(
            "The pointer ran the same track as some time before, spot by spot in the same order, at {:.0} of the last {PLACES} places. People's ways cross, but are not gone twice.",
            again * PLACES as f64
        );
        Some(self.seen(Mark::Track, again, now, text, ground))
    }

    /// Adds what is only shown beside what is seen of a path.
    pub(super) fn trembling(&self, mut seen: Seen, ground: &Ground) -> Seen {
        let beside = self.pointer.as_ref().and_then(|pointer| pointer.smooth.beside());
        let shown = beside.into_iter().flat_map(|beside| beside.shown());
        seen.features.extend(shown.filter_map(|(mark, value)| {
            let (low, high) = ground.learned.range(mark);
            Some(Feature::new(mark.fact().name, value?.into(), low, high))
        }));
        seen
    }
}
