//! Calls plugins over the ABI, safely: the host's side, shared by the agent and by [`testing`](crate::testing).
//!
//! An instance owns the [`v1::Host`] it was given, so that it lives until `destroy` has returned.

use std::{cell::RefCell, ffi::c_void, fmt, ptr, sync::Arc, time::Duration};

use abi_stable::std_types::RStr;
use serde_json::Value;

use crate::{
    Fault, read,
    v1::{self, Event, Kind, Plugin, Status},
};

mod detector;
mod host;
mod sink;
mod source;

pub use detector::Detector;
use host::Served;
use sink::reporting;
pub use sink::{Object, ReadAt, Sink, schemes};
pub use source::{Source, knows};

/// What a host does for one instance.
pub trait Serve: Send + Sync {
    /// The most verbose level worth logging, 0 to 5.
    fn level(&self) -> u32;
    /// Logs one line of the plugin's.
    fn log(&self, level: u32, module: &str, text: &str);
    /// The number of a kind by its name; a host that gives out none knows those of the table.
    fn kind(&self, name: &str) -> Kind {
        Kind::record(name).unwrap_or(Kind(0))
    }
    /// Takes events.
    fn emit(&self, events: &[Event<'_>]) -> Status;
    /// Takes a record with a blob; a host without a place for blobs refuses it.
    fn emit_blob(&self, event: &Event<'_>, media_type: &str, bytes: &[u8]) -> Status {
        let _ = (event, media_type, bytes);
        Status::FATAL
    }
    /// The state folder's path, if the plugin may have one.
    fn state_folder(&self) -> Option<&str> {
        None
    }
    /// The clock that events are stamped by, now.
    fn mono_ns(&self) -> u64;
    /// Takes a number that matters now; most hosts have no use for it.
    fn gauge(&self, name: &str, value: f64) {
        let _ = (name, value);
    }
    /// Is told that what made calls fail may be over.
    fn retry(&self) {}
}

/// Why a call failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// What the plugin answered; never OK.
    pub status: Status,
    /// What kind of failure it is.
    pub fault: Fault,
    /// The reason it gave.
    pub text: String,
    /// When to try again, if it said so.
    pub retry_after: Option<Duration>,
    /// The cause as a word for programs, if it named one: `dns`.
    pub cause: Option<String>,
}

impl Failure {
    /// Whether another try may end better.
    pub fn may_pass(&self) -> bool {
        self.status == Status::RETRY
    }

    /// Whether the plugin panicked, so that its instance is unusable.
    pub fn panicked(&self) -> bool {
        self.status == Status::PANIC
    }

