//! The control pipe on Windows.

use std::{io, path::Path, time::Duration};

use interprocess::{
    local_socket::{GenericNamespaced, ListenerOptions, ToNsName, prelude::*},
    os::windows::{local_socket::ListenerOptionsExt, security_descriptor::SecurityDescriptor},
};
use sha2::{Digest, Sha256};
use widestring::u16cstr;

use super::{Answer, Request, serve, serve_each};
use crate::error::{Error, Result};

/// The pipe of this agent.
pub struct Listener {
    listener: LocalSocketListener,
}

impl Listener {
    /// Listens for a state folder whose lock this process holds.
    pub fn new(state: &Path) -> Result<Self> {
        let failed = |source| Error::Control { state: state.to_owned(), source };
        // Everything to the owner, nothing to anybody else, nothing over the network.
        let owner =
            SecurityDescriptor::deserialize(u16cstr!("D:P(D;;GA;;;NU)(A;;GA;;;OW)")).map_err(failed)?;
        let name = name(state).map_err(failed)?;
        let listener =
            ListenerOptions::new().name(name).security_descriptor(owner).create_sync().map_err(failed)?;
        Ok(Self { listener })
    }

    /// Answers peers until [`wake`](super::wake) after `stopped` has turned true.
    pub fn run(&self, stopped: &dyn Fn() -> bool, answer: &(dyn Fn(Request) -> Answer + Sync)) {
        serve_each(self.listener.incoming(), stopped, &|stream| serve(stream, answer));
    }
}

/// Makes a listener's `run` look whether it is to stop.
pub fn wake(state: &Path) {
    drop(connect(state, Duration::ZERO));
}

/// Connects to the agent that runs on a state folder. A pipe waits for its answer without limit.
pub fn connect(state: &Path, _: Duration) -> Result<LocalSocketStream> {
    let name = name(state).map_err(|source| Error::Control { state: state.to_owned(), source })?;
    LocalSocketStream::connect(name).map_err(|_| Error::NotRunning { state: state.to_owned() })
}

fn name(state: &Path) -> io::Result<interprocess::local_socket::Name<'static>> {
    let canonical = state.canonicalize().unwrap_or_else(|_| state.to_owned());
    let hash = Sha256::digest(canonical.as_os_str().as_encoded_bytes());
    let name: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("candor-{name}").to_ns_name::<GenericNamespaced>()
}
