//! Files that survive a power cut: written beside, synced, renamed, and the folder synced.

#[cfg(unix)]
use std::mem::MaybeUninit;
use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// What a file is called until it is whole.
pub const PART: &str = ".part";

/// Names the file and what was tried when something fails.
pub trait Doing<T> {
    /// Adds both to the error.
    fn doing(self, what: &'static str, path: &Path) -> Result<T>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, what: &'static str, path: &Path) -> Result<T> {
        self.map_err(|source| Error::State { doing: what, path: path.to_owned(), source })
    }
}

/// Makes a folder, and those above it, for this user alone; a power cut does not take them away again.
pub fn folder(path: &Path) -> Result<()> {
    let made: Vec<_> = path.ancestors().take_while(|folder| !folder.exists()).collect();
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).doing("make the folder", path)?;
    for parent in made.iter().filter_map(|folder| folder.parent()) {
        // Above the state folder there may be one that this user can't open; it is then synced when the system likes.
        let _ = sync_folder(parent);
    }
    Ok(())
}

/// Opens a new or emptied file for this user alone.
pub fn create(path: &Path) -> Result<File> {
    let mut options = fs::OpenOptions::new();
    options.read(true).write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).doing("create", path)
}

/// Writes a file so that after a power cut it is there whole or not at all, in folders made as needed.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    place(path, bytes)?;
    sync_folder(path.parent().unwrap_or(Path::new(".")))
}

/// The same, but for its name, which is durable once the folder is synced.
pub fn place(path: &Path, bytes: &[u8]) -> Result<()> {
    let part = with_suffix(path, PART);
    let done = write_part(path, &part, bytes);
    if done.is_err() {
        let _ = fs::remove_file(&part);
    }
    done
}

fn write_part(path: &Path, part: &Path, bytes: &[u8]) -> Result<()> {
    let parent = path.parent().unwrap_or(Path::new("."));
    folder(parent)?;
    let mut file = create(part)?;
    file.write_all(bytes).doing("write", part)?;
    file.sync_all().doing("sync", part)?;
    fs::rename(part, path).doing("rename into place", path)
}

/// Moves a file within a disk, to a folder made as needed, so that after a power cut it is here or there.
pub fn rename(from: &Path, to: &Path) -> Result<()> {
    let parent = |path: &Path| path.parent().unwrap_or(Path::new(".")).to_owned();
    folder(&parent(to))?;
    fs::rename(from, to).doing("rename into place", to)?;
    sync_folder(&parent(to))?;
    sync_folder(&parent(from))
}

/// Makes the names in a folder durable. Windows does so by itself and has no such call.
pub fn sync_folder(path: &Path) -> Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    match File::open(path).and_then(|folder| folder.sync_all()) {
        // Some network file systems know no such call.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        done => done.doing("sync the folder", path),
    }
}

/// Reads at an offset; the number of bytes read, 0 at the end.
#[cfg(unix)]
pub fn read_at(file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, offset)
}

/// The same into memory that may hold nothing yet; what was read.
#[cfg(unix)]
pub fn read_into<'a>(
    file: &File,
    offset: u64,
    buffer: &'a mut [MaybeUninit<u8>],
) -> io::Result<&'a mut [u8]> {
    Ok(rustix::io::pread(file, buffer, offset)?.0)
}

/// Reads at an offset; the number of bytes read, 0 at the end.
#[cfg(windows)]
pub fn read_at(file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, offset)
}

/// Removes a file; that it was not there is fine.
pub fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error).doing("remove", path),
        _ => Ok(()),
    }
}

/// The names in a folder, sorted; none if there is no such folder.
pub fn names(path: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    each_name(path, |name| names.push(name.to_owned()))?;
    names.sort_unstable();
    Ok(names)
}

/// Shows the names in a folder one by one, in any order, for one that may hold very many.
pub fn each_name(path: &Path, mut each: impl FnMut(&str)) -> Result<()> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.doing("list", path)?,
    };
    for entry in entries {
        if let Some(name) = entry.doing("list", path)?.file_name().to_str() {
            each(name);
        }
    }
    Ok(())
}

/// How many bytes this user may still write to the disk a folder is on, and how many it has in all; none where the
/// system doesn't tell.
#[cfg(unix)]
pub fn room(path: &Path) -> Option<(u64, u64)> {
    let disk = rustix::fs::statvfs(path).ok()?;
    Some((disk.f_bavail.saturating_mul(disk.f_frsize), disk.f_blocks.saturating_mul(disk.f_frsize)))
}

/// The same.
#[cfg(not(unix))]
pub fn room(_: &Path) -> Option<(u64, u64)> {
    None
}

/// A path with something after its last letter.
pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// SHA-256 of some bytes.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Bytes as lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

/// The 32 bytes a hex text of 64 letters stands for.
pub fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[index * 2..index * 2 + 2], 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn write_leaves_the_file_and_nothing_else() {
        let root = tempfile::tempdir().expect("a folder");
        let path = root.path().join("a/b/file");
        write(&path, b"one").expect("written");
        write(&path, b"two").expect("written again");
        assert_eq!(fs::read(&path).expect("read"), b"two");
        assert_eq!(names(&root.path().join("a/b")).expect("names"), ["file"]);
    }

    #[test]
    fn hex_goes_there_and_back() {
        let sum = sha256(b"abc");
        assert_eq!(&hex(&sum)[..8], "ba7816bf");
        assert_eq!(unhex(&hex(&sum)), Some(sum));
        assert_eq!(unhex("zz"), None);
    }
}
