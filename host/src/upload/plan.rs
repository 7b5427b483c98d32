//! What one sink is sent next: records before blobs, older ones first, a manifest after all it lists.
//!
//! An object that fails waits for its own time and lets the others pass. When two fail in a row, or the store asks for
//! time, it is the store: then one object at a time tries whether it is back, each time another one. What is in memory
//! does not grow with what waits.

use std::{
    collections::{BTreeMap, VecDeque},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use plugin_api::{Fault, call::Failure, v1::Status};
use tracing::{info, warn};

use super::{
    delivered::{self, Delivered, Refused},
    entry::Entry,
    index::{self, Index},
    listed::Part,
    look::{self, Progress},
    target::Target,
};
use crate::{
    error::{Error, Result},
    spool::{Seal, Spool},
};

mod outcome;
mod progress;

/// How many seals may be begun and not done.
const OPEN: usize = 1000;
/// How many while the store fails.
const OPEN_FAILING: usize = 4;
/// How often at most it is noted on disk what is delivered.
const NOTE: Duration = Duration::from_secs(1);

/// What of a seal is sent: its records, with the manifest if it has no blobs; or its blobs, with the manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Records,
    Blobs,
}

/// Which task: the phase, and where its seal is in the index.
type Place = (Phase, u64);

/// The place of what a person asked to try again; no seal is there.
const AGAIN: Place = (Phase::Records, u64::MAX);

struct Waiting {
    part: Part,
    tries: u32,
    until: Instant,
}

/// A seal that is begun.
struct Task {
    seal: Option<Seal>,
    fresh: VecDeque<Part>,
    waiting: Vec<Waiting>,
    flying: usize,
    /// Whether the manifest comes after the rest.
    ends: bool,
}

/// Something to do now.
#[derive(Clone, Debug)]
pub struct Job {
    place: Place,
    /// What to send.
    pub part: Part,
    tries: u32,
}

/// What to do next.
pub enum Next {
    /// Send this.
    Send(Job),
    /// Nothing until then, or until something happens.
    Wait(Option<Instant>),
}

/// What came of a job.
pub enum Outcome {
    /// It is there.
    Sent,
    /// It could not be sent.
    Failed(Failure),
    /// It can't be read here.
    Unreadable(Error),
}

/// The queue of one sink.
pub struct Plan {
    spool: Arc<Spool>,
    target: Target,
    path: PathBuf,
    index: Index,
    delivered: Delivered,
    /// Whether something is delivered that is not noted on disk, and when it last was.
    unnoted: bool,
    noted: Option<Instant>,
    /// The next seals to begin with, by phase.
    next: (u64, u64),
    /// Every seal before these is done, by phase, and so noted.
    done: (u64, u64),
    open: BTreeMap<Place, Task>,
    flying: usize,
    /// Failures since the last success.
    failures: u32,
    paused: Option<Instant>,
    failure: Option<Failure>,
    /// The last refusal.
    refusal: Option<Failure>,
    pending: u64,
    pending_bytes: u64,
    sent: u64,
}

impl Plan {
    /// The queue of a sink as it was left.
    pub fn open(spool: Arc<Spool>, target: Target, state: &Path, delivered: Delivered) -> Result<Self> {
        let (path, queue) = (delivered::path(state, &target.id), index::path(state, &target.id));
        let (mut done, mut next) = ((0, 0), 0);
        let (mut pending, mut pending_bytes) = (0, 0);
        let mut index = Index::open(&queue, target.kinds.as_deref(), |at, entry| {
            if !entry.is_end && !delivered.has(&entry.seal) {
                pending += entry.count();
                pending_bytes += entry.object_bytes + entry.blob_bytes;
                if delivered.has_records(&entry.seal) {
                    pending -= u64::from(entry.objects);
                    pending_bytes -= entry.object_bytes;
                }
            }
            // Marks are beginnings: what is done after something that is not is sent once more.
            if next == at && (entry.is_end || delivered.has_records(&entry.seal)) {
                next = at + 1;
            }
            if done.1 == at && (entry.is_end || delivered.has(&entry.seal)) {
                done.1 = at + 1;
            }
        })?;
        done.0 = next;
        if index.forget(done.1) {
            (done.0, next) = (done.0 - done.1, next - done.1);
            done.1 = 0;
        }
        let refusal = delivered.refused.last().map(|refused| Failure {
            cause: refused.code.clone(),
            ..Failure::new(Status::FATAL, Fault::Other, &refused.text)
        });
        let mut plan = Self {
            refusal,
            spool,
            target,
            path,
            index,
            unnoted: false,
            noted: None,
            next: (next, done.1),
            done,
            open: BTreeMap::new(),
            flying: 0,
            failures: 0,
            paused: None,
            failure: None,
            pending,
            pending_bytes,
            sent: 0,
            delivered,
        };
        for refused in plan.delivered.again.clone() {
            plan.again(refused);
        }
        Ok(plan)
    }

