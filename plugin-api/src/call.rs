//! Calls plugins over the ABI, safely: the host's side, shared by the agent and by [`testing`](crate::testing).
//!
//! An instance owns the [`v1::Host`] it was given, so that it lives until `destroy` has returned.

use std::{cell::RefCell, ffi::c_void, fmt, ptr, sync::Arc, time::Duration};

use abi_stable::std_types::{RSlice, RStr};
use serde_json::Value;

use crate::{
    Fault, read,
    v1::{self, Event, FolderVtable, Kind, Plugin, Report, Status, StoreVtable},
};

/// What a host does for one instance.
pub trait Serve: Send + Sync {
    /// The most verbose level worth logging, 0 to 5.
    fn level(&self) -> u32;
    /// Logs one line of the plugin's.
    fn log(&self, level: u32, module: &str, text: &str);
    /// The number of a kind by its name.
    fn kind(&self, name: &str) -> Kind;
    /// Takes events.
    fn emit(&self, events: &[Event<'_>]) -> Status;
    /// Takes a record with a blob.
    fn emit_blob(&self, event: &Event<'_>, media_type: &str, bytes: &[u8]) -> Status;
    /// The state folder's path, if the plugin may have one.
    fn state_folder(&self) -> Option<&str>;
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

    fn new(status: Status, fault: Fault, text: impl Into<String>) -> Self {
        Self { status, fault, text: text.into(), retry_after: None }
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
}

/// Makes a call and reads its answer together with the reason given through `fail`.
fn call(f: impl FnOnce() -> Status) -> Result<Status, Failure> {
    REASON.with(|reason| reason.take());
    let status = f();
    let reason = REASON.with(RefCell::take);
    match status {
        Status::OK | Status::RECREATE | Status::DROPPED => Ok(status),
        Status::RETRY | Status::FATAL | Status::PANIC => {
            let (fault, text, wait) = reason.unwrap_or((0, "gave no reason".to_owned(), 0));
            let retry_after = (wait > 0).then(|| Duration::from_millis(wait));
            Err(Failure { status, fault: Fault::from_number(fault), text, retry_after })
        }
        Status(other) => {
            let text = format!("answered {other}, which is not a status");
            Err(Failure::new(Status::FATAL, Fault::Malformed, text))
        }
    }
}

// ---- the host that an instance sees ----------------------------------------------------------------------------

struct Served {
    raw: v1::Host,
    serve: Arc<dyn Serve>,
}

impl Served {
    fn new(serve: Arc<dyn Serve>) -> Box<Self> {
        let raw = v1::Host {
            abi: v1::ABI,
            size: size_of::<v1::Host>() as u32,
            ctx: ptr::null(),
            level: serve.level(),
            log: host_log,
            kind: host_kind,
            emit: host_emit,
            emit_blob: host_emit_blob,
            fail: host_fail,
            extension: host_extension,
        };
        let mut served = Box::new(Self { raw, serve });
        served.raw.ctx = ptr::from_ref(&*served).cast();
        served
    }
}

/// # Safety
/// `ctx` is the context of a [`Served`] that lives.
unsafe fn serve<'a>(ctx: *const c_void) -> &'a dyn Serve {
    // SAFETY: by this function's contract.
    unsafe { &*(*ctx.cast::<Served>()).serve }
}

unsafe extern "C" fn host_log(ctx: *const c_void, level: u32, module: RStr<'_>, text: RStr<'_>) {
    // SAFETY: a plugin passes the context it was given, until its `destroy` returns.
    unsafe { serve(ctx) }.log(level, &read::lossy(module), &read::lossy(text));
}

unsafe extern "C" fn host_kind(ctx: *const c_void, name: RStr<'_>) -> Kind {
    // SAFETY: as in `host_log`.
    read::text(name).map_or(Kind(0), |name| unsafe { serve(ctx) }.kind(name))
}

unsafe extern "C" fn host_emit(ctx: *const c_void, events: RSlice<'_, Event<'_>>) -> Status {
    // SAFETY: as in `host_log`.
    unsafe { serve(ctx) }.emit(read::slice(events))
}

unsafe extern "C" fn host_emit_blob(
    ctx: *const c_void,
    event: &Event<'_>,
    media_type: RStr<'_>,
    bytes: RSlice<'_, u8>,
) -> Status {
    // SAFETY: as in `host_log`.
    unsafe { serve(ctx) }.emit_blob(event, read::text(media_type).unwrap_or_default(), read::slice(bytes))
}

unsafe extern "C" fn host_fail(_: *const c_void, class: u32, text: RStr<'_>, wait_ms: u64) {
    REASON.with(|reason| *reason.borrow_mut() = Some((class, read::lossy(text), wait_ms)));
}

unsafe extern "C" fn host_extension(ctx: *const c_void, id: RStr<'_>) -> *const c_void {
    static FOLDER: FolderVtable = FolderVtable { state: host_state_folder };
    // SAFETY: as in `host_log`.
    match (read::text(id), unsafe { serve(ctx) }.state_folder()) {
        (Some("folder/1"), Some(_)) => ptr::from_ref(&FOLDER).cast(),
        _ => ptr::null(),
    }
}

unsafe extern "C" fn host_state_folder(ctx: *const c_void) -> RStr<'static> {
    // SAFETY: as in `host_log`; what is answered lives as long as the host, which the contract says.
    unsafe { serve(ctx) }.state_folder().unwrap_or_default().into()
}

// ---- instances ------------------------------------------------------------------------------------------------

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

/// A running detector; one thread owns it.
pub struct Detector {
    instance: Instance,
    table: &'static v1::DetectorVtable,
}

impl Detector {
    /// Creates an instance.
    pub fn new(plugin: &'static Plugin, serve: Arc<dyn Serve>, config: &Value) -> Result<Self, Failure> {
        let table = plugin.detector.ok_or_else(|| no_role("detector"))?;
        Ok(Self { instance: Instance::new(table.create, table.destroy, serve, config)?, table })
    }

    /// Applies a changed config.
    pub fn configure(&mut self, config: &Value) -> Result<crate::Change, Failure> {
        self.instance.configure(self.table.configure, config)
    }

    /// Hands over signals.
    pub fn on_batch(&mut self, batch: &[Event<'_>]) -> Result<(), Failure> {
        let on_batch = self.table.on_batch.ok_or_else(|| missing("on_batch"))?;
        // SAFETY: `this` came from `create`; `&mut self` keeps other calls away.
        call(|| unsafe { on_batch(self.instance.this, RSlice::from_slice(batch)) }).map(drop)
    }

    /// Tells the time; answers when to be called next.
    pub fn tick(&mut self, mono_ns: u64, unix_ns: i64) -> Result<Option<u64>, Failure> {
        let Some(tick) = self.table.tick else { return Ok(None) };
        let mut next = 0;
        // SAFETY: as in `on_batch`.
        call(|| unsafe { tick(self.instance.this, mono_ns, unix_ns, &mut next) })?;
        Ok((next != 0).then_some(next))
    }

    /// The last chance to emit.
    pub fn finish(&mut self) -> Result<(), Failure> {
        self.instance.optional(self.table.finish)
    }
}

/// A running source; any thread may call it.
pub struct Source {
    instance: Instance,
    table: &'static v1::SourceVtable,
}

impl Source {
    /// Creates an instance.
    pub fn new(plugin: &'static Plugin, serve: Arc<dyn Serve>, config: &Value) -> Result<Self, Failure> {
        let table = plugin.source.ok_or_else(|| no_role("source"))?;
        Ok(Self { instance: Instance::new(table.create, table.destroy, serve, config)?, table })
    }

    /// Applies a changed config.
    pub fn configure(&self, config: &Value) -> Result<crate::Change, Failure> {
        self.instance.configure(self.table.configure, config)
    }

    /// Runs it on this thread until [`stop`](Source::stop).
    pub fn run(&self) -> Result<(), Failure> {
        self.table.run.ok_or_else(|| missing("run"))?;
        self.instance.optional(self.table.run)
    }

    /// Stops observing, not `run`.
    pub fn pause(&self) -> Result<(), Failure> {
        self.instance.optional(self.table.pause)
    }

    /// Observes again.
    pub fn resume(&self) -> Result<(), Failure> {
        self.instance.optional(self.table.resume)
    }

    /// Makes `run` return soon.
    pub fn stop(&self) -> Result<(), Failure> {
        self.instance.optional(self.table.stop)
    }
}

/// Bytes a sink may read from several threads.
pub trait ReadAt: Sync {
    /// Reads at an offset; the number of bytes read, 0 at the end.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<usize>;
}

impl ReadAt for [u8] {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.get(offset..)).unwrap_or_default();
        let n = rest.len().min(buffer.len());
        buffer[..n].copy_from_slice(&rest[..n]);
        Ok(n)
    }
}

/// What to store.
pub struct Object<'a> {
    /// The name in the store.
    pub key: &'a str,
    /// Length in bytes.
    pub len: u64,
    /// SHA-256 of the bytes.
    pub sha256: [u8; 32],
    /// For example `application/zstd`.
    pub media_type: &'a str,
    /// A JSON object of strings.
    pub metadata: &'a str,
    /// The bytes.
    pub bytes: &'a dyn ReadAt,
}

unsafe extern "C" fn object_read_at(ctx: *const c_void, offset: u64, buffer: *mut u8, n: usize) -> i64 {
    if n == 0 {
        return 0;
    }
    // SAFETY: `ctx` is the reader that `Sink::put` borrows; the caller's buffer has `n` bytes that may be written,
    // and are zeroed first because a reader may look at them.
    let (bytes, buffer) = unsafe {
        ptr::write_bytes(buffer, 0, n);
        (*ctx.cast::<&dyn ReadAt>(), std::slice::from_raw_parts_mut(buffer, n))
    };
    bytes.read_at(offset, buffer).ok().and_then(|read| i64::try_from(read).ok()).unwrap_or(-1)
}

/// A running sink; any thread may call it.
pub struct Sink {
    instance: Instance,
    table: &'static v1::SinkVtable,
    store: Option<&'static StoreVtable>,
}

impl Sink {
    /// Creates an instance.
    pub fn new(plugin: &'static Plugin, serve: Arc<dyn Serve>, config: &Value) -> Result<Self, Failure> {
        let table = plugin.sink.ok_or_else(|| no_role("sink"))?;
        // SAFETY: a plugin answers `store/1` with null or a `StoreVtable` that is never freed.
        let store =
            plugin.extension.and_then(|get| unsafe { get("store/1".into()).cast::<StoreVtable>().as_ref() });
        Ok(Self { instance: Instance::new(table.create, table.destroy, serve, config)?, table, store })
    }

