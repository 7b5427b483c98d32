//! What a seal consists of, chained to the seal before it.
//!
//! ```json
//! {"manifest":1,"device":"<id>","first":1,"last":120,"previous":null,
//!  "public_key":"…","sinks":{"desk":{"from":1},"archive":{"from":1,"kinds":["activity"]}},
//!  "objects":[{"key":"v=1/…/<first>-<last>.ndjson.zst","kind":"activity","len":812,"sha256":"…","crc32":305419896,"records":3,"seq":[[1,2],[5,5]]}],
//!  "blobs":[{"key":"v=1/…/_blob/…","kind":"screenshot","seq":5,"len":90112,"sha256":"…","crc32":305419896,"media_type":"image/webp"}],
//!  "gaps":[{"seq":6,"reason":"damaged","first_seq":3,"last_seq":4,"count":2,"text":"…"}],
//!  "tombstones":[{"seq":2,"kind":"screenshot","key":"v=1/…/_blob/…","time":"2026-02-25T12:00:00.000000Z","reason":"deleted","text":"…"}],
//!  "signature":"…"}
//! ```
//!
//! Every number from `first` to `last` is in exactly one object's `seq` or between one gap's `first_seq` and `last_seq`.
//! `previous` is the SHA-256 of the manifest before, whose `last` is `first - 1`; null begins the chain. A gap in
//! time has `from` and `to` instead of numbers; `count` is how many records are missing, where that is known. Objects
//! are sorted by kind and date; the file is one line of JSON. The same records give the same bytes.
//!
//! A blob is in exactly one manifest of its chain: the one of the seal in which it was released, which may be later than
//! that of its record, so that its `seq` may be below `first`. Or, in place of it, a tombstone says that it was deleted
//! before it could leave, when and why; or a gap `blob_lost` names its record in `seq` and, if known, its key in `blob`.
//!
//! A gap with the reason `quota` or `keep` speaks of what was sealed and is removed, one with `kinds` of what a sink no
//! longer gets: every key in the folder `of` (a
//! kind, or `_blob`) whose numbers lie between `from_seq` and `to_seq` may be missing in the stores `missing_from`;
//! `of_device` names the chain where that is not this one. No number is missing by it.
//!
//! An object or blob that is encrypted has `.age` after its key; `len` and sums are of the bytes that are sent.
//!
//! The first 16 bytes of the SHA-256 of `public_key` (ed25519, hex) are the device's id, and `signature` is its holder's
//! over the line as it would be without that last field: with the store alone anybody can check that a manifest is the
//! device's, and nobody else can write one. `sinks` says what each store is to have: from which number on, and which
//! kinds where that is not all.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{chain::Chain, key, runs::Runs};
use crate::{
    disk,
    error::{Error, Result},
    identity::Key,
};

/// What comes after the text that is signed, in place of its last brace.
const SIGNATURE: &str = ",\"signature\":\"";

/// A manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of this format.
    pub manifest: u32,
    /// The device.
    pub device: String,
    /// The first number.
    pub first: u64,
    /// The last number.
    pub last: u64,
    /// SHA-256 of the manifest before.
    pub previous: Option<String>,
    /// What it is signed with.
    pub public_key: String,
    /// What each sink is to have of this chain.
    pub sinks: BTreeMap<String, Share>,
    /// The objects.
    pub objects: Vec<ObjectEntry>,
    /// The blobs.
    pub blobs: Vec<BlobEntry>,
    /// The gaps.
    pub gaps: Vec<Map<String, Value>>,
    /// Blobs that will never be.
    pub tombstones: Vec<Tombstone>,
}

/// What a sink is to have of a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// From which number on.
    pub from: u64,
    /// Of which kinds; all if not said. Manifests and notices it gets in any case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kinds: Option<Vec<String>>,
}

impl Share {
    /// Whether it is to have records of a kind.
    pub fn wants(&self, kind: &str) -> bool {
        kind == "notice" || self.kinds.as_ref().is_none_or(|kinds| kinds.iter().any(|want| want == kind))
    }
}

