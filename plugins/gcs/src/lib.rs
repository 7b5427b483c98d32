//! Stores objects in Google Cloud Storage.
//!
//! As the S3 sink does: an object up to a part's size is one PUT with its CRC-32C, which the store checks; a larger one
//! goes in parts and is resumed from its note. Nothing is ever overwritten, and nothing runs between calls.

#![forbid(unsafe_code)]

mod client;
mod kept;
mod keys;
mod options;
mod parts;
mod probe;
mod put;
mod service;
mod store;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use keys::Account;
use net::Trouble;
use object_store::gcp::GoogleCloudStorage;
use options::{Options, SINK, google};
use plugin_api::prelude::*;

pub use options::{Config, Credentials};

/// The sink.
pub struct Gcs {
    config: Config,
    run: Arc<net::Run>,
    watch: net::Watch,
    state: Option<PathBuf>,
    /// The bucket, once what opens it is known.
    ready: Mutex<Option<Arc<Bucket>>>,
}

/// A bucket and what opens it.
struct Bucket {
    options: Options,
    client: GoogleCloudStorage,
    run: Arc<net::Run>,
    /// Notes of uploads that are under way, if there is a place for them.
    uploads: Option<net::Uploads>,
}

impl Gcs {
    /// Does something with the bucket. What the key store has is read when it is needed, and again when it was refused.
    fn with<T>(&self, f: impl AsyncFnOnce(&Bucket) -> Result<T, Trouble>) -> Result<T, Error> {
        let bucket = self.bucket()?;
        let result = bucket.options.way.call(&self.run, f(&bucket));
        if result.as_ref().is_err_and(|error| error.fault == Fault::Credentials) {
            *self.ready() = None;
        }
        result
    }

    fn bucket(&self) -> Result<Arc<Bucket>, Error> {
        let mut ready = self.ready();
        if let Some(bucket) = &*ready {
            return Ok(bucket.clone());
        }
        let account = Account::of(&self.config)?;
        let options = Options::new(self.config.clone(), keys::place(account.as_ref())?)?;
        let (config, place) = (&options.config, &options.way.place);
        let store = format!("{place} {} {}", config.bucket, config.prefix);
        let uploads = self.state.as_ref().map(|state| net::Uploads::new(state, &store));
        let client = client::new(&options, account.as_ref())?;
        let bucket = Bucket { options, client, run: self.run.clone(), uploads };
        Ok(ready.insert(Arc::new(bucket)).clone())
    }

    fn ready(&self) -> MutexGuard<'_, Option<Arc<Bucket>>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for Gcs {
    type Config = Config;
    const COLLECTS: &'static str = "a bucket of Google Cloud Storage";
    const SCHEME: &'static str = "gs";

    fn new(config: Config, host: &Host) -> Result<Self, Error> {
        let options = Options::new(config, google())?;
        let run = Arc::new(net::Run::new(SINK, options.part_size, options.config.concurrency)?);
        let state = host.state_folder();
        let gcs = Self {
            config: options.config,
            run,
            watch: net::Watch::new(host),
            state,
            ready: Mutex::default(),
        };
        // A key in a file is the config's to be right; one in the key store may come later.
        if gcs.config.credentials == Credentials::Chain {
            gcs.bucket()?;
        }
        Ok(gcs)
    }

    fn probe(&self, report: &mut dyn FnMut(Value)) -> Result<(), Error> {
        let bucket = self.bucket()?;
        let Options { config, way, .. } = &bucket.options;
        let signed = async |step: &str| probe::signed(&bucket, step).await;
        way.probe(&self.run, &config.bucket, &config.probe, signed, report)
    }

    fn put(&self, object: &Object<'_>) -> Result<(), Error> {
        self.watch.noting(self.with(async |bucket| put::put(bucket, object).await))
    }

    fn stop(&self) {
        self.run.stop();
    }

    fn store(&self) -> Option<&dyn Store> {
        Some(self)
    }

    fn secrets(&self) -> Option<&dyn Secrets> {
        Some(self)
    }
}

export_sink!(Gcs);
