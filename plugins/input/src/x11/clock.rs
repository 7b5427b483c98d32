//! The server's milliseconds as monotonic time.

use rustix::time::{ClockId, clock_gettime};
use x11rb::{
    connection::Connection,
    protocol::{
        Event,
        xproto::{AtomEnum, ConnectionExt, CreateWindowAux, EventMask, PropMode, WindowClass},
    },
};

use super::{Failure, Server};

/// Differences up to this are the way to the server and back, and its rounding.
const SAME_CLOCK_MS: i64 = 50;
/// How often a clock other than ours is read again.
const AGAIN_NS: u64 = 60_000_000_000;

/// Maps the server's time, which wraps after 49.7 days.
pub struct Clock {
    /// Server minus monotonic time in ms; none when the server goes by the same clock, as on the same machine.
    offset: Option<i64>,
    measured_ns: u64,
    now_ns: u64,
}

impl Clock {
    /// Compares the clocks: an empty change of a property is answered with the server's time.
    pub fn measure(control: &Server, root: u32) -> Result<Self, Failure> {
        let window = control.generate_id()?;
        let events = CreateWindowAux::new().event_mask(EventMask::PROPERTY_CHANGE);
        control.create_window(0, window, root, 0, 0, 1, 1, 0, WindowClass::INPUT_ONLY, 0, &events)?;
        let before = now();
        control.change_property(PropMode::APPEND, window, AtomEnum::WM_NAME, AtomEnum::STRING, 8, 0, &[])?;
        control.flush()?;
        let time = loop {
            match control.wait_for_event()? {
                Event::PropertyNotify(event) if event.window == window => break event.time,
                _ => {}
            }
        };
        let after = now();
        control.destroy_window(window)?.check()?;
        Ok(Self::compared(time, before, after))
    }

    fn compared(time: u32, before: u64, after: u64) -> Self {
        let middle = (before + (after - before) / 2) / 1_000_000;
        let offset = i64::from(time.wrapping_sub(middle as u32) as i32);
        let slack = SAME_CLOCK_MS + ((after - before) / 1_000_000) as i64;
        Self { offset: (offset.abs() > slack).then_some(offset), measured_ns: after, now_ns: after }
    }

    /// Reads our clock, and now and then the server's if it is another one.
    pub fn refresh(&mut self, control: &Server, root: u32) -> Result<(), Failure> {
        self.now_ns = now();
        if self.offset.is_some() && self.now_ns - self.measured_ns > AGAIN_NS {
            *self = Self::measure(control, root)?;
        }
        Ok(())
    }

    /// Our time at the last [`refresh`](Clock::refresh).
    pub fn now_ns(&self) -> u64 {
        self.now_ns
    }

    /// When an event happened. Never later than now.
    pub fn mono_ns(&self, time: u32) -> u64 {
        let now_ms = (self.now_ns / 1_000_000) as i64;
        let server_now = now_ms + self.offset.unwrap_or(0);
        let ago = i64::from((server_now as u32).wrapping_sub(time) as i32);
        let ms = now_ms - ago;
        (ms.max(0) as u64).saturating_mul(1_000_000).min(self.now_ns)
    }
}

fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

#[cfg(test)]
impl Clock {
    /// The server's clock is ours, and it is so late.
    pub fn ours(now_ms: u64) -> Self {
        Self { offset: None, measured_ns: 0, now_ns: now_ms * 1_000_000 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn an_event_from_before_the_wrap_is_not_49_days_old() {
        let wrap = 1u64 << 32;
        let clock = Clock { offset: None, measured_ns: 0, now_ns: (wrap + 10) * MS };
        assert_eq!(clock.mono_ns(u32::MAX), (wrap - 1) * MS);
        assert_eq!(clock.mono_ns(3), (wrap + 3) * MS);
    }

    #[test]
    fn a_server_with_another_clock_is_mapped_and_one_with_ours_is_taken_as_it_is() {
        let now = 5_000_000 * MS;
        let mut other = Clock::compared(77, now, now + 2 * MS);
        other.now_ns = now + 100 * MS;
        assert_eq!(other.mono_ns(77 + 40), now + MS + 40 * MS);
        assert_eq!(Clock::compared(5_000_004, now, now + 2 * MS).offset, None);
    }

    #[test]
    fn a_time_ahead_of_ours_is_now() {
        let clock = Clock { offset: None, measured_ns: 0, now_ns: 10 * MS };
        assert_eq!(clock.mono_ns(12), 10 * MS);
    }
}
