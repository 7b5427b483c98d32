//! Blobs that wait, so that the person can look at them and delete them before they leave this machine.
//!
//! ```text
//! state/outbox/<device>/<20 digits>.<ext>  the bytes as they are; written first
//! state/outbox/<device>/<20 digits>.json   what they are; from here on they wait
//! state/outbox/<device>/<20 digits>.gone   a tombstone; from here on the two above mean nothing
//! ```
//!
//! A seal moves the bytes of what has waited long enough into the spool and lists it, or lists the tombstone; only when
//! the journal says that the seal is final the files here go. Whatever a crash leaves between is set right at the next
//! start: by the last manifest it has left, or it waits as before. Only the journal's thread changes anything here.

pub mod command;
mod entry;

pub use entry::{Entry, Look, Ripe, roughly};

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::de::DeserializeOwned;
use tracing::warn;

use crate::{
    clock::Clock,
    disk::{self, Doing},
    error::{Error, Result},
    seal::{BlobEntry, Cipher, Manifest, Sums, Tombstone, cipher::SUFFIX},
    spool::Spool,
};

/// What of the disk is left free for records: so much, of a small disk this part.
const MARGIN: u64 = 16_000_000;
/// See `MARGIN`.
const PART: u64 = 20;
/// How the name of a tombstone ends.
const GONE: &str = ".gone";

/// What one file here holds.
enum Held {
    Waits(Entry),
    Deleted(Tombstone),
    Damaged,
}

/// The folder of one device.
#[derive(Clone, Debug)]
pub struct Outbox {
    folder: PathBuf,
}

impl Outbox {
    /// The outbox of a device in a state folder.
    pub fn of(state: &Path, device: &str) -> Self {
        Self { folder: state.join("outbox").join(device) }
    }

    /// The bytes of what waits.
    pub fn file(&self, blob: &BlobEntry) -> PathBuf {
        let extension = blob.key.rsplit_once('.').map_or("bin", |(_, extension)| extension);
        self.path(blob.seq, extension)
    }

    fn path(&self, seq: u64, extension: &str) -> PathBuf {
        self.folder.join(format!("{seq:020}.{extension}"))
    }

    /// Takes a blob, if enough room stays for records: without room nothing could be sealed, and so nothing would leave.
    pub fn add(&self, entry: &Entry, bytes: &[u8]) -> Result<()> {
        let file = self.file(&entry.blob);
        disk::folder(&self.folder)?;
        if let Some((free, all)) = disk::room(&self.folder)
            && free < bytes.len() as u64 + MARGIN.min(all / PART)
        {
            let source = io::ErrorKind::StorageFull.into();
            return Err(Error::State { doing: "keep room for records", path: file, source });
        }
        disk::place(&file, bytes)?;
        let text = serde_json::json!(entry).to_string();
        let noted = disk::place(&self.path(entry.blob.seq, "json"), text.as_bytes())
            .and_then(|()| disk::sync_folder(&self.folder));
        if noted.is_err() {
            let _ = self.forget(&[entry.blob.seq].into());
        }
        noted
    }

    /// Takes over a tombstone.
    pub fn bury(&self, stone: &Tombstone) -> Result<()> {
        let text = serde_json::json!(stone).to_string();
        disk::write(&self.path(stone.seq, "gone"), text.as_bytes())
    }

    /// Every blob that waits, oldest first.
    pub fn waiting(&self) -> Result<Vec<Entry>> {
        let held = self.numbers()?.into_iter().filter_map(|seq| self.get(seq));
        Ok(held.collect())
    }

    /// The one that waits longest.
    pub fn first(&self) -> Option<Entry> {
        self.numbers().ok()?.into_iter().find_map(|seq| self.get(seq))
    }

    /// How many wait, and how long yet.
    pub fn look(&self, clock: &Clock, grace: Duration) -> Look {
        // None that came later has waited longer, so the others need not be read.
        let numbers = self.numbers().unwrap_or_default();
        let left = |entry: Entry| grace.saturating_sub(entry.waited(clock)).as_secs();
        Look {
            count: numbers.len(),
            first_leaves_in_s: numbers.iter().find_map(|seq| self.get(*seq)).map(left),
            last_leaves_in_s: numbers.iter().rev().find_map(|seq| self.get(*seq)).map(left),
        }
    }

    /// Every tombstone that no seal has told yet.
    pub fn stones(&self) -> Result<Vec<Tombstone>> {
        let held = self.numbers()?.into_iter().filter_map(|seq| self.stone(seq));
        Ok(held.collect())
    }

