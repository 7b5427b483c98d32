//! Stores objects in S3 and what speaks its protocol.
//!
//! An object up to a part's size is one PUT with its SHA-256, which the store checks; a larger one goes in parts, a few
//! at a time, and is resumed from the parts that are there. Nothing is ever overwritten: `If-None-Match: *` says so to
//! the store, and what is there already is compared. Nothing runs between calls: the runtime has no thread of its own.

#![forbid(unsafe_code)]

mod client;
mod fault;
mod http;
mod kept;
mod keys;
mod moving;
mod options;
mod parts;
mod probe;
mod put;
mod store;

use std::sync::atomic::AtomicBool;

use plugin_api::prelude::*;

use options::SINK;
pub use options::{Config, Credentials, Encryption};

/// The sink.
pub struct S3 {
    options: options::Options,
    client: aws_sdk_s3::Client,
    run: net::Run,
    watch: net::Watch,
    /// Notes of uploads that are under way, if there is a place for them.
    uploads: Option<net::Uploads>,
    /// Whether the store knows `If-None-Match`; until it says otherwise it does.
    conditional: AtomicBool,
}

impl Sink for S3 {
    type Config = Config;
    const COLLECTS: &'static str = "a bucket of an object store";
    const SCHEME: &'static str = "s3";

    fn new(config: Config, host: &Host) -> Result<Self, Error> {
        let options = options::Options::new(config)?;
        let run = net::Run::new(SINK, options.part_size, options.config.concurrency)?;
        let client = run.block_on(client::new(&options))?;
        let config = &options.config;
        let store = format!("{} {} {}", options.way.place, config.bucket, config.prefix);
        let uploads = host.state_folder().map(|state| net::Uploads::new(&state, &store));
        let watch = net::Watch::new(host);
        Ok(Self { options, client, run, watch, uploads, conditional: AtomicBool::new(true) })
    }

    fn probe(&self, report: &mut dyn FnMut(Value)) -> Result<(), Error> {
        let config = &self.options.config;
        let signed = async |step: &str| probe::signed(self, step).await;
        self.options.way.probe(&self.run, &config.bucket, &config.probe, signed, report)
    }

    fn put(&self, object: &Object<'_>) -> Result<(), Error> {
        self.watch.noting(self.options.way.call(&self.run, put::put(self, object)))
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

export_sink!(S3);
