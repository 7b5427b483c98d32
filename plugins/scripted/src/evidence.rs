//! What a finding shows: the numbers, people's range beside them, and a sentence.

use plugin_api::prelude::*;

use crate::{Rule, device::Device as Watched};

/// Something remarkable.
pub struct Seen {
    pub rule: Rule,
    pub confidence: f64,
    pub from: u64,
    pub to: u64,
    pub text: String,
    pub features: Vec<Feature>,
    /// Of intervals: how many are below 2, 4, 8, … ms.
    pub histogram: Option<[u32; 20]>,
    /// The model that says it, if one does.
    pub model: Option<String>,
    /// Whether the pointer's path belongs to it.
    pub path: bool,
}

/// One number, and between which two it lies for people where that says anything.
pub struct Feature {
    pub name: &'static str,
    pub value: f64,
    pub people: Option<(f64, f64)>,
}

impl Feature {
    /// A number beside people's.
    pub fn new(name: &'static str, value: f64, low: f64, high: f64) -> Self {
        Self { name, value, people: Some((low, high)) }
    }
}

/// The finding of what was seen on a device.
pub fn finding(seen: &Seen, device: &Watched) -> Finding {
    let round = |value: f64| (value * 1_000.0).round() / 1_000.0;
    let features = seen.features.iter().map(|feature| {
        let people = feature.people.map(|(low, high)| [round(low), round(high)]);
        json!({"name": feature.name, "value": round(feature.value), "people": people})
    });
    let mut evidence = json!({
        "device": {
            "number": device.source & 0xffff,
            "source": device.source >> 16,
            "name": (!device.name.is_empty()).then_some(device.name.as_str()),
            "origin": device.origin.name(),
            "looks_like": device.kind.name(),
        },
        "score": round(device.score),
        "version": seen.model.as_deref().unwrap_or(env!("CARGO_PKG_VERSION")),
        "features": features.collect::<Vec<_>>(),
    });
    if let Some(histogram) = &seen.histogram {
        evidence["interval_histogram"] = json!(histogram);
    }
    if seen.path {
        let point = |(at, x, y): (u64, i32, i32)| json!([seen.to.saturating_sub(at) / 1_000_000, x, y]);
        evidence["path"] = device.path.iter().map(point).collect();
    }
    Finding::new(seen.rule.name())
        .confidence(seen.confidence)
        .severity(if seen.rule.is_note() { Severity::Note } else { Severity::Flag })
        .text(seen.text.as_str())
        .window(seen.from.min(seen.to), seen.to)
        .evidence(evidence)
}
