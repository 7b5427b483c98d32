//! Checks a state folder as a verifier would: every number once, or declared; every manifest signed and chained to the
//! one before.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use host::{
    clock::Clock,
    disk,
    identity::Public,
    journal::{Journal, Options},
    outbox::Outbox,
    seal::{self, Runs, Sums},
    spool::Spool,
    verify,
};
use serde_json::Value;

/// What was found.
pub struct Audit {
    /// Every record, by device and number.
    pub records: BTreeMap<(String, u64), Value>,
    /// Every number of an object that the quota took, as a gap says.
    pub taken: BTreeMap<String, Runs>,
    /// Every number declared missing, by device.
    pub declared: BTreeMap<String, Runs>,
    /// What became of each blob that left or was deleted, by its record's device and number.
    pub blobs: BTreeMap<(String, u64), Fate>,
}

/// What became of a blob.
#[derive(Debug, PartialEq, Eq)]
pub enum Fate {
    /// A manifest lists it: its bytes.
    Listed(Vec<u8>),
    /// A tombstone stands for it, with this text.
    Deleted(String),
    /// A gap says that it is gone.
    Lost,
}

impl Audit {
    /// The `n` of every record that has one; fails if one is there twice.
    pub fn numbers(&self) -> BTreeSet<u64> {
        let all: Vec<u64> = self.records.values().filter_map(|record| record["n"].as_u64()).collect();
        let set: BTreeSet<u64> = all.iter().copied().collect();
        assert_eq!(set.len(), all.len(), "a record is stored twice");
        set
    }

    /// How many numbers are declared missing.
    pub fn missing(&self) -> u64 {
        self.declared.values().map(Runs::count).sum()
    }

    /// The bodies of all gaps with a reason.
    pub fn gaps(&self, reason: &str) -> Vec<&Value> {
        self.records.values().filter(|record| record["kind"] == "gap" && record["reason"] == reason).collect()
    }
}

/// Opens the journal, seals what is left, closes it, and checks everything there is.
pub fn settle(state: &Path) -> Audit {
    let (journal, _) = Journal::open(Options::new(state, Clock::system())).expect("opened");
    journal.seal().expect("sealed");
    journal.close(Duration::from_secs(30)).expect("closed");
    audit(state)
}

