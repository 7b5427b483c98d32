//! Version 1 of the interface between host and plugin: frozen `#[repr(C)]` structs and nothing else.
//!
//! Everything here has a twin in `include/candor.h`. Rules that hold for all of it:
//!
//! - Whoever allocates frees; nothing owned crosses. What is passed is valid until the call returns.
//! - A function pointer may be null (`None`) where the text says "optional"; a slice may be null when its length is 0.
//! - No function here may unwind. A plugin catches its panics and answers [`Status::PANIC`].
//! - Strings are UTF-8; whoever reads one checks it.
//!
//! Growth goes through `extension`, by name. A change to this file is a new version of the interface.

use std::ffi::c_void;

use abi_stable::{
    StableAbi,
    std_types::{RSlice, RStr},
};

/// The first field of every [`Plugin`]: the bytes `CANDOR\0\1`, read as a big-endian number.
pub const MAGIC: u64 = 0x4341_4e44_4f52_0001;
/// The version of this interface.
pub const ABI: u32 = 1;
/// `x`, `y` of a pointer or button event whose position the platform does not tell.
pub const UNKNOWN_POSITION: i32 = i32::MIN;

/// What an event is. Below `0x100` a signal, below `0x8000` a record of this interface, above that a vendor's record.
#[repr(transparent)]
#[derive(StableAbi, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Kind(pub u16);

/// The answer to a call.
#[repr(transparent)]
#[derive(StableAbi, Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Status(pub i32);

impl Status {
    /// Done.
    pub const OK: Self = Self(0);
    /// Not done; worth another try, no sooner than `fail` said.
    pub const RETRY: Self = Self(1);
    /// Not done, and another try would end the same.
    pub const FATAL: Self = Self(2);
    /// The callee panicked and caught it; its instance is unusable.
    pub const PANIC: Self = Self(3);
    /// A signal was dropped, because a queue was full or the signal breaks its kind's table.
    pub const DROPPED: Self = Self(4);
    /// `configure` only: finish this instance and create a new one with this config.
    pub const RECREATE: Self = Self(5);
}

/// One signal or record. 64 bytes where pointers have 64 bits.
#[repr(C)]
#[derive(StableAbi, Clone, Copy)]
pub struct Event<'a> {
    /// A record's number in the device's sequence, given by the journal; 0 for a signal.
    pub seq: u64,
    /// When it happened, on the monotonic clock, in nanoseconds.
    pub mono_ns: u64,
    /// When it happened, in nanoseconds since 1970 UTC; 0 when only the monotonic time is known.
    pub unix_ns: i64,
    /// What it is.
    pub kind: Kind,
    /// Bits 0 and 1: origin (0 unknown, 1 physical, 2 virtual, 3 injected). The rest is 0.
    pub flags: u16,
    /// `instance << 16 | device`. A source fills in the device; the host writes the instance.
    pub source: u32,
    /// By kind, see `KINDS.md`.
    pub args: [i32; 4],
    /// A record's fields as one JSON object; by kind for a signal (mostly empty).
    pub body: RSlice<'a, u8>,
}

