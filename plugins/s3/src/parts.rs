//! Storing a large object in parts.
//!
//! Each part's CRC-64 goes with it, and the whole one's is made of them and checked by the store at the end.

use std::time::Duration;

use aws_sdk_s3::{
    operation::complete_multipart_upload::CompleteMultipartUploadError,
    types::{ChecksumAlgorithm, ChecksumType, CompletedMultipartUpload, CompletedPart, Part},
};
use aws_smithy_types::base64;
use bytes::Bytes;
use crc_fast::{CrcAlgorithm::Crc64Nvme, checksum_combine};
use net::{Failed, Sending, Sent, Trouble, Upload, hex};
use plugin_api::Object;
use tracing::{debug, info};

use crate::{
    S3,
    fault::failed,
    kept::{self, encryption, known, metadata},
    moving::{ANSWER, Progress, body, moving, timed},
    options::SINK,
};

/// How long a store may take to put parts together.
const TOGETHER: Duration = Duration::from_secs(10 * 60);
/// Stores a large object, going on where an earlier try ended.
pub async fn put(s3: &S3, object: &Object<'_>, key: &str) -> Result<(), Trouble> {
    give_up_old(s3).await;
    let noted = s3.uploads.as_ref().and_then(|uploads| uploads.read(key));
    let noted = noted.filter(|noted| noted.sha256 == hex(object.sha256()));
    let (upload, there) = match noted {
        Some(noted) => match parts(s3, &noted).await {
            Ok(there) => (noted, there),
            // Done by a try whose answer was lost, or cleaned up by the store.
            Err(failed) if failed.is("NoSuchUpload", 404) => (begin_new(s3, object, key).await?, Vec::new()),
            Err(failed) => return Err(failed.into()),
        },
        None => (begin_new(s3, object, key).await?, Vec::new()),
    };
    if upload.id.is_empty() {
        return Ok(());
    }
    let uploads = s3.uploads.as_ref();
    let concurrency = s3.options.config.concurrency;
    let sending = Sending { sink: SINK, run: &s3.run, object, upload: &upload, uploads, concurrency };
    let stored = |part: net::Part| {
        let there = there.iter().find(|there| there.part_number == Some(part.number));
        there.and_then(|there| tag(there, &upload.parts, part))
    };
    let sent = sending.send(stored, |part, bytes| put_part(s3, &upload, part, bytes)).await;
    let ended = match sent {
        Ok(parts) => complete(s3, object, &upload, parts).await,
        Err(trouble) => Err(trouble),
    };
    match ended {
        Ok(()) => forget(s3, key),
        Err(Trouble::Failed(failed)) if failed.is("PreconditionFailed", 412) => {
            give_up(s3, &upload).await;
            return known(s3, object, key).await;
        }
        Err(Trouble::Failed(failed)) if failed.is("NoSuchUpload", 404) => {
            // The answer to an earlier `complete` was lost.
            forget(s3, key);
            return known(s3, object, key).await;
        }
        // What can't get better isn't kept in the store half done.
        Err(Trouble::Error(error)) if !error.fault.may_pass() => {
            give_up(s3, &upload).await;
            return Err(error.into());
        }
        Err(trouble) => return Err(trouble),
    }
    Ok(())
}

/// Begins an upload, unless the object is there already: then its id is empty.
async fn begin_new(s3: &S3, object: &Object<'_>, key: &str) -> Result<Upload, Trouble> {
    let part_size = net::part_size(s3.options.part_size, object);
    let sha256 = hex(object.sha256());
    let mut upload = Upload { key: key.to_owned(), id: String::new(), part_size, sha256, parts: Vec::new() };
    // Where looking isn't allowed or fails, what follows says why, or refuses at the end.
    if let Ok(Some(_)) = kept::there(s3, key).await {
        forget(s3, key);
        known(s3, object, key).await?;
        return Ok(upload);
    }
    clean(s3, key).await;
    let request = s3
        .client
        .create_multipart_upload()
        .bucket(&s3.options.config.bucket)
        .key(key)
        .checksum_algorithm(ChecksumAlgorithm::Crc64Nvme)
        .checksum_type(ChecksumType::FullObject)
        .content_type(object.media_type())
        .set_metadata(Some(metadata(object, &upload.sha256)))
        .set_server_side_encryption(encryption(s3))
        .set_ssekms_key_id(s3.options.config.kms_key.clone());
    let output = timed(request.send()).await?.map_err(failed)?;
    upload.id = output
        .upload_id
        .filter(|id| !id.is_empty())
        .ok_or_else(|| Failed::other("the store began an upload without a name"))?;
    if let Some(uploads) = &s3.uploads {
        uploads.write(&upload);
    }
    Ok(upload)
}

/// The parts that are there.
async fn parts(s3: &S3, upload: &Upload) -> Result<Vec<Part>, Failed> {
    let mut parts = Vec::new();
    let mut marker = None;
    loop {
        let request =
            s3.client.list_parts().bucket(&s3.options.config.bucket).key(&upload.key).upload_id(&upload.id);
        let output = timed(request.set_part_number_marker(marker).send()).await?.map_err(failed)?;
        parts.extend(output.parts.unwrap_or_default());
        marker = output.next_part_number_marker.filter(|_| output.is_truncated == Some(true));
        if marker.is_none() {
            return Ok(parts);
        }
    }
}

