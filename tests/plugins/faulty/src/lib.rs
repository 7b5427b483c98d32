//! A source, a detector and a sink that go wrong the way their config says.
//!
//! `does` says what, `times` how often before the plugin behaves (over all instances of the role in this process),
//! `until` names a file whose appearance ends what blocks.

#![forbid(unsafe_code)]

mod detector;
mod sink;
mod source;

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::Duration,
};

use plugin_api::prelude::*;

pub use detector::FaultyDetector;
pub use sink::FaultySink;
pub use source::FaultySource;

export_plugin!(source: FaultySource, detector: FaultyDetector, sink: FaultySink);

/// Counts how often a role went wrong.
pub(crate) struct Faults(AtomicU32);

impl Faults {
    pub(crate) const fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Whether it is to go wrong once more.
    pub(crate) fn due(&self, times: Option<u32>) -> bool {
        let count = |count: u32| (count < times.unwrap_or(u32::MAX)).then_some(count + 1);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, count).is_ok()
    }
}

/// Blocks until the file is there; for ever when none is named.
pub(crate) fn block(until: Option<&Path>) {
    while !until.is_some_and(Path::exists) {
        thread::sleep(Duration::from_millis(5));
    }
}

/// Signals that break their kind's table, and records no store could read, each on its own.
pub(crate) fn garbage(mono_ns: u64, out: &Out<'_>) {
    // What the host answers is the test's to look at, not the plugin's.
    let emit = |event: Event<'_>| _ = out.emit(&[event]);
    let key = Event::key_class(mono_ns, Origin::Physical, 0, KeyClass::Letter, true);
    let signal = |kind| Event::signal(kind, mono_ns, Origin::Physical, 0, [0; 4]);
    let huge = vec![b' '; 64 << 20];
    // What a person typed, where nothing of it may be.
    emit(Event { body: b"secret"[..].into(), ..key });
    emit(Event { args: [99, 1, 0, 0], ..key });
    emit(Event { args: [0, 1, 0, i32::from(b'p')], ..key });
    emit(Event { flags: 0xfff0, ..key });
    emit(Event { body: b"\xff\xfe"[..].into(), ..signal(event::DEVICE) });
    emit(Event { body: huge[..].into(), ..signal(event::DEVICE) });
    emit(Event { body: b"[1]"[..].into(), ..signal(event::FOCUS) });
    emit(Event { body: huge[..].into(), ..signal(event::POWER) });
    for kind in [Kind(0), Kind(0x77), Kind(0x7fff), Kind(0xffff)] {
        emit(signal(kind));
    }
    for body in [
        &b""[..],
        b"{",
        b"null",
        b"\xff\xfe",
        b"{\"text\":\"\xff\"}",
        br#"{"seq":1}"#,
        br#"{"date":"2020-01-01"}"#,
        &huge,
    ] {
        emit(Event { body: body.into(), ..signal(event::FINDING) });
    }
    let deep = ["[".repeat(100_000), "]".repeat(100_000)].concat();
    let deep = format!(r#"{{"evidence":{deep}}}"#);
    emit(Event { body: deep.as_bytes().into(), ..signal(event::FINDING) });
}

/// Records and signals in order, but at times that cannot be.
pub(crate) fn absurd(out: &Out<'_>) {
    let emit = |event: Event<'_>| _ = out.emit(&[event]);
    for (mono_ns, unix_ns) in [(0, i64::MIN), (u64::MAX, i64::MAX), (1, -1), (u64::MAX / 2, 0)] {
        let key = Event::key_class(mono_ns, Origin::Physical, 0, KeyClass::Letter, true);
        emit(Event { unix_ns, ..key });
        emit(Event {
            unix_ns,
            body: br#"{"rule":"absurd"}"#[..].into(),
            kind: event::FINDING,
            args: [0; 4],
            ..key
        });
    }
}

/// The path of a file in a folder; what leads out of it is refused.
pub(crate) fn inside(folder: &Path, key: &str) -> PathBuf {
    folder.join(key.replace('/', "+"))
}
