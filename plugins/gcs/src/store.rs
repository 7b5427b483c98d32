//! Reading back and removing (`store/1`).

use futures_util::StreamExt;
use net::{Cause, Failed, Trouble};
use object_store::{GetOptions, GetRange, ObjectStore, path::Path};
use plugin_api::{Error, Store};
use sha2::{Digest, Sha256};

use crate::{Bucket, Gcs, options::SINK, service::failed};

impl Store for Gcs {
    fn list(&self, prefix: &str, each: &mut dyn FnMut(&str, u64)) -> Result<(), Error> {
        self.with(async |bucket| list(bucket, prefix, each).await)
    }

    fn get(&self, key: &str, each: &mut dyn FnMut(&[u8])) -> Result<(), Error> {
        self.with(async |bucket| get(bucket, &path(&bucket.options.key(key)), each).await)
    }

    fn remove(&self, key: &str) -> Result<(), Error> {
        self.with(async |bucket| remove(bucket, &path(&bucket.options.key(key))).await)
    }
}

async fn list(gcs: &Bucket, prefix: &str, each: &mut dyn FnMut(&str, u64)) -> Result<(), Trouble> {
    let own = &gcs.options.config.prefix;
    let prefix = format!("{own}{prefix}");
    // The SDK lists whole folders only.
    let folder = prefix.rsplit_once('/').map(|(folder, _)| path(folder));
    let mut objects = gcs.client.list(folder.as_ref());
    while let Some(object) = objects.next().await {
        let object = object.map_err(failed)?;
        let key = decoded(object.location.as_ref());
        if let Some(key) = key.strip_prefix(own.as_str()).filter(|_| key.starts_with(&prefix)) {
            each(key, object.size);
        }
    }
    Ok(())
}

/// The name of a key for the SDK, which encodes what it holds for unusual; the agent's own keys have none of that.
pub fn path(key: &str) -> Path {
    Path::from(key)
}

/// A key as it was before the SDK encoded it.
fn decoded(path: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = path.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).filter(|_| *first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        let byte = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

async fn get(gcs: &Bucket, key: &Path, each: &mut dyn FnMut(&[u8])) -> Result<(), Trouble> {
    net::get(SINK, key.as_ref(), async |offset| get_from(gcs, key, offset, each).await).await
}

/// Reads from an offset on; what is stored never changes.
async fn get_from(
    gcs: &Bucket,
    key: &Path,
    offset: &mut u64,
    each: &mut dyn FnMut(&[u8]),
) -> Result<(), Failed> {
    let range = (*offset > 0).then_some(GetRange::Offset(*offset));
    let found =
        gcs.client.get_opts(key, GetOptions { range, ..GetOptions::default() }).await.map_err(failed)?;
    let end = found.meta.size;
    let mut pieces = found.into_stream();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(failed)?;
        *offset += piece.len() as u64;
        each(&piece);
    }
    if *offset < end { Err(Failed::of(Cause::Cut)) } else { Ok(()) }
}

async fn remove(gcs: &Bucket, key: &Path) -> Result<(), Trouble> {
    let gone = gcs.client.delete_stream(futures_util::stream::iter([Ok(key.clone())]).boxed()).next().await;
    match gone.transpose().map_err(failed) {
        Err(failed) if failed.status != Some(404) => Err(failed.into()),
        _ => Ok(()),
    }
}

/// The hash of what is stored under a key.
pub async fn sha256(gcs: &Bucket, key: &Path) -> Result<Vec<u8>, Trouble> {
    let mut hash = Sha256::new();
    get(gcs, key, &mut |bytes| hash.update(bytes)).await?;
    Ok(hash.finalize().to_vec())
}
