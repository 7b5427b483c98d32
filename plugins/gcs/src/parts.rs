//! Storing a large object in parts, going on after a restart with what was noted of those that arrived.

use std::pin::pin;

use bytes::Bytes;
use crc_fast::{CrcAlgorithm::Crc64Nvme, checksum};
use futures_util::{
    StreamExt,
    future::{Either, pending, select},
    stream::FuturesUnordered,
};
use net::{Cause, Sent, Upload, hex};
use object_store::{
    PutMultipartOptions,
    multipart::{MultipartStore, PartId},
    path::Path,
};
use plugin_api::Object;
use sha2::{Digest, Sha256};

use crate::{
    Gcs,
    put::{Failed, Trouble, attributes, known, read, spoiled, there},
};

/// The store takes no more parts than this.
const MOST: u64 = 10_000;

/// Stores a large object.
pub async fn put(gcs: &Gcs, object: &Object<'_>, key: &Path) -> Result<(), Trouble> {
    if let Ok(true) = there(gcs, key).await {
        known(gcs, object, key).await?;
        forget(gcs, key);
        return Ok(());
    }
    let noted = gcs.uploads.as_ref().and_then(|uploads| uploads.read(key.as_ref()));
    let upload = match noted.filter(|noted| noted.sha256 == hex(object.sha256())) {
        Some(noted) => noted,
        None => begin(gcs, object, key).await?,
    };
    let ended = match send(gcs, object, key, &upload).await {
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
    Ok(())
}

async fn begin(gcs: &Gcs, object: &Object<'_>, key: &Path) -> Result<Upload, Failed> {
    let part_size = gcs.options.part_size.max(object.len().div_ceil(MOST).next_multiple_of(1 << 20));
    let options = PutMultipartOptions { attributes: attributes(object), ..PutMultipartOptions::default() };
    let id = gcs.client.create_multipart_opts(key, options).await?;
    let upload =
        Upload { key: key.to_string(), id, part_size, sha256: hex(object.sha256()), parts: Vec::new() };
    note(gcs, &upload);
    Ok(upload)
}

fn note(gcs: &Gcs, upload: &Upload) {
    if let Some(uploads) = &gcs.uploads {
        uploads.write(upload);
    }
}

fn forget(gcs: &Gcs, key: &Path) {
    if let Some(uploads) = &gcs.uploads {
        uploads.forget(key.as_ref());
    }
}

/// Sends the parts that aren't there, a few at a time, and notes each that arrived.
async fn send(gcs: &Gcs, object: &Object<'_>, key: &Path, upload: &Upload) -> Result<Vec<Sent>, Trouble> {
    let mut sent = Upload { parts: Vec::new(), ..upload.clone() };
    let mut sha256 = Sha256::new();
    let mut under_way = FuturesUnordered::new();
    let arrived = |sent: &mut Upload, part: Sent| {
        sent.parts.push(part);
        note(gcs, sent);
    };
    for index in 0..object.len().div_ceil(upload.part_size) {
        while under_way.len() >= gcs.options.concurrency as usize {
            if let Some(part) = under_way.next().await {
                arrived(&mut sent, part?);
            }
        }
        let offset = index * upload.part_size;
        let len = upload.part_size.min(object.len() - offset);
        // What is under way goes on while this waits: it holds the memory others wait for.
        let memory = loop {
            let next = async { if under_way.is_empty() { pending().await } else { under_way.next().await } };
            match select(pin!(gcs.run.memory(len)), pin!(next)).await {
                Either::Left((memory, _)) => break memory?,
                Either::Right((Some(part), _)) => arrived(&mut sent, part?),
                Either::Right((None, _)) => {}
            }
        };
        let bytes = Bytes::from(read(object, offset, len)?);
        sha256.update(&bytes);
        let crc = checksum(Crc64Nvme, &bytes);
        let number = i32::try_from(index + 1).unwrap_or(i32::MAX);
        let same = |part: &&Sent| part.number == number && part.crc == crc && part.len == len;
        match upload.parts.iter().find(same) {
            Some(part) => sent.parts.push(part.clone()),
            None => under_way.push(async move {
                let result = part(gcs, key, upload, number, &bytes).await;
                drop(memory);
                result.map(|tag| Sent { number, tag, crc, len })
            }),
        }
    }
    while let Some(part) = under_way.next().await {
        arrived(&mut sent, part?);
    }
    if sha256.finalize()[..] != object.sha256()[..] {
        return Err(spoiled(object).into());
    }
    sent.parts.sort_by_key(|part| part.number);
    Ok(sent.parts)
}

async fn part(gcs: &Gcs, key: &Path, upload: &Upload, number: i32, bytes: &Bytes) -> Result<String, Failed> {
    let index = usize::try_from(number - 1).unwrap_or_default();
    let once = || async {
        let part = gcs.client.put_part(key, &upload.id, index, bytes.clone().into()).await?;
        Ok::<_, Failed>(part.content_id)
    };
    match once().await {
        Err(Failed { cause: Cause::Cut, .. }) => once().await,
        other => other,
    }
}

async fn complete(gcs: &Gcs, key: &Path, upload: &Upload, parts: Vec<Sent>) -> Result<(), Failed> {
    let parts = parts.into_iter().map(|part| PartId { content_id: part.tag }).collect();
    gcs.client.complete_multipart(key, &upload.id, parts).await?;
    Ok(())
}

/// Has the store drop what it has of an upload.
async fn give_up(gcs: &Gcs, key: &Path, upload: &Upload) {
    // What is left, the bucket's own rules clean up.
    let _ = gcs.client.abort_multipart(key, &upload.id).await;
    forget(gcs, key);
}
