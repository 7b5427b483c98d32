//! Turns the traits into vtables and the host's functions into safe ones: the plugin's side of the ABI.
//!
//! Every vtable function catches panics and takes the instance out of its slot if one happened, so that nothing
//! runs on a half-changed instance; the host destroys the rest.

use std::{
    ffi::c_void,
    marker::PhantomData,
    ptr,
    sync::{Arc, PoisonError, RwLock},
};

use abi_stable::std_types::{RSlice, RStr};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::{
    Change, Detector, Error, Fault, Host, Out, Sink, Source,
    guard::guard,
    log, read,
    v1::{self, Event, FolderVtable, Kind, Plugin, Report, Status, StoreVtable},
};

// ---- the host's functions, safe -------------------------------------------------------------------------------

pub(crate) fn emit(host: &v1::Host, events: &[Event<'_>]) -> Status {
    // SAFETY: the host's functions take its context from any thread; the slice outlives the call.
    unsafe { (host.emit)(host.ctx, RSlice::from_slice(events)) }
}

pub(crate) fn emit_blob(host: &v1::Host, event: &Event<'_>, media_type: &str, bytes: &[u8]) -> Status {
    // SAFETY: as in `emit`.
    unsafe { (host.emit_blob)(host.ctx, event, media_type.into(), RSlice::from_slice(bytes)) }
}

pub(crate) fn kind(host: &v1::Host, name: &str) -> Kind {
    // SAFETY: as in `emit`.
    unsafe { (host.kind)(host.ctx, name.into()) }
}

pub(crate) fn log(host: &v1::Host, level: u32, target: &str, text: &str) {
    // SAFETY: as in `emit`.
    unsafe { (host.log)(host.ctx, level, target.into(), text.into()) }
}

pub(crate) fn state_folder(host: &v1::Host) -> Option<&str> {
    // SAFETY: as in `emit`; the host answers null or a `FolderVtable` that lives as long as itself.
    unsafe {
        let folder = (host.extension)(host.ctx, "folder/1".into()).cast::<FolderVtable>().as_ref()?;
        read::text((folder.state)(host.ctx))
    }
}

fn fail(host: &v1::Host, fault: Fault, text: &str, wait_ms: u64) {
    // SAFETY: as in `emit`.
    unsafe { (host.fail)(host.ctx, fault as u32, text.into(), wait_ms) }
}

/// Tells the host the reason of an error and translates it.
fn answer<R>(
    host: &v1::Host,
    result: Result<Result<R, Error>, String>,
    ok: impl FnOnce(R) -> Status,
) -> Status {
    match result {
        Ok(Ok(value)) => ok(value),
        Ok(Err(error)) => {
            let wait =
                error.retry_after.map_or(0, |wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
            fail(host, error.fault, &error.text, wait);
            if error.fault.may_pass() { Status::RETRY } else { Status::FATAL }
        }
        Err(panic) => {
            fail(host, Fault::Other, &panic, 0);
            Status::PANIC
        }
    }
}

fn config<T: DeserializeOwned>(json: RStr<'_>) -> Result<T, Error> {
    let text = read::text(json).ok_or_else(|| Error::new(Fault::Config, "the config is not UTF-8"))?;
    serde_json::from_str(text).map_err(|error| Error::new(Fault::Config, plain(&error)))
}

/// Without the place in the JSON, which nobody wrote.
fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rfind(" at line ").map_or(text.clone(), |end| text[..end].to_owned())
}

fn changed(change: Change) -> Status {
    match change {
        Change::Applied => Status::OK,
        Change::Recreate => Status::RECREATE,
    }
}

// ---- slots ----------------------------------------------------------------------------------------------------

/// An instance that one thread calls.
struct Own<T> {
    host: &'static v1::Host,
    value: Option<T>,
}

/// An instance that any thread calls.
struct Shared<T> {
    host: &'static v1::Host,
    value: RwLock<Option<Arc<T>>>,
}

/// # Safety
/// `host` lives until the instance's `destroy` has returned.
unsafe fn lengthen(host: &v1::Host) -> &'static v1::Host {
    // SAFETY: by this function's contract; instances drop everything that holds the host in `destroy`.
    unsafe { &*ptr::from_ref(host) }
}

fn create<T, S>(
    host: &'static v1::Host,
    out: &mut *mut c_void,
    new: impl FnOnce() -> Result<T, Error>,
    slot: impl FnOnce(T) -> S,
) -> Status {
    log::open(host);
    let result = log::with(host, || guard(new));
    let status = answer(host, result, |value| {
        *out = Box::into_raw(Box::new(slot(value))).cast();
        Status::OK
    });
    if status != Status::OK {
        log::close(host);
    }
    status
}

