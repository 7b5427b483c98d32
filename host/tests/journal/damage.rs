//! One flipped bit, one cut, anywhere in a journal file: only what was hit is lost, and that is told.

use std::{
    fs,
    path::{Path, PathBuf},
};

use host::{
    clock::Clock,
    journal::{Journal, Options, Record, frame},
};

use super::audit;

const RECORDS: u64 = 4;

/// Memory is enough here: what is tried is the reading, some thousand times.
fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.expect("a folder")
}

/// A journal whose process was killed after its records were acknowledged.
struct Killed {
    identity: Vec<u8>,
    mark: Vec<u8>,
    log: Vec<u8>,
    acknowledged: u64,
}

fn killed() -> Killed {
    let state = folder();
    let (journal, _) = Journal::open(Options::new(state.path(), Clock::system())).expect("opened");
    for n in 0..RECORDS {
        let body = format!("{{\"n\":{n},\"text\":\"{}\"}}", "x".repeat(n as usize * 3));
        journal.append(Record::new("activity", "activity", body)).expect("taken");
    }
    let acknowledged = journal.sync().expect("durable");
    let log = only_log(state.path());
    let read = |path: &Path| fs::read(path).expect("a file");
    Killed {
        identity: read(&state.path().join("identity.json")),
        mark: read(&state.path().join("journal/mark")),
        log: read(&log),
        acknowledged,
    }
}

fn only_log(state: &Path) -> PathBuf {
    let entries =
        fs::read_dir(state.join("journal")).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut logs = entries.filter(|path| path.extension().is_some_and(|end| end == "log"));
    let log = logs.next().expect("a file");
    assert_eq!(logs.next(), None, "one file");
    log
}

/// Where the frame of each number begins and ends.
fn frames(log: &[u8]) -> Vec<(Option<u64>, usize, usize)> {
    let (mut at, mut frames) = (0, Vec::new());
    while let frame::Found::Frame(header, _) = frame::look(log, at) {
        let end = at + frame::HEADER + header.len;
        frames.push(((header.kind == frame::Type::Record).then_some(header.seq), at, end));
        at = end;
    }
    assert_eq!(at, log.len());
    frames
}

/// Opens a copy and adds a record to it; checks what must hold whatever was damaged.
fn reopen(killed: &Killed, log: &[u8], mark: Option<&[u8]>, what: &str) -> audit::Audit {
    let state = folder();
    let write = |name: &str, bytes: &[u8]| fs::write(state.path().join(name), bytes).expect("written");
    fs::create_dir(state.path().join("journal")).expect("a folder");
    write("identity.json", &killed.identity);
    write("journal/00000000000000000001.log", log);
    if let Some(mark) = mark {
        write("journal/mark", mark);
    }
    let options = Options::new(state.path(), Clock::system());
    let (journal, recovery) = Journal::open(options).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(!recovery.clean, "{what}");
    journal.append(Record::new("activity", "activity", "{\"n\":1000}")).expect("taken");
    journal.sync().expect("durable");
    drop(journal);
    let audit = audit::settle(state.path());
    assert!(audit.numbers().contains(&1000), "{what}");
    assert_eq!(audit.gaps("unclean_end").len(), 2, "{what}: both unclean ends are told");
    audit
}

