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

/// What a device is by its name, as far as that tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Nothing known.
    Plain,
    /// It helps people who can't use a mouse or keyboard as others do.
    Accessibility,
    /// It carries somebody's input from another machine.
    Remote,
    /// A program's or maker's device that sends input by itself.
    Tool,
}

/// Parts of names, in lower case, by what they say.
const NAMES: [(Kind, &[&str]); 3] = [
    (
        Kind::Accessibility,
        &[
            "onboard",
            "eviacam",
            "camera mouse",
            "tobii",
            "eye tracker",
            "dasher",
            "talon",
            "head mouse",
            "headmouse",
            "quha",
            "sip-and-puff",
            "switch interface",
            "dwell",
        ],
    ),
    (
        Kind::Remote,
        &[
            "xrdp",
            "rdp",
            "vnc",
            "synergy",
            "barrier",
            "input leap",
            "deskflow",
            "anydesk",
            "teamviewer",
            "rustdesk",
            "nomachine",
            "spice",
            "vmware",
            "virtualbox",
            "qemu",
            "remote desktop",
        ],
    ),
    (
        Kind::Tool,
        &[
            "ydotool",
            "jiggler",
            "mouse mover",
            "py-evdev-uinput",
            "python-uinput",
            "digispark",
            "teensy",
            "arduino",
            "rubber ducky",
            "auto clicker",
            "autoclicker",
            "wtype",
            "dotool",
        ],
    ),
];

impl Kind {
    /// What a name says.
    pub fn of(name: &str) -> Self {
        let name = name.to_lowercase();
        let says = |(_, parts): &&(Self, &[&str])| parts.iter().any(|part| name.contains(part));
        NAMES.iter().find(says).map_or(Self::Plain, |(kind, _)| *kind)
    }

    /// Its name in evidence.
    pub fn name(self) -> &'static str {
        ["plain", "accessibility", "remote", "tool"][self as usize]
    }
}

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
    pub fn take(
        &mut self,
        event: &Event<'_>,
        kind: Kind,
        share: f64,
        due: impl Fn(Rule) -> bool,
    ) -> Option<Seen> {
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
        let what = if rule == Rule::Injected { "a program" } else { "a device made by software" };
        let who = match (kind, rule) {
            (Kind::Accessibility, _) => {
                "By its name it helps somebody to use the computer, and helpers of that kind"
            }
            (Kind::Remote, _) => {
                "By its name it carries input from another machine, and remote control and shared keyboards"
            }
            (Kind::Tool, _) => "Its name is that of a tool that sends input by itself; some key remappers",
            (Kind::Plain, Rule::Injected) => "Remote control, screen sharing and accessibility tools",
            (Kind::Plain, _) => "Key remappers and remote control",
        };
        Some(Seen {
            rule,
            confidence: measured,
            from: event.mono_ns.saturating_sub(BUCKET * (BUCKETS as u64 - 1)),
            to: event.mono_ns,
            text: format!("{made} of the last {total} inputs came from {what}. {who} do this too."),
            features: vec![Feature { name: "share", value: measured, people: None }],
            histogram: None,
            path: false,
            model: None,
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
