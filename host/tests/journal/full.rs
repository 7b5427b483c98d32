//! A disk that is full: nothing breaks, what is lost is counted, and told once there is room.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use host::{
    clock::Clock,
    journal::{Blob, Journal, Options, Record},
};

use super::{
    audit::{self, Fate},
    crash,
    driver::{Driver, pixels},
};

/// A small file system in memory. Gone when dropped.
struct Small {
    folder: tempfile::TempDir,
}

impl Small {
    fn new(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let size = format!("size={size}");
        let status =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder.path()).output();
        status.is_ok_and(|output| output.status.success()).then_some(Self { folder })
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Takes all room there is.
    fn fill(&self) -> PathBuf {
        let path = self.path().join("ballast");
        let mut file = fs::File::create(&path).expect("a file");
        for size in [1 << 16, 1 << 12, 1] {
            while std::io::Write::write_all(&mut file, &vec![1; size]).is_ok() {}
        }
        path
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).output();
    }
}

fn record(n: u64) -> Record {
    Record::new("activity", "activity", format!("{{\"n\":{n},\"text\":\"{}\"}}", "z".repeat(900)))
}

fn open(state: &Path) -> Journal {
    Journal::open(Options::new(state, Clock::system())).expect("opened").0
}

fn wait(what: &str, mut condition: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < until, "{what}");
        std::thread::yield_now();
    }
}

/// Appends one by one until `end` says so; answers those that were acknowledged.
fn append_until(journal: &Journal, first: u64, end: impl Fn(u64, bool) -> bool) -> (Vec<u64>, u64) {
    let mut acknowledged = Vec::new();
    for n in first.. {
        journal.append(record(n)).expect("taken");
        let well = journal.sync().is_ok();
        if well {
            acknowledged.push(n);
        }
        if end(n, well) {
            return (acknowledged, n + 1);
        }
    }
    unreachable!("numbers do not end")
}

#[test]
fn full_disk_wedges_nothing_and_what_is_lost_is_counted() {
    let Some(small) = Small::new("8m") else {
        println!("skipped: no tmpfs can be mounted here; run as root on Linux");
        return;
    };
    let state = small.path().join("state");
    let journal = open(&state);
    let (mut acknowledged, next) = append_until(&journal, 0, |n, _| n == 50);
    let ballast = small.fill();
    // The reserve takes what it can; then records are lost, and said to be.
    let (more, next) = append_until(&journal, next, |_, well| !well);
    assert!(more.len() > 300, "the reserve was used: {}", more.len());
    acknowledged.extend(more);
    let (none, next) = append_until(&journal, next, |n, _| n >= next + 100);
    assert_eq!(none, [0; 0], "nothing is acknowledged that is not stored");
    assert!(journal.trouble().is_some_and(|cause| cause.contains("space")), "{:?}", journal.trouble());
    assert!(journal.seal().is_err(), "there is no room to seal");

    fs::remove_file(ballast).expect("removed");
    let (_, next) = append_until(&journal, next, |_, well| well);
    acknowledged.push(next - 1);
    assert_eq!(journal.trouble(), None);
    journal.seal().expect("sealed");
    let (more, end) = append_until(&journal, next, |n, _| n == next + 10);
    acknowledged.extend(more);
    journal.close(Duration::from_secs(10)).expect("closed");

    let audit = audit::audit(&state);
    let stored = audit.numbers();
    assert!(acknowledged.iter().all(|n| stored.contains(n)), "all acknowledged is stored");
    let told: u64 = audit.gaps("unwritable").iter().filter_map(|gap| gap["count"].as_u64()).sum();
    assert_eq!(stored.len() as u64 + told, end, "stored and told lost are all there were");
    assert_eq!(audit.missing(), 0, "a lost record never had a number");
}