/// What the store calls a part, if it is the one with these bytes: by its checksum, or as was noted when it arrived.
fn tag(there: &Part, noted: &[Sent], part: net::Part) -> Option<String> {
    let tag = there.e_tag.clone()?;
    let is_noted =
        || noted.iter().any(|sent| sent.number == part.number && sent.tag == tag && sent.crc == part.crc);
    let is_same = match &there.checksum_crc64_nvme {
        Some(checksum) => *checksum == text(part.crc),
        None => is_noted(),
    };
    (is_same && there.size.and_then(|size| u64::try_from(size).ok()) == Some(part.len)).then_some(tag)
}

/// A checksum as the store writes it.
fn text(crc: u64) -> String {
    base64::encode(crc.to_be_bytes())
}

async fn put_part(s3: &S3, upload: &Upload, part: net::Part, bytes: Bytes) -> Result<String, Trouble> {
    let mut result = put_once(s3, upload, part, bytes.clone()).await;
    if result.as_ref().is_err_and(Failed::is_cut) {
        result = put_once(s3, upload, part, bytes).await;
    }
    let tag = result?;
    debug!(part = part.number, "a part is there");
    Ok(tag)
}

async fn put_once(s3: &S3, upload: &Upload, part: net::Part, bytes: Bytes) -> Result<String, Failed> {
    let progress = Progress::new();
    let request = s3
        .client
        .upload_part()
        .bucket(&s3.options.config.bucket)
        .key(&upload.key)
        .upload_id(&upload.id)
        .part_number(part.number)
        .content_length(part.len as i64)
        .checksum_crc64_nvme(text(part.crc))
        .body(body(bytes, &progress))
        .customize()
        // TLS and the checksum guard the bytes; a hash for the signature alone would cost more than sending them.
        .disable_payload_signing();
    let output = moving(&progress, ANSWER, request.send()).await?.map_err(failed)?;
    if output.checksum_crc64_nvme().is_some_and(|other| other != text(part.crc)) {
        return Err(Failed::other(
            "the store says it keeps other bytes than were sent; something on the way changes them",
        ));
    }
    output.e_tag.ok_or_else(|| Failed::other("the store took a part without naming it"))
}

/// Has the parts put together, by a checksum of the whole.
async fn complete(s3: &S3, object: &Object<'_>, upload: &Upload, parts: Vec<Sent>) -> Result<(), Trouble> {
    let whole = parts
        .iter()
        .map(|part| (part.crc, part.len))
        .reduce(|(whole, len), (crc, more)| (checksum_combine(Crc64Nvme, whole, crc, more), len + more));
    let whole = text(whole.map_or(0, |(crc, _)| crc));
    let list = parts.into_iter().map(|part| {
        CompletedPart::builder()
            .part_number(part.number)
            .e_tag(part.tag)
            .checksum_crc64_nvme(text(part.crc))
            .build()
    });
    let request = s3
        .client
        .complete_multipart_upload()
        .bucket(&s3.options.config.bucket)
        .key(&upload.key)
        .upload_id(&upload.id)
        .checksum_crc64_nvme(&whole)
        .checksum_type(ChecksumType::FullObject)
        .mpu_object_size(i64::try_from(object.len()).unwrap_or(i64::MAX))
        .if_none_match("*")
        .multipart_upload(CompletedMultipartUpload::builder().set_parts(Some(list.collect())).build());
    // Putting together takes some stores a while.
    let output = moving(&Progress::new(), TOGETHER, request.send()).await?;
    let output = output.map_err(failed::<CompleteMultipartUploadError>)?;
    match output.checksum_crc64_nvme() {
        Some(other) if other != whole => {
            Err(Failed::other("the store put other bytes together than were sent").into())
        }
        Some(_) => Ok(()),
        None => known(s3, object, &upload.key).await,
    }
}

fn forget(s3: &S3, key: &str) {
    if let Some(uploads) = &s3.uploads {
        uploads.forget(key);
    }
}

/// Has the store drop what it has of an upload.
async fn give_up(s3: &S3, upload: &Upload) {
    let request = s3
        .client
        .abort_multipart_upload()
        .bucket(&s3.options.config.bucket)
        .key(&upload.key)
        .upload_id(&upload.id);
    match timed(request.send()).await.and_then(|result| result.map_err(failed)) {
        Err(failed) if !failed.is("NoSuchUpload", 404) => {
            info!(key = upload.key, "an upload that was given up stays in the store; it is tried again");
        }
        _ => forget(s3, &upload.key),
    }
}

/// Gives up what nobody went on with.
async fn give_up_old(s3: &S3) {
    for upload in s3.uploads.iter().flat_map(|uploads| uploads.old()) {
        give_up(s3, &upload).await;
    }
}

/// Gives up uploads of this key whose note was lost. Where listing isn't allowed, the bucket's own rules have to do it.
async fn clean(s3: &S3, key: &str) {
    let request = s3.client.list_multipart_uploads().bucket(&s3.options.config.bucket).prefix(key);
    let Ok(Ok(output)) = timed(request.send()).await else { return };
    let begun = output.uploads.unwrap_or_default();
    for id in begun
        .into_iter()
        .filter(|upload| upload.key.as_deref() == Some(key))
        .filter_map(|upload| upload.upload_id)
    {
        let lost = Upload { key: key.to_owned(), id, part_size: 0, sha256: String::new(), parts: Vec::new() };
        give_up(s3, &lost).await;
    }
}
