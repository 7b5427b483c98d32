//! Reading back and removing (`store/1`).

use aws_sdk_s3::types::ChecksumMode;
use net::{Cause, Failed, Trouble};
use plugin_api::{Error, Store};
use sha2::{Digest, Sha256};

use crate::{S3, fault::failed, moving::timed, options::SINK};

impl Store for S3 {
    fn list(&self, prefix: &str, each: &mut dyn FnMut(&str, u64)) -> Result<(), Error> {
        self.options.way.call(&self.run, list(self, prefix, each))
    }

    fn get(&self, key: &str, each: &mut dyn FnMut(&[u8])) -> Result<(), Error> {
        let key = self.options.key(key);
        self.options.way.call(&self.run, get(self, &key, each))
    }

    fn remove(&self, key: &str) -> Result<(), Error> {
        self.options.way.call(&self.run, remove(self, key))
    }
}

async fn list(s3: &S3, prefix: &str, each: &mut dyn FnMut(&str, u64)) -> Result<(), Trouble> {
    let mut token = None;
    loop {
        let request =
            s3.client.list_objects_v2().bucket(&s3.options.config.bucket).prefix(s3.options.key(prefix));
        let output = timed(request.set_continuation_token(token).send()).await?.map_err(failed)?;
        for object in output.contents() {
            let key = object.key().and_then(|key| key.strip_prefix(&s3.options.config.prefix));
            if let Some(key) = key {
                each(key, object.size().and_then(|size| u64::try_from(size).ok()).unwrap_or_default());
            }
        }
        token = output.next_continuation_token.filter(|_| output.is_truncated == Some(true));
        if token.is_none() {
            return Ok(());
        }
    }
}

async fn get(s3: &S3, key: &str, each: &mut dyn FnMut(&[u8])) -> Result<(), Trouble> {
    let mut tag = None;
    net::get(SINK, key, async |offset| get_from(s3, key, offset, &mut tag, each).await).await
}

/// Reads from an offset on, and only while it is the same object.
async fn get_from(
    s3: &S3,
    key: &str,
    offset: &mut u64,
    tag: &mut Option<String>,
    each: &mut dyn FnMut(&[u8]),
) -> Result<(), Failed> {
    let mut request = s3.client.get_object().bucket(&s3.options.config.bucket).key(key);
    request = match *offset {
        0 => request.checksum_mode(ChecksumMode::Enabled),
        offset => request.range(format!("bytes={offset}-")).set_if_match(tag.clone()),
    };
    let mut output = timed(request.send()).await?.map_err(failed)?;
    *tag = output.e_tag.take();
    let end = *offset + output.content_length().and_then(|len| u64::try_from(len).ok()).unwrap_or_default();
    loop {
        match timed(output.body.next()).await? {
            Some(Ok(bytes)) => {
                *offset += bytes.len() as u64;
                each(&bytes);
            }
            Some(Err(error)) => {
                let cause = net::cause_of(&error);
                // All that was said to come came: then it is the checksum that is wrong.
                return Err(match cause {
                    None if *offset >= end => {
                        Failed::other(format!("{key}: what the store sends doesn't have its checksum"))
                    }
                    cause => Failed::of(cause.unwrap_or(Cause::Cut)),
                });
            }
            None if *offset < end => return Err(Failed::of(Cause::Cut)),
            None => return Ok(()),
        }
    }
}

async fn remove(s3: &S3, key: &str) -> Result<(), Trouble> {
    let request = s3.client.delete_object().bucket(&s3.options.config.bucket).key(s3.options.key(key));
    match timed(request.send()).await?.map_err(failed) {
        Err(failed) if !failed.is("NoSuchKey", 404) => Err(failed.into()),
        _ => Ok(()),
    }
}

/// The hash of what is stored under a key.
pub async fn sha256(s3: &S3, key: &str) -> Result<Vec<u8>, Trouble> {
    let mut hash = Sha256::new();
    get(s3, key, &mut |bytes| hash.update(bytes)).await?;
    Ok(hash.finalize().to_vec())
}
