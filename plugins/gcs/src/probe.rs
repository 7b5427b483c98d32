//! Signed requests that leave nothing behind, for the end of a probe.

use futures_util::StreamExt;
use net::Trouble;
use object_store::{ObjectStore, PutMultipartOptions, multipart::MultipartStore};

use crate::{Bucket, service::failed, store::path};

/// Lists the bucket, or begins an upload.
pub async fn signed(gcs: &Bucket, step: &str) -> Result<(), Trouble> {
    if step == "list" {
        let folder = path(&gcs.options.key("v=1"));
        if let Some(first) = gcs.client.list(Some(&folder)).next().await {
            first.map_err(failed)?;
        }
        return Ok(());
    }
    // Beginning an upload takes the right to store, and giving it up leaves nothing.
    let key = path(&gcs.options.key("_probe"));
    let begun = gcs.client.create_multipart_opts(&key, PutMultipartOptions::default()).await;
    let id = begun.map_err(failed)?;
    gcs.client.abort_multipart(&key, &id).await.map_err(failed)?;
    Ok(())
}