#[test]
fn flipped_bit_costs_at_most_the_record_it_hit() {
    let killed = killed();
    let frames = frames(&killed.log);
    for byte in 0..killed.log.len() {
        let bit = byte * 5 % 8;
        let what = format!("byte {byte}, bit {bit}");
        let mut log = killed.log.clone();
        log[byte] ^= 1 << bit;
        let (hit, ..) = frames.iter().find(|(_, from, to)| (*from..*to).contains(&byte)).expect("a frame");
        // Without the mark only the last frame's header could be taken for a torn write, and is declared all the same.
        let marks = [Some(killed.mark.as_slice()), None];
        for mark in if byte % 5 == 0 { &marks[..] } else { &marks[..1] } {
            let audit = reopen(&killed, &log, *mark, &what);
            let declared = audit.declared.values().next().cloned().unwrap_or_default();
            let lost: Vec<u64> = declared.iter().flat_map(|(first, last)| first..=last).collect();
            match hit {
                Some(seq) if mark.is_some() => assert_eq!(lost, [*seq], "{what}"),
                // How many records the bytes of a lost last header held is a guess on the safe side.
                Some(seq) => assert!(lost.first() == Some(seq) && lost.len() <= 3, "{what}: {lost:?}"),
                None => assert_eq!(lost, [0; 0], "{what}"),
            }
            // Number 1 is `device`, n follows it.
            for n in 0..RECORDS {
                let here = audit.numbers().contains(&n);
                assert_eq!(here, *hit != Some(n + 2), "{what}: n {n}");
            }
            assert_eq!(audit.declared.len().min(1), usize::from(hit.is_some()), "{what}");
        }
    }
}

#[test]
fn cut_file_keeps_what_is_before_the_cut_and_declares_what_was_acknowledged() {
    let killed = killed();
    let frames = frames(&killed.log);
    let chain = frames.iter().find(|(seq, ..)| seq.is_some()).expect("a record").1;
    for cut in chain..killed.log.len() {
        let what = format!("cut at {cut}");
        let whole = frames.iter().filter(|(seq, _, end)| seq.is_some() && *end <= cut).count() as u64;
        let audit = reopen(&killed, &killed.log[..cut], Some(&killed.mark), &what);
        let declared = audit.declared.values().next().cloned().unwrap_or_default();
        let lost: Vec<u64> = declared.iter().flat_map(|(first, last)| first..=last).collect();
        assert_eq!(lost, (whole + 1..=killed.acknowledged).collect::<Vec<_>>(), "{what}");
        let kept = audit.numbers().into_iter().filter(|n| *n < 1000).count() as u64;
        assert_eq!(kept, whole.saturating_sub(1), "{what}");
    }
}

#[test]
fn half_a_frame_after_another_boot_is_declared_not_reused() {
    let killed = killed();
    let frames = frames(&killed.log);
    let (seq, from, to) = frames[frames.len() - 1];
    let seq = seq.expect("a record");
    for cut in from + 1..to {
        let what = format!("cut at {cut}");
        let audit = reopen(&killed, &killed.log[..cut], None, &what);
        let declared = audit.declared.values().next().cloned().unwrap_or_default();
        assert!(declared.contains(seq), "{what}: somebody may have heard of {seq}");
        assert_eq!(audit.gaps("torn").len(), 1, "{what}: or nobody did, and it says so");
    }
}

#[test]
fn journal_without_its_beginning_gets_a_new_chain_and_loses_nothing_else() {
    let killed = killed();
    let frames = frames(&killed.log);
    let chain = frames.iter().find(|(seq, ..)| seq.is_some()).expect("a record").1;
    let mut log = killed.log.clone();
    for byte in &mut log[..chain] {
        *byte = 0;
    }
    let audit = reopen(&killed, &log, Some(&killed.mark), "no beginning");
    assert_eq!(audit.numbers().into_iter().filter(|n| *n < 1000).count() as u64, RECORDS);
    let notices = audit.records.values().filter(|record| record["kind"] == "notice").count();
    assert_eq!(notices, 1, "it says so");
}

#[test]
fn several_holes_are_each_declared() {
    let killed = killed();
    let mut log = killed.log.clone();
    let frames = frames(&killed.log);
    let mut expect = Vec::new();
    for (seq, from, to) in frames.iter().filter(|(seq, ..)| seq.is_some_and(|seq| seq % 2 == 0)) {
        let holes = log[*from..*to].iter_mut();
        holes.for_each(|byte| *byte = 0xAA);
        expect.extend(*seq);
    }
    let audit = reopen(&killed, &log, Some(&killed.mark), "holes");
    let declared = audit.declared.values().next().cloned().unwrap_or_default();
    assert_eq!(declared.iter().flat_map(|(first, last)| first..=last).collect::<Vec<_>>(), expect);
}
