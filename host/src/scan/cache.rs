//! What earlier scans found: `scan.json` in the state folder.

use std::{
    collections::BTreeMap,
    fs::{self, File, Metadata},
    io::{self, Write},
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use plugin_api::door;
use serde::{Deserialize, Serialize};
use tracing::warn;

use super::{Info, Outcome};
use crate::trust::sha256;

/// What is known of each library; a library that is gone is forgotten.
pub struct Cache {
    file: Option<PathBuf>,
    old: Stored,
    new: Stored,
}

#[derive(Default, PartialEq, Serialize, Deserialize)]
struct Stored {
    /// Which program judged: another one judges anew.
    judge: String,
    libraries: BTreeMap<PathBuf, Entry>,
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct Entry {
    #[serde(flatten)]
    stamp: Stamp,
    sha256: String,
    #[serde(flatten)]
    verdict: Verdict,
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Ok(Info),
    Blocked(String),
}

/// What changes when a file does. The time of the inode's change is there because `cp -p` sets the other one.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct Stamp {
    size: u64,
    modified_ns: u64,
    changed_ns: i64,
}

impl Cache {
    /// Reads what is there; anything that can't be read is as good as nothing.
    pub fn read(state: Option<&Path>, program: &Path) -> Self {
        let file = state.map(|folder| folder.join("scan.json"));
        let judge = judge(program);
        let old: Stored = file
            .as_ref()
            .and_then(|file| fs::read(file).ok())
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        let old = if old.judge == judge { old } else { Stored::default() };
        Self { file, old, new: Stored { judge, libraries: BTreeMap::new() } }
    }

    /// What is known of a library that hasn't changed.
    pub fn get(&mut self, path: &Path) -> Option<Outcome> {
        let mut entry = self.old.libraries.get(path)?.clone();
        let stamp = Stamp::of(&fs::metadata(path).ok()?);
        if stamp != entry.stamp {
            if stamp.size != entry.stamp.size || sha256(path).ok()? != entry.sha256 {
                return None;
            }
            entry.stamp = stamp;
        }
        let outcome = match &entry.verdict {
            Verdict::Ok(info) => Outcome::Ok(info.clone()),
            Verdict::Blocked(text) => Outcome::Blocked(text.clone()),
        };
        self.new.libraries.insert(path.to_owned(), entry);
        Some(outcome)
    }

    /// Remembers what was found. What may be mended from outside, such as a missing dependency, is not remembered.
    pub fn put(&mut self, path: &Path, outcome: &Outcome) {
        let verdict = match outcome {
            Outcome::Ok(info) => Verdict::Ok(info.clone()),
            Outcome::Blocked(text) => Verdict::Blocked(text.clone()),
            Outcome::Refused(_) | Outcome::Untrusted(_) => return,
        };
        let Ok(stamp) = fs::metadata(path).map(|meta| Stamp::of(&meta)) else { return };
        let Ok(sha256) = sha256(path) else { return };
        self.new.libraries.insert(path.to_owned(), Entry { stamp, sha256, verdict });
    }

    /// Writes it back if anything changed.
    pub fn write(self) {
        let Some(file) = self.file.filter(|_| self.new != self.old) else { return };
        if let Err(error) = replace(&file, &self.new) {
            warn!(file = %file.display(), %error, "can't be written; libraries are looked at again at the next start");
        }
    }
}

fn replace(file: &Path, stored: &Stored) -> io::Result<()> {
    let temp = file.with_extension(format!("json.{}", std::process::id()));
    let written = (|| {
        let mut out = File::create(&temp)?;
        out.write_all(&serde_json::to_vec(stored)?)?;
        out.sync_all()?;
        fs::rename(&temp, file)
    })();
    if written.is_err() {
        // It may not be there at all.
        let _ = fs::remove_file(&temp);
    }
    written
}

fn judge(program: &Path) -> String {
    let stamp = fs::metadata(program).map(|meta| Stamp::of(&meta));
    let (size, modified) = stamp.map_or((0, 0), |stamp| (stamp.size, stamp.modified_ns));
    format!("candor {}, interface {}, {size} bytes of {modified}", env!("CARGO_PKG_VERSION"), door::VERSION)
}

impl Stamp {
    fn of(meta: &Metadata) -> Self {
        let modified = meta.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let modified_ns = modified.map_or(0, |time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
        Self { size: meta.len(), modified_ns, changed_ns: changed(meta) }
    }
}

#[cfg(unix)]
fn changed(meta: &Metadata) -> i64 {
    use std::os::unix::fs::MetadataExt;
    meta.ctime().saturating_mul(1_000_000_000).saturating_add(meta.ctime_nsec())
}

#[cfg(not(unix))]
fn changed(_: &Metadata) -> i64 {
    0
}
