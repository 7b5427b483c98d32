//! A host in miniature.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use super::Stored;
use crate::{Event, Kind, call::Serve, event, v1::Status};

/// A host in miniature: keeps what is emitted, refuses what the real one refuses.
#[derive(Default)]
pub(super) struct Bench {
    pub records: Mutex<Vec<Stored>>,
    pub signals: AtomicU64,
    pub refused: Mutex<Vec<String>>,
    pub lines: Mutex<Vec<String>>,
    pub state_folder: Option<String>,
}

impl Bench {
    fn refuse(&self, why: impl Into<String>) -> Status {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).push(why.into());
        Status::DROPPED
    }

    fn record(&self, event: &Event<'_>, blob: Option<usize>) -> Status {
        if let Some(why) = event::record_fault(event.bytes()) {
            self.refuse(why);
            return Status::FATAL;
        }
        let body = event.json().unwrap_or_default();
        let stored = Stored { kind: event.kind, mono_ns: event.mono_ns, body, blob };
        self.records.lock().unwrap_or_else(PoisonError::into_inner).push(stored);
        Status::OK
    }
}

impl Serve for Bench {
    fn level(&self) -> u32 {
        5
    }
    fn log(&self, _: u32, module: &str, text: &str) {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{module}: {text}"));
    }
    fn kind(&self, name: &str) -> Kind {
        if event::is_vendor_name(name) { Kind(0x8000) } else { Kind::record(name).unwrap_or(Kind(0)) }
    }
    fn emit(&self, events: &[Event<'_>]) -> Status {
        let mut worst = Status::OK;
        for event in events {
            let status = if event.kind.is_record() {
                self.record(event, None)
            } else if let Some(why) = event::signal_fault(event) {
                self.refuse(why)
            } else {
                self.signals.fetch_add(1, Ordering::Relaxed);
                Status::OK
            };
            if status != Status::OK {
                worst = status;
            }
        }
        worst
    }
    fn emit_blob(&self, event: &Event<'_>, _: &str, bytes: &[u8]) -> Status {
        self.record(event, Some(bytes.len()))
    }
    fn state_folder(&self) -> Option<&str> {
        self.state_folder.as_deref()
    }
    fn mono_ns(&self) -> u64 {
        1_000_000_000
    }
}
