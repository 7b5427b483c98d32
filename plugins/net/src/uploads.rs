//! Notes of uploads in parts that are under way, so that a restart goes on where it was cut off.
//!
//! A note that is lost costs sending the parts again: what was begun under the same key is then cleaned up.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tracing::debug;

/// A begun upload that nobody went on with for so long is given up.
const OLD: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// An upload that is under way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Upload {
    /// The key in the bucket.
    pub key: String,
    /// The store's name for the upload.
    pub id: String,
    /// How large its parts are.
    pub part_size: u64,
    /// The SHA-256 of the whole, in hexadecimal.
    pub sha256: String,
    /// The parts that are there.
    pub parts: Vec<Sent>,
}

/// A part that is in the store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sent {
    /// Its number.
    pub number: i32,
    /// What the store calls it.
    pub tag: String,
    /// Its checksum.
    pub crc: u64,
    /// Its length.
    pub len: u64,
}

/// The folder of notes of one store.
pub struct Uploads {
    folder: PathBuf,
}

impl Uploads {
    /// The notes of a store below the agent's state folder; `store` names it and what is stored there.
    pub fn new(state: &Path, store: &str) -> Self {
        Self { folder: state.join("uploads").join(&hex(&Sha256::digest(store))[..16]) }
    }

    fn path(&self, key: &str) -> PathBuf {
        self.folder.join(format!("{}.json", &hex(&Sha256::digest(key))[..32]))
    }

    /// What is under way for a key.
    pub fn read(&self, key: &str) -> Option<Upload> {
        read(&self.path(key)).filter(|upload| upload.key == key)
    }

    /// Notes an upload that has begun.
    pub fn write(&self, upload: &Upload) {
        let Upload { key, id, part_size, sha256, parts } = upload;
        let parts: Vec<_> =
            parts.iter().map(|part| json!([part.number, part.tag, part.crc, part.len])).collect();
        let note = json!({"key": key, "id": id, "part_size": part_size, "sha256": sha256, "parts": parts})
            .to_string();
        let path = self.path(key);
        let part = path.with_extension("part");
        let written = fs::create_dir_all(&self.folder)
            .and_then(|()| fs::write(&part, note))
            .and_then(|()| fs::rename(&part, &path));
        if let Err(error) = written {
            debug!(target: "candor_net", %error, "an upload is not noted; after a restart it starts over");
        }
    }

    /// Forgets an upload that is done or given up.
    pub fn forget(&self, key: &str) {
        // If it can't be removed, the store says at the next try that there is no such upload.
        let _ = fs::remove_file(self.path(key));
    }

    /// Uploads that nobody went on with for a week.
    pub fn old(&self) -> Vec<Upload> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let is_old = |entry: &fs::DirEntry| {
            let age = entry.metadata().and_then(|metadata| metadata.modified()).map(|time| time.elapsed());
            age.is_ok_and(|age| age.is_ok_and(|age| age > OLD))
        };
        entries.filter(is_old).filter_map(|entry| read(&entry.path())).collect()
    }
}

/// In hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read(path: &Path) -> Option<Upload> {
    let note: Value = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    let text = |name: &str| note[name].as_str().map(str::to_owned);
    let parts = note["parts"].as_array()?.iter().filter_map(|part| {
        let number = i32::try_from(part[0].as_i64()?).ok()?;
        Some(Sent {
            number,
            tag: part[1].as_str()?.to_owned(),
            crc: part[2].as_u64()?,
            len: part[3].as_u64()?,
        })
    });
    Some(Upload {
        key: text("key")?,
        id: text("id")?,
        part_size: note["part_size"].as_u64()?,
        sha256: text("sha256")?,
        parts: parts.collect(),
    })
}
