//! Storing an object whole.

use std::sync::atomic::Ordering;

use aws_runtime::auth::PayloadSigningOverride;
use aws_sdk_s3::{
    config::{ConfigBag, Intercept, RuntimeComponents, interceptors::BeforeTransmitInterceptorContextMut},
    error::BoxError,
};
use aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint;
use aws_smithy_types::base64;
use bytes::Bytes;
use net::{Cause, Failed, Trouble, hex};
use plugin_api::Object;

use crate::{
    S3,
    fault::failed,
    kept::{encryption, known, metadata, there},
    moving::{ANSWER, Progress, body, moving},
    options::SINK,
    parts,
};

/// Stores an object, unless it is there already.
pub async fn put(s3: &S3, object: &Object<'_>) -> Result<(), Trouble> {
    let key = s3.options.key(object.key()?);
    if object.len() > s3.options.part_size {
        return parts::put(s3, object, &key).await;
    }
    let (_memory, bytes) = net::read(&s3.run, SINK, object).await?;
    // A connection that was closed while idle is no failure; what became of the first try, the second one sees.
    let mut result = once(s3, object, &key, &bytes).await;
    if matches!(&result, Err(Failed { cause: Cause::Cut, .. })) {
        result = once(s3, object, &key, &bytes).await;
    }
    match result {
        Ok(()) => Ok(()),
        Err(failed) if failed.is("PreconditionFailed", 412) => known(s3, object, &key).await,
        Err(failed) if failed.is("BadDigest", 400) => Err(changed(failed).into()),
        Err(failed) => Err(failed.into()),
    }
}

async fn once(s3: &S3, object: &Object<'_>, key: &str, bytes: &Bytes) -> Result<(), Failed> {
    let conditional = s3.conditional.load(Ordering::Relaxed);
    if !conditional && there(s3, key).await?.is_some() {
        return Err(Failed { status: Some(412), ..Failed::other("") });
    }
    let sha256 = hex(object.sha256());
    let checksum = base64::encode(object.sha256());
    let progress = Progress::new();
    let request = s3
        .client
        .put_object()
        .bucket(&s3.options.config.bucket)
        .key(key)
        .set_if_none_match(conditional.then(|| "*".to_owned()))
        .content_length(bytes.len() as i64)
        .content_type(object.media_type())
        .checksum_sha256(&checksum)
        .set_metadata(Some(metadata(object, &sha256)))
        .set_server_side_encryption(encryption(s3))
        .set_ssekms_key_id(s3.options.config.kms_key.clone())
        .body(body(bytes.clone(), &progress));
    match moving(&progress, ANSWER, request.send()).await? {
        Ok(output) => match output.checksum_sha256() {
            Some(other) if other != checksum => Err(Failed::other(
                "the store says it keeps other bytes than were sent; something on the way changes them",
            )),
            // A store that doesn't say what it keeps is asked what it keeps.
            None if there(s3, key).await?.is_none_or(|there| there.len != object.len()) => {
                Err(Failed::other("the store said it kept the object, and doesn't have it"))
            }
            _ => Ok(()),
        },
        Err(error) => {
            let failed = failed(error);
            if conditional && failed.is("NotImplemented", 501) {
                s3.conditional.store(false, Ordering::Relaxed);
                return Err(Failed { cause: Cause::Cut, ..failed });
            }
            Err(failed)
        }
    }
}

/// The store got other bytes than were sent.
fn changed(failed: Failed) -> Failed {
    Failed {
        cause: Cause::Other("the bytes were changed on the way; it is tried again".to_owned()),
        ..failed
    }
}

/// Signs what has its body's SHA-256 beside it by that, so that it isn't made again only to sign.
#[derive(Debug)]
pub struct Known;

#[dyn_dispatch_hint]
impl Intercept for Known {
    fn name(&self) -> &'static str {
        "Known"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let sum = context.request().headers().get("x-amz-checksum-sha256");
        if let Some(sum) = sum.and_then(|sum| base64::decode(sum).ok()) {
            config.interceptor_state().store_put(PayloadSigningOverride::Precomputed(hex(&sum)));
        }
        Ok(())
    }
}
