//! Drives the detector with no library to load and no agent to run.

use candor_template_detector::{Breaks, candor_plugin};
use plugin_api::{prelude::*, testing::Harness};

const MINUTE: u64 = 60_000_000_000;

/// Keys at these minutes; how many findings.
#[test]
fn a_stretch_is_found_unless_a_break_interrupts_it() {
    for (name, minutes, expect) in [
        ("every minute for an hour", (100..=160).collect::<Vec<u64>>(), 1),
        ("every minute for two hours", (100..=220).collect(), 2),
        ("a break after half an hour", (100..=130).chain(135..=190).collect(), 0),
        ("one key an hour", vec![100, 160, 220], 0),
        ("backwards", (100..=160).rev().collect(), 0),
    ] {
        let mut bench = Harness::detector::<Breaks>(json!({ "stretch": "1h" })).unwrap();
        for minute in minutes {
            let key = Event::key_class(minute * MINUTE, Origin::Physical, 0, KeyClass::Letter, true);
            bench.feed(&[key]).unwrap();
        }
        assert_eq!(bench.records().len(), expect, "{name}");
    }
}

mod standard {
    use super::json;

    plugin_api::conformance!(json!({"detector": {"stretch": "1h"}}));
}
