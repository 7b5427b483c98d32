//! The agent's clocks and the stamp every record carries.
//!
//! Two clocks: the monotonic one says when something happened and how long it took, the wall clock only says what
//! to call that moment. A stamp holds both, with the zone the person was in.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use chrono::{DateTime, Duration, Offset, TimeZone, Utc};
use chrono_tz::Tz;

mod zone;

/// Nanoseconds in a second.
const SECOND: i64 = 1_000_000_000;
/// How far ahead of the wall clock a record's own time may be before it is not believed.
const AHEAD: i64 = 86_400 * SECOND;

/// Where time comes from: the system, or a test.
pub trait Time: Send + Sync {
    /// Nanoseconds on the monotonic clock.
    fn mono_ns(&self) -> u64;
    /// Nanoseconds since 1970 UTC.
    fn unix_ns(&self) -> i64;
    /// The zone's name, if it is known, and its offset from UTC in seconds at a moment.
    fn local(&self, unix_ns: i64) -> (Option<&'static str>, i32);
}

/// When a record happened, in every form that is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// RFC 3339, UTC, microseconds.
    pub time: String,
    /// The date on the person's calendar.
    pub local_date: String,
    /// Nanoseconds on the monotonic clock.
    pub mono_ns: u64,
    /// Which run of the monotonic clock `mono_ns` belongs to.
    pub boot: Arc<str>,
    /// The local offset from UTC in seconds.
    pub offset_s: i32,
    /// The IANA zone, if it is known.
    pub zone: Option<&'static str>,
}

impl Stamp {
    /// The UTC date, which is the record's partition.
    pub fn date(&self) -> &str {
        &self.time[..10]
    }
}

/// Tells time and makes stamps. Cloning is cheap.
#[derive(Clone)]
pub struct Clock {
    time: Arc<dyn Time>,
    boot: Arc<str>,
}

impl Clock {
    /// The system's clocks.
    pub fn system() -> Self {
        Self { time: Arc::new(System::default()), boot: boot().into() }
    }

    /// A clock that moves only when told.
    pub fn manual(zone: Tz) -> (Self, Arc<Manual>) {
        let manual = Arc::new(Manual { mono: AtomicU64::new(SECOND as u64), unix: AtomicI64::new(0), zone });
        (Self { time: manual.clone(), boot: "00000000-test".into() }, manual)
    }

    /// The same clock in another run of it, for tests.
    #[must_use]
    pub fn in_boot(&self, boot: &str) -> Self {
        Self { time: self.time.clone(), boot: boot.into() }
    }

    /// Nanoseconds on the monotonic clock.
    pub fn mono_ns(&self) -> u64 {
        self.time.mono_ns()
    }

    /// Nanoseconds since 1970 UTC.
    pub fn unix_ns(&self) -> i64 {
        self.time.unix_ns()
    }

    /// Which run of the monotonic clock this is: two `mono_ns` compare only within one.
    pub fn boot(&self) -> &str {
        &self.boot
    }

    /// What the wall clock showed, or by today's reckoning would have shown, at a monotonic time.
    pub fn unix_at(&self, mono_ns: u64) -> i64 {
        let (mono, unix) = (self.time.mono_ns(), self.time.unix_ns());
        let ago = i64::try_from(mono).unwrap_or(i64::MAX) - i64::try_from(mono_ns).unwrap_or(i64::MAX);
        unix.saturating_sub(ago)
    }

    /// Stamps something that happened. A monotonic time of 0 or in the future is taken as now; a wall time of 0,
    /// before 1970 or more than a day ahead is taken from the monotonic time.
    pub fn stamp(&self, mono_ns: u64, unix_ns: i64) -> Stamp {
        let (now, wall) = (self.time.mono_ns(), self.time.unix_ns());
        let mono_ns = if mono_ns == 0 || mono_ns > now { now } else { mono_ns };
        let unix_ns = if unix_ns > 0 && unix_ns <= wall.saturating_add(AHEAD) {
            unix_ns
        } else {
            wall.saturating_sub(i64::try_from(now - mono_ns).unwrap_or(i64::MAX))
        };
        let (zone, offset_s) = self.time.local(unix_ns);
        let local = at(unix_ns) + Duration::seconds(offset_s.into());
        Stamp {
            time: rfc3339(unix_ns),
            local_date: local.format("%Y-%m-%d").to_string(),
            mono_ns,
            boot: self.boot.clone(),
            offset_s,
            zone,
        }
    }
}

