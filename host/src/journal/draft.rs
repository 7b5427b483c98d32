//! Turns journaled records into compressed, immutable objects and a manifest.
//!
//! One object per kind and UTC date, lines in the order of their numbers, zstd at a fixed level: the same records give
//! the same bytes with the same version. Nothing here is final until the journal says so in a `sealed` frame.

use std::{collections::BTreeMap, io::Write, time::Instant};

use serde_json::{Map, Value, json};
use tracing::warn;

use super::{files::Sealed, line, record::INSTANCE, scan::Scan};
use crate::{
    disk::{self, Doing},
    error::{Error, Result},
    outbox::{Entry, Outbox, Ripe},
    seal::{Chain, Cipher, Manifest, ObjectEntry, Sums, cipher::SUFFIX},
    spool::Spool,
};

const LEVEL: i32 = 5;
/// How long a gap record may be to be told whole in a manifest.
const GAP_MAX: usize = 4096;

/// How far to seal, and until when.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// The last number.
    pub last: u64,
    /// When to give up.
    pub deadline: Option<Instant>,
}

/// The lines of one object: number and text.
type Lines<'a> = Vec<(u64, &'a str)>;

/// What a seal is made of.
pub struct Draft<'a> {
    /// Where it goes.
    pub spool: &'a Spool,
    /// Where its blobs come from.
    pub outbox: &'a Outbox,
    /// The journal.
    pub scan: &'a Scan,
    /// What it goes on with.
    pub chain: Chain<'a>,
    /// The blobs to list.
    pub ripe: &'a Ripe,
    /// Who can read it; everybody if not said.
    pub cipher: Option<&'a Cipher>,
}

impl Draft<'_> {
    /// Writes the objects and the manifest for the numbers after the head; if that fails, leaves none of them.
    pub fn make(&self, limit: Limit) -> Result<Sealed> {
        let mut written = Vec::new();
        let made = self.write(limit, &mut written);
        if made.is_err() {
            for key in written {
                let _ = self.spool.remove(&key);
            }
            for entry in &self.ripe.released {
                if let Err(error) = self.outbox.take_back(&entry.blob, self.spool) {
                    warn!(%error, "a blob that did not leave is not back yet; the next seal tries again");
                }
            }
        }
        made
    }

    fn write(&self, limit: Limit, written: &mut Vec<String>) -> Result<Sealed> {
        let Self { spool, scan, chain, .. } = *self;
        let head = chain.head;
        let first = head.sealed + 1;
        let mut groups = BTreeMap::<(&str, &str), Lines<'_>>::new();
        let mut manifest = Manifest::new(chain, spool.shares(&head.device), first, limit.last);
        for seq in scan.records.range(first..=limit.last).map(|(seq, _)| *seq) {
            let Some((kind, date, line)) = scan.payload(seq).and_then(line::split) else { continue };
            groups.entry((kind, date)).or_default().push((seq, line));
            if kind == "gap" {
                manifest.gaps.extend(gap(seq, line));
            }
            if line.contains(line::BLOB) && !self.outbox.has(seq) {
                manifest.add_lost_blob(seq, None);
            }
        }
        for ((kind, date), lines) in groups {
            if limit.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Err(Error::Journal { text: "no time left to seal" });
            }
            let (first, last) = (lines[0].0, lines[lines.len() - 1].0);
            let device = &head.device;
            let mut key =
                format!("v=1/device={device}/kind={kind}/date={date}/{first:020}-{last:020}.ndjson.zst");
            let cipher = self.cipher.filter(|cipher| cipher.covers(kind));
            if cipher.is_some() {
                key.push_str(SUFFIX);
            }
            written.push(key.clone());
            manifest.objects.push(object(spool, key, kind, &lines, cipher)?);
        }
        self.blobs(&mut manifest)?;
        let (key, bytes) = (manifest.key(), manifest.bytes(chain.key)?);
        written.push(key.clone());
        disk::write(&spool.path(&key), &bytes)?;
        let size = bytes.len() as u64 + manifest.objects.iter().map(|object| object.len).sum::<u64>();
        let sha256 = disk::hex(&disk::sha256(&bytes));
        Ok(Sealed { first, last: limit.last, key, sha256, bytes: size })
    }

    /// Moves what is released into the spool and lists it, and what was deleted or is lost in place of it.
    fn blobs(&self, manifest: &mut Manifest) -> Result<()> {
        for Entry { blob, .. } in &self.ripe.released {
            let cipher = self.cipher.filter(|cipher| cipher.covers(&blob.kind));
            match self.outbox.release(blob, self.spool, cipher)? {
                Some(blob) => manifest.blobs.push(blob),
                None => manifest.add_lost_blob(blob.seq, Some(&blob.key)),
            }
        }
        self.outbox.settle(&manifest.blobs, self.spool)?;
        manifest.tombstones.clone_from(&self.ripe.deleted);
        self.ripe.lost.iter().for_each(|seq| manifest.add_lost_blob(*seq, None));
        Ok(())
    }
}

fn object(
    spool: &Spool,
    key: String,
    kind: &str,
    lines: &Lines<'_>,
    cipher: Option<&Cipher>,
) -> Result<ObjectEntry> {
    let path = spool.path(&key);
    let mut bytes = compress(lines).doing("compress", &path)?;
    if let Some(cipher) = cipher {
        bytes = cipher.encrypt(&bytes).doing("encrypt", &path)?;
    }
    disk::write(&path, &bytes)?;
    let Sums { sha256, crc32 } = Sums::of(&bytes);
    Ok(ObjectEntry {
        key,
        kind: kind.to_owned(),
        len: bytes.len() as u64,
        sha256,
        crc32,
        records: lines.len() as u64,
        seq: lines.iter().map(|(seq, _)| *seq).collect(),
    })
}

fn compress(lines: &Lines<'_>) -> std::io::Result<Vec<u8>> {
    let len: usize = lines.iter().map(|(_, line)| line.len() + 1).sum();
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), LEVEL)?;
    encoder.include_checksum(true)?;
    encoder.set_pledged_src_size(Some(len as u64))?;
    for (_, line) in lines {
        encoder.write_all(line.as_bytes())?;
        encoder.write_all(b"\n")?;
    }
    encoder.finish()
}

/// A gap as the manifest tells it: all its record's own fields and its number, or only that if the record is long.
fn gap(seq: u64, line: &str) -> Option<Map<String, Value>> {
    if line.len() > GAP_MAX {
        let Value::Object(fields) = json!({"seq": seq, "reason": "see its record"}) else { return None };
        return Some(fields);
    }
    let Value::Object(mut fields) = serde_json::from_str(line).ok()? else { return None };
    for name in ["time", "local_date", "mono_ns", "boot", "offset_s", "zone", "plugin_version"] {
        fields.remove(name);
    }
    if fields["instance"] == INSTANCE {
        fields.remove("instance");
    }
    Some(fields)
}
