//! That the journal's thread is never held up by what it removes.

use std::{
    fs,
    path::Path,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use serde_json::json;

use super::Writer;
use crate::{
    clock::{Clock, Manual},
    journal::{Options, Record, recover},
    retain::TURN,
    upload::Delivered,
};

const DAY: Duration = Duration::from_secs(86_400);

fn record(kind: &str) -> Record {
    Record::new(kind, "test", "{}")
}

/// A writer with a sink.
fn start(state: &Path) -> (Writer, Arc<Manual>) {
    let (clock, manual) = Clock::manual(chrono_tz::Tz::UTC);
    // Files have the system's time.
    manual.set(Clock::system().unix_ns());
    let mut options = Options::new(state, clock);
    options.sinks = vec!["a".to_owned()];
    let (tail, spool, recovery) = recover::recover(&options).expect("opened");
    (Writer::new(options, tail, Arc::new(spool), &recovery, Arc::default()), manual)
}

/// The files below a folder.
fn count(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.expect("an entry").path());
    entries.map(|path| if path.is_dir() { count(&path) } else { 1 }).sum()
}

/// Seals many objects. What the sink has is noted up to the last but one seal.
fn backlog(writer: &mut Writer, state: &Path) {
    let mut delivered = Delivered::default();
    for _ in 0..5 {
        (0..150).for_each(|n| writer.append(&record(&format!("test.k{n}"))));
        writer.seal(None).expect("sealed");
        delivered.done.extend([writer.spool.sealed()]);
    }
    writer.append(&record("activity"));
    writer.seal(None).expect("sealed");
    let path = state.join("delivered/a.json");
    crate::disk::write(&path, json!(delivered).to_string().as_bytes()).expect("written");
}

#[test]
fn a_turn_removes_so_much_and_no_more_and_a_kill_between_two_leaves_the_rest_to_the_next_start() {
    let state = tempfile::tempdir().expect("a folder");
    let spool = state.path().join("spool");
    let (mut writer, clock) = start(state.path());
    backlog(&mut writer, state.path());
    clock.advance(2 * DAY);
    let (all, mut turns) = (count(&spool), 0);
    assert!(all > 2 * TURN);
    writer.retain();
    while count(&spool) == all {
        writer.work();
    }
    let left = count(&spool);
    assert!(all - left <= TURN, "{left} of {all} are left after one turn");
    assert!(writer.due().is_some_and(|due| due <= Instant::now()), "the next turn comes by itself");

    // What was under way is forgotten with the process.
    drop(writer);
    let (mut writer, clock) = start(state.path());
    clock.advance(2 * DAY);
    writer.retain();
    while writer.is_making_room() {
        let before = count(&spool);
        let durable = writer.tail.next() - 1;
        writer.append(&record("activity"));
        writer.commit();
        assert!(writer.tail.durable().load(Ordering::Acquire) > durable);
        writer.work();
        assert!(before - count(&spool) <= TURN, "a turn has no end");
        turns += 1;
    }
    assert!(turns >= (all - TURN) / TURN, "{turns} turns for {all} files");
    // What the sink has not had: an object and its manifest, with what the start found in the journal.
    let (device, _) = writer.spool.sealed();
    let seals = writer.spool.seals(&device).expect("seals");
    assert_eq!(seals.len(), 1, "{seals:?}");
    let manifest = writer.spool.manifest(&seals[0]).expect("a manifest");
    assert!(manifest.objects.iter().all(|object| writer.spool.path(&object.key).exists()));
    assert_eq!(count(&spool), 1 + manifest.objects.len());
}

#[test]
fn what_went_is_told_once_it_is_over_and_with_each_seal_meanwhile() {
    let state = tempfile::tempdir().expect("a folder");
    let (mut writer, clock) = start(state.path());
    backlog(&mut writer, state.path());
    clock.advance(2 * DAY);
    let (spool, all) = (state.path().join("spool"), count(&state.path().join("spool")));
    writer.retain();
    while count(&spool) == all {
        writer.work();
    }
    let told = |writer: &mut Writer| {
        writer.commit();
        let notices = crate::show::records(state.path(), None).expect("records");
        let removed = notices.flat_map(|notice| notice["removed"].as_array().cloned().unwrap_or_default());
        removed.map(|removed| removed["count"].as_u64().expect("a number")).sum::<u64>()
    };
    assert_eq!(told(&mut writer), 0);
    writer.append(&record("activity"));
    writer.seal(None).expect("sealed");
    let first = told(&mut writer);
    assert!(first > 0 && first <= TURN as u64, "{first}");
    while writer.is_making_room() {
        writer.work();
    }
    assert_eq!(told(&mut writer), 5 * 150 + 1, "with the chain's first record");
}
