//! Storing an object whole, and telling what is there already.

use std::error::Error as StdError;

use bytes::Bytes;
use net::{Cause, Failed, There, Trouble, hex};
use object_store::{Attribute, Attributes, GetOptions, ObjectStore, PutMode, PutOptions, path::Path};
use plugin_api::Object;

use crate::{
    Bucket,
    options::SINK,
    parts,
    service::{Answered, UNSAID},
};

/// The name under which the SHA-256 of the whole is kept beside it.
const SHA256: &str = "sha256";

/// What a request of the SDK's came to, if it wasn't done.
pub fn failed(error: object_store::Error) -> Failed {
    let answered = net::chain(&error).find_map(|error| error.downcast_ref::<Answered>());
    if let Some(answered) = answered {
        let (status, code) = (Some(answered.status), answered.code.clone());
        return Failed { cause: answered.cause(), status, code, wait: answered.wait };
    }
    if matches!(error, object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) {
        return Failed { status: Some(412), ..Failed::of(Cause::Cut) };
    }
    let error: &(dyn StdError + 'static) = &error;
    let said = net::chain(error).last().map_or_else(String::new, ToString::to_string);
    Failed::of(net::cause_of(error).unwrap_or(Cause::Other(said)))
}

/// The name of a key for the SDK, which encodes what it holds for unusual; the agent's own keys have none of that.
pub fn path(key: &str) -> Path {
    Path::from(key)
}

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

/// What is kept beside the bytes.
pub fn attributes(object: &Object<'_>) -> Attributes {
    let mut attributes = Attributes::new();
    attributes.insert(Attribute::ContentType, object.media_type().to_owned().into());
    for (name, value) in object.metadata() {
        if let Some(value) = value.as_str() {
            attributes.insert(Attribute::Metadata(name.into()), value.to_owned().into());
        }
    }
    attributes.insert(Attribute::Metadata(SHA256.into()), hex(object.sha256()).into());
    attributes
}

/// What is stored under a key.
pub async fn there(gcs: &Bucket, key: &Path) -> Result<Option<There>, Failed> {
    let head = GetOptions { head: true, ..GetOptions::default() };
    match gcs.client.get_opts(key, head).await.map_err(failed) {
        Ok(there) => {
            let sent = there.attributes.get(&Attribute::Metadata(SHA256.into()));
            Ok(Some(There { len: there.meta.size, sha256: sent.map(|value| value.to_string()) }))
        }
        Err(Failed { status: Some(404), .. }) => Ok(None),
        Err(failed) => Err(failed),
    }
}

/// Whether what is stored is the object; other bytes are a conflict.
pub async fn known(gcs: &Bucket, object: &Object<'_>, key: &Path) -> Result<(), Trouble> {
    // Gone between two requests: then it is tried again.
    let there = there(gcs, key).await?.ok_or_else(|| Failed::of(Cause::Cut))?;
    there.is(SINK, key.as_ref(), object, async || crate::store::sha256(gcs, key).await).await
}
