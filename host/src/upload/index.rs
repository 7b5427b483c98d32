//! Which seals wait for one sink, in order: `state/queue/<sink>.index`, a file that is only appended to, and emptied once all
//! is delivered.
//!
//! An index, never truth: what is in it is read off the manifests in the spool and can be again. Each entry has a
//! checksum and is as long as every other, so a whole one can be told, and nothing of it has to be in memory. An entry
//! that is broken ends the file; what came after it is read off the manifests anew.
//!
//! A file of our own because sled 0.34.7, tried with half a million entries of 35 bytes, took 530 to 930 MB of memory and
//! 130 to 260 MB of disk that did not come back, and 0.5 to 2.6 s to open after a kill; this takes 36 MB of disk while
//! they wait, none after, and a process that lists them has 17 MB of memory in all.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use tracing::warn;

use super::{
    delivered::file_name,
    entry::{Entry, LEN},
};
use crate::{
    disk::{self, Doing},
    error::Result,
};

const MAGIC: &[u8; 8] = b"CANDORQ1";
const HEADER: usize = 16;
/// How many entries are read at once.
const BLOCK: usize = 1024;
/// Delivered entries at the beginning that are worth writing the file anew.
const STALE: u64 = 20_000;

/// Where a sink's file is.
pub fn path(state: &Path, id: &str) -> PathBuf {
    state.join("queue").join(file_name(id)).with_extension("index")
}

/// The file.
pub struct Index {
    path: PathBuf,
    header: [u8; HEADER],
    file: Option<File>,
    /// How many entries are in the file.
    written: u64,
    /// Those after that, as long as the disk takes none.
    unwritten: VecDeque<Entry>,
    /// By device: the last number that is in it.
    last: BTreeMap<String, u64>,
    ended: BTreeSet<String>,
}

impl Index {
    /// Opens the file of a sink, shows every entry in it, and makes a new one where it is none or for other kinds.
    pub fn open(path: &Path, kinds: Option<&[String]>, mut each: impl FnMut(u64, &Entry)) -> Result<Self> {
        let header = header(kinds);
        let mut index = Self {
            path: path.to_owned(),
            header,
            file: None,
            written: 0,
            unwritten: VecDeque::new(),
            last: BTreeMap::new(),
            ended: BTreeSet::new(),
        };
        disk::folder(path.parent().unwrap_or(path))?;
        let good = read(path, &header, |entry| {
            each(index.written, &entry);
            index.note(&entry);
            index.written += 1;
        });
        match good {
            Ok(Some(true)) => {}
            Ok(other) => {
                if other.is_some() {
                    warn!(path = %path.display(), "queue is damaged; the rest is read off the manifests");
                }
                index.cut();
            }
            Err(error) => return Err(error).doing("read", path),
        }
        Ok(index)
    }

    /// How many entries there are.
    pub fn len(&self) -> u64 {
        self.written + self.unwritten.len() as u64
    }

    /// One of them.
    pub fn get(&self, at: u64) -> Option<Entry> {
        if let Some(at) = at.checked_sub(self.written) {
            return self.unwritten.get(usize::try_from(at).ok()?).cloned();
        }
        let mut bytes = [0; LEN];
        let file = File::open(&self.path).ok()?;
        let read = disk::read_at(&file, HEADER as u64 + at * LEN as u64, &mut bytes).ok()?;
        Entry::decode(&bytes[..read])
    }

    /// The last number of a device that is in it.
    pub fn last(&self, device: &str) -> u64 {
        self.last.get(device).copied().unwrap_or(0)
    }

    /// Whether a device's chain is in it to its end.
    pub fn has_ended(&self, device: &str) -> bool {
        self.ended.contains(device)
    }

    /// Adds an entry. What can't be written now is kept in memory, and written with the next.
    pub fn push(&mut self, entry: Entry) {
        self.note(&entry);
        self.unwritten.push_back(entry);
        if let Err(error) = self.write() {
            self.file = None;
            warn!(path = %self.path.display(), %error, "queue not written; it is in memory, and read anew after a restart");
        }
    }

    /// Begins anew, with nothing in it but what the marks of the sink say.
    pub fn clear(&mut self) {
        (self.written, self.file) = (0, None);
        self.unwritten.clear();
        self.cut();
    }

    /// Begins anew without the first entries, if they are many.
    pub fn forget(&mut self, first: u64) -> bool {
        if first < STALE {
            return false;
        }
        let part = disk::with_suffix(&self.path, disk::PART);
        let copied = File::open(&self.path).and_then(|mut from| {
            io::Seek::seek(&mut from, io::SeekFrom::Start(HEADER as u64 + first * LEN as u64))?;
            let mut to = File::create(&part)?;
            to.write_all(&self.header)?;
            io::copy(&mut from, &mut to)?;
            fs::rename(&part, &self.path)
        });
        if copied.is_err() {
            let _ = fs::remove_file(&part);
            return false;
        }
        self.file = None;
        self.written -= first;
        true
    }

    fn note(&mut self, entry: &Entry) {
        if entry.is_end {
            self.ended.insert(entry.seal.device.clone());
        } else {
            match self.last.get_mut(&entry.seal.device) {
                Some(last) => *last = entry.seal.last.max(*last),
                None => _ = self.last.insert(entry.seal.device.clone(), entry.seal.last),
            }
        }
    }

