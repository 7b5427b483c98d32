//! The end of the journal: where frames are added and made durable, and what is done when that fails.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tracing::{info, warn};

use super::{
    files::{self, Active, Folder, Open, RESERVE, Sealed},
    frame::{self, Type},
    line,
    mark::Marker,
    record::{INSTANCE, Record},
};
use crate::{
    clock::Clock,
    error::Result,
    outbox::{Entry, Outbox},
    seal::{BlobEntry, Head, Sums, key},
};

/// What the last quarter of the reserve is kept for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// Any record.
    Record,
    /// A record that tells of loss.
    Gap,
}

/// So many records could not be made durable and are gone. Their numbers were seen by nobody.
#[derive(Debug)]
pub struct Dropped {
    /// How many.
    pub count: u64,
    /// Why.
    pub cause: String,
}

/// The end of the journal.
pub struct Tail {
    /// Where the files are.
    pub folder: Folder,
    /// How far the chain is sealed.
    pub head: Head,
    /// What is wrong, if anything is.
    pub trouble: Option<String>,
    /// Where blobs wait.
    pub outbox: Outbox,
    clock: Clock,
    active: Option<Active>,
    generation: u64,
    next: u64,
    /// Frames not known to be durable, as they are or will be in the file.
    pending: Vec<u8>,
    written: usize,
    /// Why the last write failed: how much of it is in the file is unknown.
    failed: Option<std::io::Error>,
    /// Numbers of records not known to be durable that have a blob.
    blobs: Vec<u64>,
    text: String,
    durable: Arc<AtomicU64>,
    marker: Marker,
    reserved: bool,
}

impl Tail {
    /// The end of a chain that goes on with `next`, after the file of this number. Nothing can be added before
    /// [`begin`](Self::begin).
    pub fn new(folder: Folder, outbox: Outbox, clock: Clock, head: Head, next: u64, generation: u64) -> Self {
        let marker = Marker::new(&folder.path(), &head.device, clock.boot());
        Self {
            folder,
            head,
            trouble: None,
            outbox,
            clock,
            active: None,
            generation,
            next,
            pending: Vec::new(),
            written: 0,
            failed: None,
            blobs: Vec::new(),
            text: String::new(),
            durable: Arc::new(AtomicU64::new(next - 1)),
            marker,
            reserved: false,
        }
    }

    /// The last durable number, shared.
    pub fn durable(&self) -> Arc<AtomicU64> {
        self.durable.clone()
    }

    /// Goes on as the end of the journal that another one was: who shares its last durable number sees this one's.
    pub fn succeed(&mut self, other: &Self) {
        other.durable.store(self.durable.load(Ordering::Acquire), Ordering::Release);
        self.durable = other.durable();
    }

    /// The number the next record gets.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// How many bytes wait to be made durable.
    pub fn waiting(&self) -> usize {
        self.pending.len()
    }

    /// Whether a record of so many bytes would be taken.
    pub fn takes(&self, bytes: usize, weight: Weight) -> bool {
        let Some(active) = &self.active else { return false };
        let Some(room) = active.room else { return true };
        let room = if weight == Weight::Gap { room } else { room / 4 * 3 };
        active.len + (self.pending.len() + frame::HEADER + bytes) as u64 <= room
    }

    /// Whether everything is as it should be: a file to write to and no limit on it.
    pub fn is_well(&self) -> bool {
        self.active.as_ref().is_some_and(|active| active.room.is_none())
    }

    /// Adds a record under the next number. Durable only after [`commit`](Self::commit).
    pub fn add(&mut self, record: &Record) -> Result<()> {
        let stamp = self.clock.stamp(record.mono_ns, record.unix_ns);
        let mut text = std::mem::take(&mut self.text);
        line::payload(&mut text, self.next, &stamp, record);
        if let Some(blob) = &record.blob {
            let Sums { sha256, crc32 } = Sums::of(&blob.bytes);
            let entry = Entry {
                blob: BlobEntry {
                    key: key::blob(&self.head.device, self.next, stamp.date(), &blob.media_type),
                    kind: record.kind.clone(),
                    seq: self.next,
                    len: blob.bytes.len() as u64,
                    sha256,
                    crc32,
                    media_type: blob.media_type.clone(),
                },
                instance: record.instance.clone(),
                time: stamp.time.clone(),
                since_mono_ns: self.clock.mono_ns(),
                boot: self.clock.boot().to_owned(),
            };
            self.outbox.add(&entry, &blob.bytes)?;
            self.blobs.push(self.next);
            text = line::attach(&text, &entry.blob.key, &entry.blob.media_type);
        }
        self.add_payload(text.as_bytes());
        self.text = text;
        Ok(())
    }

    /// Adds a record that is already a payload with the next number in it.
    pub fn add_payload(&mut self, payload: &[u8]) {
        frame::encode(&mut self.pending, Type::Record, self.next, payload);
        self.next += 1;
    }

    /// Adds the mark of a clean end.
    pub fn add_close(&mut self) {
        let text = format!("{{\"time\":\"{}\"}}", crate::clock::rfc3339(self.clock.unix_ns()));
        frame::encode(&mut self.pending, Type::Close, self.next - 1, text.as_bytes());
    }

    /// Hands what was added to the system, so that it outlives the process. An error shows at the next commit.
    pub fn write(&mut self) {
        let Some(active) = &mut self.active else { return };
        if self.failed.is_none() && self.written < self.pending.len() {
            self.failed = active.write(&self.pending[self.written..]).err();
            self.written = self.pending.len();
        }
    }

