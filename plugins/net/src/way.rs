//! The way from a sink to its store: what configs say of it, checked, and what goes wrong on it, explained.

use std::{fmt, fs};

use plugin_api::{Error, Fault};
use serde_json::Value;

use crate::{Cause, Failed, Place, Probe, Proxy, Roots, Run, Step, Trouble, bytes, look, roots};

/// The smallest part stores take, except for the last one.
const SMALLEST: u64 = 5 << 20;
/// The largest part that is sent from memory.
const LARGEST: u64 = 64 << 20;

/// A bucket's name, if it is one.
pub fn bucket(sink: &str, name: &str) -> Result<(), Error> {
    if name.is_empty() || name.contains(['/', ' ', ':']) {
        return Err(wrong(sink, "bucket", "not a bucket's name; write the name alone, such as \"activity\""));
    }
    Ok(())
}

/// A prefix as keys begin with it.
pub fn prefix(sink: &str, prefix: &str) -> Result<String, Error> {
    let whole = match prefix {
        "" => String::new(),
        prefix => format!("{}/", prefix.strip_suffix('/').unwrap_or(prefix)),
    };
    if whole.starts_with('/') || whole.contains("//") {
        return Err(wrong(sink, "prefix", "has an empty part; write it like \"candor/team\""));
    }
    Ok(whole)
}

/// The size of parts.
pub fn part_size(sink: &str, text: &str) -> Result<u64, Error> {
    let size = bytes(text)
        .ok_or_else(|| wrong(sink, "part_size", "not a size; write it like \"8MiB\" or \"500kB\""))?;
    match (SMALLEST..=LARGEST).contains(&size) {
        true => Ok(size),
        false => Err(wrong(sink, "part_size", "write at least \"5MiB\" and at most \"64MiB\"")),
    }
}

/// What is wrong with a key of a sink's config, and what to do.
pub fn wrong(sink: &str, key: &str, text: impl fmt::Display) -> Error {
    Error::new(Fault::Config, format!("{sink}: `{key}`: {text}"))
}

/// The way to a store.
pub struct Way {
    /// The sink's name.
    pub sink: &'static str,
    /// The store.
    pub place: Place,
    /// The proxy between.
    pub proxy: Option<Proxy>,
    /// Whom to trust.
    pub roots: Roots,
    /// The text of `ca`.
    pub ca: Option<Vec<u8>>,
}

impl Way {
    /// The way to a place, with `ca` and `proxy` of the config.
    pub fn new(
        sink: &'static str,
        mut place: Place,
        ca: Option<&str>,
        proxy: Option<&str>,
    ) -> Result<Self, Error> {
        let named = |error: Error| Error::new(error.fault, format!("{sink}: {error}"));
        let read = |path: &str| fs::read(path).map_err(|error| wrong(sink, "ca", format!("{path}: {error}")));
        let ca = ca.map(read).transpose()?;
        let roots = roots(ca.as_deref()).map_err(named)?;
        let proxy = match proxy {
            Some(url) => Some(Proxy::configured(url).map_err(named)?),
            None => Proxy::from_environment(&place.host, place.tls),
        };
        place.proxy = proxy.as_ref().map(ToString::to_string);
        Ok(Self { sink, place, proxy, roots, ca })
    }

    /// Runs a call, and explains what it failed with.
    pub fn call<T>(&self, run: &Run, call: impl Future<Output = Result<T, Trouble>>) -> Result<T, Error> {
        run.call(call).map_err(|trouble| self.explain(trouble))
    }

    /// For the host, after a closer look where the error alone leaves open who is behind it.
    pub fn explain(&self, trouble: Trouble) -> Error {
        match trouble {
            Trouble::Error(error) => error,
            Trouble::Failed(Failed { cause, wait, .. }) => {
                let error = self.look(cause).error(self.sink, &self.place);
                wait.into_iter().fold(error, Error::retry_after)
            }
        }
    }

    /// Goes it step by step and reports each until one fails; `signed` does what takes credentials: listing the bucket,
    /// and beginning an upload. `second` is a host to tell a blocked store from a broken network by.
    pub fn probe(
        &self,
        run: &Run,
        bucket: &str,
        second: &str,
        signed: impl AsyncFn(&str) -> Result<(), Trouble>,
        report: &mut dyn FnMut(Value),
    ) -> Result<(), Error> {
        let failed = |cause: Cause| cause.error(self.sink, &self.place);
        let second = Some(second.to_owned()).filter(|second| !second.is_empty());
        let probe =
            Probe { place: self.place.clone(), second, proxy: self.proxy.as_ref(), roots: &self.roots };
        probe.steps(report).map_err(failed)?;
        for (step, text) in
            [("list", format!("bucket {bucket} can be listed")), ("begin", format!("{bucket} takes uploads"))]
        {
            let result = run.call(signed(step)).map_err(|trouble| match trouble {
                Trouble::Failed(failed) => self.look(failed.cause),
                Trouble::Error(error) => Cause::Other(error.text),
            });
            let text = result.as_ref().map_or_else(|cause| cause.sentence(&self.place), |()| text);
            report(Step { step, text, cause: result.as_ref().err() }.json(&self.place));
            result.map_err(failed)?;
        }
        Ok(())
    }

    fn look(&self, cause: Cause) -> Cause {
        look(cause, &self.place, self.proxy.as_ref(), &self.roots)
    }
}
