//! Drives a plugin over its real vtables with no library to load and no threads, for its author's tests.
//!
//! [`Harness`] is a host in miniature; [`conformance!`](crate::conformance) writes the tests every plugin has to
//! pass, which are those of `candor plugin check`; [`stores`] is the suite for sinks.

use std::sync::{Arc, PoisonError, atomic::Ordering};

use serde_json::Value;

use crate::{
    Detector, Event, KeyClass, Kind, Origin, Sink, Source,
    call::{self, Failure},
    event::{Button, Device, SIGNALS},
    export::parts,
    v1::Plugin,
};

mod bench;
mod store;

use bench::Bench;
pub use store::{assert_stores, stores};

/// A record a plugin emitted.
#[derive(Clone, Debug)]
pub struct Stored {
    /// What it is.
    pub kind: Kind,
    /// The stamp it asked for.
    pub mono_ns: u64,
    /// Its fields.
    pub body: Value,
    /// Length of its blob, if it has one.
    pub blob: Option<usize>,
}

/// One instance of a plugin on a bench.
pub struct Harness<T> {
    /// The instance.
    pub instance: T,
    bench: Arc<Bench>,
}

impl Harness<call::Detector> {
    /// A detector with its config.
    pub fn detector<D: Detector>(config: Value) -> Result<Self, Failure> {
        Self::loaded_detector(parts().detector::<D>().plugin("candor_test", "0.0.0"), config)
    }

    /// A detector of a library that is loaded already.
    pub fn loaded_detector(plugin: &'static Plugin, config: Value) -> Result<Self, Failure> {
        let bench = Arc::new(Bench::default());
        Ok(Self { instance: call::Detector::new(plugin, bench.clone(), &config)?, bench })
    }

    /// Hands over signals, then tells the time of the last one, as the host does.
    pub fn feed(&mut self, batch: &[Event<'_>]) -> Result<Option<u64>, Failure> {
        self.instance.on_batch(batch)?;
        self.instance.tick(batch.last().map_or(0, |event| event.mono_ns), 0)
    }

    /// Tells the time; answers when it wants to be told next.
    pub fn tick(&mut self, mono_ns: u64) -> Result<Option<u64>, Failure> {
        self.instance.tick(mono_ns, 0)
    }
}

impl Harness<call::Source> {
    /// A source with its config.
    pub fn source<S: Source>(config: Value) -> Result<Self, Failure> {
        Self::loaded_source(parts().source::<S>().plugin("candor_test", "0.0.0"), config)
    }

    /// A source of a library that is loaded already.
    pub fn loaded_source(plugin: &'static Plugin, config: Value) -> Result<Self, Failure> {
        let bench = Arc::new(Bench::default());
        Ok(Self { instance: call::Source::new(plugin, bench.clone(), &config)?, bench })
    }
}

impl Harness<call::Sink> {
    /// A sink with its config and the state folder its relative paths start from.
    pub fn sink<S: Sink>(config: Value, state_folder: &str) -> Result<Self, Failure> {
        Self::loaded_sink(parts().sink::<S>().plugin("candor_test", "0.0.0"), config, state_folder)
    }

