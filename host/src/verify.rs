//! Proves from a store alone that nothing is missing.
//!
//! A device's manifests are one chain, each signed with the key that makes the device's id; they name every number, and
//! every object by its bytes. So each number is in exactly one of: an object that is here as it was sealed (complete), a
//! gap or removal that the device declared (declared gone), an object that this store was never to have or no longer
//! (not kept here), or MISSING. The newest end can only be told by somebody who knows it: `--head`.
//!
//! It streams: whatever the store holds, only a window of its keys is in memory.

use std::{
    collections::BTreeMap,
    io,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    error::{Error, Result},
    show::Style,
};

mod bytes;
mod chain;
mod link;
mod place;
mod removed;
mod report;
mod what;
mod window;

pub use place::{Place, folder, instance, open};
pub use report::{Problem, Report};
pub use what::What;

/// How many objects are read at once.
const AT_ONCE: usize = 8;

/// A store that can be read.
pub trait Store: Sync {
    /// Lists every key under a prefix with its length, in any order.
    fn list(&self, prefix: &str, each: &mut (dyn FnMut(&str, u64) + Send)) -> Result<()>;
    /// Reads one object front to back, in pieces.
    fn get(&self, key: &str, each: &mut (dyn FnMut(&[u8]) + Send)) -> Result<()>;
}

/// What is asked.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Only this device.
    pub device: Option<String>,
    /// The last number that must be here, from somebody who knows: `durable` of `candor status`.
    pub head: Option<u64>,
    /// The id of the sink whose store this is; by default the only one the manifests name.
    pub sink: Option<String>,
    /// How many keys are in memory at once; 0 for the usual number.
    pub window: usize,
}

/// Verifies every device of a store.
pub fn verify(store: &dyn Store, options: &Options, bar: &ProgressBar) -> Result<Vec<Report>> {
    let mut devices = BTreeMap::<String, u64>::new();
    store.list("v=1/", &mut |key, _| {
        let device = key.strip_prefix("v=1/device=").and_then(|rest| rest.split_once('/'));
        if let Some((device, _)) = device {
            match devices.get_mut(device) {
                Some(count) => *count += 1,
                None => _ = devices.insert(device.to_owned(), 1),
            }
        }
    })?;
    if let Some(only) = &options.device {
        devices.retain(|device, _| device == only);
    }
    let wrong = |text: &str| Err(Error::Store { text: text.to_owned() });
    match (devices.len(), options.head) {
        (0, _) => {
            return wrong("there is nothing of this device, or of any; check the place and the --device");
        }
        (2.., Some(_)) => return wrong("--head is the number of one device; say which with --device ID"),
        _ => {}
    }
    bar.set_length(devices.values().sum());
    let removed = removed::Removed::default();
    devices.keys().map(|device| chain::verify(store, options, &removed, device, bar)).collect()
}

/// Verifies, prints, and says whether everything is complete.
pub fn print(
    store: &dyn Store,
    options: &Options,
    style: Style,
    out: &mut impl io::Write,
) -> anyhow::Result<bool> {
    // Hides itself where standard error is no terminal.
    let bar = ProgressBar::new(0);
    let shape = "{bar:40} {human_pos} of {human_len} objects, {per_sec}, {eta} left";
    bar.set_style(ProgressStyle::with_template(shape)?);
    let reports = verify(store, options, &bar);
    bar.finish_and_clear();
    let reports = reports?;
    match style {
        Style::Json => writeln!(out, "{:#}", serde_json::json!(reports))?,
        Style::Text => reports.iter().try_for_each(|report| report.print(out))?,
    }
    Ok(reports.iter().all(Report::is_complete))
}

/// Does the same to each of some things, several at once, and gives the answers in their order.
fn each<T: Sync, R: Send>(things: &[T], f: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(things.len())));
    thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(things.len()) {
            scope.spawn(|| {
                while let Some((at, thing)) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|at| Some((at, things.get(at)?)))
                {
                    let answer = f(thing);
                    done.lock().unwrap_or_else(PoisonError::into_inner).push((at, answer));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, answer)| answer).collect()
}
