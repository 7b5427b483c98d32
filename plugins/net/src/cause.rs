//! Why a request did not arrive, in words.

use std::fmt;

use plugin_api::{Error, Fault};
use serde_json::{Value, json};

/// Whom a sink talks to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// The host's name or address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Whether by TLS.
    pub tls: bool,
    /// The proxy on the way, as `host:port`.
    pub proxy: Option<String>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)?;
        self.proxy.as_ref().map_or(Ok(()), |proxy| write!(f, " by the proxy {proxy}"))
    }
}

/// Why a request did not arrive, or was not done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Cause {
    /// There is no way to the host: no network, or its route ends.
    NoRoute,
    /// The name can't be resolved.
    Dns,
    /// Somebody answered that nothing listens.
    Refused,
    /// No answer at all, as when a firewall drops what it doesn't let pass.
    Dropped,
    /// Cut off right after the name was sent, as filters do that go by it.
    Filtered,
    /// The connection was lost in the middle.
    Cut,
    /// Somebody else's certificate was presented, issued by this.
    Intercepted(String),
    /// The certificate doesn't hold: expired, another name's.
    Certificate(String),
    /// A sign-in page of the network answers, there.
    Portal(String),
    /// The proxy wants a user and a password.
    ProxyAuth,
    /// This computer's clock is off by about so many minutes, if known.
    Clock(Option<i64>),
    /// No credentials were found.
    NoCredentials,
    /// The key store of this computer can't be used, for this reason.
    KeyStore(String),
    /// The credentials' time is over.
    Expired,
    /// The credentials are wrong, or don't allow it.
    Denied(String),
    /// There is no such bucket.
    NoBucket,
    /// The bucket is in another region, there if known.
    WrongRegion(Option<String>),
    /// No space or quota left there.
    Quota,
    /// The store asks to slow down.
    Busy(u16),
    /// The store has a fault of its own.
    Server(u16),
    /// The store will never take this object.
    Rejected(String),
    /// Anything else, as it was said.
    Other(String),
}

