//! What the ABI costs: a batch through a loaded library against the same code called directly, and loading one.
//!
//! `cargo bench -p candor-tests --bench boundary`

#![allow(clippy::unwrap_used)]

mod measure;

use std::{hint::black_box, path::PathBuf};

use candor_activity::{Activity, Config};
use divan::Bencher;
use host::load;
use plugin_api::{call, prelude::*, testing::Harness};

/// How often one call of [`Direct`] calls the detector in it.
const TIMES: usize = 1_000;
const FROM: u64 = 1_000_000_000;

/// Calls the detector as its own crate's code would, with nothing between.
struct Direct(Activity);

impl Detector for Direct {
    type Config = Config;
    const READS: &'static [&'static str] = Activity::READS;

    fn new(config: Config, host: &Host) -> Result<Self, Error> {
        Activity::new(config, host).map(Self)
    }

    fn on_batch(&mut self, batch: &[Event<'_>], out: &mut Out<'_>) -> Result<(), Error> {
        (0..TIMES).try_for_each(|_| self.0.on_batch(black_box(batch), out))
    }
}

fn direct() -> Harness<call::Detector> {
    Harness::detector::<Direct>(json!({})).unwrap()
}

fn loaded() -> Harness<call::Detector> {
    let library = load::open(&measure::library("activity")).unwrap();
    Harness::loaded_detector(library.plugin, json!({})).unwrap()
}

#[divan::bench]
fn a_thousand_batches_directly(bencher: Bencher<'_, '_>) {
    let (mut bench, batch) = (direct(), measure::batch(FROM, 1_000_000));
    bencher.bench_local(|| bench.instance.on_batch(&batch).unwrap());
}

#[divan::bench]
fn a_thousand_batches_through_a_library(bencher: Bencher<'_, '_>) {
    let (mut bench, batch) = (loaded(), measure::batch(FROM, 1_000_000));
    bencher.bench_local(|| (0..TIMES).for_each(|_| bench.instance.on_batch(black_box(&batch)).unwrap()));
}

/// Copies of a library: each can be loaded once only, for it is never unloaded.
fn copies(folder: &tempfile::TempDir, name: &str, count: usize) -> impl Iterator<Item = PathBuf> + use<> {
    let folder = folder.path().join(name);
    std::fs::create_dir(&folder).unwrap();
    let library = measure::library("activity");
    let copy = move |number: usize| {
        let to = folder.join(number.to_string());
        std::fs::create_dir(&to).unwrap();
        let to = to.join(library.file_name().unwrap());
        std::fs::copy(&library, &to).unwrap();
        to
    };
    (0..count).map(copy).collect::<Vec<_>>().into_iter()
}

#[cfg(unix)]
#[allow(unsafe_code, reason = "a bare dlopen is unsafe, and is what loading is compared with")]
fn dlopen(path: PathBuf) {
    use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
    // SAFETY: one of our own plugins; its initialisers are the standard library's.
    let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) }.unwrap();
    // Left open, as the agent does.
    std::mem::forget(library);
}

fn ratios() {
    let batch = measure::batch(FROM, 1_000_000);
    let (mut loaded, mut direct) = (loaded(), direct());
    measure::ratio(
        "1,000 batches of 64 signals through a loaded library, called directly",
        1.1,
        301,
        || (0..TIMES).for_each(|_| loaded.instance.on_batch(black_box(&batch)).unwrap()),
        || direct.instance.on_batch(&batch).unwrap(),
    );
    #[cfg(unix)]
    {
        let folder = tempfile::tempdir().unwrap();
        let (mut ours, mut bare) = (copies(&folder, "ours", 41), copies(&folder, "bare", 41));
        measure::ratio(
            "loading a library, layout check included, by a bare dlopen",
            5.0,
            41,
            || drop(black_box(load::open(&ours.next().unwrap()).unwrap())),
            || dlopen(bare.next().unwrap()),
        );
    }
}

fn main() {
    divan::main();
    ratios();
}