/// An object of records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectEntry {
    /// Its key.
    pub key: String,
    /// The records' kind.
    pub kind: String,
    /// Length in bytes.
    pub len: u64,
    /// SHA-256 of the bytes.
    pub sha256: String,
    /// CRC-32 of the bytes, by which they are checked each time they are sent: it costs next to nothing.
    pub crc32: u32,
    /// How many records.
    pub records: u64,
    /// Their numbers.
    pub seq: Runs,
}

impl ObjectEntry {
    /// By what its bytes are told.
    pub fn sums(&self) -> Sums {
        Sums { sha256: self.sha256.clone(), crc32: self.crc32 }
    }
}

/// What bytes are told by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sums {
    /// SHA-256, in hex.
    pub sha256: String,
    /// CRC-32.
    pub crc32: u32,
}

impl Sums {
    /// The sums of these.
    pub fn of(bytes: &[u8]) -> Self {
        Self { sha256: disk::hex(&disk::sha256(bytes)), crc32: crc32fast::hash(bytes) }
    }
}

/// A blob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobEntry {
    /// Its key.
    pub key: String,
    /// The kind of the record that names it.
    pub kind: String,
    /// That record's number.
    pub seq: u64,
    /// Length in bytes.
    pub len: u64,
    /// SHA-256 of the bytes.
    pub sha256: String,
    /// CRC-32 of the bytes, by which they are checked each time they are sent: it costs next to nothing.
    pub crc32: u32,
    /// For example `image/webp`.
    pub media_type: String,
}

impl BlobEntry {
    /// By what its bytes are told.
    pub fn sums(&self) -> Sums {
        Sums { sha256: self.sha256.clone(), crc32: self.crc32 }
    }
}

/// What stands for a blob that was deleted before it could leave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    /// The number of its record.
    pub seq: u64,
    /// That record's kind.
    pub kind: String,
    /// The key it would have had.
    pub key: String,
    /// When it was deleted, RFC 3339.
    pub time: String,
    /// `deleted` by the person, or `quota`.
    pub reason: String,
    /// Why, in words.
    pub text: String,
}

impl Manifest {
    /// A manifest of nothing yet, after the head of a chain.
    pub fn new(chain: Chain<'_>, sinks: BTreeMap<String, Share>, first: u64, last: u64) -> Self {
        let Chain { head, key } = chain;
        Self {
            manifest: 1,
            device: head.device.clone(),
            first,
            last,
            previous: head.manifest.clone(),
            public_key: key.public(),
            sinks,
            objects: Vec::new(),
            blobs: Vec::new(),
            gaps: Vec::new(),
            tombstones: Vec::new(),
        }
    }

    /// Its own key.
    pub fn key(&self) -> String {
        key::manifest(&self.device, self.first, self.last)
    }

    /// Its bytes, signed.
    pub fn bytes(&self, key: &Key) -> Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec(self)
            .map_err(|error| Error::Damaged { path: self.key().into(), text: error.to_string() })?;
        let signature = key.sign(&bytes);
        bytes.pop();
        bytes.extend_from_slice(format!("{SIGNATURE}{signature}\"}}\n").as_bytes());
        Ok(bytes)
    }

    /// Tells that a blob's bytes are gone, or not what they were.
    pub fn add_lost_blob(&mut self, seq: u64, key: Option<&str>) {
        let text = "the file of this record's blob is gone or damaged";
        let gap = json!({"seq": seq, "reason": "blob_lost", "blob": key, "text": text});
        if let Value::Object(gap) = gap {
            self.gaps.push(gap);
        }
    }
}

/// The text that was signed, and the signature, of a manifest's bytes.
pub fn signed(bytes: &[u8]) -> Option<(Vec<u8>, &str)> {
    let line = std::str::from_utf8(bytes).ok()?.strip_suffix("\"}\n")?;
    let (text, signature) = line.rsplit_once(SIGNATURE)?;
    Some((format!("{text}}}").into_bytes(), signature))
}
