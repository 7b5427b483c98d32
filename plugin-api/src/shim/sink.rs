//! The vtable of a sink, its `store/1` and its `secret/1`.

use std::{
    ffi::c_void,
    marker::PhantomData,
    sync::{Arc, RwLock},
};

use abi_stable::std_types::{RSlice, RStr};
use serde_json::json;

use super::{Object, Shared, changed, config, create, drop_guarded, lengthen, shared, tell};
use crate::{
    Error, Fault, Host, Sink, read,
    v1::{self, Report, RequestVtable, Status, StoreVtable},
};

/// What `secret/1` knows.
const SECRET: [&str; 4] = ["asked", "set", "delete", "is_set"];

/// What comes with `set`.
#[derive(serde::Deserialize)]
struct Answers {
    answers: Vec<String>,
}

struct SinkShim<T>(PhantomData<T>);

impl<T: Sink> SinkShim<T> {
    const NAMES: &'static [RStr<'static>] = &[RStr::from_str(T::SCHEME)];
    const SCHEMES: RSlice<'static, RStr<'static>> =
        if T::SCHEME.is_empty() { RSlice::EMPTY } else { RSlice::from_slice(Self::NAMES) };

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
        shared(unsafe { &*this.cast::<Shared<T>>() }, |value| {
            value.put(&Object::new(object)).map(|()| Status::OK)
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

    unsafe extern "C" fn knows(name: RStr<'_>) -> Status {
        let known = read::text(name).is_some_and(|name| SECRET.contains(&name));
        if known { Status::OK } else { Status::FATAL }
    }

    unsafe extern "C" fn ask(this: *mut c_void, name: RStr<'_>, options: RStr<'_>, to: &Report) -> Status {
        // SAFETY: as in `configure`.
        shared(unsafe { &*this.cast::<Shared<T>>() }, |value| {
            let none = || Error::new(Fault::Config, "keeps nothing in the key store");
            let secrets = value.secrets().ok_or_else(none)?;
            let answer = match &*read::lossy(name) {
                "asked" => json!({"asked": secrets.asked()}),
                "set" => json!({"said": secrets.set(config::<Answers>(options)?.answers)?}),
                "delete" => secrets.delete().map(|()| json!({}))?,
                "is_set" => json!({"is_set": secrets.is_set()?}),
                other => return Err(Error::new(Fault::Config, format!("knows no request {other:?}"))),
            };
            tell(to, answer.to_string().as_bytes());
            Ok(Status::OK)
        })
    }

    fn stored(this: *mut c_void, f: impl FnOnce(&dyn crate::Store) -> Result<(), Error>) -> Status {
        // SAFETY: only the functions above call, with `this` as in `configure`.
        shared(unsafe { &*this.cast::<Shared<T>>() }, |value| {
            let none = || Error::new(Fault::Config, "this store can't be read back");
            f(value.store().ok_or_else(none)?).map(|()| Status::OK)
        })
    }
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
            schemes: SinkShim::<T>::SCHEMES,
            list: SinkShim::<T>::list,
            get: SinkShim::<T>::get,
            remove: SinkShim::<T>::remove,
        }
    }
}

/// The `secret/1` extension of a sink.
pub fn secret<T: Sink>() -> &'static RequestVtable {
    &const { RequestVtable { knows: SinkShim::<T>::knows, ask: SinkShim::<T>::ask } }
}
