//! The journal's thread: takes records, commits them in groups, seals when it is time, counts what is lost.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, SyncSender},
    },
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tracing::{error, info, warn};

use super::{
    lost::Lost,
    options::Options,
    record::Record,
    recover::{self, Recovery},
    tail::{self, Dropped, Tail, Weight},
};
use crate::{
    clock,
    error::{Error, Result},
    identity::Key,
    retain::Sums,
    spool::Spool,
};

mod room;
mod sealing;
#[cfg(test)]
mod tests;

use room::Room;

/// How long a record waits at most to be durable.
const COMMIT: Duration = Duration::from_secs(1);
/// How many bytes wait at most to be durable.
const COMMIT_SIZE: usize = 256 << 10;
/// How many messages are taken before the system gets them.
const BATCH: usize = 256;
/// How often at most it is tried to come out of trouble, or to seal again after that failed.
const AGAIN: Duration = Duration::from_secs(1);

/// What is left of the time to close for the mark of a clean end.
const MARGIN: Duration = Duration::from_millis(300);

/// What the journal's thread is asked for.
pub enum Message {
    Append(Box<Record>),
    Sync(SyncSender<Result<u64>>),
    Seal(Option<Instant>, SyncSender<Result<()>>),
    Disputed(String),
    Delete(u64, String, SyncSender<Result<()>>),
    Change(Box<Options>),
    Close(Instant, SyncSender<Result<()>>),
}

/// The state of the journal's thread.
pub struct Writer {
    options: Options,
    tail: Tail,
    spool: Arc<Spool>,
    /// What seals are signed with.
    key: Key,
    /// Gaps that recovery found and could not write.
    owed: Vec<(String, Value)>,
    trouble: Arc<Mutex<Option<String>>>,
    lost: Lost,
    unsynced: Option<Instant>,
    unsealed: Option<Instant>,
    unsealed_size: u64,
    relieved: Option<Instant>,
    syncs: Vec<SyncSender<Result<u64>>>,
    /// Numbers of blobs that the last seal told, and that are still in the outbox.
    told: BTreeSet<u64>,
    /// How many bytes the spool and the outbox had when that was last looked at; none: not yet in this run.
    used: Option<u64>,
    /// How many bytes have come to them since, whatever went.
    grown: u64,
    /// When it was last looked at what may go, on the monotonic clock.
    retained: Option<u64>,
    /// Whether that is to be looked at next.
    sweep_due: bool,
    /// What is being removed.
    room: Option<Room>,
    /// What of it is not told yet.
    removed: Sums,
    /// Who waits for a seal, and until when it is worth the time.
    seals: Vec<(Option<Instant>, SyncSender<Result<()>>)>,
    dispute: Dispute,
}

/// Whether a store holds somebody else's bytes under this device's names.
#[derive(PartialEq, Eq)]
enum Dispute {
    None,
    /// A new id is to be taken.
    Open,
    /// It was taken, or could not be. Not again in this run: a store that disputes every name, fresh ones too, would
    /// have it taken for ever.
    Settled,
}

impl Writer {
    /// A writer for what recovery left.
    pub fn new(
        options: Options,
        tail: Tail,
        spool: Arc<Spool>,
        recovery: &Recovery,
        trouble: Arc<Mutex<Option<String>>>,
    ) -> Self {
        let unsealed = (tail.next() > tail.head.sealed + 1).then(Instant::now);
        Self {
            options,
            tail,
            spool,
            key: recovery.identity.key.clone(),
            owed: recovery.owed.clone(),
            trouble,
            lost: Lost::default(),
            unsynced: None,
            unsealed,
            unsealed_size: 0,
            relieved: None,
            syncs: Vec::new(),
            seals: Vec::new(),
            dispute: Dispute::None,
            told: BTreeSet::new(),
            used: None,
            grown: 0,
            retained: None,
            sweep_due: false,
            room: None,
            removed: Sums::default(),
        }
    }

