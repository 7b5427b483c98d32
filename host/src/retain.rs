//! How long delivered objects stay on this machine.
//!
//! A seal that every sink has stays a while for `candor show`, then its objects go, and its manifest with the last
//! of them. What a sink refused stays. Looked at after each seal only: nothing wakes for it.

use std::{
    path::Path,
    time::{Duration, SystemTime},
};

use crate::{
    error::Result,
    spool::{Seal, Spool},
    upload::{self, Delivered},
};

/// Removes what every one of these sinks has had for at least `keep`. Without sinks nothing is delivered, so nothing
/// is removed.
pub fn run(spool: &Spool, sinks: &[String], keep: Duration) -> Result<()> {
    let state = spool.root().parent().unwrap_or(spool.root());
    let delivered: Vec<Delivered> = sinks.iter().map(|id| upload::delivered(state, id)).collect();
    if delivered.is_empty() {
        return Ok(());
    }
    for device in spool.devices()? {
        for seal in spool.seals(&device)? {
            let done = delivered.iter().all(|sink| sink.has(&seal));
            if !done || !is_older(&spool.path(&seal.key()), keep) {
                break;
            }
            remove(spool, &seal, &delivered)?;
        }
    }
    Ok(())
}

fn is_older(path: &Path, keep: Duration) -> bool {
    let age = std::fs::metadata(path)
        .and_then(|file| file.modified())
        .map(|made| SystemTime::now().duration_since(made).unwrap_or_default());
    age.is_ok_and(|age| age >= keep)
}

fn remove(spool: &Spool, seal: &Seal, delivered: &[Delivered]) -> Result<()> {
    let refused = |key: &str| delivered.iter().any(|sink| sink.is_refused(key));
    let Ok(manifest) = spool.manifest(seal) else { return Ok(()) };
    let keys = manifest.objects.iter().map(|object| &object.key);
    let keys = keys.chain(manifest.blobs.iter().map(|blob| &blob.key));
    let mut kept = refused(&seal.key());
    for key in keys {
        if refused(key) {
            kept = true;
        } else {
            spool.remove(key)?;
        }
    }
    if kept { Ok(()) } else { spool.remove(&seal.key()) }
}