    /// Makes everything added durable, in another file if this one fails.
    pub fn commit(&mut self) -> Result<(), Dropped> {
        if self.pending.is_empty() {
            return Ok(());
        }
        self.write();
        let Some(active) = &mut self.active else {
            return Err(self.drop_pending("no file to write to".into()));
        };
        match self.failed.take().map_or_else(|| active.sync(), Err) {
            Ok(()) => {
                active.len += self.pending.len() as u64;
                self.committed();
                Ok(())
            }
            Err(error) => self.move_on(error.to_string()),
        }
    }

    fn committed(&mut self) {
        self.pending.clear();
        if self.pending.capacity() > 1 << 20 {
            self.pending.shrink_to(1 << 16);
        }
        self.written = 0;
        self.blobs.clear();
        self.marker.set(self.next - 1, self.clock.unix_ns());
        self.durable.store(self.next - 1, Ordering::Release);
    }

    /// Leaves a file whose end is unknown: everything not acknowledged goes into a new one, which makes the rest of
    /// the old one void.
    fn move_on(&mut self, cause: String) -> Result<(), Dropped> {
        warn!(%cause, "journal file failed, starting another");
        if let Some(active) = self.active.take() {
            active.cut();
        }
        self.restart(cause)
    }

    /// Starts a file with what is pending: a new one, or in the reserve, or in the reserve without what is pending.
    fn restart(&mut self, cause: String) -> Result<(), Dropped> {
        let first = self.durable.load(Ordering::Relaxed) + 1;
        let generation = self.generation + 1;
        let open = self.open(first, false);
        match self.folder.start(generation, &open, &self.pending) {
            Ok(active) => {
                self.become_active(active);
                self.committed();
                return Ok(());
            }
            Err(error) => info!(%error, "no new journal file"),
        }
        self.trouble = Some(cause.clone());
        self.reserved = false;
        let open = self.open(first, true);
        let fits = self.pending.len() as u64 <= RESERVE / 2;
        let frames = if fits { self.pending.as_slice() } else { &[] };
        match self.folder.start_on_reserve(generation, &open, frames) {
            Ok(active) => {
                warn!("journal goes on in its reserve");
                self.become_active(active);
                if fits {
                    self.committed();
                    return Ok(());
                }
            }
            Err(error) => warn!(%error, "no reserve either"),
        }
        Err(self.drop_pending(cause))
    }

    fn become_active(&mut self, active: Active) {
        self.generation = active.generation;
        if active.room.is_none() {
            self.trouble = None;
        }
        self.active = Some(active);
    }

    fn open(&self, first: u64, reserve: bool) -> Open {
        let time = crate::clock::rfc3339(self.clock.unix_ns());
        Open { head: self.head.clone(), first, time, reserve }
    }

    fn drop_pending(&mut self, cause: String) -> Dropped {
        let durable = self.durable.load(Ordering::Relaxed);
        let count = self.next - 1 - durable;
        self.next = durable + 1;
        self.pending.clear();
        self.written = 0;
        self.failed = None;
        if !self.blobs.is_empty()
            && let Err(error) = self.outbox.forget(&self.blobs.drain(..).collect())
        {
            warn!(%error, "blobs of lost records stay until the next start");
        }
        self.trouble = Some(cause.clone());
        Dropped { count, cause }
    }

    /// Begins the first file of this run with what was added so far. Where no file can be made it goes on in the last
    /// one, if that was made of the reserve: its number and where its frames end.
    pub fn begin(&mut self, last: Option<(u64, u64)>) -> Result<(), Dropped> {
        let begun = self.restart("no room for a journal file".into());
        if begun.is_err()
            && self.active.is_none()
            && let Some((generation, len)) = last
            && let Ok(active) = self.folder.go_on(generation, len)
        {
            warn!("journal goes on in the reserve it used before");
            self.active = Some(active);
        }
        begun
    }

    /// Tries to come back to a file without limits and an untouched reserve.
    pub fn relieve(&mut self) -> bool {
        let rotated = self.set_aside().is_ok() && self.commit().is_ok() && self.rotate().is_ok();
        if rotated {
            info!("journal has room again");
        }
        rotated
    }

    /// Makes the reserve again, if it was used.
    pub fn set_aside(&mut self) -> Result<()> {
        if !self.reserved {
            self.folder.set_aside()?;
            self.reserved = true;
        }
        Ok(())
    }

    /// Goes on in a new file. Nothing may be pending.
    pub fn rotate(&mut self) -> Result<()> {
        let open = self.open(self.next, false);
        let active = self.folder.start(self.generation + 1, &open, &[])?;
        self.become_active(active);
        if self.head.sealed + 1 == self.next
            && let Err(error) = self.folder.remove_before(self.generation)
        {
            warn!(%error, "a sealed journal file stays");
        }
        Ok(())
    }

    /// Says durably that everything up to a number is sealed. From the first try on it is so for this process: whether
    /// the frame reached the disk is unknown after an error, so the next file says it again.
    pub fn sealed(&mut self, sealed: &Sealed) -> Result<(), Dropped> {
        self.head.sealed = sealed.last;
        self.head.manifest = Some(sealed.sha256.clone());
        let mut frames = Vec::new();
        files::sealed_frames(&mut frames, sealed);
        if self.takes(frames.len(), Weight::Gap) {
            self.pending.extend_from_slice(&frames);
            self.commit()
        } else {
            self.rotate().map_err(|error| Dropped { count: 0, cause: error.to_string() })
        }
    }
}

/// A record of the host's own.
pub fn own(kind: &str, body: &serde_json::Value) -> Record {
    Record::new(kind, INSTANCE, body.to_string())
}
