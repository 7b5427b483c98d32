//! What the journal costs: a durable append against a bare write and fdatasync of as many bytes to the same disk.
//!
//! `cargo bench -p candor-tests --bench journal`

#![allow(clippy::unwrap_used)]

mod measure;

use std::{fs::OpenOptions, path::Path, time::Duration};

use divan::Bencher;
use host::{
    clock::Clock,
    journal::{Journal, Options, Record},
};

/// As long as the record of an interval with two devices.
const BODY: usize = 2_500;

fn record() -> Record {
    Record::new("activity", "activity", format!("{{\"x\":\"{}\"}}", "7".repeat(BODY)))
}

fn open(state: &Path) -> Journal {
    let options = Options { seal_every: Duration::from_secs(86_400), ..Options::new(state, Clock::system()) };
    Journal::open(options).unwrap().0
}

/// Below the build's own folder: `/tmp` may be memory.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(std::env::current_exe().unwrap().parent().unwrap()).unwrap()
}

#[divan::bench(sample_count = 200, sample_size = 1)]
fn a_durable_append(bencher: Bencher<'_, '_>) {
    let folder = folder();
    let journal = open(folder.path());
    bencher.bench_local(|| {
        journal.append(record()).unwrap();
        journal.sync().unwrap()
    });
    journal.close(Duration::from_secs(5)).unwrap();
}

#[cfg(unix)]
fn ratios() {
    use std::os::unix::fs::FileExt;
    let folder = folder();
    let journal = open(folder.path());
    let bare = OpenOptions::new().create_new(true).write(true).open(folder.path().join("bare")).unwrap();
    // What a frame holds beside the body: the record's own fields and the header.
    let bytes = vec![b'7'; BODY + 300];
    let mut at = 0;
    measure::ratio(
        "a durable append to the journal, by a bare pwrite and fdatasync",
        1.5,
        301,
        || {
            journal.append(record()).unwrap();
            journal.sync().unwrap();
        },
        || {
            bare.write_all_at(&bytes, at).unwrap();
            bare.sync_data().unwrap();
            at += bytes.len() as u64;
        },
    );
    journal.close(Duration::from_secs(5)).unwrap();
}

#[cfg(not(unix))]
fn ratios() {}

fn main() {
    divan::main();
    ratios();
}
