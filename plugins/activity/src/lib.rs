//! Sums up mouse and keyboard use per interval: how much, never what.
//!
//! Intervals lie on a grid that starts with the detector. Whatever arrives is counted once: an event from before
//! the running interval in that interval, one from after its end in the next. Nothing is allocated per event.

#![forbid(unsafe_code)]

mod counts;
mod device;
mod interval;
mod record;
#[cfg(test)]
mod tests;

use plugin_api::prelude::*;

use device::Names;
use interval::Interval;

const SECOND: u64 = 1_000_000_000;
/// Idle intervals in a row become one record of at most this length, so that a night costs a few hundred bytes.
const IDLE_AT_MOST: u64 = 3_600 * SECOND;

config! {
    /// Sums up mouse and keyboard use.
    pub struct Config {
        /// How long one sum runs, 1 s to 1 d.
        #[serde(default = "minute")]
        #[schemars(extend("x-raises" = "down"))]
        pub interval: Span,
    }
}

fn minute() -> Span {
    Span::seconds(60)
}

/// The detector.
pub struct Activity {
    host: Host,
    interval_ns: u64,
    /// Whether the time was told, which starts the grid.
    begun: bool,
    /// The latest time that was told.
    now: u64,
    current: Interval,
    next: Interval,
    /// An idle stretch that is not stored yet.
    idle: Option<(u64, u64)>,
    /// How long nobody told the time before the running interval.
    skipped_ns: u64,
    names: Names,
}

impl Detector for Activity {
    type Config = Config;
    const READS: &'static [&'static str] = &["pointer", "button", "wheel", "key", "device"];
    const COLLECTS: &'static str = "how many keys of which class, clicks and scrolls there were per minute, how far \
                                    the pointer went, and for how many seconds, by device";
    const NEVER: &'static str = "which keys were pressed, in what order, or where the pointer was";

    fn new(config: Config, host: &Host) -> Result<Self, Error> {
        let interval_ns = config.interval.nanos();
        if !(SECOND..=86_400 * SECOND).contains(&interval_ns) {
            let text = format!("interval: {} is not between 1s and 1d", config.interval);
            return Err(Error::new(Fault::Config, text));
        }
        Ok(Self {
            host: *host,
            interval_ns,
            begun: false,
            now: 0,
            current: Interval::since(0),
            next: Interval::since(0),
            idle: None,
            skipped_ns: 0,
            names: Names::new(),
        })
    }

    fn on_batch(&mut self, batch: &[Event<'_>], _: &mut Out<'_>) -> Result<(), Error> {
        let Some(first) = batch.first() else { return Ok(()) };
        self.begin(first.mono_ns);
        let end = self.end();
        for event in batch {
            if let Some(device) = event.device() {
                self.names.set(event.source, device);
            } else if event.mono_ns < end {
                self.current.count(event);
            } else {
                self.next.count(event);
            }
        }
        Ok(())
    }

    fn tick(&mut self, now: u64, _: &mut Out<'_>) -> Result<Option<u64>, Error> {
        self.begin(now);
        // Time doesn't go back; where it seems to, it stands still.
        self.now = self.now.max(now);
        if self.now >= self.end() {
            self.close(self.end())?;
            self.advance()?;
        }
        Ok(Some(self.end()).filter(|next| *next > now))
    }

    fn finish(&mut self, _: &mut Out<'_>) -> Result<(), Error> {
        self.current.merge(&mut self.next);
        self.close(self.now.max(self.current.from))?;
        self.store_idle()
    }
}

impl Activity {
    fn begin(&mut self, now: u64) {
        if !self.begun {
            self.begun = true;
            self.now = now;
            self.current.open(now, self.interval_ns);
            self.next.open(now.saturating_add(self.interval_ns), self.interval_ns);
        }
    }

    fn end(&self) -> u64 {
        self.current.from.saturating_add(self.interval_ns)
    }

    /// Ends the running interval: stores it, or lets an idle one lengthen the idle stretch.
    fn close(&mut self, to: u64) -> Result<(), Error> {
        let from = self.current.from;
        if !self.current.is_empty() {
            self.store_idle()?;
            self.host.out(to).activity(&record::fill(&self.current, to, self.skipped_ns, &self.names))?;
            self.skipped_ns = 0;
            self.names.forget_gone();
            return Ok(());
        }
        if self.idle.is_some_and(|(from, _)| to - from > IDLE_AT_MOST) {
            self.store_idle()?;
        }
        self.idle = Some((self.idle.map_or(from, |(from, _)| from), to)).filter(|(from, to)| to > from);
        Ok(())
    }

    /// Makes the next interval the running one. When the time jumped over whole intervals, because the machine slept
    /// or the agent got no time, they are neither active nor idle: skipped.
    fn advance(&mut self) -> Result<(), Error> {
        let end = self.end();
        let from = end + (self.now - end) / self.interval_ns * self.interval_ns;
        if from > end {
            self.store_idle()?;
            self.skipped_ns = self.skipped_ns.saturating_add(from - end);
        }
        std::mem::swap(&mut self.current, &mut self.next);
        self.current.moved(from);
        self.next.open(from.saturating_add(self.interval_ns), self.interval_ns);
        Ok(())
    }

    fn store_idle(&mut self) -> Result<(), Error> {
        let Some((from, to)) = self.idle else { return Ok(()) };
        let nothing = Interval::since(from);
        self.host.out(to).activity(&record::fill(&nothing, to, self.skipped_ns, &self.names))?;
        self.skipped_ns = 0;
        self.idle = None;
        Ok(())
    }
}

export_detector!(Activity);