#[test]
fn screenshots_on_a_full_disk_are_told_lost_and_none_is_half_there() {
    let Some(small) = Small::new("8m") else {
        println!("skipped: no tmpfs can be mounted here; run as root on Linux");
        return;
    };
    let state = small.path().join("state");
    let (journal, count) = (open(&state), 90);
    for n in 0..count {
        let bytes = pixels(n).repeat(40);
        let record = Record::new("screenshot", "screen", format!("{{\"n\":{n}}}"));
        let blob = Some(Blob { media_type: "image/jpeg".into(), bytes });
        journal.append(Record { blob, ..record }).expect("taken");
        let _ = journal.sync();
    }
    // There is room for 8 MB, and they have 10: those that don't fit leave room to seal the others.
    journal.seal().expect("sealed");
    let size = fs::metadata(small.fill()).expect("a file").len();
    println!("{size} bytes were left");
    append_until(&journal, 1000, |n, _| n == 1010);
    fs::remove_file(small.path().join("ballast")).expect("removed");
    append_until(&journal, 1100, |_, well| well);
    journal.seal().expect("sealed");
    journal.close(Duration::from_secs(10)).expect("closed");
    let audit = audit::audit(&state);
    let stored: Vec<u64> = audit.numbers().into_iter().filter(|n| *n < count).collect();
    assert!(stored.len() > 40 && stored.len() < count as usize, "{stored:?}");
    let told: u64 = audit.gaps("unwritable").iter().filter_map(|gap| gap["count"].as_u64()).sum();
    assert!(told >= count - stored.len() as u64, "{told} told of {}", count - stored.len() as u64);
    assert_eq!(
        (audit.blobs.len(), audit.missing()),
        (stored.len(), 0),
        "each that is stored has its picture"
    );
    assert!(audit.blobs.values().all(|fate| matches!(fate, Fate::Listed(bytes) if bytes.len() > 100_000)));
}

#[test]
fn start_on_a_full_disk_goes_on_and_tells_later() {
    let Some(small) = Small::new("8m") else {
        println!("skipped: no tmpfs can be mounted here; run as root on Linux");
        return;
    };
    let state = small.path().join("state");
    let journal = open(&state);
    append_until(&journal, 0, |n, _| n == 20);
    drop(journal);
    wait("the writer ends", || fs::read_dir(state.join("journal")).expect("a folder").count() > 0);
    let ballast = small.fill();
    // First the reserve is there; each later start finds it in use.
    for start in 0..4 {
        let journal = open(&state);
        let (acknowledged, _) = append_until(&journal, 100 + start * 10, |n, _| n % 10 == 4);
        assert_eq!(acknowledged.len(), 5, "start {start}");
    }
    fs::remove_file(ballast).expect("removed");
    let audit = audit::settle(&state);
    assert_eq!(audit.numbers().len(), 21 + 20);
    assert_eq!(audit.gaps("unclean_end").len(), 5);
    assert_eq!(audit.missing(), 0);
}

#[test]
fn start_without_any_room_counts_and_tells_later() {
    let Some(small) = Small::new("8m") else {
        println!("skipped: no tmpfs can be mounted here; run as root on Linux");
        return;
    };
    let state = small.path().join("state");
    let journal = open(&state);
    append_until(&journal, 0, |n, _| n == 20);
    drop(journal);
    fs::remove_file(state.join("reserve")).expect("removed");
    let ballast = small.fill();
    let journal = open(&state);
    let (none, _) = append_until(&journal, 100, |n, _| n == 109);
    assert_eq!(none, [0; 0]);
    fs::remove_file(ballast).expect("removed");
    append_until(&journal, 110, |_, well| well);
    journal.close(Duration::from_secs(10)).expect("closed");
    let audit = audit::audit(&state);
    assert_eq!(audit.gaps("unclean_end").len(), 1, "what recovery owed is told");
    let told: u64 = audit.gaps("unwritable").iter().filter_map(|gap| gap["count"].as_u64()).sum();
    assert!(told >= 10 && audit.missing() == 0);
}

#[test]
fn file_that_can_not_grow_is_left_for_another_and_nothing_is_lost() {
    let state = tempfile::tempdir().expect("a folder");
    let mut driver = Driver::start_limited(state.path(), 0, 40);
    driver.work(80);
    driver.kill();
    let acknowledged = driver.before(0, u64::MAX);
    assert!(acknowledged.end > 400);
    let files = fs::read_dir(state.path().join("journal")).expect("a folder").count();
    assert!(files > 5, "it moved on: {files}");
    let audit = audit::settle(state.path());
    crash::check(&audit, &[acknowledged]);
    assert_eq!((audit.missing(), audit.gaps("unwritable").len()), (0, 0));
}

#[test]
fn disk_that_fails_to_sync_costs_nothing_acknowledged() {
    let state = tempfile::tempdir().expect("a folder");
    let Some(mut driver) = Driver::start_failing(state.path(), 0, 700) else {
        println!("skipped: strace can't inject faults here");
        return;
    };
    while driver.read() {}
    driver.kill();
    let acknowledged = driver.before(0, u64::MAX);
    assert_eq!(acknowledged.end, 700, "each failure was mended by another file");
    let audit = audit::settle(state.path());
    crash::check(&audit, &[acknowledged]);
    assert_eq!((audit.missing(), audit.gaps("unwritable").len()), (0, 0));
}
