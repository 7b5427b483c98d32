//! A sealed object, open for reading, and checked while it is read.

#[cfg(unix)]
use std::mem::MaybeUninit;
use std::{
    fs::File,
    io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use crc32fast::Hasher;
use plugin_api::call::ReadAt;

use super::pace::Pace;
use crate::{
    disk::{self, Doing},
    error::{Error, Result},
    seal::{Sums, key},
};

/// How much is read at once of what a sink passes over.
const PIECE: usize = 64 << 10;

/// A sealed object, blob or manifest, open for reading.
#[derive(Debug)]
pub struct Object {
    /// The name in the store.
    pub key: String,
    /// Length in bytes.
    pub len: u64,
    /// SHA-256 of the bytes.
    pub sha256: [u8; 32],
    /// For example `application/zstd`.
    pub media_type: String,
    /// How fast it may be read.
    pub pace: Option<Arc<Pace>>,
    file: File,
    check: Option<Mutex<Check>>,
}

/// The sum of what was read so far, which may be read in any order but counts front to back.
#[derive(Debug)]
struct Check {
    sealed: u32,
    sum: Hasher,
    next: u64,
    is_spoiled: bool,
}

impl Object {
    /// Opens one whose bytes are to be what was sealed: reading fails before it ends if they aren't.
    pub fn open(path: &Path, key: &str, len: u64, sums: &Sums) -> Result<Self> {
        let damaged = |text: &str| Error::Damaged { path: path.to_owned(), text: text.to_owned() };
        let file = File::open(path).doing("open", path)?;
        if file.metadata().doing("look at", path)?.len() != len {
            return Err(damaged("is not as long as it was when it was sealed"));
        }
        let sha256 = disk::unhex(&sums.sha256).ok_or_else(|| damaged("its manifest has no SHA-256 of it"))?;
        let check = Check { sealed: sums.crc32, sum: Hasher::new(), next: 0, is_spoiled: false };
        Ok(Self { check: Some(Mutex::new(check)), ..Self::unchecked(file, key, len, sha256) })
    }

    /// Wraps one that no manifest lists.
    pub fn unchecked(file: File, key: &str, len: u64, sha256: [u8; 32]) -> Self {
        let media_type = key::media_type(key).to_owned();
        Self { key: key.to_owned(), len, sha256, media_type, pace: None, file, check: None }
    }

    /// Whether it was seen that the bytes are not what was sealed.
    pub fn is_spoiled(&self) -> bool {
        let check = self.check.as_ref().map(|check| check.lock().unwrap_or_else(PoisonError::into_inner));
        check.is_some_and(|check| check.is_spoiled)
    }

    /// How much is read at once: what a sink waits for stays short.
    fn most(&self, len: usize) -> usize {
        self.pace.as_ref().map_or(len, |pace| pace.piece().min(len))
    }

    /// Takes note of what was read.
    fn seen(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.pace.iter().for_each(|pace| pace.take(bytes.len()));
        let Some(check) = &self.check else { return Ok(()) };
        let mut check = check.lock().unwrap_or_else(PoisonError::into_inner);
        while check.next < offset.min(self.len) {
            let mut piece = [0; PIECE];
            let most = usize::try_from(offset - check.next).unwrap_or(PIECE).min(PIECE);
            match disk::read_at(&self.file, check.next, &mut piece[..most])? {
                0 => break,
                read => {
                    let next = check.next;
                    check.add(self.len, next, &piece[..read]);
                }
            }
        }
        check.add(self.len, offset, bytes);
        if check.is_spoiled {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "its bytes are not those that were sealed",
            ));
        }
        Ok(())
    }
}

impl Check {
    fn add(&mut self, len: u64, offset: u64, bytes: &[u8]) {
        let known = usize::try_from(self.next.saturating_sub(offset)).unwrap_or(usize::MAX);
        let Some(fresh) = bytes.get(known..).filter(|fresh| !fresh.is_empty()) else { return };
        self.sum.update(fresh);
        self.next += fresh.len() as u64;
        if self.next >= len {
            self.is_spoiled = self.next > len || self.sum.clone().finalize() != self.sealed;
        }
    }
}

impl ReadAt for Object {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let most = self.most(buffer.len());
        let read = disk::read_at(&self.file, offset, &mut buffer[..most])?;
        self.seen(offset, &buffer[..read]).map(|()| read)
    }

    #[cfg(unix)]
    fn read_into(&self, offset: u64, buffer: &mut [MaybeUninit<u8>]) -> io::Result<usize> {
        let most = self.most(buffer.len());
        let read = disk::read_into(&self.file, offset, &mut buffer[..most])?;
        self.seen(offset, read).map(|()| read.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(path: &Path, bytes: &[u8], sealed: &[u8]) -> Result<Object> {
        std::fs::write(path, bytes).unwrap();
        Object::open(path, "v=1/x.ndjson.zst", sealed.len() as u64, &Sums::of(sealed))
    }

    /// Reads these places, and says how many bytes each brought.
    fn read(object: &Object, places: &[(u64, usize)]) -> Vec<Option<usize>> {
        let mut buffer = vec![0; 1 << 20];
        places.iter().map(|(offset, len)| object.read_at(*offset, &mut buffer[..*len]).ok()).collect()
    }

    #[test]
    fn what_is_not_as_it_was_sealed_can_not_be_read_to_its_end_in_any_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("object");
        let sealed: Vec<u8> = (0..200_000_u32).map(|n| (n % 251) as u8).collect();
        let mut flipped = sealed.clone();
        flipped[70_000] ^= 4;
        let orders: [&[(u64, usize)]; 4] = [
            &[(0, 200_000)],
            &[(0, 80_000), (80_000, 120_000)],
            &[(0, 80_000), (60_000, 80_000), (140_000, 100_000)],
            &[(150_000, 50_000), (0, 150_000)],
        ];
        for order in orders {
            let good = object(&path, &sealed, &sealed).unwrap();
            assert!(read(&good, order).iter().all(Option::is_some) && !good.is_spoiled(), "{order:?}");
            let bad = object(&path, &flipped, &sealed).unwrap();
            assert!(read(&bad, order).contains(&None) && bad.is_spoiled(), "{order:?}");
            assert_eq!(read(&bad, &[(0, 10)]), [None], "nor is it read again");
        }
        for bytes in [&sealed[1..], &[&sealed[..], b"x"].concat()] {
            assert!(matches!(object(&path, bytes, &sealed), Err(Error::Damaged { .. })));
        }
        let empty = object(&path, b"", b"").unwrap();
        assert_eq!(read(&empty, &[(0, 10)]), [Some(0)]);
    }
}
