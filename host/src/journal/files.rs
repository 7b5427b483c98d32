//! The files of the journal: one after the other, each beginning with what must be known to go on.

use std::{
    fs::{self, File},
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::frame::{self, Type};
use crate::{
    disk::{self, Doing},
    error::Result,
    seal::Head,
};

/// Bytes set aside for gaps on a full disk.
pub const RESERVE: u64 = 1 << 20;
/// Frames of this weight are written twice: one flipped bit must not cost the chain.
const COPIES: usize = 2;

/// What a file begins with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    /// Where the chain stands.
    #[serde(flatten)]
    pub head: Head,
    /// The first number of this file. What earlier files hold from here on is void.
    pub first: u64,
    /// When the file was made.
    pub time: String,
    /// Whether the file was made of the reserve, and so ends in zeros.
    pub reserve: bool,
}

/// What follows once everything up to a number is in sealed objects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// The first number of the seal.
    pub first: u64,
    /// The last.
    pub last: u64,
    /// The manifest's key.
    pub key: String,
    /// The manifest's SHA-256.
    pub sha256: String,
    /// How many bytes its files have; not part of the frame.
    #[serde(skip)]
    pub bytes: u64,
}

/// Appends the frames a file begins with.
pub fn open_frames(out: &mut Vec<u8>, open: &Open) {
    let text = json!(open).to_string();
    for _ in 0..COPIES {
        frame::encode(out, Type::Open, open.first, text.as_bytes());
    }
}

/// Appends the frames that say what is sealed.
pub fn sealed_frames(out: &mut Vec<u8>, sealed: &Sealed) {
    let text = json!(sealed).to_string();
    for _ in 0..COPIES {
        frame::encode(out, Type::Sealed, sealed.last, text.as_bytes());
    }
}

/// The file that is being written.
pub struct Active {
    file: File,
    /// Its number.
    pub generation: u64,
    /// Bytes known to be durable.
    pub len: u64,
    /// Where its preallocated room ends, while nothing can be written beyond.
    pub room: Option<u64>,
    /// Whether it was made of the reserve.
    pub reserve: bool,
}

impl Active {
    /// Hands bytes to the system.
    pub fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.file.write_all(bytes)
    }

    /// Makes what was written durable.
    pub fn sync(&self) -> std::io::Result<()> {
        self.file.sync_data()
    }

    /// Cuts off what was not made durable, where that can be.
    pub fn cut(&self) {
        if !self.reserve {
            let _ = self.file.set_len(self.len);
        }
    }
}

/// Where the files are.
#[derive(Clone, Debug)]
pub struct Folder {
    state: PathBuf,
}

impl Folder {
    /// The journal's folder in a state folder, made if needed.
    pub fn new(state: &Path) -> Result<Self> {
        let folder = Self { state: state.to_owned() };
        disk::folder(&folder.path())?;
        disk::remove(&folder.part())?;
        Ok(folder)
    }

    /// The same, for reading only.
    pub fn at(state: &Path) -> Self {
        Self { state: state.to_owned() }
    }

    /// The folder's path.
    pub fn path(&self) -> PathBuf {
        self.state.join("journal")
    }

    fn part(&self) -> PathBuf {
        self.path().join("next.part")
    }

    fn reserve(&self) -> PathBuf {
        self.state.join("reserve")
    }

    /// The path of a file.
    pub fn file(&self, generation: u64) -> PathBuf {
        self.path().join(format!("{generation:020}.log"))
    }

    /// The numbers of the files, in order.
    pub fn generations(&self) -> Result<Vec<u64>> {
        let names = disk::names(&self.path())?;
        Ok(names.iter().filter_map(|name| name.strip_suffix(".log")?.parse().ok()).collect())
    }

    /// Starts a file, whole or not at all, with these frames after its beginning.
    pub fn start(&self, generation: u64, open: &Open, frames: &[u8]) -> Result<Active> {
        let part = self.part();
        let started = self.start_in(&part, disk::create(&part), generation, open, frames);
        if started.is_err() {
            let _ = fs::remove_file(&part);
        }
        started
    }

    /// Starts a file in the reserve, which takes no more room from the disk.
    pub fn start_on_reserve(&self, generation: u64, open: &Open, frames: &[u8]) -> Result<Active> {
        let reserve = self.reserve();
        wipe(&reserve).doing("empty the reserve", &reserve)?;
        let file = fs::OpenOptions::new().read(true).write(true).open(&reserve);
        let mut active =
            self.start_in(&reserve, file.doing("open the reserve", &reserve), generation, open, frames)?;
        active.room = Some(RESERVE);
        active.reserve = true;
        Ok(active)
    }

    fn start_in(
        &self,
        path: &Path,
        file: Result<File>,
        generation: u64,
        open: &Open,
        frames: &[u8],
    ) -> Result<Active> {
        let mut file = file?;
        let mut bytes = Vec::with_capacity(1024 + frames.len());
        open_frames(&mut bytes, open);
        bytes.extend_from_slice(frames);
        file.write_all(&bytes).doing("write", path)?;
        file.sync_all().doing("sync", path)?;
        fs::rename(path, self.file(generation)).doing("rename into the journal", path)?;
        disk::sync_folder(&self.path())?;
        Ok(Active { file, generation, len: bytes.len() as u64, room: None, reserve: false })
    }

    /// Goes on in a file made of the reserve, behind what it holds.
    pub fn go_on(&self, generation: u64, len: u64) -> Result<Active> {
        let path = self.file(generation);
        let mut file =
            fs::OpenOptions::new().read(true).write(true).open(&path).doing("open again", &path)?;
        file.seek(SeekFrom::Start(len)).doing("go on in", &path)?;
        Ok(Active { file, generation, len, room: Some(RESERVE), reserve: true })
    }

    /// Sets the reserve aside, if it is not there whole and empty.
    pub fn set_aside(&self) -> Result<()> {
        let path = self.reserve();
        if whole(&path) {
            return Ok(());
        }
        let made = disk::create(&path).and_then(|mut file| {
            file.write_all(&vec![0; RESERVE as usize]).doing("set 1 MB aside in", &path)?;
            file.sync_all().doing("set 1 MB aside in", &path)
        });
        if made.is_err() {
            let _ = fs::remove_file(&path);
        }
        made
    }

    /// Removes the files before a number.
    pub fn remove_before(&self, generation: u64) -> Result<()> {
        for old in self.generations()?.into_iter().take_while(|old| *old < generation) {
            disk::remove(&self.file(old))?;
        }
        Ok(())
    }

    /// Makes what a file holds durable, whoever wrote it.
    pub fn sync(&self, generation: u64) -> Result<()> {
        let path = self.file(generation);
        let file = fs::OpenOptions::new().write(true).open(&path);
        file.and_then(|file| file.sync_all()).doing("sync", &path)
    }
}

/// Empties a reserve in which an earlier try left something; that takes no room either.
fn wipe(path: &Path) -> std::io::Result<()> {
    if whole(path) {
        return Ok(());
    }
    let mut file = fs::OpenOptions::new().write(true).open(path)?;
    if file.metadata()?.len() != RESERVE {
        return Err(std::io::ErrorKind::StorageFull.into());
    }
    file.write_all(&vec![0; RESERVE as usize])?;
    file.sync_all()
}

fn whole(path: &Path) -> bool {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(RESERVE + 1).read_to_end(&mut bytes));
    read.is_ok_and(|len| len as u64 == RESERVE) && bytes == vec![0; RESERVE as usize]
}
