//! Turns journaled records into compressed, immutable objects and a manifest.
//!
//! One object per kind and UTC date, lines in the order of their numbers, zstd at a fixed level: the same records give
//! the same bytes with the same version. Nothing here is final until the journal says so in a `sealed` frame.

use std::{collections::BTreeMap, io::Write, path::Path, time::Instant};

use serde_json::{Map, Value, json};

use crate::{
    disk::{self, Doing},
    error::{Error, Result},
    identity::Key,
    journal::{
        Blob, INSTANCE,
        files::{Head, Sealed},
        line,
        scan::Scan,
    },
    spool::Spool,
};

mod manifest;

pub use manifest::{BlobEntry, Manifest, ObjectEntry, Tombstone, key, media_type, signed};

const LEVEL: i32 = 5;
/// How long a gap record may be to be told whole in a manifest.
const GAP_MAX: usize = 4096;

/// Whose seal it is.
#[derive(Clone, Copy, Debug)]
pub struct Chain<'a> {
    /// Where the chain stands.
    pub head: &'a Head,
    /// What it is signed with.
    pub key: &'a Key,
}

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

/// Writes the objects and the manifest for the numbers after the head; if that fails, leaves none of them.
pub fn make(spool: &Spool, scan: &Scan, chain: Chain<'_>, limit: Limit) -> Result<Sealed> {
    let mut written = Vec::new();
    let made = write(spool, scan, chain, limit, &mut written);
    if made.is_err() {
        for key in written {
            let _ = spool.remove(&key);
        }
    }
    made
}

fn write(
    spool: &Spool,
    scan: &Scan,
    chain: Chain<'_>,
    limit: Limit,
    written: &mut Vec<String>,
) -> Result<Sealed> {
    let head = chain.head;
    let first = head.sealed + 1;
    let mut groups = BTreeMap::<(&str, &str), Lines<'_>>::new();
    let mut manifest = Manifest::new(chain, first, limit.last);
    for seq in scan.records.range(first..=limit.last).map(|(seq, _)| *seq) {
        let Some((kind, date, line)) = scan.payload(seq).and_then(line::split) else { continue };
        groups.entry((kind, date)).or_default().push((seq, line));
        if kind == "gap" {
            manifest.gaps.extend(gap(seq, line));
        }
        if let Some(blob) = attached(kind, seq, line) {
            manifest.add_blob(blob, spool);
        }
    }
    for ((kind, date), lines) in groups {
        if limit.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(Error::Journal { text: "no time left to seal" });
        }
        let (first, last) = (lines[0].0, lines[lines.len() - 1].0);
        let device = &head.device;
        let key = format!("v=1/device={device}/kind={kind}/date={date}/{first:020}-{last:020}.ndjson.zst");
        written.push(key.clone());
        manifest.objects.push(object(spool, key, kind, &lines)?);
    }
    let (key, bytes) = (manifest.key(), manifest.bytes(chain.key)?);
    written.push(key.clone());
    disk::write(&spool.path(&key), &bytes)?;
    Ok(Sealed { first, last: limit.last, key, sha256: disk::hex(&disk::sha256(&bytes)) })
}

fn object(spool: &Spool, key: String, kind: &str, lines: &Lines<'_>) -> Result<ObjectEntry> {
    let path = spool.path(&key);
    let bytes = compress(lines).doing("compress", &path)?;
    disk::write(&path, &bytes)?;
    Ok(ObjectEntry {
        key,
        kind: kind.to_owned(),
        len: bytes.len() as u64,
        sha256: disk::hex(&disk::sha256(&bytes)),
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

/// The blob a record names.
pub fn attached(kind: &str, seq: u64, line: &str) -> Option<BlobEntry> {
    if !line.contains(line::BLOB) {
        return None;
    }
    let fields: Value = serde_json::from_str(line).ok()?;
    let text = |name: &str| fields[name].as_str().map(str::to_owned);
    Some(BlobEntry {
        key: text("blob")?,
        kind: kind.to_owned(),
        seq,
        len: fields["blob_len"].as_u64()?,
        sha256: text("blob_sha256")?,
        media_type: text("blob_type")?,
    })
}

/// Writes a blob to a file of its own, before the record that names it.
pub fn blob(root: &Path, device: &str, seq: u64, date: &str, kind: &str, blob: &Blob) -> Result<BlobEntry> {
    let key = format!("v=1/device={device}/_blob/date={date}/{seq:020}.{}", extension(&blob.media_type));
    disk::write(&root.join(&key), &blob.bytes)?;
    Ok(BlobEntry {
        key,
        kind: kind.to_owned(),
        seq,
        len: blob.bytes.len() as u64,
        sha256: disk::hex(&disk::sha256(&blob.bytes)),
        media_type: blob.media_type.clone(),
    })
}

fn extension(media_type: &str) -> &'static str {
    match media_type {
        "image/png" => "png",
        "image/jpeg" => "jpg",
        "image/webp" => "webp",
        "image/avif" => "avif",
        "application/json" => "json",
        _ => "bin",
    }
}
