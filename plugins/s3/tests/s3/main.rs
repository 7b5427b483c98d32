//! The sink against a real server, and through what networks and stores do on bad days.
//!
//! The whole binary runs in a network namespace with nothing but `lo`.

#![cfg(target_os = "linux")]
// Clippy lets tests unwrap, but not the functions they share.
#![allow(clippy::unwrap_used)]

mod child;
mod faults;
mod large;
mod network;
mod secrets;
mod store;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use libtest_mimic::{Arguments, Trial};
use plugin_api::{
    call::{self, Failure, Object, ReadAt},
    prelude::*,
    testing::Harness,
};
use rig::Weed;
use sha2::{Digest, Sha256};

/// Where the tests of this binary keep what they need.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("s3")
}

static WEED: OnceLock<Weed> = OnceLock::new();

fn main() {
    let arguments = Arguments::from_args();
    let home = folder().join("home");
    let credentials = home.join("credentials");
    rig::alone(
        &home,
        &[("AWS_SHARED_CREDENTIALS_FILE", &credentials), ("AWS_CONFIG_FILE", &home.join("config"))],
    );
    // A child finds what its parent wrote; if it wrote that again, another test could meet the file empty.
    child::serve();
    fs::write(&credentials, secrets::CREDENTIALS).unwrap();
    fs::write(home.join("config"), "").unwrap();
    network::names(&home);
    if !arguments.list {
        assert!(WEED.set(Weed::start(&folder().join("weed"))).is_ok());
    }
    let tests = [store::tests(), large::tests(), faults::tests(), network::tests(), secrets::tests()];
    // Everything else ends with this process.
    libtest_mimic::run(&arguments, tests.into_iter().flatten().collect()).exit();
}

/// One test; what it panics with is its failure.
fn trial(name: &str, test: fn()) -> Trial {
    Trial::test(name, move || {
        test();
        Ok(())
    })
}

fn weed() -> &'static Weed {
    WEED.get().unwrap()
}

/// The config of an agent that stores to an address.
fn config(address: impl std::fmt::Display) -> Value {
    json!({"bucket": "shots", "endpoint": format!("http://{address}"), "path_style": true, "profile": "agent", "probe": ""})
}

/// The same with other options.
fn with(mut config: Value, options: Value) -> Value {
    for (key, value) in options.as_object().unwrap() {
        config[key] = value.clone();
    }
    config
}

/// An instance with a state folder of its own.
fn sink(config: Value) -> (Harness<call::Sink>, tempfile::TempDir) {
    let state = tempfile::tempdir_in(folder()).unwrap();
    (Harness::sink::<candor_s3::S3>(config, state.path().to_str().unwrap()).unwrap(), state)
}

struct Bytes(Vec<u8>);

impl ReadAt for Bytes {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.read_at(offset, buffer)
    }
}

fn put(sink: &call::Sink, key: &str, bytes: &[u8]) -> Result<(), Failure> {
    sink.put(&Object {
        key,
        len: bytes.len() as u64,
        sha256: Sha256::digest(bytes).into(),
        media_type: "application/zstd",
        metadata: "{}",
        bytes: &Bytes(bytes.to_vec()),
    })
}

fn get(sink: &call::Sink, key: &str) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    sink.get(key, &mut |piece: &[u8]| bytes.extend_from_slice(piece))?;
    Ok(bytes)
}

fn list(sink: &call::Sink, prefix: &str) -> Vec<(String, u64)> {
    let mut keys = Vec::new();
    sink.list(prefix, |key, len| keys.push((key.to_owned(), len))).unwrap();
    keys
}

/// Bytes that differ by seed.
fn noise(seed: u32, len: usize) -> Vec<u8> {
    (0..len as u32)
        .map(|at| (at.wrapping_mul(2_654_435_761).wrapping_add(seed.wrapping_mul(97)) >> 13) as u8)
        .collect()
}
