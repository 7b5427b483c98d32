//! Signed requests that leave nothing behind, for the end of a probe.

use net::Trouble;

use crate::{S3, fault::failed, moving::timed};

/// Lists the bucket, or begins an upload.
pub async fn signed(s3: &S3, step: &str) -> Result<(), Trouble> {
    let bucket = &s3.options.config.bucket;
    if step == "list" {
        let request = s3.client.list_objects_v2().bucket(bucket).prefix(s3.options.key("v=1/")).max_keys(1);
        timed(request.send()).await?.map_err(failed)?;
        return Ok(());
    }
    // Beginning an upload takes the right to store, and giving it up leaves nothing.
    let key = s3.options.key("_probe");
    let request = s3.client.create_multipart_upload().bucket(bucket).key(&key);
    let output = timed(request.send()).await?.map_err(failed)?;
    let request = s3.client.abort_multipart_upload().bucket(bucket).key(&key).set_upload_id(output.upload_id);
    timed(request.send()).await?.map_err(failed)?;
    Ok(())
}