    /// Whether it waits, or was deleted and no seal has told yet.
    pub fn has(&self, seq: u64) -> bool {
        self.path(seq, "json").exists() || self.path(seq, "gone").exists()
    }

    /// One that waits.
    pub fn get(&self, seq: u64) -> Option<Entry> {
        match self.held(seq).ok()?? {
            Held::Waits(entry) => Some(entry),
            _ => None,
        }
    }

    /// Its tombstone, if it was deleted and no seal has told yet.
    pub fn stone(&self, seq: u64) -> Option<Tombstone> {
        match self.held(seq).ok()?? {
            Held::Deleted(stone) => Some(stone),
            _ => None,
        }
    }

    /// What up to a number has waited so long, and what was deleted. What can't be read now is left for another time.
    pub fn ripe(&self, clock: &Clock, grace: Duration, last: u64) -> Result<Ripe> {
        let (mut ripe, mut due) = (Ripe::default(), true);
        let names = self.names()?;
        let buried: BTreeSet<u64> =
            names.iter().filter(|(_, name)| name.ends_with(GONE)).map(|(seq, _)| *seq).collect();
        for seq in numbers(&names).into_iter().take_while(|seq| *seq <= last) {
            if !due && !buried.contains(&seq) {
                continue;
            }
            match self.held(seq) {
                Ok(Some(Held::Deleted(stone))) => ripe.deleted.push(stone),
                Ok(Some(Held::Waits(entry))) if entry.waited(clock) >= grace => ripe.released.push(entry),
                // None that came later has waited longer.
                Ok(Some(Held::Waits(_))) => due = false,
                Ok(Some(Held::Damaged)) => ripe.lost.push(seq),
                Ok(None) => {}
                Err(error) => warn!(%error, "what waits here is looked at again at the next seal"),
            }
        }
        Ok(ripe)
    }

