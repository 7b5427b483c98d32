//! The SDK's client: own roots, own proxy, no retries of its own.

use std::{env, time::Duration};

use object_store::{
    Certificate, ClientOptions, RetryConfig,
    gcp::{GoogleCloudStorage, GoogleCloudStorageBuilder},
};
use plugin_api::{Error, Fault};

use crate::{keys::Account, options::Options, service::Checked};

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long the store may stand still while it answers.
const READ: Duration = Duration::from_secs(60);

/// Makes the client. Credentials are looked for when they are needed.
pub fn new(options: &Options, account: Option<&Account>) -> Result<GoogleCloudStorage, Error> {
    // Fails when it is set already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let wrong = |error: object_store::Error| {
        // The innermost says most, and none of them holds the key.
        let said = net::chain(&error).last().map_or_else(String::new, ToString::to_string);
        Error::new(Fault::Config, format!("gcs: {said}"))
    };
    let mut client = ClientOptions::new()
        .with_allow_http(!options.way.place.tls)
        .with_timeout_disabled()
        .with_connect_timeout(CONNECT)
        .with_read_timeout(READ);
    if let Some(pem) = &options.way.ca {
        for certificate in Certificate::from_pem_bundle(pem).map_err(wrong)? {
            client = client.with_root_certificate(certificate);
        }
    }
    if let Some(proxy) = &options.way.proxy {
        client = client
            .with_proxy_url(proxy.url_with_login().as_str())
            .with_proxy_excludes("169.254.169.254,metadata.google.internal");
    }
    let retry = RetryConfig { max_retries: 0, retry_timeout: Duration::ZERO, ..RetryConfig::default() };
    let mut builder = GoogleCloudStorageBuilder::new()
        .with_bucket_name(&options.config.bucket)
        .with_client_options(client)
        // The host waits and tries again.
        .with_retry(retry)
        .with_http_connector(Checked { kms_key: options.config.kms_key.clone() });
    if let Some(account) = account {
        builder = builder.with_service_account_key(account.text.as_str());
    } else if let Ok(path) = env::var("GOOGLE_APPLICATION_CREDENTIALS") {
        builder = builder.with_application_credentials(path);
    }
    builder.build().map_err(wrong)
}
