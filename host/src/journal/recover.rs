//! What happens before the first record of a run: find where the chain stands, keep what is whole, declare the rest.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tracing::warn;

use super::{
    Options, Runs,
    files::{Folder, Head},
    line,
    mark::Mark,
    scan::{self, Scan},
    tail::{self, Tail},
    writer,
};
use crate::{
    clock, disk,
    error::{Error, Result},
    identity::{self, Identity, Origin},
    seal::{self, BlobEntry},
    spool::Spool,
};

/// What opening the journal found and did.
#[derive(Clone, Debug)]
pub struct Recovery {
    /// Who this device is.
    pub identity: Identity,
    /// Whether the run before ended in good order, or there was none.
    pub clean: bool,
    /// The last durable number of the run before.
    pub durable: u64,
    /// How many records wait in the journal to be sealed.
    pub unsealed: u64,
    /// Numbers that had to be declared missing now.
    pub declared: Runs,
    /// The same for a person, a line each; empty if there is nothing to tell.
    pub findings: Vec<String>,
    /// Records that could not be written, for lack of room: kind and body.
    pub(super) owed: Vec<(String, Value)>,
}

/// Where a chain goes on.
struct Chain {
    head: Head,
    next: u64,
    /// Its numbers that are neither here nor declared.
    missing: Runs,
    /// Those above may never have been used.
    known: u64,
    clean: bool,
    /// When the run before was last known to be alive.
    alive: Option<i64>,
}

impl Chain {
    /// The gaps for numbers that can't be read: those somebody may have heard of, and those that may never have been.
    fn gaps(&self) -> Vec<Value> {
        let (mut damaged, mut torn) = (self.missing.clone(), self.missing.clone());
        damaged.remove(self.known + 1, u64::MAX);
        torn.remove(0, self.known);
        let mut gaps = writer::damaged(&damaged);
        for (first, last) in torn.iter() {
            let text = "the end of the journal can't be read; these numbers may never have been used, and are not used again";
            gaps.push(json!({"reason": "torn", "first_seq": first, "last_seq": last, "text": text}));
        }
        gaps
    }
}

/// Opens what is there.
pub fn recover(options: &Options) -> Result<(Tail, Spool, Recovery)> {
    disk::folder(&options.state)?;
    let folder = Folder::new(&options.state)?;
    let identity = identity::load(&options.state)?;
    let scan = Scan::read(&folder)?;
    let generation = folder.generations()?.last().copied().unwrap_or(0);
    let old = match scan.head() {
        Some(head) => Some(head),
        None => sealed_head(options, &identity.id)?,
    };
    let opening = Opening { options, folder, scan, generation, old };
    match &opening.old {
        Some(head) if head.device == identity.id => opening.go_on(identity),
        Some(head) => {
            let from = head.device.clone();
            opening.begin_anew(Identity { origin: Origin::Moved { from }, ..identity })
        }
        None if identity.origin == Origin::Kept => {
            let renewed = identity::renew(&options.state, &identity.id)?;
            opening.begin_anew(renewed)
        }
        None => opening.begin_anew(identity),
    }
}

/// Begins the chain of a new device while running, as the next start would. Nothing may be pending.
pub fn renew(options: &Options, device: &str) -> Result<(Tail, Spool, Recovery)> {
    identity::renew(&options.state, device)?;
    recover(options)
}

/// Where a chain stands by its last manifest, when the journal does not tell.
fn sealed_head(options: &Options, device: &str) -> Result<Option<Head>> {
    let spool = Spool::at(&options.state);
    let Some(seal) = spool.seals(device)?.pop() else { return Ok(None) };
    let bytes = std::fs::read(spool.path(&seal.key())).unwrap_or_default();
    let manifest = Some(disk::hex(&disk::sha256(&bytes)));
    Ok(Some(Head { device: device.to_owned(), sealed: seal.last, manifest }))
}

struct Opening<'a> {
    options: &'a Options,
    folder: Folder,
    scan: Scan,
    generation: u64,
    old: Option<Head>,
}

