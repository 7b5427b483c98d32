//! Shows what the source emits, on this machine's own input: `cargo run -p candor-input --example observe -- 10`.
//!
//! Arguments: seconds (10), backend (auto), `totals` to print sums only.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use plugin_api::{Event, call, event, v1::Status};
use serde_json::json;

struct Printer {
    prints_each: bool,
    totals: Mutex<BTreeMap<String, u64>>,
}

impl call::Serve for Printer {
    fn level(&self) -> u32 {
        3
    }
    fn log(&self, _: u32, _: &str, text: &str) {
        println!("log {text}");
    }
    fn emit(&self, events: &[Event<'_>]) -> Status {
        let mut totals = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
        for event in events {
            let text = String::from_utf8_lossy(event.bytes());
            let kind = event.kind.name().unwrap_or("?");
            if event.kind == event::STATE || event.kind == event::DEVICE || self.prints_each {
                let (origin, device) = (event.origin().name(), event.device_number());
                println!("{} {kind} {origin} {device} {:?} {text}", event.mono_ns, event.args);
            }
            if let Some(why) = event::signal_fault(event).filter(|_| event.kind.is_signal()) {
                println!("refused: {why}");
            }
            let total = match event.key() {
                Some(key) => {
                    let what = if key.repeat { "repeat" } else { ["up", "down"][usize::from(key.pressed)] };
                    format!("{kind} {} {} {what}", event.origin().name(), key.class.name())
                }
                None => format!("{kind} {}", event.origin().name()),
            };
            *totals.entry(total).or_default() += 1;
        }
        Status::OK
    }
    fn mono_ns(&self) -> u64 {
        1
    }
}

fn main() -> Result<(), call::Failure> {
    let mut arguments = std::env::args().skip(1);
    let seconds = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(10);
    let backend = arguments.next().unwrap_or_else(|| "auto".to_owned());
    let prints_each = arguments.next().as_deref() != Some("totals");
    let printer = Arc::new(Printer { prints_each, totals: Mutex::default() });
    let config = json!({ "backend": backend });
    let source = call::Source::new(candor_input::candor_plugin(), printer.clone(), &config)?;
    std::thread::scope(|scope| {
        let running = scope.spawn(|| source.run());
        std::thread::sleep(Duration::from_secs(seconds));
        source.stop()?;
        running.join().unwrap_or(Ok(()))
    })?;
    for (what, count) in printer.totals.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        println!("total {count} {what}");
    }
    Ok(())
}
