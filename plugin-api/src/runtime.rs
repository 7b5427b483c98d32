//! What a plugin has at run time: the host, a way out for events, and errors the host understands.

use std::{fmt, path::PathBuf, time::Duration};

use abi_stable::std_types::RSlice;
use serde::Serialize;
use serde_json::Value;

use crate::{
    event,
    record::{Finding, Health},
    shim,
    v1::{self, Event, Kind, Status, fault},
};

/// The host, as one instance sees it. Copies are cheap; it outlives the instance.
#[derive(Clone, Copy)]
pub struct Host(pub(crate) &'static v1::Host);

impl Host {
    /// Where this agent keeps its state, if the host tells.
    pub fn state_folder(&self) -> Option<PathBuf> {
        shim::state_folder(self.0).map(PathBuf::from)
    }

    /// Has the host try now what a sink failed at, not at its time: what was in the way may be gone. Any thread of the
    /// instance's may say so.
    pub fn retry(&self) {
        shim::retry(self.0);
    }

    /// A way out for events at a time of the caller's own clock.
    pub fn out(&self, mono_ns: u64) -> Out<'static> {
        Out { host: self.0, mono_ns, unix_ns: 0 }
    }
}

/// The way out for events of the call that was given it.
#[derive(Clone, Copy)]
pub struct Out<'a> {
    pub(crate) host: &'a v1::Host,
    pub(crate) mono_ns: u64,
    pub(crate) unix_ns: i64,
}

impl Out<'_> {
    /// Hands over signals as they are. False when some were dropped, which the host counts.
    pub fn emit(&self, events: &[Event<'_>]) -> bool {
        shim::emit(self.host, events) == Status::OK
    }

    /// The clock that events are stamped by, now, if the host tells: for a source whose platform has another one.
    pub fn mono_ns(&self) -> Option<u64> {
        shim::mono_ns(self.host)
    }

    /// Tells a number to whoever looks on, such as `candor replay`; it is not stored. A detector's `score`, 0 to 1,
    /// is how sure it is by now, whether or not it finds that worth a record.
    pub fn gauge(&self, name: &str, value: f64) {
        shim::gauge(self.host, name, value);
    }

    /// Stores what was counted in an interval: an object whose fields are `activity`'s.
    pub fn activity(&self, fields: &impl Serialize) -> Result<(), Error> {
        self.record(event::ACTIVITY, fields)
    }

    /// Stores a finding.
    pub fn finding(&self, finding: Finding) -> Result<(), Error> {
        self.record(event::FINDING, &finding)
    }

    /// Tells how the plugin is doing; stored when it changes, shown by `candor status`.
    pub fn health(&self, health: &Health) -> Result<(), Error> {
        self.send(event::STATE, health)
    }

    /// Stores a record of a kind of its own, named `vendor.name`.
    pub fn vendor(&self, name: &str, fields: &impl Serialize) -> Result<(), Error> {
        match shim::kind(self.host, name) {
            Kind(0) => Err(Error::new(Fault::Malformed, format!("{name}: not a kind; name it vendor.name"))),
            kind => self.record(kind, fields),
        }
    }

    /// Stores a record of a kind, stamped with the time of this call.
    pub fn record(&self, kind: Kind, fields: &impl Serialize) -> Result<(), Error> {
        self.send(kind, fields)
    }

    /// Stores a record with a blob, such as an image that is redacted already.
    pub fn blob(
        &self,
        kind: Kind,
        fields: &impl Serialize,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<(), Error> {
        let body = serde_json::to_vec(fields)?;
        stored(shim::emit_blob(self.host, &self.event(kind, &body), media_type, bytes))
    }

    fn send(&self, kind: Kind, fields: &impl Serialize) -> Result<(), Error> {
        let body = serde_json::to_vec(fields)?;
        stored(shim::emit(self.host, &[self.event(kind, &body)]))
    }

    fn event<'b>(&self, kind: Kind, body: &'b [u8]) -> Event<'b> {
        let body = RSlice::from_slice(body);
        Event {
            seq: 0,
            mono_ns: self.mono_ns,
            unix_ns: self.unix_ns,
            kind,
            flags: 0,
            source: 0,
            args: [0; 4],
            body,
        }
    }
}

fn stored(status: Status) -> Result<(), Error> {
    match status {
        Status::OK => Ok(()),
        _ => Err(Error::new(Fault::Malformed, "the host refused the record; its log says why")),
    }
}

/// What kind of failure it is, so that the host can act on it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u32)]
pub enum Fault {
    /// Anything else.
    Other = fault::OTHER,
    /// The config is wrong; a person must change it.
    Config = fault::CONFIG,
    /// The operating system denied something.
    Permission = fault::PERMISSION,
    /// Something needed is not there now.
    Missing = fault::MISSING,
    /// The store denied the credentials.
    Credentials = fault::CREDENTIALS,
    /// The network did not carry the request.
    Network = fault::NETWORK,
    /// The store is busy.
    Busy = fault::BUSY,
    /// No space or quota left.
    Full = fault::FULL,
    /// The store holds other bytes under this key.
    Conflict = fault::CONFLICT,
    /// The event or object is malformed.
    Malformed = fault::MALFORMED,
}

impl Fault {
    /// The fault of that number; unknown ones are [`Fault::Other`].
    pub fn from_number(number: u32) -> Self {
        const ALL: [Fault; 10] = [
            Fault::Other,
            Fault::Config,
            Fault::Permission,
            Fault::Missing,
            Fault::Credentials,
            Fault::Network,
            Fault::Busy,
            Fault::Full,
            Fault::Conflict,
            Fault::Malformed,
        ];
        ALL.get(number as usize).copied().unwrap_or(Fault::Other)
    }

    /// Whether another try may end better without anybody's help.
    pub fn may_pass(self) -> bool {
        !matches!(self, Self::Config | Self::Conflict | Self::Malformed)
    }
}

/// Why a call failed: what happened, to what, and what to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Error {
    /// What kind of failure it is.
    pub fault: Fault,
    /// For the person who can mend it. Never a secret, a title or anything typed.
    pub text: String,
    /// When to try again, if the other side said so.
    pub retry_after: Option<Duration>,
    /// The cause as a word for programs: `dns`.
    pub cause: Option<&'static str>,
}

impl Error {
    /// A failure of a kind with its text.
    pub fn new(fault: Fault, text: impl Into<String>) -> Self {
        Self { fault, text: text.into(), retry_after: None, cause: None }
    }

    /// Names the cause for programs, by a word of small letters, digits and `_`; `candor status` shows it beside the text.
    #[must_use]
    pub fn because(mut self, cause: &'static str) -> Self {
        self.cause = Some(cause);
        self
    }

    /// Asks the host to wait before the next try.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Error {}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::new(Fault::Malformed, error.to_string())
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind::{NotFound, PermissionDenied, QuotaExceeded, StorageFull};
        let fault = match error.kind() {
            StorageFull | QuotaExceeded => Fault::Full,
            PermissionDenied => Fault::Permission,
            NotFound => Fault::Missing,
            _ => Fault::Other,
        };
        Self::new(fault, error.to_string())
    }
}

/// What became of a changed config.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// In force from now on.
    Applied,
    /// The host is to finish this instance and create a new one.
    Recreate,
}

/// Reads an instance's config, which an author's tests may want without a host.
pub fn parse<T: serde::de::DeserializeOwned>(config: Value) -> Result<T, Error> {
    serde_json::from_value(config).map_err(|error| Error::new(Fault::Config, error.to_string()))
}
