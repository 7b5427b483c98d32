//! Sealing: what is durable becomes objects, what has waited long enough leaves, what has gone is forgotten.

use std::time::Instant;

use serde_json::json;
use tracing::{info, warn};

use super::{Weight, Writer};
use crate::{
    clock,
    error::{Error, Result},
    journal::{
        draft::{Draft, Limit},
        lost,
        scan::Scan,
        tail,
    },
    outbox::Ripe,
    seal::{Chain, Tombstone},
};

impl Writer {
    /// Turns everything durable into objects and a manifest, then goes on in a new file.
    pub(super) fn seal(&mut self, deadline: Option<Instant>) -> Result<()> {
        if !self.tail.is_well() {
            self.relieve();
        }
        self.tell(Weight::Record);
        if self.tail.is_well() {
            self.tell_removed();
        }
        self.commit();
        let scan = self.whole()?;
        let last = self.tail.next() - 1;
        if last > self.tail.head.sealed {
            let ripe = self.ripe(last)?;
            let chain = Chain { head: &self.tail.head, key: &self.key };
            let draft = Draft {
                spool: &self.spool,
                outbox: &self.tail.outbox,
                scan: &scan,
                chain,
                ripe: &ripe,
                cipher: self.options.cipher.as_ref(),
            };
            let made = draft.make(Limit { last, deadline });
            drop(scan);
            let sealed = made.inspect_err(|_| self.clear())?;
            self.told.extend(ripe.numbers());
            self.tail.sealed(&sealed).map_err(|dropped| Error::Unwritable { cause: dropped.cause })?;
            self.forget_told()?;
            self.spool.publish(sealed.last);
            self.grown += sealed.bytes;
            info!(first = sealed.first, last = sealed.last, "sealed");
            if let Err(error) = self.tail.rotate() {
                warn!(%error, "no new journal file after a seal; going on in this one");
            }
        }
        self.unsealed = None;
        self.unsealed_size = 0;
        if let Err(error) = self.tail.set_aside() {
            warn!(%error, "no reserve for gaps on a full disk");
        }
        // Not at the end: a record of it would be left unsealed.
        if deadline.is_none() {
            self.retain();
        }
        Ok(())
    }

    /// What is to be listed by a seal up to a number.
    fn ripe(&mut self, last: u64) -> Result<Ripe> {
        if !self.told.is_empty() {
            // A seal whose frame may not have reached the disk told them: the next file says that it is final.
            self.tail.rotate()?;
            self.forget_told()?;
        }
        self.tail.outbox.ripe(&self.options.clock, self.options.grace, last)
    }

    /// Forgets what a final seal has told. Until that has worked nothing is sealed, or it might be told twice.
    fn forget_told(&mut self) -> Result<()> {
        if !self.told.is_empty() {
            self.tail.outbox.forget(&self.told)?;
            self.told.clear();
        }
        Ok(())
    }

    /// Deletes a blob that waits; the next seal tells it.
    pub(super) fn delete(&mut self, seq: u64, why: &str) -> Result<()> {
        self.commit();
        let Some(entry) = self.tail.outbox.get(seq).filter(|_| !self.told.contains(&seq)) else {
            return Err(Error::NotWaiting { seq });
        };
        let stone = Tombstone {
            seq,
            kind: entry.blob.kind,
            key: entry.blob.key,
            time: clock::rfc3339(self.options.clock.unix_ns()),
            reason: "deleted".to_owned(),
            text: why.to_owned(),
        };
        self.tail.outbox.delete(&stone, &self.spool)?;
        info!(seq, why, "deleted before it left");
        let notice = json!({"cause": "delete", "of_seq": seq, "of_kind": stone.kind, "text": why});
        self.append(&tail::own("notice", &notice));
        Ok(())
    }

    /// Reads the journal back, with every number in it or declared.
    fn whole(&mut self) -> Result<Scan> {
        loop {
            let scan = Scan::read(&self.tail.folder)?;
            let missing = scan.undeclared(self.tail.head.sealed + 1, self.tail.next() - 1);
            if missing.is_empty() {
                return Ok(scan);
            }
            let next = self.tail.next();
            for gap in lost::damaged(&missing) {
                self.add(&tail::own("gap", &gap));
            }
            self.commit();
            if self.tail.next() == next {
                return Err(Error::Unwritable { cause: "damage was found and can't be declared".into() });
            }
        }
    }
}
