//! The sums of one interval, by device and by origin.

use plugin_api::{Event, Origin};

use crate::{
    SECOND,
    counts::{Counts, Seconds},
};

/// So many devices are told apart; those beyond share one entry per origin.
const DEVICES: usize = 32;
/// The source of the entry that devices beyond [`DEVICES`] share.
pub const OTHERS: u32 = u32::MAX;

/// The sums of one interval.
pub struct Interval {
    pub from: u64,
    length: u64,
    pub seconds: Seconds,
    pub origins: [Seconds; Origin::ALL.len()],
    pub devices: Vec<Used>,
    /// Where the last event was counted; the next one mostly goes there too.
    last: usize,
}

/// What one device did, as far as it is of one origin.
pub struct Used {
    pub source: u32,
    pub origin: Origin,
    pub counts: Counts,
}

impl Interval {
    /// An interval without events.
    pub fn since(from: u64) -> Self {
        Self {
            from,
            length: 0,
            seconds: Seconds::default(),
            origins: Default::default(),
            devices: Vec::with_capacity(DEVICES + Origin::ALL.len()),
            last: 0,
        }
    }

    /// Starts over.
    pub fn open(&mut self, from: u64, length: u64) {
        self.devices.clear();
        (self.from, self.length, self.seconds, self.origins, self.last) =
            (from, length, Seconds::default(), Default::default(), 0);
    }

    /// Starts elsewhere than it was opened for.
    pub fn moved(&mut self, from: u64) {
        if from == self.from {
            return;
        }
        self.from = from;
        let devices = self.devices.iter_mut().map(|used| &mut used.counts.seconds);
        devices.chain(&mut self.origins).chain([&mut self.seconds]).for_each(Seconds::restart);
    }

    pub fn is_empty(&self) -> bool {
        self.devices.is_empty()
    }

    /// Counts one signal; one from before the interval, or from far after it, as if in its first second.
    pub fn count(&mut self, event: &Event<'_>) {
        let offset = event.mono_ns.saturating_sub(self.from);
        let second = if offset < self.length { (offset / SECOND) as u32 } else { 0 };
        let origin = event.origin();
        self.seconds.mark(second);
        self.origins[origin as usize].mark(second);
        let place = self.place(event.source, origin);
        self.devices[place].counts.add(event, second);
    }

    /// Takes over the sums of the following interval.
    pub fn merge(&mut self, next: &mut Self) {
        for used in next.devices.drain(..) {
            let place = self.place(used.source, used.origin);
            self.devices[place].counts.merge(&used.counts);
        }
        self.seconds.merge(next.seconds);
        self.origins.iter_mut().zip(next.origins).for_each(|(seconds, more)| seconds.merge(more));
    }

    /// Where a device's sums are, made if need be.
    fn place(&mut self, source: u32, origin: Origin) -> usize {
        let is = |used: &Used, source| used.source == source && used.origin == origin;
        if self.devices.get(self.last).is_some_and(|used| is(used, source)) {
            return self.last;
        }
        let known = self.devices.iter().position(|used| is(used, source));
        let source = if known.is_none() && self.devices.len() >= DEVICES { OTHERS } else { source };
        self.last = known
            .or_else(|| self.devices.iter().position(|used| is(used, source)))
            .unwrap_or(self.devices.len());
        if self.last == self.devices.len() {
            self.devices.push(Used { source, origin, counts: Counts::default() });
        }
        self.last
    }
}
