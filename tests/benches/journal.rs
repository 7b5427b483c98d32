//! What the journal costs: a durable append against a bare write and fdatasync of as many bytes to the same disk, how
//! many bytes reach the disk for each that is journaled, and what each level of zstd makes of an object of records.
//!
//! `cargo bench -p candor-tests --bench journal`

#![allow(clippy::unwrap_used)]

mod measure;

use std::{
    fs::OpenOptions,
    path::Path,
    time::{Duration, Instant},
};

use divan::Bencher;
use host::{
    clock::Clock,
    journal::{Journal, Options, Record},
};
use plugin_api::{prelude::*, testing::Harness};

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

/// How many bytes this process has had written to disks, as the kernel counts them: whole pages.
#[cfg(target_os = "linux")]
fn on_disk() -> u64 {
    let text = std::fs::read_to_string("/proc/self/io").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    line.unwrap().parse().unwrap()
}

/// Journal, objects, manifests and screenshots: what reaches the disk of records that compress to about a half, as
/// activity does to less, and of screenshots that don't.
#[cfg(target_os = "linux")]
fn written() {
    use host::journal::Blob;
    let folder = folder();
    let journal = Journal::open(Options::new(folder.path(), Clock::system())).unwrap().0;
    let mut seed = 1_u64;
    let mut random = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let (before, mut data) = (on_disk(), 0);
    for n in 0..20_000 {
        let text: String = (0..BODY / 16).map(|_| format!("{:016x}", random())).collect();
        let mut record = Record::new("activity", "activity", format!("{{\"x\":\"{text}\"}}"));
        // What a frame holds beside the body.
        data += record.body.len() as u64 + 300;
        if n % 100 == 0 {
            let bytes: Vec<u8> = (0..8192).flat_map(|_| random().to_le_bytes()).collect();
            data += bytes.len() as u64;
            record.kind = "screenshot".into();
            record.blob = Some(Blob { media_type: "image/jpeg".into(), bytes });
        }
        journal.append(record).unwrap();
    }
    journal.seal().unwrap();
    journal.close(Duration::from_secs(60)).unwrap();
    let ratio = (on_disk() - before) as f64 / data as f64;
    let verdict = if ratio <= 2.1 { "" } else { " EXCEEDED" };
    println!(
        "{data} bytes journaled, sealed and released: {ratio:.2} bytes on disk for each (at most 2.1{verdict})"
    );
}

#[cfg(not(target_os = "linux"))]
fn written() {}

/// What a seal of five minutes holds of activity, for an hour: lines as they are journaled, of somebody at work.
fn hour() -> Vec<Vec<u8>> {
    const SECOND: u64 = 1_000_000_000;
    let mut activity = Harness::loaded_detector(candor_activity::candor_plugin(), json!({})).unwrap();
    let mut seed = 1_u64;
    let mut random = |most: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % most
    };
    activity.tick(SECOND).unwrap();
    for second in 1..=3600 {
        let now = second * SECOND;
        let (dx, dy) = (random(100_000) as i32 - 50_000, random(100_000) as i32 - 50_000);
        let class = KeyClass::ALL[random(9) as usize];
        let at = now + random(SECOND);
        activity
            .feed(&[
                Event::motion(now, Origin::Physical, 1, dx, dy, None),
                Event::key_class(at, Origin::Physical, 2, class, true),
                Event::key_class(at, Origin::Physical, 2, class, false),
            ])
            .unwrap();
    }
    activity.tick(3601 * SECOND).unwrap();
    let line = |(seq, body): (usize, String)| {
        format!("{{\"seq\":{seq},\"time\":\"2026-01-05T12:{seq:02}:00.000000Z\",{}\n", &body[1..])
    };
    let lines: Vec<_> =
        activity.records().iter().map(|record| record.body.to_string()).enumerate().map(line).collect();
    lines.chunks(5).map(|lines| lines.concat().into_bytes()).collect()
}

/// Why objects are compressed at level 5: what is beyond costs much and gives little.
fn levels() {
    let objects = hour();
    let all: usize = objects.iter().map(Vec::len).sum();
    println!("{} objects of five minutes of activity, {} bytes each", objects.len(), all / objects.len());
    for level in [1, 3, 5, 7, 9, 15, 19] {
        const TURNS: usize = 20;
        let begun = Instant::now();
        let mut bytes = 0;
        for object in (0..TURNS).flat_map(|_| &objects) {
            bytes += zstd::bulk::compress(object, level).unwrap().len();
        }
        let (each, count) = (begun.elapsed() / (TURNS * objects.len()) as u32, TURNS * objects.len());
        println!("  level {level}: {} bytes, {:.0} us", bytes / count, each.as_secs_f64() * 1e6);
    }
}

fn main() {
    divan::main();
    ratios();
    written();
    levels();
}
