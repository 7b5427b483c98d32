//! Storing an object whole, and telling what is there already.

use std::error::Error as StdError;

use bytes::Bytes;
use net::{Cause, Failed, Trouble, hex};
use object_store::{Attribute, Attributes, GetOptions, ObjectStore, PutMode, PutOptions, path::Path};
use plugin_api::Object;
use sha2::{Digest, Sha256};

use crate::{Bucket, options::SINK, parts, service::Answered};

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
    let _memory = gcs.run.memory(object.len()).await?;
    let bytes = net::read(SINK, object, 0, object.len()).await?;
    // The store checks what arrives, not what was read.
    if Sha256::digest(&bytes)[..] != object.sha256()[..] {
        return Err(net::spoiled(SINK, object).into());
    }
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
    gcs.client.put_opts(key, bytes.clone().into(), options).await.map_err(failed)?;
    Ok(())
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

/// Whether something is stored under a key.
pub async fn there(gcs: &Bucket, key: &Path) -> Result<bool, Failed> {
    let head = GetOptions { head: true, ..GetOptions::default() };
    match gcs.client.get_opts(key, head).await.map_err(failed) {
        Ok(_) => Ok(true),
        Err(Failed { status: Some(404), .. }) => Ok(false),
        Err(failed) => Err(failed),
    }
}

/// Whether what is stored is the object; other bytes are a conflict.
pub async fn known(gcs: &Bucket, object: &Object<'_>, key: &Path) -> Result<(), Trouble> {
    let head = GetOptions { head: true, ..GetOptions::default() };
    let there = gcs.client.get_opts(key, head).await.map_err(failed)?;
    let sent = there.attributes.get(&Attribute::Metadata(SHA256.into())).map(|value| value.to_string());
    let is_same = there.meta.size == object.len()
        && match sent {
            Some(sha256) => sha256 == hex(object.sha256()),
            None => crate::store::sha256(gcs, key).await?[..] == object.sha256()[..],
        };
    if is_same {
        return Ok(());
    }
    Err(net::conflict(SINK, key.as_ref()).into())
}
