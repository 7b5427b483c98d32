//! Where input comes from, as far as the system tells. Evidence, never a verdict: remote control, screen sharing
//! and accessibility tools make people's own input look like this.

use plugin_api::{Event, Origin};

use crate::{
    Rule,
    evidence::{Feature, Seen},
};

const BUCKET: u64 = 10_000_000_000;
const BUCKETS: usize = 6;
/// One event alone may be a window manager that moves the pointer.
const FEWEST: u32 = 2;

/// Counts input by origin over the last minute.
#[derive(Default)]
pub struct Provenance {
    counts: [[u32; Origin::ALL.len()]; BUCKETS],
    /// Number of the newest bucket.
    newest: u64,
}

impl Provenance {
    /// Counts one signal; answers when much of the last minute's input is of its origin, that is a program's, and
    /// the rule is due.
    pub fn take(&mut self, event: &Event<'_>, share: f64, due: impl Fn(Rule) -> bool) -> Option<Seen> {
        let bucket = event.mono_ns / BUCKET;
        self.turn(bucket);
        let counted = &mut self.counts[(bucket % BUCKETS as u64) as usize][event.origin() as usize];
        *counted = counted.saturating_add(1);
        let rule = match event.origin() {
            Origin::Injected => Rule::Injected,
            Origin::Virtual => Rule::Virtual,
            Origin::Unknown | Origin::Physical => return None,
        };
        if !due(rule) {
            return None;
        }
        let of =
            |origin: Origin| self.counts.iter().map(|counts| u64::from(counts[origin as usize])).sum::<u64>();
        let (made, total) = (of(event.origin()), Origin::ALL.into_iter().map(of).sum::<u64>());
        let measured = made as f64 / total as f64;
        if made < u64::from(FEWEST) || measured < share {
            return None;
        }
        let (what, who) = match rule {
            Rule::Injected => ("a program", "Remote control, screen sharing and accessibility tools"),
            _ => ("a device made by software", "Key remappers and remote control"),
        };
        Some(Seen {
            rule,
            confidence: measured,
            from: event.mono_ns.saturating_sub(BUCKET * (BUCKETS as u64 - 1)),
            to: event.mono_ns,
            text: format!("{made} of the last {total} inputs came from {what}. {who} do this too."),
            features: vec![Feature { name: "share", value: measured, people: Some((0.0, 0.0)) }],
            histogram: None,
            path: false,
        })
    }

    /// Makes room for a bucket; time that jumps either way starts over.
    fn turn(&mut self, bucket: u64) {
        let steps = bucket.abs_diff(self.newest);
        if bucket < self.newest && steps < BUCKETS as u64 {
            return;
        }
        if steps >= BUCKETS as u64 {
            self.counts = Default::default();
        } else {
            // Forward by less than all of them.
            (self.newest + 1..=bucket)
                .for_each(|fresh| self.counts[(fresh % BUCKETS as u64) as usize] = Default::default());
        }
        self.newest = bucket;
    }
}
