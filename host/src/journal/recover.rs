//! What happens before the first record of a run: find where the chain stands, keep what is whole, declare the rest.

use serde_json::{Value, json};
use tracing::warn;

use super::{
    files::Folder,
    line, lost,
    mark::Mark,
    options::Options,
    record::{Blob, Record},
    scan::{self, Scan},
    tail::{self, Tail},
};
use crate::{
    clock, disk,
    error::{Error, Result},
    identity::{self, Identity, Origin},
    outbox::{Entry, Outbox},
    seal::{BlobEntry, Head, Manifest, Runs, Tombstone, key},
    spool::Spool,
};

/// A date after all others.
const NEVER: &str = "9999-12-31";

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
        let mut gaps = lost::damaged(&damaged);
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
        let known = |seq| seq <= chain.head.sealed || self.scan.records.contains_key(&seq);
        self.outbox(&chain.head).recover(&spool, || last_manifest(&spool, &chain.head), known)?;
        self.forget_other_chains(&chain.head.device);
        let discarded = spool.discard(&chain.head, self.oldest(&chain).as_deref())?;
        let mut recovery = self.tell(identity, &chain);
        if discarded > 0 {
            recovery
                .findings
                .push(format!("{discarded} files of an unfinished seal discarded; they are sealed again"));
        }
        let mut owed = Vec::new();
        owed.extend(self.unclean(&chain).map(|gap| ("gap".to_owned(), gap)));
        owed.extend(chain.gaps().into_iter().map(|gap| ("gap".to_owned(), gap)));
        let mut tail = self.tail(chain.head.clone(), chain.next);
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
        let mut tail = self.tail(head.clone(), 1);
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
        let waiting = self.outbox(&old);
        let known = |seq| seq <= old.sealed || self.scan.records.contains_key(&seq);
        waiting.recover(&spool, || last_manifest(&spool, &old), known)?;
        for entry in waiting.waiting()?.into_iter().filter(|entry| entry.blob.seq <= old.sealed) {
            take_over_blob(&mut tail, &waiting, &entry)?;
        }
        for stone in waiting.stones()?.into_iter().filter(|stone| stone.seq <= old.sealed) {
            let text = format!(
                "a {} of device {} was deleted before it left: {}",
                stone.kind, old.device, stone.text
            );
            let gap = json!({"reason": "deleted", "count": 1, "text": text, "to": stone.time});
            tail.add(&tail::own("gap", &gap))?;
        }
        for seq in self.scan.records.range(old.sealed + 1..).map(|(seq, _)| *seq) {
            self.take_over(&mut tail, &waiting, seq)?;
        }
        tail.begin(None).map_err(|dropped| Error::Unwritable { cause: dropped.cause })?;
        // The new chain stands; what stays of the old one is void and in nobody's way.
        if let Err(error) = self.folder.remove_before(self.generation + 1) {
            warn!(%error, "a journal file of the old chain stays");
        }
        if self.old.is_some()
            && let Err(error) = spool.discard(&old, None)
        {
            warn!(%error, "files of an unfinished seal of the old chain stay");
        }
        self.forget_other_chains(&head.device);
        self.set_aside(&mut tail, &mut recovery);
        Ok((tail, spool, recovery))
    }

    /// Adds a record of an old chain to a new one, and what waits of it.
    fn take_over(&self, tail: &mut Tail, old: &Outbox, seq: u64) -> Result<()> {
        let Some(payload) = self.scan.payload(seq) else { return Ok(()) };
        let Some((_, date, _)) = line::split(payload) else { return Ok(()) };
        let (new, device) = (tail.next(), tail.head.device.clone());
        let Some(mut text) = line::renumber(payload, new) else { return Ok(()) };
        if let Some(entry) = old.get(seq) {
            let key = key::blob(&device, new, date, &entry.blob.media_type);
            let blob = BlobEntry { key, seq: new, ..entry.blob.clone() };
            text = line::attach(&text, &blob.key, &blob.media_type);
            match std::fs::read(old.file(&entry.blob)) {
                Ok(bytes) => tail.outbox.add(&Entry { blob, ..entry }, &bytes)?,
                Err(error) => warn!(seq, %error, "blob of an unsealed record is gone"),
            }
        } else if let Some(stone) = old.stone(seq) {
            let extension = stone.key.rsplit_once('.').map_or("bin", |(_, extension)| extension);
            let key = format!("v=1/device={device}/_blob/date={date}/{new:020}.{extension}");
            tail.outbox.bury(&Tombstone { seq: new, key, ..stone })?;
        }
        tail.add_payload(text.as_bytes());
        Ok(())
    }

    fn outbox(&self, head: &Head) -> Outbox {
        Outbox::of(&self.options.state, &head.device)
    }

    /// Removes what waited under other ids; the chain of this one has taken it over.
    fn forget_other_chains(&self, device: &str) {
        for other in disk::names(&self.options.state.join("outbox")).unwrap_or_default() {
            if other != device
                && let Err(error) = Outbox::of(&self.options.state, &other).forget_all()
            {
                warn!(other, %error, "what waited under another id stays");
            }
        }
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

    /// The date of the oldest record that an unfinished seal could have had, or whose blob; none if that can't be told.
    fn oldest(&self, chain: &Chain) -> Option<String> {
        if !chain.missing.is_empty() || self.scan.head().is_none() {
            return None;
        }
        let unsealed = self.scan.records.range(chain.head.sealed + 1..);
        let dates = unsealed.map(|(seq, _)| Some(line::split(self.scan.payload(*seq)?)?.1.to_owned()));
        let dates = dates.collect::<Option<Vec<_>>>()?.into_iter();
        let date = |entry: Entry| {
            entry.blob.key.split('/').find_map(|part| part.strip_prefix("date=")).map(str::to_owned)
        };
        let blob = self.outbox(&chain.head).first().and_then(date);
        // Without any there was nothing to seal.
        Some(dates.chain(blob).min().unwrap_or_else(|| NEVER.to_owned()))
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

    fn tail(&self, head: Head, next: u64) -> Tail {
        let (folder, outbox) = (self.folder.clone(), self.outbox(&head));
        Tail::new(folder, outbox, self.options.clock.clone(), head, next, self.generation)
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
}

/// The manifest of the last seal.
fn last_manifest(spool: &Spool, head: &Head) -> Option<Manifest> {
    let seal = spool.seal_with_last(&head.device, head.sealed).ok()??;
    spool.manifest(&seal).ok()
}

/// Adds a blob of an old chain whose record is sealed there to a new one, with a record of its own.
fn take_over_blob(tail: &mut Tail, old: &Outbox, entry: &Entry) -> Result<()> {
    let file = old.file(&entry.blob);
    let bytes = match std::fs::read(&file) {
        Ok(bytes) => bytes,
        Err(error) => {
            warn!(file = %file.display(), %error, "a blob that waited is gone");
            return Ok(());
        }
    };
    let body = json!({"previous_seq": entry.blob.seq, "previous_time": entry.time}).to_string();
    let blob = Some(Blob { media_type: entry.blob.media_type.clone(), bytes });
    tail.add(&Record { blob, ..Record::new(&entry.blob.kind, &entry.instance, body) })
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
