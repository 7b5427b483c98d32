//! What a store has already, and what it keeps beside the bytes.

use net::{Cause, Failed, There, Trouble, hex};
use object_store::{Attribute, Attributes, GetOptions, ObjectStore, path::Path};
use plugin_api::Object;

use crate::{Bucket, options::SINK, service::failed, store::sha256};

/// The name under which the SHA-256 of the whole is kept beside it.
const SHA256: &str = "sha256";

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
    there.is(SINK, key.as_ref(), object, async || sha256(gcs, key).await).await
}