/// Drops what is left of an instance; a panic of its `drop` ends here.
fn drop_guarded<S>(host: &'static v1::Host, slot: Box<S>) {
    let result = log::with(host, || guard(|| drop(slot)));
    let _ = answer(host, result.map(Ok::<(), Error>), |()| Status::OK);
    log::close(host);
}

fn gone() -> Result<Result<Status, Error>, String> {
    Err("called after a panic".to_owned())
}

fn own<T>(slot: &mut Own<T>, f: impl FnOnce(&mut T, &'static v1::Host) -> Result<Status, Error>) -> Status {
    let host = slot.host;
    let result = match slot.value.take() {
        None => gone(),
        Some(mut value) => {
            let result = log::with(host, || guard(|| f(&mut value, host)));
            match result.is_ok() {
                true => slot.value = Some(value),
                // What a panic left behind isn't dropped: its `drop` trusts what no longer holds.
                false => std::mem::forget(value),
            }
            result
        }
    };
    answer(host, result, |status| status)
}

fn shared<T>(slot: &Shared<T>, f: impl FnOnce(&T) -> Result<Status, Error>) -> Status {
    let value = slot.value.read().unwrap_or_else(PoisonError::into_inner).clone();
    let result = match value {
        None => gone(),
        Some(value) => {
            let result = log::with(slot.host, || guard(|| f(&value)));
            if result.is_err() {
                std::mem::forget(slot.value.write().unwrap_or_else(PoisonError::into_inner).take());
            }
            result
        }
    };
    answer(slot.host, result, |status| status)
}

// ---- detectors ------------------------------------------------------------------------------------------------

struct DetectorShim<T>(PhantomData<T>);

impl<T: Detector> DetectorShim<T> {
    unsafe extern "C" fn create(host: &v1::Host, json: RStr<'_>, out: &mut *mut c_void) -> Status {
        // SAFETY: the host lives until `destroy` returns.
        let host = unsafe { lengthen(host) };
        let new = || T::new(config(json)?, &Host(host));
        create(host, out, new, |value| Own { host, value: Some(value) })
    }

    unsafe extern "C" fn configure(this: *mut c_void, json: RStr<'_>) -> Status {
        // SAFETY: `this` came from `create`, `destroy` has not run, and one thread calls.
        let slot = unsafe { &mut *this.cast::<Own<T>>() };
        own(slot, |value, _| Ok(changed(value.configure(config(json)?)?)))
    }

    unsafe extern "C" fn on_batch(this: *mut c_void, batch: RSlice<'_, Event<'_>>) -> Status {
        // SAFETY: as in `configure`.
        let slot = unsafe { &mut *this.cast::<Own<T>>() };
        let batch = read::slice(batch);
        let Some(last) = batch.last() else { return Status::OK };
        own(slot, |value, host| {
            let mut out = Out { host, mono_ns: last.mono_ns, unix_ns: last.unix_ns };
            value.on_batch(batch, &mut out).map(|()| Status::OK)
        })
    }

    unsafe extern "C" fn tick(this: *mut c_void, mono_ns: u64, unix_ns: i64, next: &mut u64) -> Status {
        // SAFETY: as in `configure`.
        let slot = unsafe { &mut *this.cast::<Own<T>>() };
        own(slot, |value, host| {
            *next = value.tick(mono_ns, &mut Out { host, mono_ns, unix_ns })?.unwrap_or(0);
            Ok(Status::OK)
        })
    }

    unsafe extern "C" fn finish(this: *mut c_void) -> Status {
        // SAFETY: as in `configure`.
        let slot = unsafe { &mut *this.cast::<Own<T>>() };
        // Time 0: the host stamps what comes with the time of the last tick it gave.
        own(slot, |value, host| value.finish(&mut Out { host, mono_ns: 0, unix_ns: 0 }).map(|()| Status::OK))
    }

    unsafe extern "C" fn destroy(this: *mut c_void) {
        // SAFETY: `this` came from `create` and this is the last call.
        let slot = unsafe { Box::from_raw(this.cast::<Own<T>>()) };
        drop_guarded(slot.host, slot);
    }
}

/// The vtable of a detector; leaked, so made once per library.
pub fn detector<T: Detector>() -> &'static v1::DetectorVtable {
    let reads: Vec<RStr<'static>> = T::READS.iter().map(|name| RStr::from_str(name)).collect();
    Box::leak(Box::new(v1::DetectorVtable {
        reads: RSlice::from_slice(reads.leak()),
        create: Some(DetectorShim::<T>::create),
        configure: Some(DetectorShim::<T>::configure),
        on_batch: Some(DetectorShim::<T>::on_batch),
        tick: Some(DetectorShim::<T>::tick),
        finish: Some(DetectorShim::<T>::finish),
        destroy: Some(DetectorShim::<T>::destroy),
    }))
}

