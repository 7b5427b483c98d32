//! The mark: how far the journal is durable, for readers in other processes and for the next start.
//!
//! 64 bytes, overwritten in place after each commit and never synced: a killed process leaves it exact, a power cut may
//! leave an older one. So within the same boot no number above it was ever acknowledged; after another boot it is
//! only a lower bound. It also tells when a journal file was cut short, which the file itself can't.

use std::{
    fs::{self, File},
    io::{Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use crate::disk;

const MAGIC: [u8; 8] = *b"CANDORM1";
const LEN: usize = 64;

/// What the mark says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    device: [u8; 16],
    boot: [u8; 16],
    /// The last durable number.
    pub durable: u64,
    /// When it became durable.
    pub unix_ns: i64,
}

impl Mark {
    /// Reads the mark of a journal's folder, if it is there, whole, and of this device.
    pub fn read(folder: &Path, device: &str) -> Option<Self> {
        let mark = Self::decode(&fs::read(folder.join("mark")).ok()?)?;
        (mark.device == short(device)).then_some(mark)
    }

    /// Whether it was written in this boot, and so is exact.
    pub fn is_of(&self, boot: &str) -> bool {
        self.boot == short(boot)
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let part = |at: usize| bytes.get(at..at + 8)?.try_into().ok();
        let id = |at: usize| bytes.get(at..at + 16)?.try_into().ok();
        let good = bytes.len() == LEN
            && bytes.starts_with(&MAGIC)
            && u64::from_le_bytes(part(56)?) == u64::from(crc32fast::hash(&bytes[..56]));
        let (durable, unix_ns) = (u64::from_le_bytes(part(40)?), i64::from_le_bytes(part(48)?));
        good.then_some(Self { device: id(8)?, boot: id(24)?, durable, unix_ns })
    }

    fn encode(&self) -> [u8; LEN] {
        let mut bytes = [0; LEN];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..24].copy_from_slice(&self.device);
        bytes[24..40].copy_from_slice(&self.boot);
        bytes[40..48].copy_from_slice(&self.durable.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.unix_ns.to_le_bytes());
        let crc = u64::from(crc32fast::hash(&bytes[..56]));
        bytes[56..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }
}

fn short(text: &str) -> [u8; 16] {
    let mut id = [0; 16];
    id.copy_from_slice(&disk::sha256(text.as_bytes())[..16]);
    id
}

/// Writes the mark.
pub struct Marker {
    file: Option<File>,
    path: PathBuf,
    mark: Mark,
}

impl Marker {
    /// Opens the mark of a journal's folder. What it holds stays until the first [`set`](Self::set).
    pub fn new(folder: &Path, device: &str, boot: &str) -> Self {
        let path = folder.join("mark");
        let fits = fs::metadata(&path).is_ok_and(|file| file.len() == LEN as u64);
        let file =
            if fits { fs::OpenOptions::new().write(true).open(&path).ok() } else { disk::create(&path).ok() };
        Self { file, path, mark: Mark { device: short(device), boot: short(boot), durable: 0, unix_ns: 0 } }
    }

    /// Says what is durable. A mark that can't be written goes away: it would pass for exact.
    pub fn set(&mut self, durable: u64, unix_ns: i64) {
        self.mark.durable = durable;
        self.mark.unix_ns = unix_ns;
        let Some(file) = &mut self.file else { return };
        if file.seek(SeekFrom::Start(0)).and_then(|_| file.write_all(&self.mark.encode())).is_err() {
            self.file = None;
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mark_counts_only_for_its_device_and_when_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(Mark::read(folder.path(), "a"), None);
        Marker::new(folder.path(), "a", "boot").set(7, 9);
        let mark = Mark::read(folder.path(), "a").expect("a mark");
        assert_eq!((mark.durable, mark.unix_ns, mark.is_of("boot"), mark.is_of("next")), (7, 9, true, false));
        assert_eq!(Mark::read(folder.path(), "b"), None);
        let path = folder.path().join("mark");
        let good = fs::read(&path).expect("bytes");
        for byte in 0..good.len() {
            let mut bytes = good.clone();
            bytes[byte] ^= 1;
            fs::write(&path, bytes).expect("written");
            assert_eq!(Mark::read(folder.path(), "a"), None, "byte {byte}");
        }
    }
}