    /// A sink of a library that is loaded already.
    pub fn loaded_sink(plugin: &'static Plugin, config: Value, state_folder: &str) -> Result<Self, Failure> {
        let bench = Arc::new(Bench { state_folder: Some(state_folder.to_owned()), ..Bench::default() });
        Ok(Self { instance: call::Sink::new(plugin, bench.clone(), &config)?, bench })
    }
}

impl<T> Harness<T> {
    /// The records emitted so far.
    pub fn records(&self) -> Vec<Stored> {
        self.bench.records.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What was logged so far, at the most verbose level.
    pub fn lines(&self) -> Vec<String> {
        self.bench.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many signals were emitted so far.
    pub fn signals(&self) -> u64 {
        self.bench.signals.load(Ordering::Relaxed)
    }

    /// Why events were refused, if any were.
    pub fn refused(&self) -> Vec<String> {
        self.bench.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// One test that a plugin passed, failed or didn't need.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Check {
    /// What was tried.
    pub what: &'static str,
    /// What went wrong, if anything did.
    pub problem: Option<String>,
}

/// Tries what every plugin has to stand: bad configs, garbage, order of calls. `config` is one it accepts, by role.
pub fn conformance(plugin: &'static Plugin, config: &Value) -> Vec<Check> {
    let mut checks = Vec::new();
    conformance_each(plugin, config, &mut |check| checks.push(check));
    checks
}

/// As [`conformance`], telling each check as it ends, so that one that never does is known by the one before it.
pub fn conformance_each(plugin: &'static Plugin, config: &Value, each: &mut dyn FnMut(Check)) {
    let mut check = |what, result: Result<(), String>| each(Check { what, problem: result.err() });
    check("says what it is", call::check(plugin));
    if plugin.detector.is_some() {
        let config = &config["detector"];
        let new = |config: &Value| {
            let bench = Arc::new(Bench::default());
            call::Detector::new(plugin, bench.clone(), config).map(|detector| (detector, bench))
        };
        check("a detector: refuses a wrong config with a reason", refuses(|config| new(config).map(drop)));
        check("a detector: takes its config", new(config).map(drop).map_err(|failure| failure.text));
        check("a detector: stands every signal", new(config).map_err(text).and_then(|(d, b)| stands(d, &b)));
        check(
            "a detector: works without any signal",
            new(config).map_err(text).and_then(|(d, b)| idles(d, &b)),
        );
    }
    if plugin.source.is_some() {
        let new = |config: &Value| call::Source::new(plugin, Arc::new(Bench::default()), config);
        check("a source: refuses a wrong config with a reason", refuses(|config| new(config).map(drop)));
        check("a source: can be stopped before it runs", {
            new(&config["source"])
                .and_then(|source| source.stop().and_then(|()| source.run()))
                .or_else(passing)
                .map_err(text)
        });
        check("a source: refuses a request it doesn't know with a reason", {
            new(&config["source"]).map_err(text).and_then(|source| stands_requests(plugin, &source))
        });
    }
    if plugin.sink.is_some() {
        let new = |config: &Value| call::Sink::new(plugin, Arc::new(Bench::default()), config);
        check("a sink: refuses a wrong config with a reason", refuses(|config| new(config).map(drop)));
    }
}

/// Panics with every check a plugin failed; what [`conformance!`](crate::conformance) calls.
pub fn assert_conformance(plugin: &'static Plugin, config: &Value) {
    let failed: Vec<_> =
        conformance(plugin, config).into_iter().filter(|check| check.problem.is_some()).collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

/// Writes the test that a plugin stands what every plugin has to: `conformance!(json!({"detector": {}}));`.
#[macro_export]
macro_rules! conformance {
    ($config:expr) => {
        #[test]
        fn conforms() {
            $crate::testing::assert_conformance($crate::testing::plugin(super::candor_plugin), &$config);
        }
    };
}

/// Asks a library's door.
pub fn plugin(door: extern "C" fn() -> &'static Plugin) -> &'static Plugin {
    door()
}

fn text(failure: Failure) -> String {
    failure.text
}

/// Something may be missing where the test runs, such as a display: as good as stopping.
fn passing(failure: Failure) -> Result<(), Failure> {
    if failure.may_pass() { Ok(()) } else { Err(failure) }
}

fn refuses(new: impl Fn(&Value) -> Result<(), Failure>) -> Result<(), String> {
    for config in [serde_json::json!({"no_such_key_of_any_plugin": 1}), Value::Null, Value::from("text")] {
        match new(&config) {
            Ok(()) => return Err(format!("took {config}; refuse keys it doesn't know")),
            Err(failure) if failure.panicked() => return Err(format!("{config}: {}", failure.text)),
            Err(failure) if failure.text.is_empty() => {
                return Err(format!("refused {config} without a reason"));
            }
            Err(_) => {}
        }
    }
    Ok(())
}

fn stands_requests(plugin: &'static Plugin, source: &call::Source) -> Result<(), String> {
    let name = "no such request of any plugin";
    if call::knows(plugin, name) {
        return Err("says that it knows any request; answer OK for its own only".to_owned());
    }
    match source.ask(name, &serde_json::json!({})) {
        Ok(answer) => Err(format!("answered {answer} to a request it doesn't know")),
        Err(failure) if failure.panicked() || failure.text.is_empty() => Err(failure.text),
        Err(_) => Ok(()),
    }
}

/// Every signal from every origin, extreme numbers, unknown kinds, time standing still and jumping.
fn stands(mut detector: call::Detector, bench: &Bench) -> Result<(), String> {
    const SECOND: u64 = 1_000_000_000;
    let mut batch = Vec::new();
    for origin in Origin::ALL {
        for position in [None, Some((0, 0)), Some((i32::MAX, i32::MIN + 1))] {
            batch.push(Event::motion(SECOND, origin, 1, i32::MIN, i32::MAX, position));
            batch.push(Event::button_change(
                SECOND,
                origin,
                1,
                Button { button: 1, pressed: true, position },
            ));
        }
        for class in KeyClass::ALL {
            batch.push(Event::key_class(SECOND, origin, 0, class, true));
            batch.push(Event::key_class(SECOND, origin, 0, class, false));
        }
        let device = Device { bus: 3, vendor: -1, product: i32::MAX, present: true, name: "\u{1f5b1} mouse" };
        batch.push(Event::device_change(SECOND, origin, u16::MAX, device));
    }
    for (kind, _) in SIGNALS {
        batch.push(Event {
            body: b"{}"[..].into(),
            ..Event::signal(*kind, u64::MAX, Origin::Unknown, 9, [i32::MIN; 4])
        });
    }
    batch.push(Event::signal(Kind(0x77), 0, Origin::Unknown, 0, [0; 4]));
    detector.tick(0, 0).map_err(text)?;
    for chunk in batch.chunks(7) {
        detector.on_batch(chunk).map_err(text)?;
        detector.tick(SECOND, 1).map_err(text)?;
    }
    detector.on_batch(&[]).map_err(text)?;
    for now in [2 * SECOND, SECOND, 100_000 * SECOND] {
        detector.tick(now, i64::MAX).map_err(text)?;
    }
    finished(detector, bench)
}

fn idles(mut detector: call::Detector, bench: &Bench) -> Result<(), String> {
    const SECOND: u64 = 1_000_000_000;
    let mut now = SECOND;
    for _ in 0..1_000 {
        let Some(next) = detector.tick(now, 0).map_err(text)? else { break };
        if next <= now {
            return Err(format!("asked at {now} to be called at {next}, which is not later"));
        }
        now = next;
    }
    finished(detector, bench)
}

fn finished(mut detector: call::Detector, bench: &Bench) -> Result<(), String> {
    detector.finish().map_err(text)?;
    drop(detector);
    match bench.refused.lock().unwrap_or_else(PoisonError::into_inner).first() {
        Some(why) => Err(format!("emitted what the host refuses: {why}")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::prelude::*;

    config! { pub struct Config { limit: u32 } }

    struct Panics {
        limit: u32,
    }

    impl Detector for Panics {
        type Config = Config;
        const READS: &'static [&'static str] = &["key"];

        fn new(config: Config, _: &Host) -> Result<Self, Error> {
            Ok(Self { limit: config.limit })
        }
        fn on_batch(&mut self, batch: &[Event<'_>], _: &mut Out<'_>) -> Result<(), Error> {
            assert!((batch.len() as u32) < self.limit, "too many");
            Ok(())
        }
    }

    #[test]
    fn a_panic_is_an_answer_and_the_instance_is_unusable_after_it() {
        let mut harness = Harness::detector::<Panics>(json!({"limit": 2})).unwrap();
        let key = Event::key_class(1, Origin::Physical, 0, KeyClass::Enter, true);
        harness.feed(&[key]).unwrap();
        let failure = harness.feed(&[key, key]).unwrap_err();
        assert!(failure.panicked() && failure.text.contains("too many"), "{failure:?}");
        assert!(harness.feed(&[key]).unwrap_err().panicked());
    }

    #[test]
    fn a_wrong_config_is_refused_with_its_key() {
        let failure = Harness::detector::<Panics>(json!({"limits": 2})).err().unwrap();
        assert_eq!(failure.fault, Fault::Config);
        assert!(failure.text.contains("limits"), "{}", failure.text);
    }

    #[test]
    fn a_detector_that_panics_on_many_signals_does_not_conform() {
        let plugin = parts().detector::<Panics>().plugin("candor_test", "0.0.0");
        let checks = conformance(plugin, &json!({"detector": {"limit": 3}}));
        assert!(
            checks.iter().any(|check| check.problem.as_ref().is_some_and(|why| why.contains("too many")))
        );
    }
}