    /// Works until the journal is closed or dropped. Sleeps while nothing waits.
    pub fn run(mut self, inbox: &Receiver<Message>) {
        self.tell(Weight::Record);
        loop {
            let message = match self.due() {
                None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(when) => inbox.recv_timeout(when.saturating_duration_since(Instant::now())),
            };
            let mut next = match message {
                Ok(message) => Some(message),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let mut left = BATCH;
            while let Some(message) = next {
                match message {
                    Message::Append(record) => self.append(&record),
                    Message::Sync(reply) => self.syncs.push(reply),
                    Message::Seal(deadline, reply) => self.seals.push((deadline, reply)),
                    Message::Disputed(device) => self.disputed(&device),
                    Message::Delete(seq, why, reply) => _ = reply.send(self.delete(seq, &why)),
                    Message::Change(options) => self.change(*options),
                    Message::Close(deadline, reply) => {
                        let _ = reply.send(self.close(deadline));
                        return;
                    }
                }
                left -= 1;
                // Blobs take their time each: what came before them has its second all the same.
                let late = self.unsynced.is_some_and(|since| since.elapsed() >= COMMIT);
                let more = left > 0 && self.tail.waiting() < COMMIT_SIZE && !late;
                next = if more { inbox.try_recv().ok() } else { None };
            }
            self.work();
        }
        self.commit();
    }

    /// When there is something to do without being told.
    fn due(&self) -> Option<Instant> {
        if self.is_making_room() {
            return Some(Instant::now());
        }
        let commit = self.unsynced.map(|since| since + COMMIT);
        let seal = self.unsealed.map(|since| since + self.options.seal_every);
        commit.into_iter().chain(seal).min()
    }

    fn change(&mut self, options: Options) {
        let Options { state, label, clock, queue, .. } = self.options.clone();
        self.options = Options { state, label, clock, queue, ..options };
        // What may stay less long by it goes after the next seal, and nothing more by the rules before.
        self.retained = None;
        self.sweep_due = false;
        if matches!(self.room, Some(Room::Sweep(_))) {
            self.room = None;
        }
    }

    fn append(&mut self, record: &Record) {
        // What a record's frame holds beside its body fits in this.
        let size = record.body.len() + 2048;
        if !self.tail.takes(size, Weight::Record) {
            self.relieve();
        }
        if !self.tail.takes(size, Weight::Record) {
            let cause = self.tail.trouble.clone().unwrap_or_else(|| "the reserve is used up".into());
            self.lost.add(1, &cause, &self.options.clock);
            return;
        }
        self.tell(Weight::Record);
        self.add(record);
    }

    fn add(&mut self, record: &Record) {
        let before = self.tail.waiting();
        if let Err(error) = self.tail.add(record) {
            self.lost.add(1, &error.to_string(), &self.options.clock);
            return;
        }
        self.unsealed_size += (self.tail.waiting() - before) as u64;
        self.grown += record.blob.as_ref().map_or(0, |blob| blob.bytes.len() as u64);
        self.unsynced.get_or_insert_with(Instant::now);
        self.unsealed.get_or_insert_with(Instant::now);
    }

    /// Writes what recovery owes as soon as there is any room, and what was lost since once all is well again or at the
    /// end.
    fn tell(&mut self, weight: Weight) {
        let mut owed = std::mem::take(&mut self.owed);
        if self.lost.count > 0 && (weight == Weight::Gap || self.tail.is_well()) {
            let fresh = Lost { unheard: self.lost.unheard, ..Lost::default() };
            let lost = std::mem::replace(&mut self.lost, fresh);
            let text = format!("{} records could not be written: {}", lost.count, lost.cause);
            info!(%text, "told as a gap");
            let gap = json!({
                "reason": "unwritable", "count": lost.count, "text": text,
                "from": clock::rfc3339(lost.from), "to": clock::rfc3339(lost.to),
            });
            owed.push(("gap".to_owned(), gap));
        }
        for (kind, body) in owed {
            let record = tail::own(&kind, &body);
            if self.tail.takes(record.body.len() + 2048, Weight::Gap) {
                self.add(&record);
            } else {
                self.owed.push((kind, body));
            }
        }
    }

    fn relieve(&mut self) {
        if self.relieved.is_some_and(|last| last.elapsed() < AGAIN) {
            return;
        }
        self.relieved = Some(Instant::now());
        self.commit();
        self.tail.relieve();
    }

    fn work(&mut self) {
        self.tail.write();
        let due = self.unsynced.is_some_and(|since| since.elapsed() >= COMMIT);
        if due || !self.syncs.is_empty() || self.tail.waiting() >= COMMIT_SIZE {
            self.commit();
        }
        // On a full disk it waits: the reserve holds one chain.
        if self.dispute == Dispute::Open && self.tail.is_well() {
            self.renew();
        }
        let now = Instant::now();
        let due = self.unsealed.is_some_and(|since| {
            let full = self.unsealed_size >= self.options.seal_size;
            since <= now && (full || now - since >= self.options.seal_every)
        });
        if due || !self.seals.is_empty() {
            let sealed = self.seal(self.seals.iter().find_map(|(deadline, _)| *deadline));
            if let Err(error) = &sealed {
                warn!(%error, "not sealed, trying again later");
                self.unsealed = Some(Instant::now() + AGAIN);
            }
            let cause = sealed.err().map(|error| error.to_string());
            for (_, reply) in self.seals.drain(..) {
                let _ = reply.send(cause.clone().map_or(Ok(()), |cause| Err(Error::Unwritable { cause })));
            }
        }
        self.make_room();
        self.show_trouble();
    }

    fn show_trouble(&self) {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&self.tail.trouble);
    }