// ---- sources --------------------------------------------------------------------------------------------------

struct SourceShim<T>(PhantomData<T>);

impl<T: Source> SourceShim<T> {
    unsafe extern "C" fn create(host: &v1::Host, json: RStr<'_>, out: &mut *mut c_void) -> Status {
        // SAFETY: the host lives until `destroy` returns.
        let host = unsafe { lengthen(host) };
        let new = || T::new(config(json)?, &Host(host));
        create(host, out, new, |value| Shared { host, value: RwLock::new(Some(Arc::new(value))) })
    }

    unsafe extern "C" fn configure(this: *mut c_void, json: RStr<'_>) -> Status {
        // SAFETY: `this` came from `create` and `destroy` has not run.
        let slot = unsafe { &*this.cast::<Shared<T>>() };
        shared(slot, |value| Ok(changed(value.configure(config(json)?)?)))
    }

    unsafe extern "C" fn run(this: *mut c_void) -> Status {
        // SAFETY: as in `configure`.
        let slot = unsafe { &*this.cast::<Shared<T>>() };
        let out = Out { host: slot.host, mono_ns: 0, unix_ns: 0 };
        shared(slot, |value| value.run(&out).map(|()| Status::OK))
    }

    unsafe extern "C" fn pause(this: *mut c_void) -> Status {
        // SAFETY: as in `configure`.
        shared(unsafe { &*this.cast::<Shared<T>>() }, |value| {
            value.pause();
            Ok(Status::OK)
        })
    }

    unsafe extern "C" fn resume(this: *mut c_void) -> Status {
        // SAFETY: as in `configure`.
        shared(unsafe { &*this.cast::<Shared<T>>() }, |value| {
            value.resume();
            Ok(Status::OK)
        })
    }

    unsafe extern "C" fn stop(this: *mut c_void) -> Status {
        // SAFETY: as in `configure`.
        shared(unsafe { &*this.cast::<Shared<T>>() }, |value| {
            value.stop();
            Ok(Status::OK)
        })
    }

    unsafe extern "C" fn destroy(this: *mut c_void) {
        // SAFETY: `this` came from `create` and this is the last call.
        let slot = unsafe { Box::from_raw(this.cast::<Shared<T>>()) };
        drop_guarded(slot.host, slot);
    }
}

/// The vtable of a source.
pub fn source<T: Source>() -> &'static v1::SourceVtable {
    &const {
        v1::SourceVtable {
            create: Some(SourceShim::<T>::create),
            configure: Some(SourceShim::<T>::configure),
            run: Some(SourceShim::<T>::run),
            pause: Some(SourceShim::<T>::pause),
            resume: Some(SourceShim::<T>::resume),
            stop: Some(SourceShim::<T>::stop),
            destroy: Some(SourceShim::<T>::destroy),
        }
    }
}

// ---- sinks ----------------------------------------------------------------------------------------------------

/// An object that is being stored: its description, and its bytes on demand.
#[derive(Clone, Copy)]
pub struct Object<'a>(&'a v1::Object<'a>);

impl<'a> Object<'a> {
    /// Wraps what the ABI passes.
    pub fn new(raw: &'a v1::Object<'a>) -> Self {
        Self(raw)
    }

