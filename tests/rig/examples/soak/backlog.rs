//! What an agent has that was offline for a month: sealed every five minutes, a screenshot every ten.

use std::{fs, path::Path, time::Duration};

use host::{
    clock::Clock,
    disk,
    journal::{Blob, Journal, Options, Record},
    upload::Delivered,
};
use serde_json::json;

const SEAL: Duration = Duration::from_secs(300);
const DAY: u64 = 86_400;

/// Makes it by the journal itself, on a clock that is told; how many objects wait for each sink.
pub fn make(state: &Path, days: u64, sinks: &[&str]) -> usize {
    let (clock, hand) = Clock::manual(chrono_tz::Tz::UTC);
    let month = Duration::from_secs(days * DAY);
    hand.set(Clock::system().unix_ns() - month.as_nanos() as i64);
    let options = Options { seal_every: month * 2, ..Options::new(state, clock) };
    let (journal, _) = Journal::open(options).unwrap();
    for seal in 0..month.as_secs() / SEAL.as_secs() {
        for minute in 0..5 {
            let body = json!({"interval_s": 60, "keys": seal * 7 % 300, "clicks": minute}).to_string();
            journal.append(Record::new("activity", "activity", body)).unwrap();
            hand.advance(SEAL / 5);
        }
        if seal % 2 == 0 {
            let mut record = Record::new("screenshot", "screen", "{\"outcome\":\"stored\"}");
            // As long as a blurred one.
            let bytes = disk::sha256(&seal.to_le_bytes()).repeat(100);
            record.blob = Some(Blob { media_type: "image/jpeg".into(), bytes });
            journal.append(record).unwrap();
        }
        journal.seal().unwrap();
    }
    journal.close(Duration::from_secs(60)).unwrap();
    // A sink without a word of what it has would begin with what comes next.
    let nothing = json!(Delivered::default()).to_string();
    disk::folder(&state.join("delivered")).unwrap();
    for sink in sinks {
        fs::write(state.join("delivered").join(sink).with_extension("json"), &nothing).unwrap();
    }
    count(&state.join("spool"))
}

fn count(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| if entry.file_type().unwrap().is_dir() { count(&entry.path()) } else { 1 }).sum()
}
