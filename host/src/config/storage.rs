//! What stays on this machine, how much of it and for how long: `[spool]`, `[outbox]`, `[retain]`, and `keep` of a sink.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use plugin_api::{Span, units};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::read::{Reader, Table};
use crate::{error::Result, journal::line, retain};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
const MAX: (u64, u64) = (1_000_000, 1_000_000_000_000_000);
const GRACE_MOST: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// The `[spool]` table.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Spool {
    /// How many bytes of objects and screenshots wait for sinks at most.
    #[serde(with = "units::size")]
    #[schemars(with = "String")]
    pub max: u64,
}

impl Default for Spool {
    fn default() -> Self {
        Self { max: 2_000_000_000 }
    }
}

/// The `[outbox]` table.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Outbox {
    /// How long a screenshot waits before it may leave.
    #[serde(with = "units::duration")]
    #[schemars(with = "String")]
    pub grace: Duration,
    /// Whether the person may delete it meanwhile.
    pub delete: bool,
}

impl Default for Outbox {
    fn default() -> Self {
        Self { grace: Duration::from_secs(10 * 60), delete: true }
    }
}

/// The `[retain]` table.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retain {
    /// How long what every sink has stays here.
    #[serde(with = "units::duration")]
    #[schemars(with = "String")]
    pub max_age: Duration,
    /// How many bytes of each kind of it stay here at most.
    #[serde(with = "units::size")]
    #[schemars(with = "String")]
    pub max_size: u64,
    /// Where it is moved instead of being deleted.
    #[schemars(extend("examples" = ["~/candor-archive"]))]
    pub archive: Option<PathBuf>,
    /// Other limits for some kinds.
    pub kinds: BTreeMap<String, Limits>,
}

impl Default for Retain {
    fn default() -> Self {
        Self { max_age: DAY, max_size: 200_000_000, archive: None, kinds: BTreeMap::new() }
    }
}

/// Limits of one kind; what isn't said is as for all.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// As above.
    pub max_age: Option<Span>,
    /// As above.
    pub max_size: Option<Size>,
}

/// A size as people write it.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema, Serialize)]
#[serde(transparent)]
pub struct Size(
    #[serde(with = "units::size")]
    #[schemars(with = "String")]
    u64,
);

impl Retain {
    /// The same as the journal follows it.
    pub fn rules(&self) -> retain::Rules {
        let usual = retain::Limits { max_age: self.max_age, max_size: self.max_size };
        let own = |limits: &Limits| retain::Limits {
            max_age: limits.max_age.map_or(usual.max_age, |span| span.0),
            max_size: limits.max_size.map_or(usual.max_size, |size| size.0),
        };
        let kinds = self.kinds.iter().map(|(kind, limits)| (kind.clone(), own(limits)));
        retain::Rules { usual, kinds: kinds.collect(), archive: self.archive.clone() }
    }
}

impl Reader<'_> {
    pub(super) fn spool(&self, (spool, table): (Spool, Table)) -> Result<Spool> {
        if spool.max < MAX.0 || spool.max > MAX.1 {
            let (max, low, high) =
                (units::show_size(spool.max), units::show_size(MAX.0), units::show_size(MAX.1));
            let text = format!("{max} is out of range; allowed is \"{low}\" to \"{high}\"");
            return Err(self.fault(&table, "spool", "max", &text));
        }
        Ok(spool)
    }

    pub(super) fn outbox(&self, (outbox, table): (Outbox, Table)) -> Result<Outbox> {
        if outbox.grace > GRACE_MOST {
            let text = out_of_range(outbox.grace, Duration::ZERO, GRACE_MOST);
            return Err(self.fault(&table, "outbox", "grace", &text));
        }
        Ok(outbox)
    }

    pub(super) fn retain(&self, (mut retain, table): (Retain, Table)) -> Result<Retain> {
        if let Some(archive) = &retain.archive {
            retain.archive = Some(self.path(archive, &table, "retain", "archive")?);
        }
        if retain.max_age > LONGEST {
            let text = out_of_range(retain.max_age, Duration::ZERO, LONGEST);
            return Err(self.fault(&table, "retain", "max_age", &text));
        }
        for (kind, limits) in &retain.kinds {
            let text = if !line::is_kind(kind) {
                format!("{kind:?} is no kind of record; see KINDS.md")
            } else if let Some(Span(age)) = limits.max_age.filter(|age| age.0 > LONGEST) {
                format!("{kind}.max_age: {}", out_of_range(age, Duration::ZERO, LONGEST))
            } else {
                continue;
            };
            return Err(self.fault(&table, "retain", "kinds", &text));
        }
        Ok(retain)
    }

    /// How long a sink keeps what it stored.
    pub(super) fn keep(&self, value: &Value, table: &Table, id: &str, list: &str) -> Result<Duration> {
        let fault = |text: &str| Err(self.fault(table, id, "keep", text));
        if list != "sink" {
            return fault(&format!("belongs to a sink; a {list} stores nothing, so remove the line"));
        }
        let Some(text) = value.as_str() else {
            return fault("must be a duration in quotes, such as \"90d\"");
        };
        match units::parse_duration(text) {
            Ok(keep) if (DAY..=LONGEST).contains(&keep) => Ok(keep),
            Ok(keep) => fault(&out_of_range(keep, DAY, LONGEST)),
            Err(text) => fault(&text),
        }
    }
}

fn out_of_range(value: Duration, low: Duration, high: Duration) -> String {
    let show = units::show_duration;
    format!("{} is out of range; allowed is \"{}\" to \"{}\"", show(value), show(low), show(high))
}
