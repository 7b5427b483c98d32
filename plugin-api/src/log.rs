//! Carries `tracing` lines of a plugin to the host's log.
//!
//! Each library has its own `tracing`, so its lines would go nowhere; this subscriber is set when an instance is created.
//! Of what a plugin is built on, only warnings come through: what client libraries say in detail may hold headers, names
//! of keys and tokens, which belong in no log.

use std::{
    cell::Cell,
    fmt::{self, Write},
    sync::{PoisonError, RwLock},
};

use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

use crate::{shim, v1};

static HOSTS: RwLock<Vec<&'static v1::Host>> = RwLock::new(Vec::new());

thread_local! {
    static CURRENT: Cell<Option<&'static v1::Host>> = const { Cell::new(None) };
}

/// Lets a new instance's lines out.
pub(crate) fn open(host: &'static v1::Host) {
    HOSTS.write().unwrap_or_else(PoisonError::into_inner).push(host);
    // Fails when it is set already, which is as good.
    let _ = tracing::subscriber::set_global_default(Bridge);
}

/// Forgets an instance's host, which is about to go.
pub(crate) fn close(host: &'static v1::Host) {
    HOSTS.write().unwrap_or_else(PoisonError::into_inner).retain(|known| !std::ptr::eq(*known, host));
}

/// Runs `f` with this thread's lines going to `host`.
pub(crate) fn with<R>(host: &'static v1::Host, f: impl FnOnce() -> R) -> R {
    let before = CURRENT.replace(Some(host));
    let result = f();
    CURRENT.set(before);
    result
}

struct Bridge;

impl Subscriber for Bridge {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let hosts = HOSTS.read().unwrap_or_else(PoisonError::into_inner);
        let is_own = ["candor_", "plugin_api"].iter().any(|own| metadata.target().starts_with(own));
        let most = if is_own { 5 } else { 2 };
        hosts.iter().any(|host| number(metadata.level()) <= host.level.min(most))
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line { message: String::new(), fields: String::new() };
        event.record(&mut line);
        let Line { message, fields } = line;
        // A thread of the plugin's own has no current host: its lines go to the library's first instance.
        let hosts = HOSTS.read().unwrap_or_else(PoisonError::into_inner);
        let Some(host) = CURRENT.get().or_else(|| hosts.first().copied()) else { return };
        let metadata = event.metadata();
        shim::log(host, number(metadata.level()), metadata.target(), &format!("{message}{fields}"));
    }

    // Spans carry nothing the host's log would show.
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

fn number(level: &Level) -> u32 {
    match *level {
        Level::ERROR => 1,
        Level::WARN => 2,
        Level::INFO => 3,
        Level::DEBUG => 4,
        Level::TRACE => 5,
    }
}

struct Line {
    message: String,
    fields: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string doesn't fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}
