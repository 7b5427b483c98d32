//! What keys are looked at for.

use super::*;

/// What lasts before it is told, by its place.
const LASTING: [Mark; 4] = [Mark::Even, Mark::Tail, Mark::Hold, Mark::HoldRange];

impl Device {
    pub(super) fn typed(
        &mut self,
        now: u64,
        interval: f32,
        measured: &Measured,
        ground: &Ground,
    ) -> Option<Seen> {
        let values = [measured.even, measured.tail, measured.hold, measured.hold_range];
        let mut since = [None; 4];
        for (place, (mark, value)) in LASTING.into_iter().zip(values).enumerate() {
            let value = value.map(f64::from);
            if let Some(value) = value {
                let nearest = &mut self.nearest[mark as usize];
                *nearest = mark.nearer(*nearest, value);
            }
            let so = value.is_some_and(|value| mark.reaches(value, ground.limit(mark)));
            since[place] = self.lasting[place].push(now, interval, so);
        }
        let least = self.worth(Mark::Beat, ground).1;
        let slow = self.keys.as_ref()?.beat.kept(SLOW_KEY_BEAT, least);
        let slow = slow.filter(|kept| kept.median >= SLOW && now.saturating_sub(kept.from) >= SLOW_KEY_LASTS);
        if let Some(kept) = slow
            && self.judge(Mark::Beat, kept.share, now, ground)
        {
            return Some(self.in_time(Mark::Beat, kept, "keys", now, ground));
        }
        for (place, since) in since.into_iter().enumerate() {
            let (Some(from), mark) = (since, LASTING[place]) else { continue };
            let value = f64::from(values[place].unwrap_or(0.0));
            self.note(mark.fact().rule, ground.learned.score(mark, value), ground);
            if self.due(mark.fact().rule, now, ground) {
                let mut seen = self.seen(mark, value, now, says(mark, value), ground);
                let beat = self.keys.as_ref().map(|keys| &keys.beat);
                let histogram = beat.map(Beat::histogram);
                let shown = [Mark::KeyEntropy, Mark::Round];
                seen.features.extend(beat.into_iter().flat_map(|beat| varied(beat, shown, ground)));
                return Some(Seen { from, histogram, path: false, ..seen });
            }
        }
        None
    }
}

fn says(mark: Mark, value: f64) -> String {
    match mark {
        Mark::Even => format!(
            "{:.0} % of the last {INTERVALS} times between keys equal the one before within 3 %. In people's typing it is one in ten.",
            100.0 * value
        ),
        Mark::Tail => format!(
            "In {INTERVALS} keys there was no pause: the longest time between two is {value:.1} times the usual one. People stop and think."
        ),
        Mark::Hold => format!(
            "Half of the last {SHORT} keys were held for {value:.0} ms or less, over many seconds of typing. A finger takes 50 ms and more."
        ),
        _ => format!(
            "The last {HOLDS} keys were all held for the same time, within {value:.1} ms. People's vary by tens of milliseconds."
        ),
    }
}
