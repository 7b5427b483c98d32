//! A panic in any call of a plugin is an answer, never the end of the process; garbage stops at the host.

use std::{io, sync::LazyLock, thread};

use host::load::{self, Loaded};
use plugin_api::{
    Event, KeyClass, Origin,
    call::{self, Failure, ReadAt},
    testing::Harness,
    v1::Status,
};
use serde_json::json;

use crate::Folder;

static FAULTY: LazyLock<Loaded> = LazyLock::new(|| load::open(&Folder::new().plugin("faulty")).unwrap());

fn key(mono_ns: u64) -> Event<'static> {
    Event::key_class(mono_ns, Origin::Physical, 0, KeyClass::Letter, true)
}

fn detector(does: &str) -> Result<Harness<call::Detector>, Failure> {
    Harness::loaded_detector(FAULTY.plugin, json!({ "does": does }))
}

fn source(does: &str) -> Result<Harness<call::Source>, Failure> {
    Harness::loaded_source(FAULTY.plugin, json!({ "does": does, "count": 3 }))
}

fn sink(does: &str) -> Result<Harness<call::Sink>, Failure> {
    Harness::loaded_sink(FAULTY.plugin, json!({ "does": does }), "/")
}

struct Bytes(&'static [u8]);

impl ReadAt for Bytes {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read_at(offset, buffer)
    }
}

fn put(sink: &call::Sink) -> Result<(), Failure> {
    let bytes = Bytes(b"{}");
    sink.put(&call::Object {
        key: "v=1/x.ndjson",
        len: bytes.0.len() as u64,
        sha256: [0; 32],
        media_type: "application/x-ndjson",
        metadata: "{}",
        bytes: &bytes,
    })
}

fn check<T>(result: Result<T, Failure>, expect: &str) {
    let failure = result.err().unwrap();
    assert_eq!(failure.status, Status::PANIC, "{failure:?}");
    assert!(failure.text.contains(expect) && failure.text.contains(".rs:"), "{failure:?}");
}

/// After a panic the instance is gone, and says so.
fn check_gone<T>(result: Result<T, Failure>) {
    let failure = result.err().unwrap();
    assert_eq!((failure.status, failure.text.as_str()), (Status::PANIC, "called after a panic"));
}

#[test]
fn a_detector_that_panics_answers_so_with_the_place_and_is_unusable() {
    check(detector("panic_new"), "panics in new");
    let mut harness = detector("panic_batch").unwrap();
    check(harness.feed(&[key(1)]), "panics in on_batch");
    check_gone(harness.feed(&[key(2)]));
    check_gone(harness.instance.finish());
    let mut harness = detector("panic_tick").unwrap();
    check(harness.tick(1), "panics in tick");
    let mut harness = detector("panic_finish").unwrap();
    harness.feed(&[key(1)]).unwrap();
    check(harness.instance.finish(), "panics in finish");
    drop(detector("panic_drop").unwrap());
}

#[test]
fn a_source_that_panics_answers_so_with_the_place_and_is_unusable() {
    check(source("panic_new"), "panics in new");
    let harness = source("panic_run").unwrap();
    check(harness.instance.run(), "panics in run");
    check_gone(harness.instance.run());
    check(source("panic_pause").unwrap().instance.pause(), "panics in pause");
    check(source("panic_stop").unwrap().instance.stop(), "panics in stop");
    drop(source("panic_drop").unwrap());
}

#[test]
fn a_sink_that_panics_answers_so_with_the_place_and_is_unusable() {
    check(sink("panic_new"), "panics in new");
    let harness = sink("panic_put").unwrap();
    check(put(&harness.instance), "panics in put");
    check_gone(put(&harness.instance));
    check(sink("panic_stop").unwrap().instance.stop(), "panics in stop");
    drop(sink("panic_drop").unwrap());
}

/// `run` holds the instance while another thread panics on it: what runs on must not be freed under its feet.
#[test]
fn a_source_that_panics_in_stop_while_it_runs_still_ends() {
    let harness = source("panic_stop").unwrap();
    thread::scope(|scope| {
        let run = scope.spawn(|| harness.instance.run());
        while harness.signals() < 3 {
            thread::yield_now();
        }
        check(harness.instance.stop(), "panics in stop");
        run.join().unwrap().unwrap();
    });
}

#[test]
fn garbage_is_refused_piece_by_piece_and_its_good_neighbours_pass() {
    let harness = source("garbage").unwrap();
    harness.instance.stop().unwrap();
    harness.instance.run().unwrap();
    assert_eq!(harness.signals(), 3 + 2);
    assert!(harness.records().is_empty(), "{:?}", harness.records());
    let refused = harness.refused();
    for expect in [
        "a body where none may be",
        "a key class that does not exist",
        "key fields out of range",
        "unknown flags",
        "a device name that is not UTF-8",
        "a device name that is too long",
        "a body that is not a JSON object",
        "a body that is too long",
        "a kind that does not exist",
        "a field named seq",
        "a field named date",
        "a body of 67108864 bytes",
    ] {
        assert!(refused.iter().any(|why| why.contains(expect)), "{expect}: {refused:?}");
    }
    assert_eq!(refused.len(), 8 + 2 + 2 + 9 + 1, "{refused:?}");
    let mut harness = detector("garbage").unwrap();
    harness.feed(&[key(1)]).unwrap();
    assert!(harness.records().is_empty() && harness.refused().len() > 20, "{:?}", harness.refused());
}
