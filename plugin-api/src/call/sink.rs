//! Calls a sink, and reads back what it stored.

use std::{ffi::c_void, mem::MaybeUninit, ptr, slice, sync::Arc};

use abi_stable::std_types::RSlice;
use serde_json::Value;

use super::{Failure, Instance, Serve, call, missing, no_role, source};
use crate::{
    read,
    v1::{self, Plugin, Report, RequestVtable, StoreVtable},
};

/// Bytes a sink may read from several threads.
pub trait ReadAt: Sync {
    /// Reads at an offset; the number of bytes read, 0 at the end.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<usize>;

    /// The same into memory that may hold nothing yet, which costs nothing more where the system can do it.
    fn read_into(&self, offset: u64, buffer: &mut [MaybeUninit<u8>]) -> std::io::Result<usize> {
        buffer.fill(MaybeUninit::new(0));
        // SAFETY: all of it was just written.
        self.read_at(offset, unsafe { buffer.assume_init_mut() })
    }
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
    // SAFETY: `ctx` is the reader that `Sink::put` borrows; the caller's buffer has `n` bytes that may be written.
    let (bytes, buffer) = unsafe {
        (*ctx.cast::<&dyn ReadAt>(), slice::from_raw_parts_mut(buffer.cast::<MaybeUninit<u8>>(), n))
    };
    bytes.read_into(offset, buffer).ok().and_then(|read| i64::try_from(read).ok()).unwrap_or(-1)
}

/// A running sink; any thread may call it.
pub struct Sink {
    instance: Instance,
    table: &'static v1::SinkVtable,
    store: Option<&'static StoreVtable>,
    secret: Option<&'static RequestVtable>,
}

/// The URL schemes a plugin's `store/1` opens.
pub fn schemes(plugin: &'static Plugin) -> Vec<String> {
    store(plugin).map_or_else(Vec::new, |store| {
        read::slice(store.schemes).iter().map(|scheme| read::lossy(*scheme)).collect()
    })
}

fn store(plugin: &'static Plugin) -> Option<&'static StoreVtable> {
    // SAFETY: a plugin answers `store/1` with null or a `StoreVtable` that is never freed.
    plugin.extension.and_then(|get| unsafe { get("store/1".into()).cast::<StoreVtable>().as_ref() })
}

fn secret(plugin: &'static Plugin) -> Option<&'static RequestVtable> {
    // SAFETY: a plugin answers `secret/1` with null or a `RequestVtable` that is never freed.
    plugin.extension.and_then(|get| unsafe { get("secret/1".into()).cast::<RequestVtable>().as_ref() })
}

impl Sink {
    /// Creates an instance.
    pub fn new(plugin: &'static Plugin, serve: Arc<dyn Serve>, config: &Value) -> Result<Self, Failure> {
        let table = plugin.sink.ok_or_else(|| no_role("sink"))?;
        let instance = Instance::new(table.create, table.destroy, serve, config)?;
        Ok(Self { instance, table, store: store(plugin), secret: secret(plugin) })
    }

    /// Applies a changed config.
    pub fn configure(&self, config: &Value) -> Result<crate::Change, Failure> {
        self.instance.configure(self.table.configure, config)
    }

    /// Tests the way to the store, a JSON object a step.
    pub fn probe(&self, mut each: impl FnMut(Value)) -> Result<(), Failure> {
        let Some(probe) = self.table.probe else { return Ok(()) };
        let mut steps = Vec::new();
        let result = reporting(&mut |bytes| steps.extend(serde_json::from_slice::<Value>(bytes)), |report| {
            // SAFETY: `this` came from `create` and `destroy` has not run; the report lives through the call.
            call(|| unsafe { probe(self.instance.this, report) }).map(drop)
        });
        // The step that failed says most.
        steps.into_iter().for_each(&mut each);
        result
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

    /// Asks what it keeps in the key store of the operating system, or to keep or forget it (`secret/1`). `options` is
    /// JSON; text, so that who made it can wipe it.
    pub fn secret(&self, name: &str, options: &str) -> Result<Value, Failure> {
        let secret = self.secret.ok_or_else(|| no_role("sink that keeps anything in the key store"))?;
        source::ask(secret, &self.instance, name, options)
    }

    /// Removes one object, if the sink can.
    pub fn remove(&self, key: &str) -> Result<(), Failure> {
        let store = self.store.ok_or_else(|| no_role("store that can be read back"))?;
        // SAFETY: as in `probe`.
        call(|| unsafe { (store.remove)(self.instance.this, key.into()) }).map(drop)
    }
}

/// Makes a call that reports pieces to `each`.
pub(super) fn reporting<R>(each: &mut (dyn FnMut(&[u8]) + Send), f: impl FnOnce(&Report) -> R) -> R {
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
