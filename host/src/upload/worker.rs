//! The worker of one sink: sends seal after seal, waits and tries again, notes what is refused.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use plugin_api::{Fault, v1::Status};
use tracing::{error, info, warn};

use super::{Backoff, Delivered, Failure, Refused, Shared, Target, delivered, lock, parts, todo};
use crate::{
    error::Result,
    spool::{Object, Seal, Spool},
};

/// What came of one object.
enum Outcome {
    Done,
    Refused,
    Stopped,
}

/// The work for one sink.
pub(super) struct Run {
    pub spool: Arc<Spool>,
    /// Where it is noted what the sink has.
    pub path: PathBuf,
    pub target: Target,
    pub shared: Arc<Mutex<Shared>>,
    pub stop: Arc<AtomicBool>,
    pub backoff: Backoff,
}

impl Run {
    /// Works until it is told to stop. Sleeps while there is nothing to send.
    pub fn run(mut self) {
        while !self.stopped() {
            let turn = self.spool.turn();
            let delivered = lock(&self.shared).delivered.clone();
            match todo(&self.spool, &delivered) {
                Ok(seals) => {
                    for seal in seals {
                        if matches!(self.seal(&seal), Outcome::Stopped) {
                            return;
                        }
                    }
                }
                Err(error) => {
                    warn!(sink = self.target.id, %error, "spool can't be read, trying at the next seal")
                }
            }
            if !self.stopped() {
                self.spool.wait(turn, None);
            }
        }
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    /// Sends one seal: its objects, then its manifest.
    fn seal(&mut self, seal: &Seal) -> Outcome {
        match self.spool.manifest(seal) {
            Ok(manifest) => {
                let target = self.target.clone();
                for part in parts(&manifest).filter(|part| target.wants(part.kind)) {
                    let object = self.spool.object(part.key, part.sha256).map(|mut object| {
                        part.media_type.clone_into(&mut object.media_type);
                        object
                    });
                    if matches!(self.send(part.key, object), Outcome::Stopped) {
                        return Outcome::Stopped;
                    }
                }
            }
            Err(error) => self.refuse(&seal.key(), &error.to_string(), Fault::Malformed),
        }
        let object = self.spool.manifest_object(seal);
        if matches!(self.send(&seal.key(), object), Outcome::Stopped) {
            return Outcome::Stopped;
        }
        let mut shared = lock(&self.shared);
        shared.delivered.add(seal);
        let delivered = shared.delivered.clone();
        drop(shared);
        self.keep(&delivered);
        Outcome::Done
    }

    /// Sends one object until it is there or refused.
    fn send(&mut self, key: &str, object: Result<Object>) -> Outcome {
        if lock(&self.shared).delivered.is_refused(key) {
            return Outcome::Refused;
        }
        let object = match object {
            Ok(object) => object,
            // Beyond the quota it went before it could be sent, and a gap says so.
            Err(error) if error.is_gone() => {
                warn!(sink = self.target.id, key, "not here any more, so not sent");
                return Outcome::Refused;
            }
            Err(error) => {
                self.refuse(key, &error.to_string(), Fault::Malformed);
                return Outcome::Refused;
            }
        };
        self.backoff.reset();
        loop {
            if self.stopped() {
                return Outcome::Stopped;
            }
            match self.target.store.put(&object) {
                Ok(()) => {
                    let mut shared = lock(&self.shared);
                    (shared.error, shared.retry_at) = (None, None);
                    shared.sent += 1;
                    return Outcome::Done;
                }
                Err(failure) if failure.status == Status::FATAL => {
                    self.refuse(key, &failure.text, failure.fault);
                    return Outcome::Refused;
                }
                Err(failure) => self.pause(key, &failure),
            }
        }
    }

    fn pause(&mut self, key: &str, failure: &Failure) {
        let wait = self.backoff.next(failure.retry_after);
        let until = Instant::now() + wait;
        let turn = self.spool.turn();
        {
            let mut shared = lock(&self.shared);
            if shared.error.as_ref() != Some(&failure.text) {
                warn!(sink = self.target.id, key, error = failure.text, ?wait, "not stored, trying again");
            }
            shared.error = Some(failure.text.clone());
            shared.retry_at = Some(until);
        }
        let mut turn = turn;
        while !self.stopped() && lock(&self.shared).retry_at.is_some() && Instant::now() < until {
            self.spool.wait(turn, Some(until));
            turn = self.spool.turn();
        }
        lock(&self.shared).retry_at = None;
    }

    /// Notes that a store will never take an object, and leaves what it holds alone.
    fn refuse(&self, key: &str, text: &str, fault: Fault) {
        error!(sink = self.target.id, key, error = text, "refused for good; it stays here");
        let mut shared = lock(&self.shared);
        shared.error = Some(text.to_owned());
        let conflict = fault == Fault::Conflict;
        let refused = Refused { key: key.to_owned(), text: text.to_owned(), conflict };
        shared.delivered.refused.push(refused.clone());
        let delivered = shared.delivered.clone();
        drop(shared);
        self.keep(&delivered);
        if let Some(device) = refused.device().filter(|_| conflict) {
            self.spool.dispute(device);
        }
    }

    /// Remembers what was delivered. That it can't be costs sending it again after a restart.
    fn keep(&self, delivered: &Delivered) {
        if let Err(error) = delivered::write(&self.path, delivered) {
            info!(sink = self.target.id, %error, "delivery not noted, may be repeated after a restart");
        }
    }
}