/// A moment as RFC 3339 in UTC with microseconds, the form of `time` in a record.
pub fn rfc3339(unix_ns: i64) -> String {
    at(unix_ns).format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

/// The moment of an RFC 3339 text, in nanoseconds since 1970 UTC.
pub fn parse(text: &str) -> Option<i64> {
    DateTime::parse_from_rfc3339(text).ok()?.timestamp_nanos_opt()
}

fn at(unix_ns: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_nanos(unix_ns)
}

#[derive(Default)]
struct System {
    zone: zone::Watch,
    #[cfg(not(unix))]
    start: Epoch,
}

impl Time for System {
    #[cfg(unix)]
    fn mono_ns(&self) -> u64 {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        now.tv_sec as u64 * SECOND as u64 + now.tv_nsec as u64
    }

    /// Counts from the start of the process, plus a second so that 0 stays "unknown".
    #[cfg(not(unix))]
    fn mono_ns(&self) -> u64 {
        SECOND as u64 + self.start.0.elapsed().as_nanos() as u64
    }

    fn unix_ns(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
    }

    fn local(&self, unix_ns: i64) -> (Option<&'static str>, i32) {
        self.zone.local(at(unix_ns))
    }
}

#[cfg(not(unix))]
struct Epoch(std::time::Instant);

#[cfg(not(unix))]
impl Default for Epoch {
    fn default() -> Self {
        Self(std::time::Instant::now())
    }
}

/// A clock for tests and replay.
pub struct Manual {
    mono: AtomicU64,
    unix: AtomicI64,
    zone: Tz,
}

impl Manual {
    /// Sets the wall clock, as a person or a time server would.
    pub fn set(&self, unix_ns: i64) {
        self.unix.store(unix_ns, Ordering::SeqCst);
    }

    /// Lets time pass on both clocks.
    pub fn advance(&self, by: std::time::Duration) {
        self.mono.fetch_add(by.as_nanos() as u64, Ordering::SeqCst);
        self.unix.fetch_add(by.as_nanos() as i64, Ordering::SeqCst);
    }
}

impl Time for Manual {
    fn mono_ns(&self) -> u64 {
        self.mono.load(Ordering::SeqCst)
    }

    fn unix_ns(&self) -> i64 {
        self.unix.load(Ordering::SeqCst)
    }

    fn local(&self, unix_ns: i64) -> (Option<&'static str>, i32) {
        let offset = self.zone.offset_from_utc_datetime(&at(unix_ns).naive_utc());
        (Some(self.zone.name()), offset.fix().local_minus_utc())
    }
}

/// The kernel's boot id where there is one. Elsewhere the process is the only run of the clock it can vouch for.
fn boot() -> String {
    if cfg!(target_os = "linux")
        && let Ok(id) = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        && !id.trim().is_empty()
    {
        return id.trim().to_owned();
    }
    crate::identity::random_id().unwrap_or_else(|_| format!("{:032x}", std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: i64 = 1_772_020_800 * SECOND; // 2026-02-25 12:00 UTC

    #[test]
    fn stamp_is_when_it_happened_not_when_it_was_read() {
        let (clock, manual) = Clock::manual(Tz::Europe__Berlin);
        manual.set(NOON);
        let then = clock.mono_ns();
        manual.advance(std::time::Duration::from_millis(1500));
        let stamp = clock.stamp(then, 0);
        assert_eq!(stamp.time, "2026-02-25T12:00:00.000000Z");
        assert_eq!((stamp.offset_s, stamp.zone), (3600, Some("Europe/Berlin")));
        assert_eq!(stamp.mono_ns, then);
    }

    #[test]
    fn local_date_follows_the_zone_and_date_does_not() {
        let (clock, manual) = Clock::manual(Tz::Pacific__Auckland);
        manual.set(NOON);
        let stamp = clock.stamp(0, 0);
        assert_eq!((stamp.local_date.as_str(), stamp.date()), ("2026-02-26", "2026-02-25"));
    }

    #[test]
    fn absurd_times_are_not_believed() {
        let (clock, manual) = Clock::manual(Tz::UTC);
        manual.set(NOON);
        for (mono, unix) in [(u64::MAX, 0), (0, i64::MIN), (0, i64::MAX), (0, -1), (0, NOON + 2 * AHEAD)] {
            assert_eq!(clock.stamp(mono, unix).time, "2026-02-25T12:00:00.000000Z", "{mono} {unix}");
        }
        assert_eq!(clock.stamp(0, NOON - SECOND).time, "2026-02-25T11:59:59.000000Z");
    }

    #[test]
    fn text_and_moment_agree() {
        assert_eq!(parse(&rfc3339(NOON + 123_456_000)), Some(NOON + 123_456_000));
        assert_eq!(parse("yesterday"), None);
    }

    #[test]
    fn system_clock_moves_and_names_its_boot() {
        let clock = Clock::system();
        let (first, second) = (clock.mono_ns(), clock.mono_ns());
        assert!(first > 0 && second >= first);
        assert!(!clock.boot().is_empty());
        assert!(clock.unix_at(first) > NOON);
    }
}
