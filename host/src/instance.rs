//! One agent per user and state folder.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{Read, Seek, Write},
    path::Path,
};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Who holds a state folder.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Holder {
    /// Its process id.
    pub pid: u32,
    /// When it started, RFC 3339.
    pub started: String,
}

/// The lock on a state folder; held until dropped, and by nobody after the process has ended, however it ended.
pub struct Lock {
    _file: File,
    #[cfg(windows)]
    _name: single_instance::SingleInstance,
}

impl Lock {
    /// Takes the lock, or says who has it.
    pub fn take(state: &Path, me: &Holder) -> Result<Self> {
        make_folder(state)?;
        let path = state.join("lock");
        let unwritable = |source| Error::StateFolder { path: state.to_owned(), source };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&path).map_err(unwritable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(running(state, &mut file)),
            Err(TryLockError::Error(source)) => return Err(unwritable(source)),
        }
        #[cfg(windows)]
        let name = mutex(state)?;
        let write = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()?;
            serde_json::to_writer(&mut *file, me)?;
            file.flush()
        };
        write(&mut file).map_err(unwritable)?;
        Ok(Self {
            _file: file,
            #[cfg(windows)]
            _name: name,
        })
    }
}

/// Makes the state folder, for this user only.
pub fn make_folder(state: &Path) -> Result<()> {
    let failed = |source| Error::StateFolder { path: state.to_owned(), source };
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(state).map_err(failed)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(state).map_err(failed)?.permissions().mode();
        if mode & 0o077 != 0 {
            fs::set_permissions(state, fs::Permissions::from_mode(0o700)).map_err(failed)?;
        }
    }
    Ok(())
}

fn running(state: &Path, file: &mut File) -> Error {
    let mut text = String::new();
    let holder = file.read_to_string(&mut text).ok().and_then(|_| serde_json::from_str::<Holder>(&text).ok());
    Error::Running {
        state: state.to_owned(),
        holder: holder.map_or("?".to_owned(), |h| format!("pid {}, since {}", h.pid, h.started)),
    }
}

/// A lock on a file on a share may be nobody's business on Windows; a mutex named by user and folder is sure.
#[cfg(windows)]
fn mutex(state: &Path) -> Result<single_instance::SingleInstance> {
    use sha2::{Digest, Sha256};
    let user = std::env::var("USERNAME").unwrap_or_default();
    let folder = state.canonicalize().unwrap_or_else(|_| state.to_owned());
    let hash = Sha256::digest(format!("{user}\0{}", folder.display()));
    let name: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let running = || Error::Running { state: state.to_owned(), holder: "?".to_owned() };
    let instance = single_instance::SingleInstance::new(&format!("candor-{name}")).map_err(|_| running())?;
    if instance.is_single() { Ok(instance) } else { Err(running()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_agent_is_told_who_runs() {
        let folder = tempfile::tempdir().unwrap();
        let first = Holder { pid: 4711, started: "2026-01-01T00:00:00Z".to_owned() };
        let lock = Lock::take(folder.path(), &first).unwrap();
        let error = Lock::take(folder.path(), &Holder { pid: 2, ..first.clone() }).err().unwrap().to_string();
        assert!(error.contains("pid 4711") && error.contains("2026-01-01T00:00:00Z"), "{error}");
        drop(lock);
        Lock::take(folder.path(), &first).unwrap();
    }
}