    /// Moves the bytes of an entry to where sinks find them, encrypted if so asked; how a manifest lists them then, or
    /// `None` if they are not there, or not what they were. The move is durable after [`settle`](Self::settle).
    pub fn release(
        &self,
        blob: &BlobEntry,
        spool: &Spool,
        cipher: Option<&Cipher>,
    ) -> Result<Option<BlobEntry>> {
        let from = self.file(blob);
        if !from.exists() {
            self.take_back(blob, spool)?;
        }
        let bytes = match fs::read(&from) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            bytes => bytes.doing("read", &from)?,
        };
        if disk::hex(&disk::sha256(&bytes)) != blob.sha256 {
            return Ok(None);
        }
        let Some(cipher) = cipher else {
            let to = spool.path(&blob.key);
            disk::folder(to.parent().unwrap_or(spool.root()))?;
            fs::rename(&from, &to).doing("rename into the spool", &to)?;
            return Ok(Some(blob.clone()));
        };
        // What is here in clear goes when the seal is final.
        let key = format!("{}{SUFFIX}", blob.key);
        let bytes = cipher.encrypt(&bytes).doing("encrypt", &from)?;
        disk::write(&spool.path(&key), &bytes)?;
        let Sums { sha256, crc32 } = Sums::of(&bytes);
        Ok(Some(BlobEntry { key, len: bytes.len() as u64, sha256, crc32, ..blob.clone() }))
    }

    /// Makes the moves of blobs durable.
    pub fn settle<'a>(&self, moved: impl IntoIterator<Item = &'a BlobEntry>, spool: &Spool) -> Result<()> {
        let to = moved.into_iter().filter_map(|blob| spool.path(&blob.key).parent().map(Path::to_owned));
        let folders: BTreeSet<PathBuf> = to.collect();
        if folders.is_empty() {
            return Ok(());
        }
        folders.iter().try_for_each(|folder| disk::sync_folder(folder))?;
        disk::sync_folder(&self.folder)
    }

    /// Takes the bytes back that a seal which came to nothing had moved.
    pub fn take_back(&self, blob: &BlobEntry, spool: &Spool) -> Result<()> {
        disk::remove(&spool.path(&format!("{}{SUFFIX}", blob.key)))?;
        let moved = spool.path(&blob.key);
        if moved.exists() { disk::rename(&moved, &self.file(blob)) } else { Ok(()) }
    }

    /// Deletes what waits, but for its tombstone.
    pub fn delete(&self, stone: &Tombstone, spool: &Spool) -> Result<()> {
        self.bury(stone)?;
        self.clear(&[stone.seq].into())?;
        disk::remove(&spool.path(&stone.key))
    }

    /// Removes everything about what a final seal has told, or what never was.
    pub fn forget(&self, told: &BTreeSet<u64>) -> Result<()> {
        self.clear(told)?;
        // A tombstone goes last: until then what it stands for must not come back.
        self.remove(|seq, name| name.ends_with(GONE) && told.contains(&seq))
    }

    /// Removes all of the device.
    pub fn forget_all(&self) -> Result<()> {
        self.forget(&numbers(&self.names()?).into_iter().collect())?;
        let _ = fs::remove_dir(&self.folder);
        Ok(())
    }

    /// Sets right what a crash left: `last` reads the last final manifest, `known` tells the numbers of records there are.
    pub fn recover(
        &self,
        spool: &Spool,
        last: impl FnOnce() -> Option<Manifest>,
        known: impl Fn(u64) -> bool,
    ) -> Result<()> {
        let numbers = self.numbers()?;
        if numbers.is_empty() {
            return Ok(());
        }
        let listed: BTreeSet<u64> = last().iter().flat_map(listed).collect();
        let (over, here): (BTreeSet<u64>, BTreeSet<u64>) =
            numbers.into_iter().partition(|seq| listed.contains(seq) || !known(*seq));
        self.forget(&over)?;
        for seq in here {
            match self.held(seq) {
                Ok(Some(Held::Waits(entry))) => self.take_back(&entry.blob, spool)?,
                Ok(Some(Held::Deleted(stone))) => self.delete(&stone, spool)?,
                // Bytes of which nothing is known: the crash came before they began to wait.
                Ok(None) => self.forget(&[seq].into())?,
                // The next seal tells that it is lost.
                Ok(Some(Held::Damaged)) => {}
                Err(error) => warn!(%error, "what waits here is looked at again at the next seal"),
            }
        }
        Ok(())
    }

    /// Every file with its number, in order.
    fn names(&self) -> Result<Vec<(u64, String)>> {
        let names = disk::names(&self.folder)?.into_iter();
        Ok(names.filter_map(|name| Some((name.split('.').next()?.parse().ok()?, name))).collect())
    }

    fn numbers(&self) -> Result<Vec<u64>> {
        self.names().map(|names| numbers(&names))
    }

    fn held(&self, seq: u64) -> Result<Option<Held>> {
        if let Some(stone) = read::<Tombstone>(&self.path(seq, "gone"))? {
            return Ok(Some(stone.map_or(Held::Damaged, Held::Deleted)));
        }
        let entry = read::<Entry>(&self.path(seq, "json"))?;
        Ok(entry.map(|entry| entry.map_or(Held::Damaged, Held::Waits)))
    }

    /// Removes all files of these numbers but their tombstones, for good.
    fn clear(&self, gone: &BTreeSet<u64>) -> Result<()> {
        self.remove(|seq, name| !name.ends_with(GONE) && gone.contains(&seq))
    }

    fn remove(&self, which: impl Fn(u64, &str) -> bool) -> Result<()> {
        let names = self.names()?;
        let mut gone = names.iter().filter(|(seq, name)| which(*seq, name)).peekable();
        if gone.peek().is_none() {
            return Ok(());
        }
        gone.try_for_each(|(_, name)| disk::remove(&self.folder.join(name)))?;
        disk::sync_folder(&self.folder)
    }
}

/// Each number once.
fn numbers(names: &[(u64, String)]) -> Vec<u64> {
    let mut numbers: Vec<u64> = names.iter().map(|(seq, _)| *seq).collect();
    numbers.dedup();
    numbers
}

/// The numbers of the blobs a manifest tells about.
fn listed(manifest: &Manifest) -> Vec<u64> {
    let blobs = manifest.blobs.iter().map(|blob| blob.seq);
    let stones = manifest.tombstones.iter().map(|stone| stone.seq);
    let lost =
        manifest.gaps.iter().filter(|gap| gap.get("reason").is_some_and(|reason| reason == "blob_lost"));
    blobs.chain(stones).chain(lost.filter_map(|gap| gap.get("seq")?.as_u64())).collect()
}

/// Reads a file, if it is there; what it holds, if that makes sense.
fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<Option<T>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes).ok())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::State { doing: "read", path: path.to_owned(), source }),
    }
}
