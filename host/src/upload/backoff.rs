//! How long to wait before the next try: exponential, with full jitter.

use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(300);

/// How long to wait after so many failed tries: a random part of the step, but never shorter than the store asked for.
pub fn wait(tries: u32, asked: Option<Duration>) -> Duration {
    let nanos = step(tries).as_nanos() * u128::from(random()) / u128::from(u64::MAX);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)).max(asked.unwrap_or_default())
}

fn step(tries: u32) -> Duration {
    FIRST.saturating_mul(1 << tries.saturating_sub(1).min(16)).min(LONGEST)
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
    fn waits_grow_to_a_limit() {
        for tries in 0..40 {
            assert!(wait(tries, None) <= step(tries));
        }
        assert_eq!((step(0), step(1), step(2)), (FIRST, FIRST, 2 * FIRST));
        assert_eq!(step(u32::MAX), LONGEST);
    }

    #[test]
    fn a_store_that_asks_for_time_gets_it() {
        let asked = Duration::from_secs(900);
        assert_eq!(wait(1, Some(asked)), asked);
    }
}
