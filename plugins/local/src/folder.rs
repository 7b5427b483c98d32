//! The folders of the store: made private, and durable before anything is put into them.

use std::{
    collections::HashSet,
    ffi::OsStr,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, ErrorKind},
    path::{Component, Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use plugin_api::{Error, Fault};

use crate::fault;

/// Where objects are until they are complete. Query tools skip names that start with a dot.
pub const PARTIAL: &str = ".partial";

/// The store's folder: absolute, or below the agent's state folder.
pub fn root(path: &str, state: Option<PathBuf>) -> Result<PathBuf, Error> {
    let path = Path::new(path);
    if path.as_os_str().is_empty() || path.components().any(|part| part == Component::ParentDir) {
        let text = format!("local: path: {path:?} is not a folder of its own; write one without \"..\"");
        return Err(Error::new(Fault::Config, text));
    }
    match state {
        _ if path.is_absolute() => Ok(path.to_owned()),
        Some(state) => Ok(state.join(path)),
        None => Err(Error::new(
            Fault::Config,
            "local: path: write an absolute one; the host tells no state folder",
        )),
    }
}

/// Where a key is stored. A key with a part that a file system reads otherwise is refused.
pub fn place(root: &Path, key: &str) -> Result<PathBuf, Error> {
    let odd = |part: &str| {
        part.is_empty() || part.starts_with('.') || part.contains(['\\', ':', '\0']) || part.len() > 255
    };
    if key.len() > 1_024 || key.split('/').any(odd) {
        return Err(Error::new(Fault::Malformed, format!("local: {key:?}: not a key")));
    }
    Ok(key.split('/').fold(root.to_owned(), |path, part| path.join(part)))
}

/// Makes a folder and those above it, each synced into the one that holds it.
pub fn make(folder: &Path) -> Result<(), Error> {
    if folder.is_dir() {
        return Ok(());
    }
    let above = folder.parent().filter(|above| !above.as_os_str().is_empty());
    above.map_or(Ok(()), make)?;
    match builder().create(folder) {
        // Somebody else was quicker.
        Err(error) if error.kind() == ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        Err(error) => Err(fault::at(folder, &error)),
        Ok(()) => above.map_or(Ok(()), sync),
    }
}

/// The folders that are known to be durable: made, or found, and synced into the one above by this run. What an
/// earlier run made it may have been killed before syncing.
#[derive(Default)]
pub struct Known(Mutex<HashSet<PathBuf>>);

impl Known {
    /// Sees to it that a folder below the store's own, and those between, are durable.
    pub fn make(&self, root: &Path, folder: &Path) -> Result<(), Error> {
        if folder == root || !folder.starts_with(root) {
            return make(folder);
        }
        if self.has(folder) && folder.is_dir() {
            return Ok(());
        }
        let above = folder.parent().unwrap_or(root);
        self.make(root, above)?;
        make(folder)?;
        sync(above)?;
        self.add(folder);
        Ok(())
    }

    fn has(&self, folder: &Path) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(folder)
    }

    fn add(&self, folder: &Path) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Years of dates; to forget costs a sync.
        if known.len() >= 1_000 {
            known.clear();
        }
        known.insert(folder.to_owned());
    }
}

/// Makes what a folder lists durable.
pub fn sync(folder: &Path) -> Result<(), Error> {
    // Windows opens no folders as files; NTFS journals names by itself.
    if cfg!(windows) {
        return Ok(());
    }
    match File::open(folder).and_then(|open| open.sync_all()) {
        // Some network file systems can't sync a folder; nothing better is to be had there.
        Err(error) if !matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => {
            Err(fault::at(folder, &error))
        }
        _ => Ok(()),
    }
}

/// Makes a new file that only its owner may read, locked as long as it is written.
pub fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    match file.try_lock() {
        // Without locks on this file system, what another agent writes here may be cleaned away; it tries again.
        Ok(()) | Err(fs::TryLockError::Error(_)) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(ErrorKind::ResourceBusy.into()),
    }
}

/// Removes what a crash left half written. What another agent is writing is locked, and stays.
pub fn clean(partial: &Path) -> Result<(), Error> {
    for entry in fs::read_dir(partial).map_err(fault::on(partial))? {
        let path = entry.map_err(fault::on(partial))?.path();
        let ours = path.extension() == Some(OsStr::new("part"));
        let idle = || File::open(&path).is_ok_and(|file| file.try_lock().is_ok());
        if ours && idle() {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(fault::at(&path, &error)),
                _ => {}
            }
        }
    }
    Ok(())
}

fn builder() -> DirBuilder {
    #[allow(unused_mut, reason = "only where there are modes")]
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}
