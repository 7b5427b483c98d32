//! Stores objects in Google Cloud Storage.
//!
//! As the S3 sink does: an object up to a part's size is one PUT with its CRC-32C, which the store checks; a larger one
//! goes in parts and is resumed from its note. Nothing is ever overwritten, and nothing runs between calls.

#![forbid(unsafe_code)]

mod client;
mod options;
mod parts;
mod probe;
mod put;
mod service;
mod store;

use object_store::gcp::GoogleCloudStorage;
use plugin_api::prelude::*;

pub use options::Config;

/// The sink.
pub struct Gcs {
    options: options::Options,
    client: GoogleCloudStorage,
    run: net::Run,
    /// Notes of uploads that are under way, if there is a place for them.
    uploads: Option<net::Uploads>,
}

impl Sink for Gcs {
    type Config = Config;
    const COLLECTS: &'static str = "a bucket of Google Cloud Storage";
    const SCHEME: &'static str = "gs";

    fn new(config: Config, host: &Host) -> Result<Self, Error> {
        let options = options::Options::new(config)?;
        let run = net::Run::new("gcs", options.part_size, options.concurrency)?;
        let client = client::new(&options)?;
        let config = &options.config;
        let store = format!("{} {} {}", options.place, config.bucket, config.prefix);
        let uploads = host.state_folder().map(|state| net::Uploads::new(&state, &store));
        Ok(Self { options, client, run, uploads })
    }

    fn probe(&self, report: &mut dyn FnMut(Value)) -> Result<(), Error> {
        probe::steps(self, report)
    }

    fn put(&self, object: &Object<'_>) -> Result<(), Error> {
        self.run.call(put::put(self, object)).map_err(|trouble| self.explain(trouble))
    }

    fn stop(&self) {
        self.run.stop();
    }

    fn store(&self) -> Option<&dyn Store> {
        Some(self)
    }
}

export_sink!(Gcs);
