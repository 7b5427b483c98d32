//! The control socket on Unix.

use std::{
    fs,
    io::{self, ErrorKind},
    os::unix::{
        fs::PermissionsExt,
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    time::Duration,
};

use tracing::warn;

use super::{Answer, Request, serve, serve_each};
use crate::error::{Error, Result};

/// How long a peer may think between two bytes.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest path a socket may have on every Unix.
const PATH_MAX: usize = 103;

/// The socket of this agent; gone when dropped.
pub struct Listener {
    listener: UnixListener,
    path: PathBuf,
}

impl Listener {
    /// Listens in a state folder whose lock this process holds.
    pub fn new(state: &Path) -> Result<Self> {
        let path = path(state);
        let failed = |source| Error::Control { state: state.to_owned(), source };
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let listener = UnixListener::bind(&path).map_err(failed)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
        Ok(Self { listener, path })
    }

    /// Answers peers until [`wake`](super::wake) after `stopped` has turned true.
    pub fn run(&self, stopped: &dyn Fn() -> bool, answer: &(dyn Fn(Request) -> Answer + Sync)) {
        serve_each(self.listener.incoming(), stopped, &|stream| one(stream, answer));
    }

    /// Where it listens.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Gone already if somebody emptied the folder.
        let _ = fs::remove_file(&self.path);
    }
}

/// Makes a listener's `run` look whether it is to stop.
pub fn wake(state: &Path) {
    drop(UnixStream::connect(path(state)));
}

/// Connects to the agent that runs on a state folder.
pub fn connect(state: &Path, patience: Duration) -> Result<UnixStream> {
    match UnixStream::connect(path(state)) {
        Ok(stream) => {
            stream
                .set_read_timeout(Some(patience))
                .map_err(|source| Error::Control { state: state.to_owned(), source })?;
            Ok(stream)
        }
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => {
            Err(Error::NotRunning { state: state.to_owned() })
        }
        Err(source) => Err(Error::Control { state: state.to_owned(), source }),
    }
}

fn one(stream: UnixStream, answer: &dyn Fn(Request) -> Answer) -> io::Result<()> {
    let peer = peer_uid(&stream)?;
    if peer != rustix::process::geteuid().as_raw() && peer != 0 {
        warn!(uid = peer, "control peer of another user turned away");
        return Ok(());
    }
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    match serve(stream, answer) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
        result => result,
    }
}

#[cfg(target_os = "linux")]
fn peer_uid(stream: &UnixStream) -> io::Result<u32> {
    Ok(rustix::net::sockopt::socket_peercred(stream)?.uid.as_raw())
}

/// Where the kernel isn't asked: the socket's mode and its folder's (0700) let nobody else in.
#[cfg(not(target_os = "linux"))]
fn peer_uid(_: &UnixStream) -> io::Result<u32> {
    Ok(rustix::process::geteuid().as_raw())
}

/// In the state folder, or in the temporary one under a name made from it when that path is too long for a socket.
fn path(state: &Path) -> PathBuf {
    use sha2::{Digest, Sha256};
    let path = state.join("control.sock");
    if path.as_os_str().len() <= PATH_MAX {
        return path;
    }
    let canonical = state.canonicalize().unwrap_or_else(|_| state.to_owned());
    let hash = Sha256::digest(canonical.as_os_str().as_encoded_bytes());
    let name: String = hash.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    std::env::temp_dir().join(format!("candor-{name}.sock"))
}
