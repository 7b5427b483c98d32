//! The host that an instance sees.

use std::{ffi::c_void, ptr, sync::Arc};

use abi_stable::std_types::{RSlice, RStr};

use super::{NAME, REASON, Serve};
use crate::{
    read,
    v1::{self, CauseVtable, ClockVtable, Event, FolderVtable, Kind, MetricsVtable, RetryVtable, Status},
};

/// A host of one instance, behind the ABI.
pub struct Served {
    /// What the plugin is given.
    pub raw: v1::Host,
    serve: Arc<dyn Serve>,
}

impl Served {
    /// Puts `serve` behind the ABI.
    pub fn new(serve: Arc<dyn Serve>) -> Box<Self> {
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

/// How long a cause's name may be: it is a word.
const LONGEST: usize = 40;

unsafe extern "C" fn host_cause(_: *const c_void, name: RStr<'_>) {
    let is_word = |name: &&str| {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        (1..=LONGEST).contains(&name.len()) && name.bytes().all(fits)
    };
    let name = read::text(name).filter(is_word).map(str::to_owned);
    NAME.with(|cause| *cause.borrow_mut() = name);
}

unsafe extern "C" fn host_extension(ctx: *const c_void, id: RStr<'_>) -> *const c_void {
    static CLOCK: ClockVtable = ClockVtable { mono_ns: host_mono_ns };
    static FOLDER: FolderVtable = FolderVtable { state: host_state_folder };
    static METRICS: MetricsVtable = MetricsVtable { gauge: host_gauge };
    static CAUSE: CauseVtable = CauseVtable { name: host_cause };
    static RETRY: RetryVtable = RetryVtable { now: host_retry };
    // SAFETY: as in `host_log`.
    match (read::text(id), unsafe { serve(ctx) }.state_folder()) {
        (Some("clock/1"), _) => ptr::from_ref(&CLOCK).cast(),
        (Some("metrics/1"), _) => ptr::from_ref(&METRICS).cast(),
        (Some("cause/1"), _) => ptr::from_ref(&CAUSE).cast(),
        (Some("retry/1"), _) => ptr::from_ref(&RETRY).cast(),
        (Some("folder/1"), Some(_)) => ptr::from_ref(&FOLDER).cast(),
        _ => ptr::null(),
    }
}

unsafe extern "C" fn host_state_folder(ctx: *const c_void) -> RStr<'static> {
    // SAFETY: as in `host_log`; what is answered lives as long as the host, which the contract says.
    unsafe { serve(ctx) }.state_folder().unwrap_or_default().into()
}

unsafe extern "C" fn host_mono_ns(ctx: *const c_void) -> u64 {
    // SAFETY: as in `host_log`.
    unsafe { serve(ctx) }.mono_ns()
}

unsafe extern "C" fn host_gauge(ctx: *const c_void, name: RStr<'_>, value: f64) {
    if let Some(name) = read::text(name) {
        // SAFETY: as in `host_log`.
        unsafe { serve(ctx) }.gauge(name, value);
    }
}

unsafe extern "C" fn host_retry(ctx: *const c_void) {
    // SAFETY: as in `host_log`.
    unsafe { serve(ctx) }.retry();
}