    /// The seals that are not in the queue yet: device and after which number, the chain being written last.
    pub fn behind(&self) -> Result<Vec<(String, u64)>> {
        let (current, sealed) = self.spool.sealed();
        let mut devices = self.spool.devices()?;
        devices.sort_by_key(|device| *device == current);
        let behind = devices.into_iter().filter_map(|device| {
            let done = self.delivered.done.get(&device).copied().unwrap_or(0);
            let after = self.index.last(&device).max(done);
            let all = if device == current { after >= sealed } else { self.index.has_ended(&device) };
            (!all).then_some((device, after))
        });
        Ok(behind.collect())
    }

    /// Adds a seal to the queue.
    pub fn push(&mut self, entry: Entry) {
        self.pending += entry.count();
        self.pending_bytes += entry.object_bytes + entry.blob_bytes;
        self.index.push(entry);
    }

    /// What to send next.
    pub fn next(&mut self, now: Instant) -> Next {
        if let Some(until) = self.paused {
            if now < until {
                return Next::Wait(Some(until));
            }
            self.paused = None;
        }
        let most = if self.failures > 0 { 1 } else { self.target.limits.parallel.max(1) };
        if self.flying >= most {
            return Next::Wait(None);
        }
        let job = match self.failures {
            0 => self.due(now).or_else(|| self.fresh()),
            // Another one than those that failed, if there is one.
            1 => self.fresh().or_else(|| self.due(now)),
            _ => self.fresh().or_else(|| self.earliest()),
        };
        if let Some(job) = job {
            self.flying += 1;
            if let Some(task) = self.open.get_mut(&job.place) {
                task.flying += 1;
            }
            return Next::Send(job);
        }
        if self.unnoted && self.flying == 0 {
            self.note();
        }
        let waiting = self.open.values().flat_map(|task| &task.waiting);
        Next::Wait(waiting.map(|waiting| waiting.until).min())
    }

    /// Takes note of what came of a job. What has changed with the sink, for the person: `Some(None)` is well again.
    pub fn done(&mut self, job: Job, outcome: Outcome) -> Option<Option<Failure>> {
        self.flying -= 1;
        if let Some(task) = self.open.get_mut(&job.place) {
            task.flying -= 1;
        }
        let place = job.place;
        let told = match outcome {
            Outcome::Sent => self.sent(&job),
            Outcome::Unreadable(error) if error.is_gone() => {
                // Removed by a rule that declared it, or by somebody: what is in the store tells which.
                warn!(sink = self.target.id, key = job.part.key, "gone before it was sent");
                self.count_off(&job.part);
                None
            }
            Outcome::Unreadable(error) => {
                let failure = Failure::new(Status::FATAL, Fault::Malformed, error.to_string());
                self.refuse(job.part, failure)
            }
            Outcome::Failed(failure) => self.failed(job, failure),
        };
        self.finish(place);
        self.advance();
        told
    }

    /// What failed and whose time has come.
    fn due(&mut self, now: Instant) -> Option<Job> {
        self.waiting(|waiting| waiting.until <= now)
    }

    /// What failed and whose time comes first.
    fn earliest(&mut self) -> Option<Job> {
        let all = self.open.values().flat_map(|task| &task.waiting);
        let first = all.map(|waiting| waiting.until).min()?;
        self.waiting(|waiting| waiting.until == first)
    }

