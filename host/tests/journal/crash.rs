//! `kill -9` at random moments under load. The long form: `CANDOR_KILLS=100 cargo test -p candor-host --test journal kill`.

use std::ops::Range;

use super::{
    audit,
    driver::{self, Driver},
};

/// Checks that every acknowledged `n` of every round is stored, once, and that nothing else is.
pub fn check(audit: &audit::Audit, rounds: &[Range<u64>]) {
    let stored = audit.numbers();
    for acknowledged in rounds {
        let lost: Vec<u64> = acknowledged.clone().filter(|n| !stored.contains(n)).collect();
        assert!(lost.is_empty(), "acknowledged and not stored: {lost:?}");
    }
}

#[test]
fn kill_loses_nothing_acknowledged_and_stores_nothing_twice() {
    let state = tempfile::tempdir().expect("a folder");
    let rounds = driver::rounds("CANDOR_KILLS", 20);
    let mut acknowledged = Vec::new();
    for round in 0..rounds {
        let first = round * 1_000_000;
        let mut driver = Driver::start(state.path(), first);
        driver.run(round, 120);
        driver.kill();
        acknowledged.push(driver.before(first, u64::MAX));
        let told = driver.found.iter().any(|line| line.contains("did not end"));
        assert!(!driver.ready || told == (round > 0), "{:?}", driver.found);
    }
    let audit = audit::settle(state.path());
    check(&audit, &acknowledged);
    assert_eq!(audit.missing(), 0, "the mark is exact after a kill: no number is skipped");
    assert!(audit.gaps("unclean_end").len() as u64 >= rounds - rounds / 4);
    let stored = audit.numbers().len();
    println!("{rounds} kills, {stored} records stored, {} numbers declared missing", audit.missing());
}
