//! Testing the way to the bucket, step by step, and with a signed request at the end.

use futures_util::StreamExt;
use net::Probe;
use object_store::{ObjectStore, PutMultipartOptions, multipart::MultipartStore};
use plugin_api::prelude::*;

use crate::{
    Gcs,
    put::{Failed, Trouble, path},
};

/// Reports each step until one fails.
pub fn steps(gcs: &Gcs, report: &mut dyn FnMut(Value)) -> Result<(), Error> {
    let options = &gcs.options;
    let probe = Probe {
        place: options.place.clone(),
        second: Some(options.config.probe.clone()).filter(|second| !second.is_empty()),
        proxy: options.proxy.as_ref(),
        roots: &options.roots,
    };
    probe.steps(report).map_err(|cause| cause.error("gcs", &options.place))?;
    let bucket = &options.config.bucket;
    for (step, text) in
        [("list", format!("bucket {bucket} can be listed")), ("begin", format!("{bucket} takes uploads"))]
    {
        let result = gcs.run.call(signed(gcs, step)).map_err(|trouble| match trouble {
            Trouble::Failed(failed) => {
                net::look(failed.cause, &options.place, options.proxy.as_ref(), &options.roots)
            }
            Trouble::Error(error) => net::Cause::Other(error.text),
        });
        let text = result.as_ref().map_or_else(|cause| cause.sentence(&options.place), |()| text);
        report(net::Step { step, text, cause: result.as_ref().err() }.json(&options.place));
        result.map_err(|cause| cause.error("gcs", &options.place))?;
    }
    Ok(())
}

/// A signed request that leaves nothing behind.
async fn signed(gcs: &Gcs, step: &str) -> Result<(), Trouble> {
    if step == "list" {
        let folder = path(&gcs.options.key("v=1"));
        if let Some(first) = gcs.client.list(Some(&folder)).next().await {
            first.map_err(Failed::from)?;
        }
        return Ok(());
    }
    // Beginning an upload takes the right to store, and giving it up leaves nothing.
    let key = path(&gcs.options.key("_probe"));
    let id =
        gcs.client.create_multipart_opts(&key, PutMultipartOptions::default()).await.map_err(Failed::from)?;
    gcs.client.abort_multipart(&key, &id).await.map_err(Failed::from)?;
    Ok(())
}