    /// Ends the file after what is known to be good; makes it if there is none.
    fn cut(&mut self) {
        let done =
            File::options().create(true).truncate(false).write(true).open(&self.path).and_then(|mut file| {
                file.set_len(HEADER as u64 + self.written * LEN as u64)?;
                file.write_all(&self.header)
            });
        if let Err(error) = done {
            warn!(path = %self.path.display(), %error, "queue not written");
            let _ = fs::remove_file(&self.path);
        }
    }

    fn write(&mut self) -> io::Result<()> {
        while let Some(entry) = self.unwritten.front() {
            // Not a device of ours: it can wait in memory.
            let Some(bytes) = entry.encode() else { return Ok(()) };
            if self.file.is_none() {
                let file = File::options().append(true).open(&self.path)?;
                // What a full disk took of an entry.
                file.set_len(HEADER as u64 + self.written * LEN as u64)?;
                self.file = Some(file);
            }
            if let Some(file) = &mut self.file {
                file.write_all(&bytes)?;
            }
            self.written += 1;
            self.unwritten.pop_front();
        }
        Ok(())
    }
}

/// Reads a file's entries; whether it is whole, or `None` if it is not one for these kinds.
pub fn read(path: &Path, header: &[u8; HEADER], mut each: impl FnMut(Entry)) -> io::Result<Option<bool>> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let mut block = vec![0; LEN * BLOCK];
    if fill(&mut file, &mut block[..HEADER])? < HEADER || block[..HEADER] != *header {
        return Ok(None);
    }
    loop {
        let n = fill(&mut file, &mut block)?;
        for bytes in block[..n].chunks(LEN) {
            let Some(entry) = Some(bytes).filter(|bytes| bytes.len() == LEN).and_then(Entry::decode) else {
                return Ok(Some(false));
            };
            each(entry);
        }
        if n < block.len() {
            return Ok(Some(true));
        }
    }
}

/// What the file of a sink begins with: entries count only the kinds it wants.
pub fn header(kinds: Option<&[String]>) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..8].copy_from_slice(MAGIC);
    if let Some(kinds) = kinds {
        header[8..].copy_from_slice(&disk::sha256(kinds.join("\n").as_bytes())[..8]);
    }
    header
}

fn fill(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut at = 0;
    while at < buffer.len() {
        match file.read(&mut buffer[at..])? {
            0 => break,
            n => at += n,
        }
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::Seal;

    fn entry(n: u64) -> Entry {
        let seal =
            Seal { device: "0123456789abcdef0123456789abcdef".into(), first: n * 10 + 1, last: n * 10 + 10 };
        Entry {
            seal,
            objects: 3,
            object_bytes: 700 + n,
            blobs: 1,
            blob_bytes: 90_000,
            time: 5,
            is_end: false,
        }
    }

    fn open(path: &Path) -> (Index, Vec<Entry>) {
        let mut all = Vec::new();
        let index = Index::open(path, None, |_, entry| all.push(entry.clone())).expect("opened");
        (index, all)
    }

    #[test]
    fn entries_are_there_again_after_a_restart() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("queue/local");
        let (mut index, _) = open(&path);
        let all: Vec<_> = (0..3000).map(entry).chain([Entry::end(&entry(0).seal.device)]).collect();
        all.iter().for_each(|entry| index.push(entry.clone()));
        let (index, read) = open(&path);
        assert_eq!((&read, index.len(), index.last(&all[0].seal.device)), (&all, 3001, 30_000));
        assert!(index.has_ended(&all[0].seal.device));
        assert_eq!(index.get(2999).as_ref(), Some(&all[2999]));
        let other = Index::open(&path, Some(&["activity".into()]), |_, _| panic!("counts other kinds"));
        assert_eq!(other.expect("made anew").len(), 0);
    }

    #[test]
    fn a_flipped_bit_or_a_cut_costs_only_what_comes_after_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("queue");
        for damage in 0..2 {
            let (mut index, _) = open(&path);
            index.clear();
            (0..100).for_each(|n| index.push(entry(n)));
            let mut bytes = fs::read(&path).expect("bytes");
            match damage {
                0 => bytes[HEADER + 40 * LEN + 30] ^= 1,
                _ => bytes.truncate(HEADER + 40 * LEN + 30),
            }
            fs::write(&path, bytes).expect("written");
            let (mut index, read) = open(&path);
            assert_eq!(read, (0..40).map(entry).collect::<Vec<_>>(), "{damage}");
            (40..60).for_each(|n| index.push(entry(n)));
            assert_eq!(open(&path).1, (0..60).map(entry).collect::<Vec<_>>(), "{damage}");
        }
    }

    #[test]
    fn many_delivered_entries_are_forgotten() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("queue");
        let (mut index, _) = open(&path);
        (0..STALE + 10).for_each(|n| index.push(entry(n)));
        assert!(!index.forget(7) && index.forget(STALE));
        assert_eq!((index.len(), index.get(9)), (10, Some(entry(STALE + 9))));
        index.push(entry(STALE + 10));
        assert_eq!(open(&path).1, (STALE..STALE + 11).map(entry).collect::<Vec<_>>());
    }
}