/// Checks what is in the spool of a state folder whose journal is closed.
pub fn audit(state: &Path) -> Audit {
    let spool = Spool::at(state);
    let mut found = Audit {
        records: BTreeMap::new(),
        taken: BTreeMap::new(),
        declared: BTreeMap::new(),
        blobs: BTreeMap::new(),
    };
    let mut listed = BTreeSet::new();
    for device in spool.devices().expect("devices") {
        let quota = Quota::read(&spool, &device);
        let (mut next, mut previous) = (1, None);
        for seal in spool.seals(&device).expect("seals") {
            let manifest = spool.manifest(&seal).expect("a manifest");
            assert_eq!(
                (&manifest.device, manifest.first, &manifest.previous),
                (&device, next, &previous),
                "chain"
            );
            let mut seen = Runs::default();
            for object in &manifest.objects {
                let (first, last) =
                    (object.seq.iter().next().expect("one").0, object.seq.last().expect("one"));
                if !spool.path(&object.key).exists() && quota.took(&object.kind, first, last) {
                    for (first, last) in object.seq.iter() {
                        seen.add(first, last);
                        found.taken.entry(device.clone()).or_default().add(first, last);
                    }
                    continue;
                }
                assert_eq!(Sums::of(&fs::read(spool.path(&object.key)).expect("bytes")), object.sums());
                listed.insert(object.key.clone());
                let mut numbers = Vec::new();
                for line in lines(&spool.path(&object.key)) {
                    let mut record: Value = serde_json::from_str(&line).expect("a record");
                    let seq = record["seq"].as_u64().expect("a number");
                    record["kind"] = object.kind.clone().into();
                    numbers.push(seq);
                    assert!(!seen.contains(seq), "{seq} is twice in {}", seal.key());
                    seen.add(seq, seq);
                    found.records.insert((device.clone(), seq), record);
                }
                assert!(numbers.is_sorted(), "{}", object.key);
                assert_eq!(numbers.iter().copied().collect::<Runs>(), object.seq, "{}", object.key);
            }
            for gap in &manifest.gaps {
                assert!(gap["reason"].is_string(), "{gap:?}");
                if let (Some(first), Some(last)) = (gap.get("first_seq"), gap.get("last_seq")) {
                    let (first, last) = (first.as_u64().expect("first"), last.as_u64().expect("last"));
                    (first..=last)
                        .for_each(|seq| assert!(!seen.contains(seq), "{seq} is here and declared missing"));
                    seen.add(first, last);
                    found.declared.entry(device.clone()).or_default().add(first, last);
                }
            }
            let mut fates = Vec::new();
            for blob in &manifest.blobs {
                if !spool.path(&blob.key).exists() && quota.took("_blob", blob.seq, blob.seq) {
                    fates.push((blob.seq, Fate::Lost));
                    continue;
                }
                assert_eq!(Sums::of(&fs::read(spool.path(&blob.key)).expect("bytes")), blob.sums());
                listed.insert(blob.key.clone());
                fates.push((blob.seq, Fate::Listed(fs::read(spool.path(&blob.key)).expect("bytes"))));
            }
            fates.extend(
                manifest.tombstones.iter().map(|stone| (stone.seq, Fate::Deleted(stone.text.clone()))),
            );
            let lost = manifest.gaps.iter().filter(|gap| gap["reason"] == "blob_lost");
            fates.extend(lost.map(|gap| (gap["seq"].as_u64().expect("a number"), Fate::Lost)));
            for (seq, fate) in fates {
                let before = found.blobs.insert((device.clone(), seq), fate);
                assert_eq!(before, None, "the blob of {seq} is told twice");
            }
            assert_eq!(seen, Runs::of(manifest.first, manifest.last), "numbers of {}", seal.key());
            let bytes = fs::read(spool.path(&seal.key())).expect("bytes");
            let (text, signature) = seal::signed(&bytes).expect("a signature");
            let key = Public::of(&device, &manifest.public_key).expect("this device's key");
            assert!(key.signed(&text, signature), "signature of {}", seal.key());
            previous = Some(disk::hex(&disk::sha256(&bytes)));
            listed.insert(seal.key());
            next = manifest.last + 1;
        }
    }
    for ((device, seq), record) in &found.records {
        let told = found.blobs.contains_key(&(device.clone(), *seq));
        let waits = Outbox::of(state, device).has(*seq);
        assert_eq!(told || waits, record["blob"].is_string(), "{seq}: told {told}, waits {waits}");
        assert!(!(told && waits), "{seq} is told and waits");
    }
    let mut files = Vec::new();
    walk(spool.root(), &mut files);
    let files: BTreeSet<String> = files
        .iter()
        .filter_map(|path| path.strip_prefix(spool.root()).ok()?.to_str().map(str::to_owned))
        .collect();
    let differ: Vec<_> = files.symmetric_difference(&listed).collect();
    assert!(differ.is_empty(), "files that no manifest lists, or the other way round: {differ:#?}");
    // And as somebody would who has nothing but the store, with little in memory at once.
    if !files.is_empty() {
        let store = verify::folder(spool.root()).expect("a store");
        let options =
            verify::Options { window: 5, sink: Some("away".to_owned()), ..verify::Options::default() };
        let reports = verify::verify(&*store, &options, &indicatif::ProgressBar::hidden()).expect("readable");
        assert!(reports.iter().all(verify::Report::is_complete), "{reports:#?}");
    }
    found
}

/// What gaps say that the quota took.
struct Quota(Vec<(String, u64, u64)>);

impl Quota {
    fn read(spool: &Spool, device: &str) -> Self {
        let seals = spool.seals(device).expect("seals");
        let gaps = seals.iter().flat_map(|seal| spool.manifest(seal).expect("a manifest").gaps);
        let of = |gap: serde_json::Map<String, Value>| {
            let number = |name: &str| gap[name].as_u64().expect("a number");
            let took =
                || (gap["of"].as_str().expect("text").to_owned(), number("from_seq"), number("to_seq"));
            (gap["reason"] == "quota").then(took)
        };
        Self(gaps.filter_map(of).collect())
    }

    fn took(&self, of: &str, first: u64, last: u64) -> bool {
        self.0.iter().any(|(took, from, to)| took == of && *from <= first && last <= *to)
    }
}

fn lines(path: &Path) -> Vec<String> {
    let bytes = fs::read(path).expect("an object");
    let text = zstd::decode_all(bytes.as_slice()).expect("zstd");
    String::from_utf8(text).expect("text").lines().map(str::to_owned).collect()
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            walk(&path, files);
        } else {
            files.push(path);
        }
    }
}
