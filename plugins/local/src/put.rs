//! Storing one object.

use std::{
    fs::{self, File},
    io::{ErrorKind, Read, Write},
    path::{Path, PathBuf},
    process,
    sync::atomic::Ordering,
};

use plugin_api::{Error, Fault, Object};
use sha2::{Digest, Sha256};

use crate::{Local, fault, folder};

/// How much is read and written at once: what an object costs in memory, whatever its size.
pub const PIECE: usize = 256 * 1024;

/// Stores an object, unless it is there already.
pub fn put(local: &Local, object: &Object<'_>) -> Result<(), Error> {
    let target = folder::place(&local.root, object.key()?)?;
    let above = target.parent().unwrap_or(&local.root);
    if exists(&target, object)? {
        // A crash may have come between the link and the sync.
        local.folders.make(&local.root, above)?;
        return folder::sync(above);
    }
    // Somebody may have removed the whole store since the start.
    folder::make(&local.root.join(folder::PARTIAL))?;
    let partial = Partial::new(local);
    let file = folder::create(&partial.0).map_err(fault::on(&partial.0))?;
    copy(local, object, &file, &partial.0)?;
    file.sync_all().map_err(fault::on(&partial.0))?;
    local.folders.make(&local.root, above)?;
    match link(&partial.0, &target) {
        Ok(()) => folder::sync(above),
        // Another agent stored to the same folder meanwhile.
        Err(error) if error.kind() == ErrorKind::AlreadyExists && exists(&target, object)? => {
            folder::sync(above)
        }
        Err(error) => Err(fault::at(&target, &error)),
    }
}

/// Whether the object is stored already; other bytes under its key are an error.
fn exists(target: &Path, object: &Object<'_>) -> Result<bool, Error> {
    let mut file = match File::open(target) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(fault::at(target, &error)),
    };
    let mut hash = Sha256::new();
    let mut buffer = vec![0; PIECE];
    loop {
        match file.read(&mut buffer).map_err(fault::on(target))? {
            0 => break,
            n => hash.update(&buffer[..n]),
        }
    }
    if hash.finalize()[..] == object.sha256()[..] {
        return Ok(true);
    }
    let text = format!(
        "local: {}: holds other bytes than this agent's; the folder belongs to another agent, or was changed by hand",
        target.display()
    );
    Err(Error::new(Fault::Conflict, text))
}

/// Copies the object's bytes, as many as it says.
fn copy(local: &Local, object: &Object<'_>, mut file: &File, path: &Path) -> Result<(), Error> {
    let wrong = |what: &str| {
        let key = object.key().unwrap_or_default();
        Error::new(
            Fault::Malformed,
            format!("local: {key}: {what}; the spool is damaged, see `candor verify`"),
        )
    };
    let mut buffer = vec![0; PIECE];
    let mut offset = 0;
    loop {
        if local.stopped.load(Ordering::Relaxed) {
            return Err(Error::new(
                Fault::Busy,
                "local: stopped while storing; it will be stored at the next start",
            ));
        }
        let n = object.read_at(offset, &mut buffer)?;
        if n == 0 {
            break;
        }
        file.write_all(&buffer[..n]).map_err(fault::on(path))?;
        offset += n as u64;
        if offset > object.len() {
            return Err(wrong("is longer than it says"));
        }
    }
    if offset < object.len() {
        return Err(wrong("is shorter than it says"));
    }
    Ok(())
}

/// Gives a complete file its name, which nothing may have yet.
pub fn link(partial: &Path, target: &Path) -> std::io::Result<()> {
    match fs::hard_link(partial, target) {
        // Where there are no hard links (FAT, some network shares) a rename does it: at most another agent that
        // stores the same key in the same moment is overwritten.
        Err(error) if matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::PermissionDenied) => {
            match target.try_exists()? {
                true => Err(ErrorKind::AlreadyExists.into()),
                false => fs::rename(partial, target),
            }
        }
        other => other,
    }
}

/// A file that isn't complete yet; removed when dropped, after which only the linked name is left.
pub struct Partial(pub PathBuf);

impl Partial {
    /// A name that nobody else has.
    pub fn new(local: &Local) -> Self {
        let number = local.count.fetch_add(1, Ordering::Relaxed);
        let since = std::time::UNIX_EPOCH.elapsed().map_or(0, |time| time.as_nanos());
        let name = format!("{}-{since:x}-{number}.part", process::id());
        Self(local.root.join(folder::PARTIAL).join(name))
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // If it can't be removed now, the next start does it.
        let _ = fs::remove_file(&self.0);
    }
}
