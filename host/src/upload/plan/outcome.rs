//! What came of one object, and what that says of the sink.

use std::time::Instant;

use plugin_api::{Fault, call::Failure, v1::Status};
use tracing::error;

use super::{AGAIN, Job, Plan, Waiting, class};
use crate::{
    clock::{self, Clock},
    upload::{backoff, delivered::Refused, listed::Part},
};

/// So often an object may fail while others get through.
const TRIES: u32 = 12;

impl Plan {
    pub(super) fn sent(&mut self, job: &Job) -> Option<Option<Failure>> {
        self.sent += 1;
        self.failures = 0;
        self.count_off(&job.part);
        if job.place == AGAIN {
            self.delivered.again.retain(|refused| refused.key != job.part.key);
            self.unnoted = true;
        }
        // What fails though others get through stays said until it is there too, and what was refused until somebody
        // has seen to it.
        if self.open.values().any(|task| !task.waiting.is_empty()) {
            return None;
        }
        let left = self.refusal.clone().filter(|_| !self.delivered.refused.is_empty());
        if self.failure == left {
            return None;
        }
        self.failure.clone_from(&left);
        Some(left)
    }

    pub(super) fn failed(&mut self, job: Job, failure: Failure) -> Option<Option<Failure>> {
        let of_object = matches!(failure.fault, Fault::Other | Fault::Malformed | Fault::Conflict);
        if failure.status == Status::FATAL && of_object {
            return self.refuse(job.part, failure);
        }
        self.failures += 1;
        let now = Instant::now();
        // Where the store fails as a whole, that is not the object's fault.
        let tries = if self.failures > 1 { job.tries.max(1) } else { job.tries + 1 };
        if tries >= TRIES {
            let text =
                format!("failed {tries} times while others got through; the last time: {}", failure.text);
            return self.refuse(job.part, Failure { text, ..failure });
        }
        let wait = backoff::wait(self.failures.max(tries), failure.retry_after);
        if self.failures > 1 || failure.retry_after.is_some() || failure.status == Status::FATAL {
            self.paused = Some(now + wait);
        }
        if let Some(task) = self.open.get_mut(&job.place) {
            task.waiting.push(Waiting { part: job.part, tries, until: now + wait });
        }
        self.tell(failure)
    }

    /// What to tell the person: nothing if it is what was told last, but for numbers in it.
    fn tell(&mut self, failure: Failure) -> Option<Option<Failure>> {
        let same = self.failure.as_ref().is_some_and(|last| {
            let kinds = (last.fault, &last.cause) == (failure.fault, &failure.cause);
            kinds && words(&last.text).eq(words(&failure.text))
        });
        self.failure = Some(failure.clone());
        (!same).then_some(Some(failure))
    }

    /// Sets aside what a store will never take, or what is damaged here.
    pub(super) fn refuse(&mut self, part: Part, failure: Failure) -> Option<Option<Failure>> {
        error!(
            sink = self.target.id,
            key = part.key,
            error = failure.text,
            "refused for good; it stays here"
        );
        self.count_off(&part);
        self.delivered.again.retain(|refused| refused.key != part.key);
        let refused = Refused {
            key: part.key,
            text: failure.text.clone(),
            conflict: failure.fault == Fault::Conflict,
            class: class(failure.fault),
            code: failure.cause.clone(),
            time: clock::rfc3339(Clock::system().unix_ns()),
            len: part.len,
            sums: part.sums,
            media_type: part.media_type,
        };
        if let Some(device) = refused.device().filter(|_| refused.conflict) {
            self.spool.dispute(device);
        }
        self.delivered.refused.push(refused);
        self.note();
        self.refusal = Some(failure.clone());
        self.tell(failure)
    }

    pub(super) fn count_off(&mut self, part: &Part) {
        self.pending = self.pending.saturating_sub(1);
        // Of manifests the bytes are not counted.
        self.pending_bytes =
            self.pending_bytes.saturating_sub(if part.sums.is_some() { part.len } else { 0 });
    }
}

/// The words of a text that are the same each time: without numbers and ids.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_whitespace().filter(|word| !word.bytes().any(|byte| byte.is_ascii_digit()))
}
