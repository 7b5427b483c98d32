//! The way to a store, step by step.

use std::io::{Read, Write};

use rustls::RootCertStore;
use serde_json::{Value, json};

use crate::{
    Cause, Place, Proxy,
    look::{self, Head},
    tls::{self, Hand},
};

/// One step of a probe, as `candor doctor` reads it.
pub struct Step<'a> {
    /// Its name.
    pub step: &'a str,
    /// What was found, in words.
    pub text: String,
    /// What is wrong, if anything is.
    pub cause: Option<&'a Cause>,
}

impl Step<'_> {
    /// As JSON.
    pub fn json(&self, place: &Place) -> Value {
        match self.cause {
            None => json!({"step": self.step, "ok": true, "text": self.text}),
            Some(cause) => json!({
                "step": self.step, "ok": false, "text": self.text,
                "cause": cause.name(), "sentence": cause.sentence(place), "it": cause.for_it(place),
            }),
        }
    }
}

/// What to probe.
pub struct Probe<'a> {
    /// The store.
    pub place: Place,
    /// A host that everybody can reach, to tell a blocked store from a broken network.
    pub second: Option<String>,
    /// The proxy on the way.
    pub proxy: Option<&'a Proxy>,
    /// Whom to trust.
    pub roots: &'a RootCertStore,
}

impl Probe<'_> {
    /// Goes the way to the store and reports each step until one fails. What is left is the signed request.
    pub fn steps(&self, report: &mut dyn FnMut(Value)) -> Result<(), Cause> {
        let place = &self.place;
        let mut tell = |step, result: Result<String, &Cause>| {
            let text = result.clone().unwrap_or_else(|cause| cause.sentence(place));
            report(Step { step, text, cause: result.err() }.json(place));
        };
        let target =
            self.proxy.map_or((place.host.clone(), place.port), |proxy| (proxy.host.clone(), proxy.port));
        match std::net::ToSocketAddrs::to_socket_addrs(&(target.0.trim_matches(['[', ']']), target.1)) {
            Ok(found) => {
                let found: Vec<_> = found.map(|address| address.ip().to_string()).collect();
                tell("resolve", Ok(format!("{} is {}", target.0, found.join(", "))));
            }
            Err(_) => return fail("resolve", Cause::Dns, &mut tell),
        }
        let tcp = look::connect(place, self.proxy);
        let connected = tcp.as_ref().map(|_| format!("{place} can be reached"));
        tell("connect", connected);
        if let Some(second) = &self.second {
            tell("second", Ok(self.second(second)));
        }
        let mut tcp = tcp?;
        let head = if place.tls {
            match tls::shake(&place.host, self.roots.clone(), tcp) {
                Hand::Shaken(mut stream) => {
                    let version = stream.conn.protocol_version().map_or(String::new(), |v| format!("{v:?}"));
                    tell("tls", Ok(format!("the certificate of {} holds ({version})", place.host)));
                    self.head(&mut stream)
                }
                Hand::Stranger { error, issuer } => {
                    let cause = look::portal(place).unwrap_or_else(|| look::stranger(&error, issuer));
                    return fail("tls", cause, &mut tell);
                }
                Hand::Failed(error) => {
                    let cut = || match look::is_cut(&error) {
                        true => Cause::Filtered,
                        false => crate::cause_of(&error).unwrap_or_else(|| Cause::Other(error.to_string())),
                    };
                    let cause = look::portal(place).unwrap_or_else(cut);
                    return fail("tls", cause, &mut tell);
                }
            }
        } else {
            self.head(&mut tcp)
        };
        match head.and_then(|head| match head.portal(&place.host).or_else(|| head.clock()) {
            Some(cause) => Err(cause),
            None => Ok(head.status),
        }) {
            Ok(status) => tell("http", Ok(format!("{} answers (status {status})", place.host))),
            Err(cause) => return fail("http", cause, &mut tell),
        }
        Ok(())
    }

    fn head(&self, stream: &mut (impl Read + Write)) -> Result<Head, Cause> {
        look::head(stream, &self.place.host)
            .map_err(|error| crate::cause_of(&error).unwrap_or_else(|| Cause::Other(error.to_string())))
    }

    /// Whether anything else can be reached; never a failure of the store's way.
    fn second(&self, second: &str) -> String {
        let (host, port) = second.rsplit_once(':').unwrap_or((second, "443"));
        let place = Place {
            host: host.to_owned(),
            port: port.parse().unwrap_or(443),
            tls: true,
            proxy: self.place.proxy.clone(),
        };
        match look::connect(&place, self.proxy) {
            Ok(_) => format!("{place} can be reached, so there is a network"),
            Err(cause) => format!("{place} can't be reached either ({})", cause.name()),
        }
    }
}

fn fail(
    step: &'static str,
    cause: Cause,
    tell: &mut dyn FnMut(&'static str, Result<String, &Cause>),
) -> Result<(), Cause> {
    tell(step, Err(&cause));
    Err(cause)
}
