//! The append-only file of records: single writer, group commit, salvage.
//!
//! ```text
//! state/journal/<20 digits>.log   frames (frame.rs); a new file at each start and after each seal
//! state/journal/mark              how far it is durable (mark.rs)
//! state/reserve                   1 MB of zeros that becomes a journal file when the disk is full
//! ```
//!
//! What holds at all times:
//!
//! - A number is given by the one writer thread and is durable before anybody outside hears of it.
//! - A number is used again only if nobody heard of it. Where that can't be known, it is declared missing instead.
//! - Every number is in exactly one of: a journal file, a sealed object, a gap record with its reason.
//! - Files before the active one are only ever read and removed.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, SyncSender},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

mod draft;
pub mod files;
pub mod frame;
pub mod line;
mod lost;
pub mod mark;
mod options;
mod record;
mod recover;
pub mod scan;
mod tail;
#[cfg(test)]
mod tests;
mod writer;

pub use options::Options;
pub use record::{Blob, INSTANCE, Record};
pub use recover::Recovery;

use crate::{
    error::{Error, Result},
    spool::Spool,
};
use writer::Message;

/// The journal of a running agent. Any thread may use it.
pub struct Journal {
    inbox: Option<Arc<SyncSender<Message>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    durable: Arc<AtomicU64>,
    trouble: Arc<Mutex<Option<String>>>,
    spool: Arc<Spool>,
}

impl Journal {
    /// Opens the journal of a state folder, mends what can be mended, declares what can't, and starts its thread.
    pub fn open(options: Options) -> Result<(Self, Recovery)> {
        let (tail, spool, recovery) = recover::recover(&options)?;
        let spool = Arc::new(spool);
        let (inbox, messages) = mpsc::sync_channel(options.queue.max(1));
        let inbox = Arc::new(inbox);
        // Weak, for the thread ends when nobody is left who could send.
        let writer_of = Arc::downgrade(&inbox);
        spool.on_dispute(move |device| {
            if let Some(inbox) = writer_of.upgrade() {
                // An ended writer numbers nothing more under that device.
                let _ = inbox.send(Message::Disputed(device.to_owned()));
            }
        });
        let durable = tail.durable();
        let trouble = Arc::new(Mutex::new(tail.trouble.clone()));
        let ended = Ended(trouble.clone());
        let writer = writer::Writer::new(options, tail, spool.clone(), &recovery, trouble.clone());
        let thread = thread::Builder::new()
            .name("journal".into())
            .spawn(move || ended.after(|| writer.run(&messages)))
            .map_err(|source| Error::State {
                doing: "start the journal's thread",
                path: PathBuf::new(),
                source,
            })?;
        Ok((Self { inbox: Some(inbox), thread: Mutex::new(Some(thread)), durable, trouble, spool }, recovery))
    }

    /// Takes a record. Blocks while the queue is full; returns before the record is durable.
    pub fn append(&self, record: Record) -> Result<()> {
        line::check(&record)?;
        self.send(Message::Append(Box::new(record)))
    }

    /// Makes everything appended so far durable and answers the last durable number. Fails if a record was lost since
    /// the last call.
    pub fn sync(&self) -> Result<u64> {
        let (reply, answer) = mpsc::sync_channel(1);
        self.send(Message::Sync(reply))?;
        answer.recv().map_err(|_| GONE)?
    }

    /// The last durable number.
    pub fn durable(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    /// Seals everything appended so far.
    pub fn seal(&self) -> Result<()> {
        let (reply, answer) = mpsc::sync_channel(1);
        self.send(Message::Seal(None, reply))?;
        answer.recv().map_err(|_| GONE)?
    }

    /// Deletes a blob that waits in the outbox, for a reason that its tombstone tells.
    pub fn delete(&self, seq: u64, why: &str) -> Result<()> {
        let (reply, answer) = mpsc::sync_channel(1);
        self.send(Message::Delete(seq, why.to_owned(), reply))?;
        answer.recv().map_err(|_| GONE)?
    }

    /// Takes over other options, but for where it is, its clock and its queue.
    pub fn change(&self, options: Options) -> Result<()> {
        self.send(Message::Change(Box::new(options)))
    }

    /// Seals as far as the time allows; what isn't sealed then waits for the next seal.
    pub fn seal_within(&self, time: Duration) -> Result<()> {
        let deadline = Instant::now() + time;
        let (reply, answer) = mpsc::sync_channel(1);
        self.send(Message::Seal(Some(deadline), reply))?;
        let answered = answer.recv_timeout(deadline.saturating_duration_since(Instant::now()));
        answered.map_err(|_| Error::Journal { text: "sealing took too long; the next start seals" })?
    }

    /// What keeps records from being written, if anything does.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Where sealed objects are.
    pub fn spool(&self) -> Arc<Spool> {
        self.spool.clone()
    }

    /// Syncs, seals as far as the time allows, marks a clean end and stops the thread.
    pub fn close(&self, deadline: Duration) -> Result<()> {
        let deadline = Instant::now() + deadline;
        let (reply, answer) = mpsc::sync_channel(1);
        self.send(Message::Close(deadline, reply))?;
        match answer.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(result) => result,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                // A disk that does not answer is not waited for.
                drop(self.join_handle());
                Err(Error::Journal { text: "closing took too long; the next start will find no clean end" })
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => Err(GONE),
        }
    }

    fn join_handle(&self) -> Option<JoinHandle<()>> {
        self.thread.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn send(&self, message: Message) -> Result<()> {
        self.inbox.as_ref().and_then(|inbox| inbox.send(message).ok()).ok_or(GONE)
    }
}

/// Leaves word if the thread panics: nothing is recorded from then on.
struct Ended(Arc<Mutex<Option<String>>>);

impl Ended {
    fn after(self, run: impl FnOnce()) {
        run();
        drop(self);
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        if thread::panicking() {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(GONE.to_string());
        }
    }
}

impl Drop for Journal {
    /// Ends the thread after what it has is durable, but without the mark of a clean end.
    fn drop(&mut self) {
        self.inbox = None;
        if let Some(thread) = self.join_handle() {
            let _ = thread.join();
        }
    }
}

const GONE: Error = Error::Journal { text: "its thread has ended; start the agent again" };
