//! What the operating system refused, in words of what to do.

use std::{
    io::{self, ErrorKind},
    path::Path,
};

use plugin_api::{Error, Fault};

/// Says what failed at which path and how to mend it.
pub fn at(path: &Path, error: &io::Error) -> Error {
    use ErrorKind::{
        AlreadyExists, FileTooLarge, InvalidFilename, IsADirectory, NotADirectory, NotFound,
        PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull,
    };
    let (fault, fix) = match error.kind() {
        StorageFull => (Fault::Full, "free some space there, or give the sink another `path`"),
        QuotaExceeded => {
            (Fault::Full, "your quota is used up; free some of it, or give the sink another `path`")
        }
        PermissionDenied => (
            Fault::Permission,
            "make it yours (chown) and writable (chmod u+rwx), or give the sink another `path`",
        ),
        ReadOnlyFilesystem => (Fault::Permission, "mount it writable, or give the sink another `path`"),
        NotADirectory | AlreadyExists | IsADirectory => {
            (Fault::Config, "something else has this name; move it away, or give the sink another `path`")
        }
        InvalidFilename | FileTooLarge => {
            (Fault::Config, "this file system can't hold it; give the sink another `path`")
        }
        NotFound => (Fault::Missing, "it was removed while in use, or its disk is not mounted"),
        _ => (Fault::Other, "see the system's log for the disk"),
    };
    Error::new(fault, format!("local: {}: {error}; {fix}", path.display()))
}

/// For `map_err`.
pub fn on(path: &Path) -> impl FnOnce(io::Error) -> Error + '_ {
    move |error| at(path, &error)
}