    /// The name in the store: relative, `/` between parts, no `.` or `..` part.
    pub fn key(&self) -> Result<&'a str, Error> {
        let key = read::text(self.0.key).unwrap_or_default();
        let bad = |part: &str| part.is_empty() || part == "." || part == ".." || part.contains(['\\', '\0']);
        if key.split('/').any(bad) {
            return Err(Error::new(Fault::Malformed, format!("{key:?}: not a key")));
        }
        Ok(key)
    }

    /// Length in bytes.
    pub fn len(&self) -> u64 {
        self.0.len
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.0.len == 0
    }

    /// SHA-256 of the bytes.
    pub fn sha256(&self) -> &'a [u8; 32] {
        &self.0.sha256
    }

    /// For example `application/zstd`.
    pub fn media_type(&self) -> &'a str {
        read::text(self.0.media_type).unwrap_or("application/octet-stream")
    }

    /// Strings to keep beside the bytes where the store can.
    pub fn metadata(&self) -> Map<String, Value> {
        read::text(self.0.metadata).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }

    /// Reads at an offset; the number of bytes read, 0 at the end.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, Error> {
        // SAFETY: `read_at` takes its context from any thread until `put` returns, which the borrow outlives not.
        let read = unsafe { (self.0.read_at)(self.0.ctx, offset, buffer.as_mut_ptr(), buffer.len()) };
        match usize::try_from(read) {
            Ok(read) if read <= buffer.len() => Ok(read),
            _ => Err(Error::new(Fault::Other, "the object can't be read from the spool")),
        }
    }
}

struct SinkShim<T>(PhantomData<T>);

impl<T: Sink> SinkShim<T> {
    unsafe extern "C" fn create(host: &v1::Host, json: RStr<'_>, out: &mut *mut c_void) -> Status {
        // SAFETY: the host lives until `destroy` returns.
        let host = unsafe { lengthen(host) };
        let new = || T::new(config(json)?, &Host(host));
        create(host, out, new, |value| Shared { host, value: RwLock::new(Some(Arc::new(value))) })
    }

    unsafe extern "C" fn configure(this: *mut c_void, json: RStr<'_>) -> Status {
        // SAFETY: `this` came from `create` and `destroy` has not run.
        let slot = unsafe { &*this.cast::<Shared<T>>() };
        shared(slot, |value| Ok(changed(value.configure(config(json)?)?)))
    }

    unsafe extern "C" fn probe(this: *mut c_void, report: &Report) -> Status {
        // SAFETY: as in `configure`.
        shared(unsafe { &*this.cast::<Shared<T>>() }, |value| {
            value.probe(&mut |step| tell(report, step.to_string().as_bytes())).map(|()| Status::OK)
        })
    }

    unsafe extern "C" fn put(this: *mut c_void, object: &v1::Object<'_>) -> Status {
        // SAFETY: as in `configure`.
        shared(unsafe { &*this.cast::<Shared<T>>() }, |value| value.put(&Object(object)).map(|()| Status::OK))
    }

    unsafe extern "C" fn stop(this: *mut c_void) -> Status {
        // SAFETY: as in `configure`.
        shared(unsafe { &*this.cast::<Shared<T>>() }, |value| {
            value.stop();
            Ok(Status::OK)
        })
    }

    unsafe extern "C" fn destroy(this: *mut c_void) {
        // SAFETY: `this` came from `create` and this is the last call.
        let slot = unsafe { Box::from_raw(this.cast::<Shared<T>>()) };
        drop_guarded(slot.host, slot);
    }

    unsafe extern "C" fn list(this: *mut c_void, prefix: RStr<'_>, report: &Report) -> Status {
        // SAFETY: as in `configure`.
        Self::stored(this, |store| {
            let each = &mut |key: &str, len: u64| {
                tell(report, json!({"key": key, "len": len}).to_string().as_bytes())
            };
            store.list(&read::lossy(prefix), each)
        })
    }

    unsafe extern "C" fn get(this: *mut c_void, key: RStr<'_>, report: &Report) -> Status {
        Self::stored(this, |store| store.get(&read::lossy(key), &mut |bytes| tell(report, bytes)))
    }

    unsafe extern "C" fn remove(this: *mut c_void, key: RStr<'_>) -> Status {
        Self::stored(this, |store| store.remove(&read::lossy(key)))
    }

    fn stored(this: *mut c_void, f: impl FnOnce(&dyn crate::Store) -> Result<(), Error>) -> Status {
        // SAFETY: only the functions above call, with `this` as in `configure`.
        shared(unsafe { &*this.cast::<Shared<T>>() }, |value| {
            let none = || Error::new(Fault::Config, "this store can't be read back");
            f(value.store().ok_or_else(none)?).map(|()| Status::OK)
        })
    }
}

fn tell(report: &Report, bytes: &[u8]) {
    // SAFETY: `write` takes its context until the call that passed the report returns.
    unsafe { (report.write)(report.ctx, RSlice::from_slice(bytes)) }
}

