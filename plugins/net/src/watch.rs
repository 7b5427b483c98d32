//! Notices that the network changed while a store can't be reached, so that it is tried at once.

use std::sync::{Mutex, PoisonError};

use netwatcher::{Update, WatchHandle, watch_interfaces_with_callback};
use plugin_api::{Error, Fault, Host};
use tracing::debug;

/// Watches from the first call that the network didn't carry to the first that got through, and not beyond: nothing
/// wakes up where nothing is in the way.
pub struct Watch {
    host: Host,
    watching: Mutex<Option<WatchHandle>>,
}

impl Watch {
    /// Tells this host.
    pub fn new(host: &Host) -> Self {
        Self { host: *host, watching: Mutex::default() }
    }

    /// Takes note of what came of a call, and passes it on.
    pub fn noting<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        let mut watching = self.watching.lock().unwrap_or_else(PoisonError::into_inner);
        match &result {
            Ok(_) => *watching = None,
            Err(error) if error.fault == Fault::Network && watching.is_none() => {
                let host = self.host;
                let told = watch_interfaces_with_callback(move |update| {
                    if is_better(&update) {
                        host.retry();
                    }
                });
                // Without it the store is still tried, at its time.
                *watching = told.inspect_err(|error| debug!(%error, "the network is not watched")).ok();
            }
            Err(_) => {}
        }
        result
    }
}

/// Whether there is an address that was not there before.
fn is_better(update: &Update) -> bool {
    !update.is_initial && update.addrs_added().next().is_some()
}
