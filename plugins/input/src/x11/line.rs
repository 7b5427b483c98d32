//! A connection to the server that a stop and a silent server can't hold up.

use std::{
    io::{Error, ErrorKind, IoSlice, Result},
    os::fd::{AsFd, BorrowedFd},
    sync::Arc,
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    time::Timespec,
};
use x11rb::{
    reexports::x11rb_protocol::{parse_display::parse_display, xauth::get_auth},
    rust_connection::{DefaultStream, PollMode, RustConnection, Stream},
    utils::RawFdContainer,
};

use super::{Failure, Server};
use crate::gate::{Gate, Wanted};

/// How long the server may take to answer a question.
const ANSWER: Duration = Duration::from_secs(5);

/// A stream whose waits end at a stop, and after [`ANSWER`].
pub struct Line {
    stream: DefaultStream,
    gate: Arc<Gate>,
}

/// Connects to a display; also the number of its screen.
pub fn connect(display: &str, gate: &Arc<Gate>) -> std::result::Result<(Server, usize), Failure> {
    let parsed = parse_display(Some(display))?;
    let screen = usize::from(parsed.screen);
    let mut failure = Error::new(ErrorKind::NotFound, "not an address");
    for address in parsed.connect_instruction() {
        match DefaultStream::connect(&address) {
            Ok((stream, (family, host))) => {
                // Without a cookie the server may let us in all the same.
                let (name, cookie) =
                    get_auth(family, &host, parsed.display).ok().flatten().unwrap_or_default();
                let line = Line { stream, gate: gate.clone() };
                return Ok((
                    RustConnection::connect_to_stream_with_auth_info(line, screen, name, cookie)?,
                    screen,
                ));
            }
            Err(error) => failure = error,
        }
    }
    Err(failure.into())
}

impl AsFd for Line {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

impl Stream for Line {
    fn poll(&self, mode: PollMode) -> Result<()> {
        let mut flags = PollFlags::empty();
        if mode.readable() {
            flags |= PollFlags::IN;
        }
        if mode.writable() {
            flags |= PollFlags::OUT;
        }
        let time = Timespec { tv_sec: ANSWER.as_secs() as _, tv_nsec: 0 };
        let mut fds =
            [PollFd::new(&self.stream, flags), PollFd::from_borrowed_fd(self.gate.fd(), PollFlags::IN)];
        loop {
            match poll(&mut fds, Some(&time)) {
                Ok(0) => return Err(Error::new(ErrorKind::TimedOut, "no answer for 5 s")),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
                Ok(_) if !fds[0].revents().is_empty() => return Ok(()),
                Ok(_) if self.gate.wanted() == Wanted::Stop => {
                    return Err(Error::new(ErrorKind::ConnectionAborted, "stopped"));
                }
                // A pause waits for the answer; whoever runs will see it.
                Ok(_) => fds[1] = PollFd::from_borrowed_fd(self.gate.fd(), PollFlags::empty()),
            }
        }
    }

    fn read(&self, buffer: &mut [u8], fds: &mut Vec<RawFdContainer>) -> Result<usize> {
        self.stream.read(buffer, fds)
    }

    fn write(&self, buffer: &[u8], fds: &mut Vec<RawFdContainer>) -> Result<usize> {
        self.stream.write(buffer, fds)
    }

    fn write_vectored(&self, buffers: &[IoSlice<'_>], fds: &mut Vec<RawFdContainer>) -> Result<usize> {
        self.stream.write_vectored(buffers, fds)
    }
}
