//! How much a seal is for one sink, and how that is kept in its index.

use std::time::UNIX_EPOCH;

use super::listed::{parts, wants};
use crate::{
    disk,
    spool::{Seal, Spool},
};

/// How many bytes each is kept in: a checksum, its counts, its numbers, its device.
pub const LEN: usize = 72;

/// A seal that waits, and how much it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The seal.
    pub seal: Seal,
    /// Its objects that the sink wants.
    pub objects: u32,
    /// Their bytes.
    pub object_bytes: u64,
    /// Its blobs that the sink wants.
    pub blobs: u32,
    /// Their bytes.
    pub blob_bytes: u64,
    /// When it was sealed, in seconds since 1970.
    pub time: u64,
    /// Whether no further seal of this device will come; then it is no seal.
    pub is_end: bool,
}

impl Entry {
    /// Reads off a manifest how much of its seal a sink wants.
    pub fn of(spool: &Spool, seal: Seal, kinds: Option<&[String]>) -> Self {
        let modified = spool.path(&seal.key()).metadata().and_then(|file| file.modified()).ok();
        let time =
            modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok()).map_or(0, |time| time.as_secs());
        let mut entry =
            Self { objects: 0, object_bytes: 0, blobs: 0, blob_bytes: 0, time, is_end: false, seal };
        // One that can't be read is said when its turn comes.
        let Ok(manifest) = spool.manifest(&entry.seal) else { return entry };
        for part in parts(&manifest).filter(|part| wants(kinds, part.kind)) {
            if part.is_blob {
                entry.blobs += 1;
                entry.blob_bytes += part.len;
            } else {
                entry.objects += 1;
                entry.object_bytes += part.len;
            }
        }
        entry
    }

    /// Says that a chain has ended.
    pub fn end(device: &str) -> Self {
        let seal = Seal { device: device.to_owned(), first: 0, last: 0 };
        Self { seal, objects: 0, object_bytes: 0, blobs: 0, blob_bytes: 0, time: 0, is_end: true }
    }

    /// How many things it has to send: its objects, its blobs and its manifest.
    pub fn count(&self) -> u64 {
        if self.is_end { 0 } else { u64::from(self.objects) + u64::from(self.blobs) + 1 }
    }

    /// Its bytes; none of a device whose id can't be one.
    pub fn encode(&self) -> Option<[u8; LEN]> {
        let mut bytes = [0; LEN];
        bytes[4..8].copy_from_slice(&self.objects.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.blobs.to_le_bytes());
        bytes[12] = u8::from(self.is_end);
        let numbers = [self.seal.first, self.seal.last, self.object_bytes, self.blob_bytes, self.time]
            .map(u64::to_le_bytes);
        bytes[16..56].copy_from_slice(numbers.as_flattened());
        for (at, byte) in bytes[56..].iter_mut().enumerate() {
            *byte = u8::from_str_radix(self.seal.device.get(2 * at..2 * at + 2)?, 16).ok()?;
        }
        let sum = crc32fast::hash(&bytes[4..]);
        bytes[..4].copy_from_slice(&sum.to_le_bytes());
        (self.seal.device.len() == 32).then_some(bytes)
    }

    /// What bytes are, if they are whole.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let word = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let long = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        if word(0)? != crc32fast::hash(bytes.get(4..LEN)?) {
            return None;
        }
        let seal = Seal { device: disk::hex(&bytes[56..LEN]), first: long(16)?, last: long(24)? };
        Some(Self {
            seal,
            objects: word(4)?,
            blobs: word(8)?,
            is_end: bytes[12] == 1,
            object_bytes: long(32)?,
            blob_bytes: long(40)?,
            time: long(48)?,
        })
    }
}
