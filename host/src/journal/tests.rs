//! The journal as its users see it: append, sync, seal, close, and what a next start finds.

use std::{fs, path::Path, time::Duration};

use chrono_tz::Tz;
use serde_json::Value;

use super::{Journal, Options, Record, Recovery};
use crate::{
    clock::{Clock, Manual},
    seal::Sums,
    show,
    spool::Spool,
};

pub const NOON: i64 = 1_772_020_800_000_000_000;

pub fn clock() -> (Clock, std::sync::Arc<Manual>) {
    let (clock, manual) = Clock::manual(Tz::UTC);
    manual.set(NOON);
    (clock, manual)
}

pub fn open(state: &Path) -> (Journal, Recovery) {
    let (journal, recovery) = Journal::open(Options::new(state, clock().0)).expect("opened");
    (journal, recovery)
}

pub fn record(n: u64) -> Record {
    Record::new("activity", "activity", format!("{{\"n\":{n}}}"))
}

pub fn shown(state: &Path) -> Vec<Value> {
    show::records(state, None).expect("readable").collect()
}

fn numbers(values: &[Value]) -> Vec<u64> {
    values.iter().filter_map(|value| value["n"].as_u64()).collect()
}

fn seqs(values: &[Value]) -> Vec<u64> {
    values.iter().filter_map(|value| value["seq"].as_u64()).collect()
}

#[test]
fn records_survive_sealed_or_not() {
    let state = tempfile::tempdir().expect("a folder");
    let (journal, recovery) = open(state.path());
    assert!(recovery.clean && recovery.findings.is_empty(), "{recovery:?}");
    for n in 0..10 {
        journal.append(record(n)).expect("taken");
    }
    assert_eq!(journal.sync().expect("durable"), 11, "the first record of a chain is `device`");
    assert_eq!(journal.durable(), 11);
    journal.seal().expect("sealed");
    journal.append(record(10)).expect("taken");
    journal.close(Duration::from_secs(10)).expect("closed");
    let values = shown(state.path());
    assert_eq!(values[0]["kind"], "device");
    assert_eq!(numbers(&values), (0..=10).collect::<Vec<_>>());
    assert_eq!(seqs(&values), (1..=12).collect::<Vec<_>>());

    let (journal, recovery) = open(state.path());
    assert!(recovery.clean && recovery.findings.is_empty(), "{recovery:?}");
    journal.append(record(11)).expect("taken");
    assert_eq!(journal.sync().expect("durable"), 13);
    journal.close(Duration::from_secs(10)).expect("closed");
    assert_eq!(seqs(&shown(state.path())), (1..=13).collect::<Vec<_>>());
}

#[test]
fn manifests_account_for_every_number_and_form_a_chain() {
    let state = tempfile::tempdir().expect("a folder");
    let (journal, _) = open(state.path());
    for round in 0..3 {
        for n in 0..5 {
            journal.append(record(round * 5 + n)).expect("taken");
        }
        journal.seal().expect("sealed");
    }
    journal.seal().expect("nothing to seal is fine");
    let spool = journal.spool();
    let (device, sealed) = spool.sealed();
    let seals = spool.seals(&device).expect("seals");
    assert_eq!((seals.len(), sealed), (3, 16));
    let mut previous = None;
    let mut next = 1;
    for seal in seals {
        let manifest = spool.manifest(&seal).expect("a manifest");
        assert_eq!((manifest.first, &manifest.previous), (next, &previous));
        let held: u64 = manifest.objects.iter().map(|object| object.seq.count()).sum();
        assert_eq!(held, manifest.last - manifest.first + 1);
        for object in &manifest.objects {
            assert_eq!(Sums::of(&fs::read(spool.path(&object.key)).expect("bytes")), object.sums());
        }
        let bytes = fs::read(spool.path(&seal.key())).expect("bytes");
        previous = Some(crate::disk::hex(&crate::disk::sha256(&bytes)));
        next = manifest.last + 1;
    }
    drop(journal);
    let _: Spool = Spool::at(state.path());
}