    /// Applies a changed config.
    pub fn configure(&self, config: &Value) -> Result<crate::Change, Failure> {
        self.instance.configure(self.table.configure, config)
    }

    /// Tests the way to the store, a JSON object a step.
    pub fn probe(&self, mut each: impl FnMut(Value)) -> Result<(), Failure> {
        let Some(probe) = self.table.probe else { return Ok(()) };
        let mut steps = Vec::new();
        reporting(&mut |bytes| steps.extend(serde_json::from_slice::<Value>(bytes)), |report| {
            // SAFETY: `this` came from `create` and `destroy` has not run; the report lives through the call.
            call(|| unsafe { probe(self.instance.this, report) }).map(drop)
        })?;
        steps.into_iter().for_each(&mut each);
        Ok(())
    }

    /// Stores one object.
    pub fn put(&self, object: &Object<'_>) -> Result<(), Failure> {
        let put = self.table.put.ok_or_else(|| missing("put"))?;
        let raw = v1::Object {
            key: object.key.into(),
            len: object.len,
            sha256: object.sha256,
            media_type: object.media_type.into(),
            metadata: object.metadata.into(),
            ctx: ptr::from_ref(&object.bytes).cast(),
            read_at: object_read_at,
        };
        // SAFETY: as in `probe`; the object lives through the call.
        call(|| unsafe { put(self.instance.this, &raw) }).map(drop)
    }