/// What the host offers to one instance of a plugin. Lives until that instance's `destroy` returns.
/// Every function may be called from any thread.
#[repr(C)]
#[derive(StableAbi)]
pub struct Host {
    /// [`ABI`] of the host.
    pub abi: u32,
    /// `sizeof(Host)`.
    pub size: u32,
    /// First argument of every function below.
    pub ctx: *const c_void,
    /// The most verbose level worth logging: 1 error, 2 warn, 3 info, 4 debug, 5 trace; 0 none.
    pub level: u32,
    /// Logs one line: context, level, module, text.
    pub log: unsafe extern "C" fn(*const c_void, u32, RStr<'_>, RStr<'_>),
    /// The number of a kind by its name; gives a vendor's (`vendor.name`) a number at first use. `Kind(0)`: not a name.
    pub kind: unsafe extern "C" fn(*const c_void, RStr<'_>) -> Kind,
    /// Hands events over. Never blocks for signals (OK or DROPPED); may block for records.
    pub emit: unsafe extern "C" fn(*const c_void, RSlice<'_, Event<'_>>) -> Status,
    /// Hands over a record with a blob: context, record, media type, bytes.
    pub emit_blob: unsafe extern "C" fn(*const c_void, &Event<'_>, RStr<'_>, RSlice<'_, u8>) -> Status,
    /// The reason of the failure this thread is about to answer: context, class (`fault`), text, milliseconds to wait (0: host's choice).
    pub fail: unsafe extern "C" fn(*const c_void, u32, RStr<'_>, u64),
    /// A further interface of the host by name, or null.
    pub extension: unsafe extern "C" fn(*const c_void, RStr<'_>) -> *const c_void,
}

/// Classes of failure for [`Host::fail`].
pub mod fault {
    /// Anything else.
    pub const OTHER: u32 = 0;
    /// The config is wrong; a person must change it.
    pub const CONFIG: u32 = 1;
    /// The operating system denied something (permission, portal, capability).
    pub const PERMISSION: u32 = 2;
    /// Something the plugin needs is not there now (display, device, bus).
    pub const MISSING: u32 = 3;
    /// The store denied the credentials.
    pub const CREDENTIALS: u32 = 4;
    /// The network did not carry the request.
    pub const NETWORK: u32 = 5;
    /// The store is busy or asks to slow down.
    pub const BUSY: u32 = 6;
    /// No space or quota left.
    pub const FULL: u32 = 7;
    /// The store holds other bytes under this key.
    pub const CONFLICT: u32 = 8;
    /// The event or object is malformed.
    pub const MALFORMED: u32 = 9;
}

/// Observes. `run` has a thread of its own; the other calls may come from any thread while it runs.
#[repr(C)]
#[derive(StableAbi)]
pub struct SourceVtable {
    /// Creates an instance: host, config (a JSON object), where to write the instance. Nothing to destroy unless OK.
    pub create: Option<unsafe extern "C" fn(&Host, RStr<'_>, &mut *mut c_void) -> Status>,
    /// Applies a changed config (a JSON object): OK or RECREATE; FATAL keeps the old one.
    pub configure: Option<unsafe extern "C" fn(*mut c_void, RStr<'_>) -> Status>,
    /// Blocks and emits until `stop`. OK after `stop`; RETRY to be run again later; FATAL to be left alone.
    pub run: Option<unsafe extern "C" fn(*mut c_void) -> Status>,
    /// Optional. Stops observing, not `run`.
    pub pause: Option<unsafe extern "C" fn(*mut c_void) -> Status>,
    /// Optional. Observes again.
    pub resume: Option<unsafe extern "C" fn(*mut c_void) -> Status>,
    /// Makes `run` return soon. May be called before `run` and more than once.
    pub stop: Option<unsafe extern "C" fn(*mut c_void) -> Status>,
    /// Frees the instance. Called once, after every other call has returned.
    pub destroy: Option<unsafe extern "C" fn(*mut c_void)>,
}

/// Draws conclusions. Every call comes from one thread. Reads no clock: time comes with events and `tick`.
#[repr(C)]
#[derive(StableAbi)]
pub struct DetectorVtable {
    /// Names of the signals it wants.
    pub reads: RSlice<'static, RStr<'static>>,
    /// Creates an instance: host, config (a JSON object), where to write the instance. Nothing to destroy unless OK.
    pub create: Option<unsafe extern "C" fn(&Host, RStr<'_>, &mut *mut c_void) -> Status>,
    /// Applies a changed config (a JSON object): OK or RECREATE; FATAL keeps the old one.
    pub configure: Option<unsafe extern "C" fn(*mut c_void, RStr<'_>) -> Status>,
    /// Takes signals in the order in which they came.
    pub on_batch: Option<unsafe extern "C" fn(*mut c_void, RSlice<'_, Event<'_>>) -> Status>,
    /// Optional. Told the time: `mono_ns`, `unix_ns`, and where to write when to be called next (`mono_ns`; 0: not until after the next batch).
    /// Called once after `create`, after each batch, and when the time it asked for has come.
    pub tick: Option<unsafe extern "C" fn(*mut c_void, u64, i64, &mut u64) -> Status>,
    /// Optional. The last chance to emit; `tick` has just told the time.
    pub finish: Option<unsafe extern "C" fn(*mut c_void) -> Status>,
    /// Frees the instance. Called once, after every other call has returned.
    pub destroy: Option<unsafe extern "C" fn(*mut c_void)>,
}

/// Stores objects. Calls may come from any thread and overlap.
#[repr(C)]
#[derive(StableAbi)]
pub struct SinkVtable {
    /// Creates an instance: host, config (a JSON object), where to write the instance. Nothing to destroy unless OK.
    pub create: Option<unsafe extern "C" fn(&Host, RStr<'_>, &mut *mut c_void) -> Status>,
    /// Applies a changed config (a JSON object): OK or RECREATE; FATAL keeps the old one.
    pub configure: Option<unsafe extern "C" fn(*mut c_void, RStr<'_>) -> Status>,
    /// Optional. Tests the way to the store and reports each step as a JSON object.
    pub probe: Option<unsafe extern "C" fn(*mut c_void, &Report) -> Status>,
    /// Stores one object. OK only once it is durable. Sending the same object again is OK; another under the same key is FATAL with `CONFLICT`.
    pub put: Option<unsafe extern "C" fn(*mut c_void, &Object<'_>) -> Status>,
    /// Optional. Makes running calls return soon.
    pub stop: Option<unsafe extern "C" fn(*mut c_void) -> Status>,
    /// Frees the instance. Called once, after every other call has returned.
    pub destroy: Option<unsafe extern "C" fn(*mut c_void)>,
}

/// Where `probe`, `store/1`, `request/1` and `secret/1` write.
#[repr(C)]
#[derive(StableAbi, Clone, Copy)]
pub struct Report {
    /// First argument of `write`.
    pub ctx: *const c_void,
    /// Takes one piece: context, bytes.
    pub write: unsafe extern "C" fn(*const c_void, RSlice<'_, u8>),
}

/// What a sink stores: pulled piece by piece, so that its size costs no memory.
#[repr(C)]
#[derive(StableAbi)]
pub struct Object<'a> {
    /// The name in the store: relative, `/` between parts, no `.` or `..` part.
    pub key: RStr<'a>,
    /// Length in bytes.
    pub len: u64,
    /// SHA-256 of the bytes.
    pub sha256: [u8; 32],
    /// For example `application/zstd`.
    pub media_type: RStr<'a>,
    /// A JSON object of strings to keep beside the bytes where the store can.
    pub metadata: RStr<'a>,
    /// First argument of `read_at`.
    pub ctx: *const c_void,
    /// Reads at an offset into a buffer of `n` bytes: bytes read, 0 at the end, negative on error. The host checks what it reads: bytes that are not what was sealed are an error before the end, so a sink has no need to. May be called from several threads at once until `put` returns.
    pub read_at: unsafe extern "C" fn(*const c_void, u64, *mut u8, usize) -> i64,
}

/// The extension `store/1` of a sink: reading back what it stored. `this` is the sink's instance.
#[repr(C)]
#[derive(StableAbi)]
pub struct StoreVtable {
    /// The URL schemes it opens, for example `file`.
    pub schemes: RSlice<'static, RStr<'static>>,
    /// Lists keys under a prefix in any order, each as `{"key":…,"len":…}`: instance, prefix, where to.
    pub list: unsafe extern "C" fn(*mut c_void, RStr<'_>, &Report) -> Status,
    /// Reads one object front to back in pieces: instance, key, where to.
    pub get: unsafe extern "C" fn(*mut c_void, RStr<'_>, &Report) -> Status,
    /// Removes one object; OK when it was not there.
    pub remove: unsafe extern "C" fn(*mut c_void, RStr<'_>) -> Status,
}

/// The extension `request/1` of a source: asking it for something by name. `this` is the source's instance.
///
/// Also `secret/1` of a sink, which keeps what opens its store in the key store of the operating system; `this` is the sink's
/// instance then. `asked` tells `{"asked":[{"text":…,"form":"shown"|"hidden"|"whole"}]}`, `set` takes `{"answers":[…]}` in that
/// order and tells `{"said":…}`, `delete` forgets them, `is_set` tells `{"is_set":…}`.
#[repr(C)]
#[derive(StableAbi)]
pub struct RequestVtable {
    /// Whether it knows a request of this name, for example `shot`: OK if it does.
    pub knows: unsafe extern "C" fn(RStr<'_>) -> Status,
    /// Does what is asked for and then reports one JSON object: instance, name, options (a JSON object), where to.
    /// May come from any thread while `run` runs.
    pub ask: unsafe extern "C" fn(*mut c_void, RStr<'_>, RStr<'_>, &Report) -> Status,
}

/// The extension `folder/1` of the host: where this agent keeps its state.
#[repr(C)]
#[derive(StableAbi)]
pub struct FolderVtable {
    /// The absolute path of the state folder: context of the [`Host`]. Valid as long as the [`Host`].
    pub state: unsafe extern "C" fn(*const c_void) -> RStr<'static>,
}

/// The extension `clock/1` of the host: the monotonic clock that events are stamped by, for a source whose platform
/// stamps by another one. On Linux and macOS it is `CLOCK_MONOTONIC`.
#[repr(C)]
#[derive(StableAbi)]
pub struct ClockVtable {
    /// The monotonic clock now, in nanoseconds: context of the [`Host`].
    pub mono_ns: unsafe extern "C" fn(*const c_void) -> u64,
}

/// The extension `metrics/1` of the host: numbers that matter to whoever looks on now, and that are not stored.
#[repr(C)]
#[derive(StableAbi)]
pub struct MetricsVtable {
    /// Tells a number by name: context of the [`Host`]. A detector's `score`, 0 to 1, is how sure it is by now, whether or not it finds that worth a record.
    pub gauge: unsafe extern "C" fn(*const c_void, RStr<'_>, f64),
}

/// The extension `cause/1` of the host: why a call fails, as a word for programs beside the text of [`Host::fail`].
#[repr(C)]
#[derive(StableAbi)]
pub struct CauseVtable {
    /// Names the cause of the failure this thread is about to answer, such as `dns`: context of the [`Host`]. Comes before `fail`.
    pub name: unsafe extern "C" fn(*const c_void, RStr<'_>),
}

/// The extension `retry/1` of the host, for a sink that learns that what was in its way may be gone.
#[repr(C)]
#[derive(StableAbi)]
pub struct RetryVtable {
    /// Has what failed tried again now, not at its time: context of the [`Host`]. Any thread may call it, as long as the instance lives.
    pub now: unsafe extern "C" fn(*const c_void),
}

/// What a library is: one per library, never freed.
#[repr(C)]
#[derive(StableAbi)]
pub struct Plugin {
    /// [`MAGIC`].
    pub magic: u64,
    /// [`ABI`] it was built for.
    pub abi: u32,
    /// `sizeof(Plugin)`.
    pub size: u32,
    /// The library's file is `candor_<name>`.
    pub name: RStr<'static>,
    /// Its version, semver.
    pub version: RStr<'static>,
    /// A JSON object: for each role (`source`, `detector`, `sink`) the JSON Schema of its config. See `KINDS.md` for `x-collects` and `x-never`.
    pub schema: RStr<'static>,
    /// Present if it is a source.
    pub source: Option<&'static SourceVtable>,
    /// Present if it is a detector.
    pub detector: Option<&'static DetectorVtable>,
    /// Present if it is a sink.
    pub sink: Option<&'static SinkVtable>,
    /// A further interface of the plugin by name, or null.
    pub extension: Option<unsafe extern "C" fn(RStr<'_>) -> *const c_void>,
}

// SAFETY: immutable after construction; the pointers in it are to statics or come with a context that any thread may use.
unsafe impl Sync for Host {}
// SAFETY: as above.
unsafe impl Send for Host {}
// SAFETY: `read_at` may be called from any thread with `ctx`, by its contract.
unsafe impl Sync for Object<'_> {}
// SAFETY: as above.
unsafe impl Send for Object<'_> {}
// SAFETY: made of slices of plain data, immutable while borrowed.
unsafe impl Sync for Event<'_> {}
// SAFETY: as above.
unsafe impl Send for Event<'_> {}