impl Opening<'_> {
    /// Goes on with the chain that is here.
    fn go_on(self, identity: Identity) -> Result<(Tail, Spool, Recovery)> {
        let head = self.old.clone().unwrap_or_else(|| beginning(&identity.id));
        let chain = self.chain(head);
        for segment in &self.scan.segments {
            if let Err(error) = self.folder.sync(segment.generation) {
                warn!(%error, "what the run before did not sync may not survive a power cut");
            }
        }
        let spool = Spool::open(&self.options.state, &chain.head)?;
        let discarded = spool.discard(&chain.head, &self.named(&chain.head))?;
        let mut recovery = self.tell(identity, &chain);
        if discarded > 0 {
            recovery
                .findings
                .push(format!("{discarded} files of an unfinished seal discarded; they are sealed again"));
        }
        let mut owed = Vec::new();
        owed.extend(self.unclean(&chain).map(|gap| ("gap".to_owned(), gap)));
        owed.extend(chain.gaps().into_iter().map(|gap| ("gap".to_owned(), gap)));
        let mut tail = self.tail(&spool, chain.head.clone(), chain.next);
        for (kind, body) in &owed {
            tail.add(&tail::own(kind, body))?;
        }
        let begun = tail.begin(self.reserve_in_use());
        if let Err(dropped) = begun {
            recovery
                .findings
                .push(format!("nothing can be written: {}; what happens is counted", dropped.cause));
            recovery.owed = owed;
        } else if recovery.unsealed == 0
            && let Err(error) = self.folder.remove_before(self.generation + 1)
        {
            warn!(%error, "a sealed journal file stays");
        }
        self.set_aside(&mut tail, &mut recovery);
        Ok((tail, spool, recovery))
    }

    /// Begins a new chain, and takes over what an old one left unsealed: under its old numbers it might clash with what
    /// the other holder of the old id writes.
    fn begin_anew(self, identity: Identity) -> Result<(Tail, Spool, Recovery)> {
        let old = self.old.clone().unwrap_or_else(|| beginning("unknown"));
        let chain = self.chain(old.clone());
        let head = beginning(&identity.id);
        let spool = Spool::open(&self.options.state, &head)?;
        let mut recovery = self.tell(identity.clone(), &chain);
        let mut tail = self.tail(&spool, head.clone(), 1);
        let device = identity::describe(self.options.label.as_deref(), &identity);
        tail.add(&tail::own("device", &Value::Object(device)))?;
        if identity.origin != Origin::First {
            let text = why(&identity, &old.device);
            tail.add(&tail::own("notice", &json!({"subject": "identity", "text": text})))?;
            recovery.findings.push(text);
        }
        if let Some(gap) = self.unclean(&chain) {
            tail.add(&tail::own("gap", &gap))?;
        }
        for (first, last) in chain.missing.iter() {
            let text = format!("the journal of device {} was damaged at {first} to {last}", old.device);
            let gap = json!({"reason": "damaged", "count": last - first + 1, "text": text});
            tail.add(&tail::own("gap", &gap))?;
        }
        for seq in self.scan.records.range(old.sealed + 1..).map(|(seq, _)| *seq) {
            self.take_over(&mut tail, &spool, &head.device, seq)?;
        }
        tail.begin(None).map_err(|dropped| Error::Unwritable { cause: dropped.cause })?;
        // The new chain stands; what stays of the old one is void and in nobody's way.
        if let Err(error) = self.folder.remove_before(self.generation + 1) {
            warn!(%error, "a journal file of the old chain stays");
        }
        if self.old.is_some()
            && let Err(error) = spool.discard(&old, &BTreeSet::new())
        {
            warn!(%error, "files of an unfinished seal of the old chain stay");
        }
        self.set_aside(&mut tail, &mut recovery);
        Ok((tail, spool, recovery))
    }

    /// Adds a record of an old chain to a new one.
    fn take_over(&self, tail: &mut Tail, spool: &Spool, device: &str, seq: u64) -> Result<()> {
        let Some(payload) = self.scan.payload(seq) else { return Ok(()) };
        let Some((kind, date, line)) = line::split(payload) else { return Ok(()) };
        let Some(mut text) = line::renumber(payload, tail.next()) else { return Ok(()) };
        if let Some(old) = seal::attached(kind, seq, line) {
            match std::fs::read(spool.path(&old.key)) {
                Ok(bytes) => {
                    let blob = super::Blob { media_type: old.media_type, bytes };
                    let entry = seal::blob(spool.root(), device, tail.next(), date, kind, &blob)?;
                    text = line::attach(&text, &entry);
                }
                Err(error) => warn!(key = old.key, %error, "blob of an unsealed record is gone"),
            }
        }
        tail.add_payload(text.as_bytes());
        Ok(())
    }

    /// Finds where a chain goes on: behind every number that anybody may have heard of.
    fn chain(&self, head: Head) -> Chain {
        let mark = Mark::read(&self.folder.path(), &head.device);
        let highest = self.scan.highest().max(head.sealed);
        let last_file = self.scan.segments.last();
        let unread = match last_file.map_or(scan::Tail::Clean, |file| file.tail) {
            scan::Tail::Clean => 0,
            scan::Tail::Torn(seq) => seq.saturating_sub(highest),
            scan::Tail::Garbage(records) => records,
        };
        let exact = mark.is_some_and(|mark| mark.is_of(self.options.clock.boot()));
        let known = highest.max(mark.map_or(0, |mark| mark.durable));
        let last = if exact { known } else { known.max(highest + unread) };
        let missing = self.scan.undeclared(head.sealed + 1, last);
        let clean = last_file.is_some_and(|file| file.closed);
        Chain { next: last + 1, missing, known, clean, alive: self.alive(mark), head }
    }

    /// When the run before was last known to be alive.
    fn alive(&self, mark: Option<Mark>) -> Option<i64> {
        let opened = self.scan.segments.iter().filter_map(|file| clock::parse(&file.open.as_ref()?.time));
        let record = self.scan.records.last_key_value().and_then(|(seq, _)| {
            let line: Value = serde_json::from_str(line::split(self.scan.payload(*seq)?)?.2).ok()?;
            clock::parse(line["time"].as_str()?)
        });
        opened.chain(record).chain(mark.map(|mark| mark.unix_ns)).max()
    }

    /// The gap in time after an unclean end.
    fn unclean(&self, chain: &Chain) -> Option<Value> {
        let first_start = self.old.is_none() && self.scan.segments.is_empty();
        if chain.clean || first_start {
            return None;
        }
        let now = self.options.clock.unix_ns();
        let from = chain.alive.map(|alive| clock::rfc3339(alive.min(now)));
        let text = "the agent did not end in good order; nothing was recorded between, and counts since the last record are lost";
        Some(json!({"reason": "unclean_end", "from": from, "to": clock::rfc3339(now), "text": text}))
    }

    fn tell(&self, identity: Identity, chain: &Chain) -> Recovery {
        let unsealed = self.scan.records.range(chain.head.sealed + 1..).count() as u64;
        let first_start = self.old.is_none() && self.scan.segments.is_empty();
        let mut findings = Vec::new();
        if !chain.clean && !first_start {
            findings.push(format!(
                "the last run did not end in good order; {unsealed} unsealed records recovered"
            ));
        }
        for gap in chain.gaps() {
            findings.push(format!(
                "records {} to {} are declared missing: {}",
                gap["first_seq"], gap["last_seq"], gap["text"]
            ));
        }
        Recovery {
            identity,
            clean: chain.clean || first_start,
            durable: chain.next - 1,
            unsealed,
            declared: chain.missing.clone(),
            findings,
            owed: Vec::new(),
        }
    }

    fn tail(&self, spool: &Spool, head: Head, next: u64) -> Tail {
        let (folder, clock) = (self.folder.clone(), self.options.clock.clone());
        Tail::new(folder, spool.root().to_owned(), clock, head, next, self.generation)
    }

    fn set_aside(&self, tail: &mut Tail, recovery: &mut Recovery) {
        if let Err(error) = tail.set_aside() {
            recovery.findings.push(format!("no reserve for gaps on a full disk: {error}"));
        }
    }

    /// The last file and where it ends, if it was made of the reserve and can be gone on with.
    fn reserve_in_use(&self) -> Option<(u64, u64)> {
        let file = self.scan.segments.last()?;
        let fit = file.open.as_ref().is_some_and(|open| open.reserve) && file.tail == scan::Tail::Clean;
        fit.then_some((file.generation, file.end as u64))
    }

    /// The blobs that unsealed records name.
    fn named(&self, head: &Head) -> BTreeSet<String> {
        let blob = |seq: u64| -> Option<BlobEntry> {
            let (kind, _, line) = line::split(self.scan.payload(seq)?)?;
            seal::attached(kind, seq, line)
        };
        let unsealed = self.scan.records.range(head.sealed + 1..);
        unsealed.filter_map(|(seq, _)| Some(blob(*seq)?.key)).collect()
    }
}

fn beginning(device: &str) -> Head {
    Head { device: device.to_owned(), sealed: 0, manifest: None }
}

fn why(identity: &Identity, old: &str) -> String {
    let reason = match &identity.origin {
        Origin::Damaged => "its identity file could not be read".to_owned(),
        _ => format!(
            "the chain of device {old} can't be continued: another machine, another user, other files here, or a \
             store that holds other bytes under its names"
        ),
    };
    format!("this agent is now device {}: {reason}", identity.id)
}