    fn waiting(&mut self, is_it: impl Fn(&Waiting) -> bool) -> Option<Job> {
        for (place, task) in &mut self.open {
            if let Some(at) = task.waiting.iter().position(&is_it) {
                let Waiting { part, tries, .. } = task.waiting.swap_remove(at);
                return Some(Job { place: *place, part, tries });
            }
        }
        None
    }

    /// What was not tried yet: records of begun seals, of the next seal, then blobs.
    fn fresh(&mut self) -> Option<Job> {
        for phase in [Phase::Records, Phase::Blobs] {
            loop {
                let mut begun = self.open.range_mut((phase, 0)..=(phase, u64::MAX));
                if let Some(job) = begun.find_map(|(place, task)| {
                    let part = task.fresh.pop_front()?;
                    Some(Job { place: *place, part, tries: 0 })
                }) {
                    return Some(job);
                }
                if !self.begin(phase) {
                    break;
                }
            }
        }
        None
    }

    /// Whether another thread would have something to do now.
    pub fn has_more(&self) -> bool {
        let fresh = self.open.values().any(|task| !task.fresh.is_empty());
        self.failures == 0 && (fresh || self.next.0 < self.index.len() || self.next.1 < self.next.0)
    }

    /// Notes on disk what is delivered. That it can't be costs sending it again after a restart.
    pub fn note(&mut self) {
        self.noted = Some(Instant::now());
        match delivered::write(&self.path, &self.delivered) {
            Ok(()) => self.unnoted = false,
            Err(error) => {
                info!(sink = self.target.id, %error, "delivery not noted, may be repeated after a restart");
            }
        }
    }

    /// Whether there is something that is not noted on disk.
    pub fn is_unnoted(&self) -> bool {
        self.unnoted
    }

    /// Tries at once whatever waits for its time; should that fail, back-off begins anew.
    pub fn hurry(&mut self) {
        self.paused = None;
        self.failures = self.failures.min(1);
        let now = Instant::now();
        self.open.values_mut().flat_map(|task| &mut task.waiting).for_each(|waiting| waiting.until = now);
    }

    /// Has the sink asked again to take what it refused. How many objects.
    pub fn retry(&mut self, key: Option<&str>) -> usize {
        let known = self.delivered.again.len();
        let count = self.delivered.retry(key);
        for refused in self.delivered.again.split_off(known) {
            self.delivered.again.push(refused.clone());
            self.again(refused);
        }
        self.note();
        count
    }

    fn again(&mut self, refused: Refused) {
        let part =
            Part { key: refused.key, sums: refused.sums, media_type: refused.media_type, len: refused.len };
        self.pending += 1;
        self.pending_bytes += if part.sums.is_some() { part.len } else { 0 };
        let none =
            || Task { seal: None, fresh: VecDeque::new(), waiting: Vec::new(), flying: 0, ends: false };
        self.open.entry(AGAIN).or_insert_with(none).fresh.push_back(part);
    }

    /// What the sink has.
    pub fn delivered(&self) -> &Delivered {
        &self.delivered
    }

    /// How the sink is doing.
    pub fn progress(&self) -> Progress {
        let failing = self.failure.as_ref();
        let paused = self.paused.map(|until| until.saturating_duration_since(Instant::now()).as_secs_f64());
        let oldest = self.index.get(self.done.1).filter(|entry| !entry.is_end && self.pending > 0);
        Progress {
            id: self.target.id.clone(),
            pending: self.pending,
            pending_bytes: self.pending_bytes,
            sent: self.sent,
            refused: self.delivered.refused.len() as u64,
            last_error: failing.map(|failure| failure.text.clone()),
            class: failing.map(|failure| class(failure.fault)),
            code: failing.and_then(|failure| failure.cause.clone()),
            retry_in_s: paused.filter(|_| self.pending > 0),
            oldest: oldest.map(|entry| look::moment(entry.time)),
        }
    }
}

/// A class of failure as a word.
pub fn class(fault: Fault) -> String {
    format!("{fault:?}").to_lowercase()
}