impl Cause {
    /// Its short name, for programs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::NoRoute => "no_route",
            Self::Dns => "dns",
            Self::Refused => "refused",
            Self::Dropped => "dropped",
            Self::Filtered => "filtered",
            Self::Cut => "cut",
            Self::Intercepted(_) => "intercepted",
            Self::Certificate(_) => "certificate",
            Self::Portal(_) => "portal",
            Self::ProxyAuth => "proxy_auth",
            Self::Clock(_) => "clock",
            Self::NoCredentials => "no_credentials",
            Self::KeyStore(_) => "key_store",
            Self::Expired => "expired",
            Self::Denied(_) => "denied",
            Self::NoBucket => "no_bucket",
            Self::WrongRegion(_) => "wrong_region",
            Self::Quota => "quota",
            Self::Busy(_) => "busy",
            Self::Server(_) => "server",
            Self::Rejected(_) => "rejected",
            Self::Other(_) => "other",
        }
    }

    /// What the host may do about it. Only a rejection is for good: elsewhere the object is fine, the way isn't.
    pub fn fault(&self) -> Fault {
        match self {
            Self::NoCredentials | Self::KeyStore(_) | Self::Expired | Self::Denied(_) => Fault::Credentials,
            Self::NoBucket | Self::WrongRegion(_) => Fault::Missing,
            Self::Quota => Fault::Full,
            Self::Busy(_) | Self::Server(_) => Fault::Busy,
            Self::Rejected(_) => Fault::Malformed,
            Self::Clock(_) | Self::Other(_) => Fault::Other,
            _ => Fault::Network,
        }
    }

    /// One plain sentence for the person, with what to do.
    pub fn sentence(&self, place: &Place) -> String {
        let host = &place.host;
        match self {
            Self::NoRoute => format!("there is no way to {place}; is this computer connected to a network?"),
            Self::Dns => format!(
                "the name {host} can't be resolved; check the network connection and the name in the config"
            ),
            Self::Refused => {
                format!("{place} refuses connections; a firewall rejects them, or nothing listens there")
            }
            Self::Dropped => {
                format!(
                    "{place} doesn't answer; a firewall probably drops the way there, ask for it to be opened"
                )
            }
            Self::Filtered => format!(
                "the connection to {place} is cut as soon as the name is said; a filter blocks {host}, ask for it to be allowed"
            ),
            Self::Cut => format!("the connection to {place} was lost in the middle; it is tried again"),
            Self::Intercepted(issuer) => format!(
                "somebody between here and {host} opens the encryption (certificate issued by {issuer}); \
                 have {host} exempted, or name that issuer's certificate as `ca`"
            ),
            Self::Certificate(why) => format!("the certificate of {host} doesn't hold: {why}"),
            Self::Portal(url) => {
                format!("this network wants a sign-in first; open {url} in a browser and sign in")
            }
            Self::ProxyAuth => format!(
                "the proxy {} wants a user and a password; put them into HTTPS_PROXY (http://user:password@host:port) of the agent's environment",
                place.proxy.as_deref().unwrap_or("on the way")
            ),
            Self::Clock(Some(minutes)) => {
                let (by, which) = (minutes.abs(), if *minutes < 0 { "slow" } else { "fast" });
                format!("this computer's clock is {by} minutes {which}, so {host} refuses; set the clock")
            }
            Self::Clock(None) => format!("this computer's clock is off, so {host} refuses; set the clock"),
            Self::NoCredentials => {
                format!(
                    "there are no credentials for {host}; see the README on how to give them, not in the config"
                )
            }
            Self::KeyStore(why) => {
                format!(
                    "the credentials for {host} are in this computer's key store, which is shut ({why}); unlock it"
                )
            }
            Self::Expired => format!("the credentials for {host} have expired; renew them or sign in again"),
            Self::Denied(why) => {
                format!("{host} denies access ({why}); check the credentials and what they allow")
            }
            Self::NoBucket => format!("{host} has no such bucket; create it or correct `bucket`"),
            Self::WrongRegion(Some(region)) => {
                format!("the bucket is in another region; write region = \"{region}\"")
            }
            Self::WrongRegion(None) => "the bucket is in another region; correct `region`".to_owned(),
            Self::Quota => format!("{host} has no space or quota left; free some or raise the quota"),
            Self::Busy(status) => {
                format!("{host} asks to slow down (status {status}); it is tried again later")
            }
            Self::Server(status) => {
                format!("{host} has a fault of its own (status {status}); it is tried again later")
            }
            Self::Rejected(why) => format!("{host} will not take this object ({why})"),
            Self::Other(text) => format!("{place}: {text}"),
        }
    }

    /// What whoever runs the network has to know, and what to allow.
    pub fn for_it(&self, place: &Place) -> Value {
        let allow = match self {
            Self::Intercepted(_) => "exempt this host from TLS inspection",
            Self::ProxyAuth => {
                "let this host through the proxy without authentication, or give the agent an account"
            }
            Self::Portal(_) => "let this device through without a sign-in page",
            Self::Dns => "resolve this name, and let UDP and TCP port 53 to the resolver pass",
            Self::Clock(_) => "let NTP (UDP port 123) to a time server pass",
            _ => "outgoing connections to this host and port; it must not be filtered by name",
        };
        let protocol = if place.tls { "HTTPS (TLS 1.2 or 1.3 over TCP)" } else { "HTTP over TCP" };
        json!({"host": place.host, "port": place.port, "protocol": protocol, "proxy": place.proxy, "allow": allow})
    }

    /// The failure of a call, with the sink's name first.
    pub fn error(&self, sink: &str, place: &Place) -> Error {
        Error::new(self.fault(), format!("{sink}: {}", self.sentence(place))).because(self.name())
    }
}
