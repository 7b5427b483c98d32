//! What a store has already, and what it keeps beside the bytes.

use std::collections::HashMap;

use aws_sdk_s3::types::{ChecksumMode, ServerSideEncryption};
use aws_smithy_types::base64;
use net::{Cause, Failed, There, Trouble, hex};
use plugin_api::{Error, Fault, Object};

use crate::{
    S3,
    fault::failed,
    moving::timed,
    options::{Encryption, SINK},
    store::sha256,
};

/// The name under which the SHA-256 of the whole is kept beside it.
pub const SHA256: &str = "sha256";

/// Asks what is stored under a key.
pub async fn there(s3: &S3, key: &str) -> Result<Option<There>, Failed> {
    let request = s3
        .client
        .head_object()
        .bucket(&s3.options.config.bucket)
        .key(key)
        .checksum_mode(ChecksumMode::Enabled);
    match timed(request.send()).await?.map_err(failed) {
        Ok(output) => {
            // Of an object in parts the checksum may be one of checksums.
            let own = output
                .checksum_sha256()
                .filter(|sum| !sum.contains('-'))
                .and_then(|sum| base64::decode(sum).ok());
            let sent = output.metadata().and_then(|metadata| metadata.get(SHA256)).cloned();
            let len = output.content_length().and_then(|len| u64::try_from(len).ok()).unwrap_or_default();
            Ok(Some(There { len, sha256: own.map(|own| hex(&own)).or(sent) }))
        }
        Err(failed) if failed.status == Some(404) && failed.cause != Cause::NoBucket => Ok(None),
        Err(failed) => Err(failed),
    }
}

/// Whether what is stored is the object; other bytes are a conflict.
pub async fn known(s3: &S3, object: &Object<'_>, key: &str) -> Result<(), Trouble> {
    let there = there(s3, key).await?;
    let Some(there) = there else {
        return Err(
            Error::new(Fault::Busy, format!("s3: {key}: was there and is gone; it is sent again")).into()
        );
    };
    there.is(SINK, key, object, async || sha256(s3, key).await).await
}

/// What is kept beside the bytes.
pub fn metadata(object: &Object<'_>, sha256: &str) -> HashMap<String, String> {
    let own =
        object.metadata().into_iter().filter_map(|(name, value)| Some((name, value.as_str()?.to_owned())));
    own.chain([(SHA256.to_owned(), sha256.to_owned())]).collect()
}

/// How the store is to encrypt.
pub fn encryption(s3: &S3) -> Option<ServerSideEncryption> {
    Some(match s3.options.config.encryption? {
        Encryption::S3 => ServerSideEncryption::Aes256,
        Encryption::Kms => ServerSideEncryption::AwsKms,
    })
}
