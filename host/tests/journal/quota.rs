//! The hard quota: what goes though a sink has not had it, in which order, and that it is told.

use std::{collections::BTreeSet, time::Duration};

use host::{
    outbox::Outbox,
    retain::{Rules, quota},
    seal::{Manifest, Runs},
};
use serde_json::Value;

use super::{
    audit::{self, Fate},
    driver::{self, Driver},
    retain::{Desk, keys},
};

const DAY: Duration = Duration::from_secs(86_400);

/// The gaps that say what the quota took, from manifests.
fn quota_gaps(manifests: &[Manifest]) -> Vec<&serde_json::Map<String, Value>> {
    manifests.iter().flat_map(|manifest| &manifest.gaps).filter(|gap| gap["reason"] == "quota").collect()
}

/// How many bytes there are; removed files may be on the way.
fn used(desk: &Desk) -> u64 {
    quota::used(&desk.journal.spool()).expect("a size")
}

#[test]
fn quota_takes_screenshots_before_records_oldest_first_and_tells_what_for_whom() {
    const MAX: u64 = 300_000;
    let desk = Desk::new(&["a", "b"], |options| {
        options.max = MAX;
        options.rules = Rules::age(30 * DAY);
    });
    // Sink `a` has the first seal, `b` nothing.
    desk.append("screenshot", 0);
    desk.append("activity", 0);
    desk.seal();
    desk.drain("a");
    let mut n = 1;
    while quota_gaps(&desk.manifests()).is_empty() {
        desk.append("screenshot", n);
        desk.append("activity", n);
        desk.seal();
        desk.until("the quota is held", || used(&desk) <= MAX + 10_000);
        n += 1;
        assert!(n < 200, "the quota is not held");
    }
    let manifests = desk.manifests();
    let blobs = || -> Vec<bool> {
        let all = manifests.iter().flat_map(|manifest| &manifest.blobs);
        all.map(|blob| desk.is_here(&blob.key)).collect()
    };
    desk.until("the oldest go", || blobs().iter().filter(|here| !**here).count() > 1);
    assert!(blobs().is_sorted(), "the oldest go first: {:?}", blobs());
    assert!(manifests.iter().flat_map(|manifest| &manifest.objects).all(|object| desk.is_here(&object.key)));
    let gaps = quota_gaps(&manifests);
    let missing: BTreeSet<String> = gaps.iter().map(|gap| gap["missing_from"].to_string()).collect();
    assert_eq!(missing, BTreeSet::from(["[\"a\",\"b\"]".into(), "[\"b\"]".into()]), "who had it is left out");
    assert!(gaps.iter().all(|gap| gap["of"] == "_blob"), "{gaps:?}");

    // Then the records go, since no screenshot is left.
    while desk
        .manifests()
        .iter()
        .flat_map(|manifest| &manifest.objects)
        .all(|object| desk.is_here(&object.key))
    {
        (0..400).for_each(|k| desk.append("activity", n * 1000 + k));
        desk.seal();
        n += 1;
        assert!(n < 400, "the quota is not held");
    }
    // What is listed and not here is declared, once that is sealed, too.
    let told = |manifests: &[Manifest]| -> u64 {
        quota_gaps(manifests).iter().map(|gap| gap["count"].as_u64().expect("a number")).sum()
    };
    let gone = |manifests: &[Manifest]| {
        manifests.iter().flat_map(keys).filter(|(_, key)| !desk.is_here(key)).count() as u64
    };
    desk.until("all that is gone is declared", || {
        desk.append("activity", n);
        desk.seal();
        let manifests = desk.manifests();
        used(&desk) <= MAX && told(&manifests) == gone(&manifests)
    });
    let manifests = desk.manifests();
    let gaps = quota_gaps(&manifests);
    assert!(manifests.iter().flat_map(|manifest| &manifest.blobs).all(|blob| !desk.is_here(&blob.key)));
    // What the sinks then get is all the rest.
    let number = |gap: &serde_json::Map<String, Value>, name: &str| gap[name].as_u64().expect("a number");
    let declared = |of: &str, first: u64, last: u64| {
        gaps.iter()
            .any(|gap| gap["of"] == of && number(gap, "from_seq") <= first && last <= number(gap, "to_seq"))
    };
    let mut lost = 0;
    for manifest in &manifests {
        for object in manifest.objects.iter().filter(|object| !desk.is_here(&object.key)) {
            let (first, last) = (object.seq.iter().next().expect("one").0, object.seq.last().expect("one"));
            assert!(declared(&object.kind, first, last), "{}", object.key);
            lost += 1;
        }
        for blob in manifest.blobs.iter().filter(|blob| !desk.is_here(&blob.key)) {
            assert!(declared("_blob", blob.seq, blob.seq), "{}", blob.key);
            lost += 1;
        }
    }
    assert_eq!(told(&manifests), lost);
    desk.drain("b");
    let mut missed = 0;
    let stored = desk.shelves["b"].stored.lock().expect("a lock");
    for manifest in &manifests {
        assert!(stored.contains_key(&manifest.key()), "manifests never go");
        // One may have been on its way to the sink when it went.
        let is_lost = |key: &String| !stored.contains_key(key);
        assert!(keys(manifest).iter().all(|(_, key)| !(is_lost(key) && desk.is_here(key))));
        missed += keys(manifest).iter().filter(|(_, key)| is_lost(key)).count();
    }
    assert!((lost - 1..=lost).contains(&(missed as u64)), "{missed} of {lost}");
}

#[test]
fn kill_while_the_quota_takes_its_part_leaves_nothing_missing_that_is_not_declared() {
    let state = tempfile::tempdir().expect("a folder");
    let mut acknowledged = Vec::new();
    for round in 0..driver::rounds("CANDOR_KILLS", 6) {
        let first = round * 1_000_000;
        let mut driver = Driver::start_within(state.path(), first, 20_000);
        driver.run(round, 120);
        driver.kill();
        acknowledged.push(driver.before(first, u64::MAX));
    }
    // What is not there is in a gap, or the audit fails; what is acknowledged is there, or in a gap.
    let audit = audit::settle(state.path());
    let lost = audit.blobs.values().any(|fate| *fate == Fate::Lost);
    assert!(!audit.taken.is_empty() || lost, "the quota took nothing");
    let stored = audit.numbers().len() as u64;
    let taken: u64 = audit.taken.values().map(Runs::count).sum();
    let all: u64 = acknowledged.iter().map(|numbers| numbers.end - numbers.start).sum();
    assert!(stored + taken >= all, "{stored} stored and {taken} taken of {all}");
}

#[test]
fn quota_takes_what_waits_too_and_leaves_a_tombstone() {
    let desk = Desk::new(&["a"], |options| {
        options.max = 100_000;
        options.grace = DAY;
    });
    (0..60).for_each(|n| desk.append("screenshot", n));
    desk.seal();
    desk.until("room is made", || used(&desk) <= 100_000);
    desk.append("activity", 0);
    desk.seal();
    let manifests = desk.manifests();
    let stones: Vec<_> = manifests.iter().flat_map(|manifest| &manifest.tombstones).collect();
    assert!(stones.len() > 20 && stones.iter().all(|stone| stone.reason == "quota"), "{stones:?}");
    let outbox = Outbox::of(desk.state.path(), &desk.journal.spool().sealed().0);
    let waiting = outbox.waiting().expect("entries");
    assert!(!waiting.is_empty());
    assert!(stones.iter().all(|stone| stone.seq < waiting[0].blob.seq), "the oldest go first");
    assert!(used(&desk) <= 100_000);
}
