//! Which zone the person is in, followed while the agent runs.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use chrono::{DateTime, Local, Offset, TimeZone, Utc};
use chrono_tz::Tz;

/// How long a detected zone is taken as it is.
const FRESH: Duration = Duration::from_secs(1);

/// The zone, looked up again when it is asked for and older than a second.
#[derive(Default)]
pub struct Watch {
    seen: Mutex<Option<(Instant, Option<Tz>)>>,
}

impl Watch {
    /// The zone's name, if it is known, and the offset at a moment.
    pub fn local(&self, moment: DateTime<Utc>) -> (Option<&'static str>, i32) {
        match self.zone() {
            Some(zone) => (Some(zone.name()), offset(&zone, moment)),
            None => (None, offset(&Local, moment)),
        }
    }

    fn zone(&self) -> Option<Tz> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((when, zone)) = *seen
            && when.elapsed() < FRESH
        {
            return zone;
        }
        let zone = match std::env::var("TZ") {
            Ok(text) => named(&text),
            Err(_) => system(Utc::now()),
        };
        *seen = Some((Instant::now(), zone));
        zone
    }
}

/// The zone a `TZ` variable names, if it names one and is not a rule such as `CET-1CEST`.
fn named(text: &str) -> Option<Tz> {
    let text = text.strip_prefix(':').unwrap_or(text);
    let name = text.rsplit_once("zoneinfo/").map_or(text, |(_, name)| name);
    if name.is_empty() { Some(Tz::UTC) } else { name.parse().ok() }
}

/// The system's zone. Where /etc/localtime is a plain copy the name beside it may be stale: a name whose offset is
/// not the system's is not believed.
fn system(now: DateTime<Utc>) -> Option<Tz> {
    let zone: Tz = iana_time_zone::get_timezone().ok()?.parse().ok()?;
    (offset(&zone, now) == offset(&Local, now)).then_some(zone)
}

fn offset<Z: TimeZone>(zone: &Z, moment: DateTime<Utc>) -> i32 {
    zone.offset_from_utc_datetime(&moment.naive_utc()).fix().local_minus_utc()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tz_variable_counts_only_when_it_names_a_zone() {
        let cases = [
            ("Asia/Tokyo", Some("Asia/Tokyo")),
            (":Europe/Berlin", Some("Europe/Berlin")),
            ("/usr/share/zoneinfo/America/New_York", Some("America/New_York")),
            ("", Some("UTC")),
            ("CET-1CEST,M3.5.0,M10.5.0/3", None),
            ("Mars/Olympus", None),
        ];
        for (text, expect) in cases {
            assert_eq!(named(text).map(|zone| zone.name()), expect, "{text}");
        }
    }

    #[test]
    fn offset_is_that_of_the_moment_not_of_today() {
        let zone = Tz::Europe__Berlin;
        let winter = DateTime::from_timestamp(1_772_020_800, 0).expect("a moment");
        let summer = DateTime::from_timestamp(1_785_000_000, 0).expect("a moment");
        assert_eq!((offset(&zone, winter), offset(&zone, summer)), (3600, 7200));
    }
}