    /// A failure that is known on this side of the ABI.
    pub fn new(status: Status, fault: Fault, text: impl Into<String>) -> Self {
        Self { status, fault, text: text.into(), retry_after: None, cause: None }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Failure {}

thread_local! {
    /// What `fail` was told on this thread since the last call began.
    static REASON: RefCell<Option<(u32, String, u64)>> = const { RefCell::new(None) };
    /// What `cause/1` was told on this thread since the last call began.
    static NAME: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Makes a call and reads its answer together with the reason given through `fail`.
fn call(f: impl FnOnce() -> Status) -> Result<Status, Failure> {
    REASON.with(|reason| reason.take());
    NAME.with(|name| name.take());
    let status = f();
    let (reason, cause) = (REASON.with(RefCell::take), NAME.with(RefCell::take));
    match status {
        Status::OK | Status::RECREATE | Status::DROPPED => Ok(status),
        Status::RETRY | Status::FATAL | Status::PANIC => {
            let (fault, text, wait) = reason.unwrap_or((0, "gave no reason".to_owned(), 0));
            let retry_after = (wait > 0).then(|| Duration::from_millis(wait));
            Err(Failure { status, fault: Fault::from_number(fault), text, retry_after, cause })
        }
        Status(other) => {
            let text = format!("answered {other}, which is not a status");
            Err(Failure::new(Status::FATAL, Fault::Malformed, text))
        }
    }
}

struct Instance {
    this: *mut c_void,
    destroy: Option<unsafe extern "C" fn(*mut c_void)>,
    _host: Box<Served>,
}

// SAFETY: `this` is only passed to vtable functions; who may call them from where is each handle's to keep.
unsafe impl Send for Instance {}
// SAFETY: as above.
unsafe impl Sync for Instance {}

type CreateFn = unsafe extern "C" fn(&v1::Host, RStr<'_>, &mut *mut c_void) -> Status;
type CallFn = unsafe extern "C" fn(*mut c_void) -> Status;
type ConfigureFn = unsafe extern "C" fn(*mut c_void, RStr<'_>) -> Status;

impl Instance {
    fn new(
        create: Option<CreateFn>,
        destroy: Option<unsafe extern "C" fn(*mut c_void)>,
        serve: Arc<dyn Serve>,
        config: &Value,
    ) -> Result<Self, Failure> {
        let create = create.ok_or_else(|| missing("create"))?;
        let host = Served::new(serve);
        let config = config.to_string();
        let mut this = ptr::null_mut();
        // SAFETY: the host and the text live through the call, the host until `destroy` has returned.
        call(|| unsafe { create(&host.raw, config.as_str().into(), &mut this) })?;
        Ok(Self { this, destroy, _host: host })
    }

    fn optional(&self, function: Option<CallFn>) -> Result<(), Failure> {
        let Some(function) = function else { return Ok(()) };
        // SAFETY: `this` came from `create` and `destroy` has not run.
        call(|| unsafe { function(self.this) }).map(drop)
    }

    fn configure(&self, function: Option<ConfigureFn>, config: &Value) -> Result<crate::Change, Failure> {
        let Some(function) = function else { return Ok(crate::Change::Recreate) };
        let config = config.to_string();
        // SAFETY: as in `optional`.
        let status = call(|| unsafe { function(self.this, config.as_str().into()) })?;
        Ok(if status == Status::RECREATE { crate::Change::Recreate } else { crate::Change::Applied })
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        if let Some(destroy) = self.destroy {
            // SAFETY: the last call; each handle borrows itself for every other one.
            unsafe { destroy(self.this) }
        }
    }
}

fn missing(function: &str) -> Failure {
    Failure::new(
        Status::FATAL,
        Fault::Malformed,
        format!("its vtable has no {function}; fill it and build again"),
    )
}

fn no_role(role: &str) -> Failure {
    Failure::new(Status::FATAL, Fault::Config, format!("is not a {role}"))
}

/// Checks what a library says of itself, before anything in it is called.
pub fn check(plugin: &'static Plugin) -> Result<(), String> {
    if plugin.magic != v1::MAGIC {
        return Err("what it exports is not a Candor plugin (wrong magic)".to_owned());
    }
    if plugin.abi != v1::ABI {
        return Err(format!("is built for interface {}; this host has {}", plugin.abi, v1::ABI));
    }
    if (plugin.size as usize) < size_of::<Plugin>() {
        return Err("is built against an incomplete interface; build it again".to_owned());
    }
    let name = read::text(plugin.name).unwrap_or_default();
    let word = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_' || c == b'-';
    if name.is_empty() || name.len() > 64 || !name.bytes().all(word) {
        return Err("has no name, or one that is not lower-case letters, digits, _ and -".to_owned());
    }
    if read::text(plugin.version).is_none() {
        return Err(format!("{name}: its version is not UTF-8"));
    }
    if !schema(plugin).is_object() {
        return Err(format!("{name}: its config schema is not a JSON object"));
    }
    if plugin.source.is_none() && plugin.detector.is_none() && plugin.sink.is_none() {
        return Err(format!("{name}: is neither source, detector nor sink"));
    }
    if let Some(unknown) = plugin.detector.and_then(|table| {
        let known = |name: &&RStr<'static>| read::text(**name).and_then(Kind::signal).is_none();
        read::slice(table.reads).iter().find(known).map(|name| read::lossy(*name))
    }) {
        return Err(format!("{name}: reads {unknown:?}, which is not a signal"));
    }
    Ok(())
}

/// The config schemas of a plugin, by role; null when it isn't JSON.
pub fn schema(plugin: &'static Plugin) -> Value {
    read::text(plugin.schema).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}
