//! The vtable of a detector.

use std::{ffi::c_void, marker::PhantomData};

use abi_stable::std_types::{RSlice, RStr};

use super::{Own, changed, config, create, drop_guarded, lengthen, own};
use crate::{
    Detector, Host, Out, read,
    v1::{self, Event, Status},
};

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
