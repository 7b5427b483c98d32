//! How long to wait before the next try: exponential, with full jitter.

use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(300);

/// Counts tries.
#[derive(Debug, Default)]
pub struct Backoff {
    tries: u32,
}

impl Backoff {
    /// Starts over after a success.
    pub fn reset(&mut self) {
        self.tries = 0;
    }

    /// How long to wait now: a random part of the step, but never shorter than the store asked for.
    pub fn next(&mut self, asked: Option<Duration>) -> Duration {
        let step = Self::step(self.tries);
        self.tries = self.tries.saturating_add(1);
        let random = u128::from(random());
        let nanos = step.as_nanos() * random / u128::from(u64::MAX);
        let jittered = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        jittered.max(asked.unwrap_or_default())
    }

    fn step(tries: u32) -> Duration {
        FIRST.saturating_mul(1 << tries.min(16)).min(LONGEST)
    }
}

fn random() -> u64 {
    let mut bytes = [0; 8];
    // Without random bytes every wait is the longest, which is safe.
    if getrandom::fill(&mut bytes).is_err() {
        return u64::MAX;
    }
    u64::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_limit_and_start_over() {
        let mut backoff = Backoff::default();
        for tries in 0..40 {
            assert!(backoff.next(None) <= Backoff::step(tries));
        }
        assert_eq!(Backoff::step(0), FIRST);
        assert_eq!(Backoff::step(u32::MAX), LONGEST);
        backoff.reset();
        assert!(backoff.next(None) <= FIRST);
    }

    #[test]
    fn a_store_that_asks_for_time_gets_it() {
        let asked = Duration::from_secs(900);
        assert_eq!(Backoff::default().next(Some(asked)), asked);
    }
}
