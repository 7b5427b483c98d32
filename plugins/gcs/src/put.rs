//! Storing an object whole.

use bytes::Bytes;
use net::{Failed, Trouble};
use object_store::{ObjectStore, PutMode, PutOptions, path::Path};
use plugin_api::Object;

use crate::{
    Bucket,
    kept::{attributes, known, there},
    options::SINK,
    parts,
    service::{UNSAID, failed},
    store::path,
};

/// Stores an object, unless it is there already.
pub async fn put(gcs: &Bucket, object: &Object<'_>) -> Result<(), Trouble> {
    let key = path(&gcs.options.key(object.key()?));
    if object.len() > gcs.options.part_size {
        return parts::put(gcs, object, &key).await;
    }
    let (_memory, bytes) = net::read(&gcs.run, SINK, object).await?;
    let mut result = once(gcs, object, &key, &bytes).await;
    if result.as_ref().is_err_and(Failed::is_cut) {
        result = once(gcs, object, &key, &bytes).await;
    }
    match result {
        Err(Failed { status: Some(412), .. }) => known(gcs, object, &key).await,
        other => Ok(other?),
    }
}

async fn once(gcs: &Bucket, object: &Object<'_>, key: &Path, bytes: &Bytes) -> Result<(), Failed> {
    let options =
        PutOptions { mode: PutMode::Create, attributes: attributes(object), ..PutOptions::default() };
    match gcs.client.put_opts(key, bytes.clone().into(), options).await.map_err(failed) {
        // A store that doesn't say what it keeps is asked what it keeps.
        Err(failed) if failed.code == UNSAID => match there(gcs, key).await? {
            Some(there) if there.len == object.len() => Ok(()),
            _ => Err(Failed::other("the store said it kept the object, and doesn't have it")),
        },
        other => other.map(drop),
    }
}