    fn commit(&mut self) {
        self.unsynced = None;
        if let Err(Dropped { count, cause }) = self.tail.commit() {
            self.lost.add(count, &cause, &self.options.clock);
        }
        if self.syncs.is_empty() {
            return;
        }
        self.show_trouble();
        let durable = self.tail.next() - 1;
        let lost = std::mem::take(&mut self.lost.unheard) || self.lost.count > 0;
        for reply in self.syncs.drain(..) {
            let cause = self.tail.trouble.clone().unwrap_or_else(|| self.lost.cause.clone());
            let _ = reply.send(if lost { Err(Error::Unwritable { cause }) } else { Ok(durable) });
        }
    }

    fn disputed(&mut self, device: &str) {
        // What an earlier chain is refused has been answered by this one.
        if device != self.tail.head.device {
            return;
        }
        match self.dispute {
            Dispute::None => self.dispute = Dispute::Open,
            Dispute::Open => {}
            Dispute::Settled => error!(
                device,
                "a store holds other bytes under a new id too; see who writes to it, then start the agent again"
            ),
        }
    }

    /// Takes a new id and begins its chain, so that neither's records are taken for the other's. What is sealed stays
    /// under the old id, what isn't yet goes into the new chain.
    fn renew(&mut self) {
        self.dispute = Dispute::Settled;
        self.tail.add_close();
        self.commit();
        let old = self.tail.head.device.clone();
        match recover::renew(&self.options, &old) {
            Ok((mut tail, spool, recovery)) => {
                tail.succeed(&self.tail);
                // Those are numbers of the old chain; the new one has taken over what waited.
                self.told.clear();
                self.room = None;
                self.tail = tail;
                self.key = recovery.identity.key;
                self.unsealed = Some(Instant::now());
                self.spool.go_on_as(&spool);
                recovery.findings.iter().for_each(|finding| warn!("{finding}"));
            }
            Err(error) => {
                error!(device = old, %error, "no new device id, though a store has this one from elsewhere; the next start tries again");
                // A file of the new chain that was begun would make void what follows in this one's.
                if let Err(error) = self.tail.rotate() {
                    warn!(%error, "no new journal file; going on in this one");
                }
            }
        }
    }

    fn close(&mut self, deadline: Instant) -> Result<()> {
        // The next start goes on with what is left.
        self.room = None;
        self.tell(Weight::Gap);
        self.commit();
        let sealed = self.seal(deadline.checked_sub(MARGIN));
        if let Err(error) = &sealed {
            warn!(%error, "not sealed at the end; the next start will");
        }
        self.tell(Weight::Gap);
        if self.tail.takes(256, Weight::Gap) {
            self.tail.add_close();
        }
        self.commit();
        for (_, reply) in self.seals.drain(..) {
            let _ = reply.send(Err(Error::Journal { text: "closed" }));
        }
        match self.lost.count {
            0 => Ok(()),
            _ => Err(Error::Unwritable { cause: self.lost.cause.clone() }),
        }
    }
}
