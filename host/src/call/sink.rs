//! Calls one sink: created at the start, and anew after a panic or for a changed config.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use plugin_api::{
    Change, Fault,
    call::{self, Failure},
    v1::Status,
};
use serde_json::Value;
use tracing::warn;

use super::Instance;
use crate::{spool::Object, upload::Store};

/// One sink: an instance that is created at the start and after each panic.
pub struct Sink {
    instance: Instance,
    running: Mutex<Option<Arc<call::Sink>>>,
    closed: AtomicBool,
}

impl Sink {
    /// Creates the instance; should that fail, each object is another try.
    pub fn new(instance: Instance) -> Self {
        let sink = Self { instance, running: Mutex::new(None), closed: AtomicBool::new(false) };
        sink.say(sink.sink().err().as_ref());
        sink
    }

    /// Passes a changed config on; the instance is created anew if it says so.
    pub fn configure(&self, config: &Value) {
        let Some(running) = self.running().clone() else { return };
        match running.configure(config) {
            Ok(Change::Applied) => {}
            result => {
                if let Err(failure) = result {
                    warn!(
                        plugin = self.instance.port.id,
                        cause = failure.text,
                        "changed config refused: creating anew"
                    );
                }
                self.restart();
            }
        }
    }

    /// Lets nothing more out: it is no longer in the config.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        Store::stop(self);
    }

    fn running(&self) -> MutexGuard<'_, Option<Arc<call::Sink>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn say(&self, failure: Option<&Failure>) {
        match failure {
            None => self.instance.health("ok", "running", ""),
            Some(failure) => {
                let fix = "none needed now: what waits is kept and tried again";
                self.instance.fails("degraded", failure, fix);
            }
        }
    }

    fn sink(&self) -> Result<Arc<call::Sink>, Failure> {
        let mut running = self.running();
        if let Some(sink) = &*running {
            return Ok(sink.clone());
        }
        let sink =
            call::Sink::new(self.instance.plugin, self.instance.port.clone(), &self.instance.config())?;
        Ok(running.insert(Arc::new(sink)).clone())
    }
}

impl Store for Sink {
    fn put(&self, object: &Object) -> Result<(), Failure> {
        if self.closed.load(Ordering::SeqCst) {
            let text = "no longer in the config: what waits for it stays here";
            return Err(Failure::new(Status::RETRY, Fault::Config, text));
        }
        // That it can't be created is not this object's fault.
        let created = self.sink().map_err(|failure| Failure { status: Status::RETRY, ..failure });
        let result = created.and_then(|sink| Store::put(&*sink, object));
        if result.as_ref().is_err_and(Failure::panicked) {
            *self.running() = None;
        }
        result
    }

    fn list(&self, prefix: &str, each: &mut (dyn FnMut(&str, u64) + Send)) -> Result<(), Failure> {
        self.sink().and_then(|sink| Store::list(&*sink, prefix, each))
    }

    fn remove(&self, key: &str) -> Result<(), Failure> {
        self.sink().and_then(|sink| Store::remove(&*sink, key))
    }

    fn restart(&self) {
        // What it is just storing goes to the next one.
        let running = self.running().take();
        running.iter().for_each(|running| Store::stop(&**running));
    }

    fn tell(&self, failure: Option<&Failure>) {
        self.say(failure);
    }

    fn on_retry(&self, now: Box<dyn Fn() + Send + Sync>) {
        self.instance.port.retry.set(now);
    }

    fn stop(&self) {
        if let Some(sink) = &*self.running() {
            Store::stop(&**sink);
        }
    }
}
