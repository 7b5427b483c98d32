//! The sink against a real server, and through what networks and stores do on bad days.
//!
//! The whole binary runs in a network namespace with nothing but `lo`.

#![cfg(target_os = "linux")]
// Clippy lets tests unwrap, but not the functions they share.
#![allow(clippy::unwrap_used)]

mod credentials;
mod faults;
mod large;
mod network;
mod secrets;
mod store;
mod whole;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use libtest_mimic::{Arguments, Trial};
use plugin_api::{call, prelude::*, testing::Harness};
use rig::{
    Weed,
    sink::{get, list, noise, put},
};

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
    rig::child::serve(candor_s3::candor_plugin());
    fs::write(&credentials, secrets::CREDENTIALS).unwrap();
    fs::write(home.join("config"), "").unwrap();
    network::names(&home);
    if !arguments.list {
        assert!(WEED.set(Weed::start(&folder().join("weed"))).is_ok());
    }
    let tests = [
        store::tests(),
        large::tests(),
        faults::tests(),
        network::tests(),
        credentials::tests(),
        secrets::tests(),
        whole::tests(),
    ];
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
