//! Storing a large object in parts, going on after a restart with what was noted of those that arrived.

use bytes::Bytes;
use net::{Cause, Failed, Sending, Sent, Trouble, Upload, hex};
use object_store::{
    PutMultipartOptions,
    multipart::{MultipartStore, PartId},
    path::Path,
};
use plugin_api::Object;

use crate::{
    Bucket,
    kept::{attributes, known, there},
    options::SINK,
    service::failed,
};

/// Stores a large object.
pub async fn put(gcs: &Bucket, object: &Object<'_>, key: &Path) -> Result<(), Trouble> {
    if let Ok(Some(_)) = there(gcs, key).await {
        known(gcs, object, key).await?;
        forget(gcs, key);
        return Ok(());
    }
    let noted = gcs.uploads.as_ref().and_then(|uploads| uploads.read(key.as_ref()));
    let upload = match noted.filter(|noted| noted.sha256 == hex(object.sha256())) {
        Some(noted) => noted,
        None => begin(gcs, object, key).await?,
    };
    let uploads = gcs.uploads.as_ref();
    let concurrency = gcs.options.config.concurrency;
    let sending = Sending { sink: SINK, run: &gcs.run, object, upload: &upload, uploads, concurrency };
    let noted = |part: net::Part| {
        let is_it = |sent: &&Sent| sent.number == part.number && sent.crc == part.crc && sent.len == part.len;
        upload.parts.iter().find(is_it).map(|sent| sent.tag.clone())
    };
    let sent = sending.send(noted, |part, bytes| put_part(gcs, key, &upload, part.number, bytes)).await;
    let ended = match sent {
        Ok(parts) => complete(gcs, key, &upload, parts).await.map_err(Trouble::from),
        Err(trouble) => Err(trouble),
    };
    match ended {
        Ok(()) => forget(gcs, key),
        Err(Trouble::Failed(Failed { status: Some(412), .. })) => {
            give_up(gcs, key, &upload).await;
            return known(gcs, object, key).await;
        }
        Err(Trouble::Failed(Failed { status: Some(404), .. })) => {
            // Cleaned up by the store, or put together by a try whose answer was lost: the next one sees which.
            forget(gcs, key);
            return Err(Failed::of(Cause::Cut).into());
        }
        Err(Trouble::Error(error)) if !error.fault.may_pass() => {
            give_up(gcs, key, &upload).await;
            return Err(error.into());
        }
        Err(trouble) => return Err(trouble),
    }
    // The answer doesn't tell what was put together.
    known(gcs, object, key).await
}

async fn begin(gcs: &Bucket, object: &Object<'_>, key: &Path) -> Result<Upload, Failed> {
    let part_size = net::part_size(gcs.options.part_size, object);
    let options = PutMultipartOptions { attributes: attributes(object), ..PutMultipartOptions::default() };
    let id = gcs.client.create_multipart_opts(key, options).await.map_err(failed)?;
    let upload =
        Upload { key: key.to_string(), id, part_size, sha256: hex(object.sha256()), parts: Vec::new() };
    if let Some(uploads) = &gcs.uploads {
        uploads.write(&upload);
    }
    Ok(upload)
}

fn forget(gcs: &Bucket, key: &Path) {
    if let Some(uploads) = &gcs.uploads {
        uploads.forget(key.as_ref());
    }
}

async fn put_part(
    gcs: &Bucket,
    key: &Path,
    upload: &Upload,
    number: i32,
    bytes: Bytes,
) -> Result<String, Trouble> {
    let index = usize::try_from(number - 1).unwrap_or_default();
    let once = || async {
        let part = gcs.client.put_part(key, &upload.id, index, bytes.clone().into()).await;
        part.map(|part| part.content_id).map_err(failed)
    };
    let mut result = once().await;
    if result.as_ref().is_err_and(Failed::is_cut) {
        result = once().await;
    }
    Ok(result?)
}

async fn complete(gcs: &Bucket, key: &Path, upload: &Upload, parts: Vec<Sent>) -> Result<(), Failed> {
    let parts = parts.into_iter().map(|part| PartId { content_id: part.tag }).collect();
    gcs.client.complete_multipart(key, &upload.id, parts).await.map_err(failed)?;
    Ok(())
}

/// Has the store drop what it has of an upload.
async fn give_up(gcs: &Bucket, key: &Path, upload: &Upload) {
    // What is left, the bucket's own rules clean up.
    let _ = gcs.client.abort_multipart(key, &upload.id).await;
    forget(gcs, key);
}
