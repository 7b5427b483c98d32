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
use serde::de::DeserializeOwned;

use crate::{
    Change, Error, Fault, Sink, Source,
    guard::guard,
    log, read,
    v1::{
        self, CauseVtable, ClockVtable, Event, FolderVtable, Kind, MetricsVtable, Report, RetryVtable, Status,
    },
};

mod detector;
mod object;
mod sink;
mod source;

pub use detector::detector;
pub use object::Object;
pub use sink::{secret, sink, store};
pub use source::{request, source};

/// Answers what a library is asked for by name.
pub trait Extensions {
    /// A vtable, or null.
    fn find(id: &str) -> *const c_void;
}

impl Extensions for () {
    fn find(_: &str) -> *const c_void {
        ptr::null()
    }
}

/// The extensions of a source, then those of the library's other roles.
pub struct OfSource<T, Rest>(PhantomData<(T, Rest)>);

impl<T: Source, Rest: Extensions> Extensions for OfSource<T, Rest> {
    fn find(id: &str) -> *const c_void {
        if id == "request/1" { ptr::from_ref(request::<T>()).cast() } else { Rest::find(id) }
    }
}

/// The extensions of a sink, then those of the library's other roles.
pub struct OfSink<T, Rest>(PhantomData<(T, Rest)>);

impl<T: Sink, Rest: Extensions> Extensions for OfSink<T, Rest> {
    fn find(id: &str) -> *const c_void {
        match id {
            "store/1" => ptr::from_ref(store::<T>()).cast(),
            "secret/1" => ptr::from_ref(secret::<T>()).cast(),
            _ => Rest::find(id),
        }
    }
}

/// The `extension` function of a library.
///
/// # Safety
/// `id` is valid until the call returns.
pub unsafe extern "C" fn extension<X: Extensions>(id: RStr<'_>) -> *const c_void {
    read::text(id).map_or(ptr::null(), X::find)
}

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

pub(crate) fn mono_ns(host: &v1::Host) -> Option<u64> {
    // SAFETY: as in `emit`; the host answers null or a `ClockVtable` that lives as long as itself.
    unsafe {
        let clock = (host.extension)(host.ctx, "clock/1".into()).cast::<ClockVtable>().as_ref()?;
        Some((clock.mono_ns)(host.ctx))
    }
}

pub(crate) fn gauge(host: &v1::Host, name: &str, value: f64) {
    // SAFETY: as in `emit`; the host answers null or a `MetricsVtable` that lives as long as itself.
    unsafe {
        if let Some(metrics) = (host.extension)(host.ctx, "metrics/1".into()).cast::<MetricsVtable>().as_ref()
        {
            (metrics.gauge)(host.ctx, name.into(), value);
        }
    }
}

pub(crate) fn retry(host: &v1::Host) {
    // SAFETY: as in `emit`; the host answers null or a `RetryVtable` that lives as long as itself.
    unsafe {
        if let Some(retry) = (host.extension)(host.ctx, "retry/1".into()).cast::<RetryVtable>().as_ref() {
            (retry.now)(host.ctx);
        }
    }
}

fn fail(host: &v1::Host, fault: Fault, text: &str, wait_ms: u64) {
    // SAFETY: as in `emit`.
    unsafe { (host.fail)(host.ctx, fault as u32, text.into(), wait_ms) }
}

fn cause(host: &v1::Host, name: &str) {
    // SAFETY: as in `emit`; the host answers null or a `CauseVtable` that lives as long as itself.
    unsafe {
        if let Some(cause) = (host.extension)(host.ctx, "cause/1".into()).cast::<CauseVtable>().as_ref() {
            (cause.name)(host.ctx, name.into());
        }
    }
}

fn tell(report: &Report, bytes: &[u8]) {
    // SAFETY: `write` takes its context until the call that passed the report returns.
    unsafe { (report.write)(report.ctx, RSlice::from_slice(bytes)) }
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
            if let Some(name) = error.cause {
                cause(host, name);
            }
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
