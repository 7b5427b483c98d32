//! Testing the way to the bucket, step by step, and with a signed request at the end.

use net::Probe;
use plugin_api::prelude::*;

use crate::{
    S3,
    fault::{Failed, Trouble},
    put::timed,
};

/// Reports each step until one fails.
pub fn steps(s3: &S3, report: &mut dyn FnMut(Value)) -> Result<(), Error> {
    let options = &s3.options;
    let probe = Probe {
        place: options.place.clone(),
        second: Some(options.config.probe.clone()).filter(|second| !second.is_empty()),
        proxy: options.proxy.as_ref(),
        roots: &options.roots,
    };
    probe.steps(report).map_err(|cause| cause.error("s3", &options.place))?;
    let bucket = &options.config.bucket;
    for (step, text) in
        [("list", format!("bucket {bucket} can be listed")), ("begin", format!("{bucket} takes uploads"))]
    {
        let result = s3.run.call(signed(s3, step)).map_err(|trouble| match trouble {
            Trouble::Failed(failed) => {
                net::look(failed.cause, &options.place, options.proxy.as_ref(), &options.roots)
            }
            Trouble::Error(error) => net::Cause::Other(error.text),
        });
        let text = result.as_ref().map_or_else(|cause| cause.sentence(&options.place), |()| text);
        report(net::Step { step, text, cause: result.as_ref().err() }.json(&options.place));
        result.map_err(|cause| cause.error("s3", &options.place))?;
    }
    Ok(())
}

/// A signed request that leaves nothing behind.
async fn signed(s3: &S3, step: &str) -> Result<(), Trouble> {
    let bucket = &s3.options.config.bucket;
    if step == "list" {
        let request = s3.client.list_objects_v2().bucket(bucket).prefix(s3.options.key("v=1/")).max_keys(1);
        timed(request.send()).await?.map_err(Failed::from)?;
        return Ok(());
    }
    // Beginning an upload takes the right to store, and giving it up leaves nothing.
    let key = s3.options.key("_probe");
    let request = s3.client.create_multipart_upload().bucket(bucket).key(&key);
    let output = timed(request.send()).await?.map_err(Failed::from)?;
    let request = s3.client.abort_multipart_upload().bucket(bucket).key(&key).set_upload_id(output.upload_id);
    timed(request.send()).await?.map_err(Failed::from)?;
    Ok(())
}