/// The vtable of a sink.
pub fn sink<T: Sink>() -> &'static v1::SinkVtable {
    &const {
        v1::SinkVtable {
            create: Some(SinkShim::<T>::create),
            configure: Some(SinkShim::<T>::configure),
            probe: Some(SinkShim::<T>::probe),
            put: Some(SinkShim::<T>::put),
            stop: Some(SinkShim::<T>::stop),
            destroy: Some(SinkShim::<T>::destroy),
        }
    }
}

/// The `store/1` extension of a sink.
pub fn store<T: Sink>() -> &'static StoreVtable {
    &const {
        StoreVtable {
            schemes: RSlice::EMPTY,
            list: SinkShim::<T>::list,
            get: SinkShim::<T>::get,
            remove: SinkShim::<T>::remove,
        }
    }
}

// ---- the library ----------------------------------------------------------------------------------------------

/// What a library exports; the macros fill it.
#[derive(Default)]
pub struct Parts {
    source: Option<&'static v1::SourceVtable>,
    detector: Option<&'static v1::DetectorVtable>,
    sink: Option<&'static v1::SinkVtable>,
    extension: Option<unsafe extern "C" fn(RStr<'_>) -> *const c_void>,
    schema: Map<String, Value>,
}

impl Parts {
    /// Adds a source.
    #[must_use]
    pub fn source<T: Source>(mut self) -> Self {
        self.source = Some(source::<T>());
        self.describe::<T::Config>("source", T::COLLECTS, T::NEVER)
    }

    /// Adds a detector.
    #[must_use]
    pub fn detector<T: Detector>(mut self) -> Self {
        self.detector = Some(detector::<T>());
        self.describe::<T::Config>("detector", T::COLLECTS, T::NEVER)
    }

    /// Adds a sink.
    #[must_use]
    pub fn sink<T: Sink>(mut self) -> Self {
        unsafe extern "C" fn extension<T: Sink>(id: RStr<'_>) -> *const c_void {
            match read::text(id) {
                Some("store/1") => ptr::from_ref(store::<T>()).cast(),
                _ => ptr::null(),
            }
        }
        self.sink = Some(sink::<T>());
        self.extension = Some(extension::<T>);
        self.describe::<T::Config>("sink", T::COLLECTS, "")
    }

    fn describe<C: JsonSchema>(mut self, role: &str, collects: &str, never: &str) -> Self {
        let mut schema = schemars::schema_for!(C);
        schema.insert("x-collects".to_owned(), collects.into());
        schema.insert("x-never".to_owned(), never.into());
        self.schema.insert(role.to_owned(), schema.into());
        self
    }

    /// The library's description; leaked, so made once per library.
    pub fn plugin(self, library: &'static str, version: &'static str) -> &'static Plugin {
        let schema: &'static str = Value::Object(self.schema).to_string().leak();
        Box::leak(Box::new(Plugin {
            magic: v1::MAGIC,
            abi: v1::ABI,
            size: size_of::<Plugin>() as u32,
            name: library.strip_prefix("candor_").unwrap_or(library).into(),
            version: version.into(),
            schema: schema.into(),
            source: self.source,
            detector: self.detector,
            sink: self.sink,
            extension: self.extension,
        }))
    }
}

/// Exports a source: `export_source!(Type);`.
#[macro_export]
macro_rules! export_source {
    ($source:ty) => {
        $crate::export_plugin!(source: $source);
    };
}

/// Exports a detector: `export_detector!(Type);`.
#[macro_export]
macro_rules! export_detector {
    ($detector:ty) => {
        $crate::export_plugin!(detector: $detector);
    };
}

/// Exports a sink: `export_sink!(Type);`.
#[macro_export]
macro_rules! export_sink {
    ($sink:ty) => {
        $crate::export_plugin!(sink: $sink);
    };
}

/// Exports a library with several roles: `export_plugin!(source: A, detector: B, sink: C);`.
#[macro_export]
macro_rules! export_plugin {
    ($($role:ident: $ty:ty),+ $(,)?) => {
        /// What this library is.
        #[doc(hidden)]
        pub extern "C" fn candor_plugin() -> &'static $crate::v1::Plugin {
            #[cfg(panic = "abort")]
            compile_error!("a plugin's panics must be caught: build with panic = \"unwind\"");
            static PLUGIN: std::sync::OnceLock<&'static $crate::v1::Plugin> = std::sync::OnceLock::new();
            PLUGIN.get_or_init(|| {
                $crate::shim::Parts::default()
                    $(.$role::<$ty>())+
                    .plugin(env!("CARGO_CRATE_NAME"), env!("CARGO_PKG_VERSION"))
            })
        }

        $crate::door!(candor_plugin);
    };
}
