//! Finds long stretches of work without a break. Copy this folder to write a detector of your own.
use plugin_api::prelude::*;

/// Five minutes without input are a break.
const BREAK: Span = Span::seconds(5 * 60);

config! {
    /// Finds long stretches of work without a break.
    pub struct Config {
        /// How long is too long.
        stretch: Span,
    }
}

/// The config, when the stretch began, and when the last event came.
pub struct Breaks(Config, u64, u64);

impl Detector for Breaks {
    type Config = Config;
    const READS: &'static [&'static str] = &["pointer", "key"];
    const COLLECTS: &'static str = "when you worked for long without a break";

    fn new(config: Config, _: &Host) -> Result<Self, Error> {
        Ok(Self(config, 0, 0))
    }

    fn on_batch(&mut self, batch: &[Event<'_>], out: &mut Out<'_>) -> Result<(), Error> {
        let Self(config, began, last) = self;
        for now in batch.iter().map(|event| event.mono_ns) {
            *began = if now.saturating_sub(*last) >= BREAK.nanos() { now } else { *began };
            *last = now.max(*last);
            if *last - *began >= config.stretch.nanos() {
                out.finding(Finding::new("no_break").window(*began, *last).text("Worked without a break."))?;
                *began = *last;
            }
        }
        Ok(())
    }
}
export_detector!(Breaks);
