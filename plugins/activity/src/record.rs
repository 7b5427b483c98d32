//! The fields of an `activity` record, as `KINDS.md` lists them.

use std::collections::BTreeMap;

use plugin_api::{KeyClass, Origin};
use serde::{Serialize, Serializer, ser::SerializeMap};

use crate::{
    SECOND,
    counts::{BUTTONS, Counts, Seconds},
    device::Names,
    interval::{Interval, OTHERS, Used},
};

#[derive(Serialize)]
pub struct Record<'a> {
    from_mono_ns: u64,
    to_mono_ns: u64,
    seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped_s: Option<f64>,
    idle_s: f64,
    #[serde(flatten)]
    all: Sums,
    by_origin: BTreeMap<&'static str, Sums>,
    devices: Vec<Device<'a>>,
}

#[derive(Serialize)]
struct Device<'a> {
    /// None for the entry that many devices share.
    number: Option<u32>,
    source: Option<u32>,
    name: Option<&'a str>,
    origin: &'static str,
    #[serde(flatten)]
    sums: Sums,
}

#[derive(Serialize)]
struct Sums {
    active_s: u32,
    keys: u64,
    repeats: u64,
    clicks: u64,
    scrolls: f64,
    distance_px: u64,
    keys_by_class: Named<{ KeyClass::ALL.len() }>,
    repeats_by_class: Named<{ KeyClass::ALL.len() }>,
    clicks_by_button: Named<{ BUTTONS.len() }>,
}

/// Counters under their names.
struct Named<const N: usize>([&'static str; N], [u64; N]);

impl<const N: usize> Serialize for Named<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(N))?;
        self.0.iter().zip(&self.1).try_for_each(|(name, count)| map.serialize_entry(name, count))?;
        map.end()
    }
}

/// The record of an interval that ends at `to`.
pub fn fill<'a>(interval: &'a Interval, to: u64, skipped_ns: u64, names: &'a Names) -> Record<'a> {
    let length = to.saturating_sub(interval.from);
    let of = |origin: Option<Origin>| {
        let mut counts = Counts::default();
        let used = interval.devices.iter().filter(|used| origin.is_none_or(|origin| used.origin == origin));
        used.for_each(|used| counts.merge(&used.counts));
        counts
    };
    let all = sums(&of(None), interval.seconds, length);
    let origin = |origin: Origin| {
        let seconds = interval.origins[origin as usize];
        (seconds.count > 0).then(|| (origin.name(), sums(&of(Some(origin)), seconds, length)))
    };
    Record {
        from_mono_ns: interval.from,
        to_mono_ns: to,
        seconds: seconds(length),
        skipped_s: (skipped_ns > 0).then(|| seconds(skipped_ns)),
        idle_s: (seconds(length) - f64::from(all.active_s)).max(0.0),
        all,
        by_origin: Origin::ALL.into_iter().filter_map(origin).collect(),
        devices: interval.devices.iter().map(|used| device(used, length, names)).collect(),
    }
}

fn device<'a>(used: &Used, length: u64, names: &'a Names) -> Device<'a> {
    let one = used.source != OTHERS;
    Device {
        number: one.then_some(used.source & 0xffff),
        source: one.then_some(used.source >> 16),
        name: names.get(used.source),
        origin: used.origin.name(),
        sums: sums(&used.counts, used.counts.seconds, length),
    }
}

fn sums(counts: &Counts, active: Seconds, length: u64) -> Sums {
    // The last second of an interval that was cut short counts whole.
    let most = u32::try_from(length.div_ceil(SECOND)).unwrap_or(u32::MAX).max(1);
    Sums {
        active_s: active.count.min(most),
        keys: counts.presses.iter().sum(),
        repeats: counts.repeats.iter().sum(),
        clicks: counts.clicks.iter().sum(),
        scrolls: (counts.scrolled as f64 / 1.2).round() / 100.0,
        distance_px: (counts.distance / 256.0).round() as u64,
        keys_by_class: Named(KeyClass::ALL.map(KeyClass::name), counts.presses),
        repeats_by_class: Named(KeyClass::ALL.map(KeyClass::name), counts.repeats),
        clicks_by_button: Named(BUTTONS, counts.clicks),
    }
}

fn seconds(ns: u64) -> f64 {
    ns as f64 / SECOND as f64
}
