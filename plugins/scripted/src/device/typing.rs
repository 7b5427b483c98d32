//! What keys are looked at for.

use super::*;

impl Device {
    pub(super) fn typed(
        &mut self,
        now: u64,
        interval: f32,
        measured: &Measured,
        config: &Config,
        limits: &Limits,
    ) -> Option<Seen> {
        let limit = |value: Option<f32>, is: fn(f32, f32) -> bool, limit: f64| {
            value.is_some_and(|value| is(value, limit as f32))
        };
        let so = [
            limit(measured.even, |value, limit| value >= limit, config.keys_even),
            limit(measured.tail, |value, limit| value <= limit, config.keys_tail),
            limit(measured.hold, |value, limit| value <= limit, config.keys_hold_ms),
            limit(measured.hold_range, |value, limit| value <= limit, config.keys_hold_range_ms),
        ];
        let mut since = [None; 4];
        for (place, so) in so.into_iter().enumerate() {
            since[place] = self.lasting[place].push(now, interval, so);
        }
        let keys = self.keys.as_ref()?;
        let slow = keys.beat.kept(SLOW_KEY_BEAT, config.period_share);
        let slow = slow.filter(|kept| kept.median >= SLOW && now.saturating_sub(kept.from) >= SLOW_KEY_LASTS);
        if let Some(kept) = slow
            && self.enough(Rule::Period, now, CERTAIN, config, limits)
        {
            return Some(in_time(kept, now, "keys", &self.keys.as_ref()?.beat, false));
        }
        let rules = [Rule::Keys, Rule::Keys, Rule::Holds, Rule::Holds];
        for (place, (rule, since)) in rules.into_iter().zip(since).enumerate() {
            let Some(from) = since else { continue };
            if self.enough(rule, now, CERTAIN, config, limits) {
                let (feature, text) = says(place, measured);
                let histogram = self.keys.as_ref().map(|keys| keys.beat.histogram());
                let features = vec![feature];
                return Some(Seen {
                    rule,
                    confidence: CERTAIN,
                    from,
                    to: now,
                    text,
                    features,
                    histogram,
                    path: false,
                    model: None,
                });
            }
        }
        None
    }
}

/// One of the four things that keys are looked at for, beside people's, in words.
fn says(place: usize, measured: &Measured) -> (Feature, String) {
    let value = |value: Option<f32>| f64::from(value.unwrap_or(0.0));
    let Measured { even, tail, hold, hold_range } = *measured;
    match place {
        0 => (
            Feature::new("even_intervals", value(even), 0.0, 0.27),
            format!(
                "{:.0} % of the last {INTERVALS} times between keys equal the one before within 3 %. In people's typing it is one in ten.",
                100.0 * value(even)
            ),
        ),
        1 => (
            Feature::new("longest_over_middle", value(tail), 1.66, 500.0),
            format!(
                "In {INTERVALS} keys there was no pause: the longest time between two is {:.1} times the usual one. People stop and think.",
                value(tail)
            ),
        ),
        2 => (
            Feature::new("hold_ms", value(hold), 50.0, 250.0),
            format!(
                "Half of the last {SHORT} keys were held for {:.0} ms or less, over many seconds of typing. A finger takes 50 ms and more.",
                value(hold)
            ),
        ),
        _ => (
            Feature::new("hold_range_ms", value(hold_range), 16.0, 160.0),
            format!(
                "The last {HOLDS} keys were all held for the same time, within {:.1} ms. People's vary by tens of milliseconds.",
                value(hold_range)
            ),
        ),
    }
}