    /// Makes running calls return soon.
    pub fn stop(&self) -> Result<(), Failure> {
        self.instance.optional(self.table.stop)
    }

    /// Lists keys with their lengths, if the sink can.
    pub fn list(&self, prefix: &str, mut each: impl FnMut(&str, u64) + Send) -> Result<(), Failure> {
        let store = self.store.ok_or_else(|| no_role("store that can be read back"))?;
        let each = &mut |bytes: &[u8]| {
            let entry: Value = serde_json::from_slice(bytes).unwrap_or_default();
            if let (Some(key), Some(len)) = (entry["key"].as_str(), entry["len"].as_u64()) {
                each(key, len);
            }
        };
        reporting(each, |report| {
            // SAFETY: as in `probe`.
            call(|| unsafe { (store.list)(self.instance.this, prefix.into(), report) }).map(drop)
        })
    }

    /// Reads one object in pieces, if the sink can.
    pub fn get(&self, key: &str, each: &mut (dyn FnMut(&[u8]) + Send)) -> Result<(), Failure> {
        let store = self.store.ok_or_else(|| no_role("store that can be read back"))?;
        reporting(each, |report| {
            // SAFETY: as in `probe`.
            call(|| unsafe { (store.get)(self.instance.this, key.into(), report) }).map(drop)
        })
    }

    /// Removes one object, if the sink can.
    pub fn remove(&self, key: &str) -> Result<(), Failure> {
        let store = self.store.ok_or_else(|| no_role("store that can be read back"))?;
        // SAFETY: as in `probe`.
        call(|| unsafe { (store.remove)(self.instance.this, key.into()) }).map(drop)
    }
}

/// Makes a call that reports pieces to `each`.
fn reporting<R>(each: &mut (dyn FnMut(&[u8]) + Send), f: impl FnOnce(&Report) -> R) -> R {
    unsafe extern "C" fn write(ctx: *const c_void, bytes: RSlice<'_, u8>) {
        // SAFETY: `ctx` is the locked closure below, which lives until the call it was passed to returns.
        let each = unsafe { &*ctx.cast::<std::sync::Mutex<&mut (dyn FnMut(&[u8]) + Send)>>() };
        if let Ok(mut each) = each.lock() {
            each(read::slice(bytes));
        }
    }
    // Locked because a plugin may report from threads of its own.
    let each = std::sync::Mutex::new(each);
    f(&Report { ctx: ptr::from_ref(&each).cast(), write })
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
