//! What an agent stored, read the way a stranger would.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;
use sha2::{Digest, Sha256};

/// Every file below a folder.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.extend(files(&path)),
            Ok(kind) if kind.is_file() => found.push(path),
            _ => {}
        }
    }
    found.sort();
    found
}

/// The lines of an object.
fn lines(object: &Path) -> Vec<Value> {
    let bytes = fs::read(object).unwrap();
    let text = String::from_utf8(zstd::decode_all(&bytes[..]).unwrap()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The value of a part such as `kind=` in a path.
fn part<'a>(path: &'a Path, name: &str) -> Option<&'a str> {
    path.iter().filter_map(|part| part.to_str()).find_map(|part| part.strip_prefix(name))
}

/// The stored records of a kind, in order; of every kind if none is given. Each has its `kind` and `device` beside its
/// own fields.
pub fn records<'a>(store: &Path, kind: impl Into<Option<&'a str>>) -> Vec<Value> {
    let kind = kind.into();
    let mut all = Vec::new();
    for file in files(store) {
        let Some(of) = part(&file, "kind=").filter(|_| file.to_string_lossy().ends_with(".ndjson.zst"))
        else {
            continue;
        };
        if kind.is_none_or(|kind| kind == of) {
            all.extend(lines(&file).into_iter().map(|mut line| {
                line["kind"] = of.into();
                line["device"] = part(&file, "device=").into();
                line
            }));
        }
    }
    all.sort_by_key(|record| record["seq"].as_u64());
    all
}

/// What [`check`] found.
#[derive(Debug)]
pub struct Checked {
    /// The last number.
    pub last: u64,
    /// Numbers that gap records declare missing.
    pub declared: BTreeSet<u64>,
}

/// Checks that each number from 1 on is there exactly once or declared missing, that every object has the bytes its
/// manifest says, and that the manifests are one chain.
///
/// Objects come before their manifest: those of a seal that is on its way are in none yet, and not all there.
pub fn check(store: &Path) -> Checked {
    let mut devices = fs::read_dir(store.join("v=1")).unwrap().map(|entry| entry.unwrap().path());
    let device = devices.next().unwrap();
    assert!(devices.next().is_none(), "a second device in {}", store.display());
    check_chain(store, part(&device, "device=").unwrap())
}

/// The same for one device of several.
pub fn check_chain(store: &Path, device: &str) -> Checked {
    let folder = store.join(format!("v=1/device={device}"));
    let end = check_manifests(store, &folder);
    let mut all = records(&folder, None);
    let mut seen = BTreeSet::new();
    assert!(all.iter().all(|record| seen.insert(record["seq"].as_u64())), "a number is stored twice");
    all.retain(|record| record["seq"].as_u64() <= Some(end));
    let checked = check_records(&all);
    assert_eq!(checked.last, end, "the last number of the manifests");
    checked
}

/// The first part of [`check`], for records from wherever.
pub fn check_records(records: &[Value]) -> Checked {
    let mut seen = BTreeMap::<u64, &Value>::new();
    let mut declared = BTreeSet::new();
    for record in records {
        let seq = record["seq"].as_u64().unwrap();
        if let Some(other) = seen.insert(seq, record) {
            panic!("number {seq} is stored twice: {other} and {record}");
        }
        if let (Some(first), Some(last)) = (record["first_seq"].as_u64(), record["last_seq"].as_u64()) {
            assert!(record["kind"] == "gap" && record["reason"].is_string(), "{record}");
            declared.extend(first..=last);
        }
    }
    let last = seen.last_key_value().map_or(0, |(seq, _)| *seq);
    for seq in 1..=last {
        let (there, said) = (seen.contains_key(&seq), declared.contains(&seq));
        assert!(there != said, "number {seq} of {last}: stored {there}, declared missing {said}");
    }
    Checked { last, declared }
}

/// Checks the manifests and what they list; the number they end at.
fn check_manifests(store: &Path, device: &Path) -> u64 {
    let is_manifest = |path: &PathBuf| path.parent().is_some_and(|folder| folder.ends_with("_manifest"));
    let (mut previous, mut end, mut objects) = (Value::Null, 0, BTreeSet::new());
    for path in files(device).into_iter().filter(is_manifest) {
        let bytes = fs::read(&path).unwrap();
        let manifest: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(manifest["previous"], previous, "{}: not chained", path.display());
        assert_eq!(manifest["first"].as_u64(), Some(end + 1), "{}", path.display());
        end = manifest["last"].as_u64().unwrap();
        previous = hex(&bytes).into();
        for object in manifest["objects"].as_array().unwrap() {
            let file = store.join(object["key"].as_str().unwrap());
            let bytes = fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            assert_eq!(object["sha256"], hex(&bytes), "{}", file.display());
            objects.insert(file);
        }
    }
    for file in files(device).iter().filter(|file| part(file, "kind=").is_some() && !objects.contains(*file))
    {
        let name = file.file_name().unwrap().to_str().unwrap();
        let first: u64 =
            name.split('-').next().unwrap().parse().unwrap_or_else(|_| panic!("{}", file.display()));
        assert!(first > end, "{}: in no manifest", file.display());
    }
    end
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The sum of a number over records, by a path such as `/by_origin/injected/keys`.
pub fn sum(records: &[Value], pointer: &str) -> f64 {
    records.iter().filter_map(|record| record.pointer(pointer)?.as_f64()).sum()
}

/// Where these bytes stand in a folder: in names, in files, and in files once unpacked.
pub fn grep(folder: &Path, needle: &[u8]) -> Vec<PathBuf> {
    let has = |bytes: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
    let found = |file: &PathBuf| {
        let bytes = fs::read(file).unwrap_or_default();
        has(file.as_os_str().as_encoded_bytes())
            || has(&bytes)
            || zstd::decode_all(&bytes[..]).is_ok_and(|text| has(&text))
    };
    files(folder).into_iter().filter(found).collect()
}
