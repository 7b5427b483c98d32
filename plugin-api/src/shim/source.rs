//! The vtable of a source.

use std::{
    ffi::c_void,
    marker::PhantomData,
    sync::{Arc, RwLock},
};

use abi_stable::std_types::RStr;

use super::{Shared, changed, config, create, drop_guarded, lengthen, shared, tell};
use crate::{
    Host, Out, Source, read,
    v1::{self, Report, RequestVtable, Status},
};

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

    unsafe extern "C" fn knows(name: RStr<'_>) -> Status {
        let known = read::text(name).is_some_and(|name| T::REQUESTS.contains(&name));
        if known { Status::OK } else { Status::FATAL }
    }

    unsafe extern "C" fn ask(
        this: *mut c_void,
        name: RStr<'_>,
        options: RStr<'_>,
        report: &Report,
    ) -> Status {
        // SAFETY: as in `configure`.
        shared(unsafe { &*this.cast::<Shared<T>>() }, |value| {
            let answer = value.request(&read::lossy(name), config(options)?)?;
            tell(report, answer.to_string().as_bytes());
            Ok(Status::OK)
        })
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

/// The `request/1` extension of a source.
pub fn request<T: Source>() -> &'static RequestVtable {
    &const { RequestVtable { knows: SourceShim::<T>::knows, ask: SourceShim::<T>::ask } }
}
