//! The SDK's client: own roots, own proxy, no retries of its own.

use std::sync::OnceLock;

use aws_config::{
    BehaviorVersion, Region, identity::IdentityCache, retry::RetryConfig, timeout::TimeoutConfig,
};
use aws_sdk_s3::{
    Client,
    config::{
        ConfigBag, Intercept, RequestChecksumCalculation, ResponseChecksumValidation, RuntimeComponents,
        StalledStreamProtectionConfig,
        endpoint::{DefaultResolver, Endpoint, EndpointFuture, Params, ResolveEndpoint},
        interceptors::BeforeTransmitInterceptorContextRef,
    },
    error::BoxError,
};
use aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint;
use plugin_api::Error;

use crate::{
    http, keys,
    options::{Credentials, Options},
    put,
};

/// Makes the client. Credentials are looked for when they are needed.
pub async fn new(options: &Options) -> Result<Client, Error> {
    let config = &options.config;
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(config.region.clone()))
        .http_client(http::client(options)?)
        // The host waits and tries again, with what it knows of the other sinks.
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::disabled())
        // `moving` gives up on what stands still.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        // Each upload brings its own.
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenSupported);
    if let Some(profile) = &config.profile {
        loader = loader.profile_name(profile);
    }
    if config.credentials == Credentials::Keyring {
        let patient = IdentityCache::lazy().load_timeout(keys::PATIENCE + http::CONNECT);
        loader =
            loader.credentials_provider(keys::Provider(keys::entry(options))).identity_cache(patient.build());
    }
    let mut builder = aws_sdk_s3::config::Builder::from(&loader.load().await)
        .force_path_style(config.path_style)
        .endpoint_resolver(Resolved::default())
        .interceptor(put::Known)
        .interceptor(Encrypted { plain: config.allow_http });
    if let Some(endpoint) = &config.endpoint {
        builder = builder.endpoint_url(endpoint);
    }
    Ok(Client::from_conf(builder.build()))
}

/// Asks the SDK's rules once where the bucket is. They remember only the last answer, and for its key alone, although
/// nothing in it follows from the key.
#[derive(Debug, Default)]
struct Resolved {
    rules: DefaultResolver,
    endpoint: OnceLock<Endpoint>,
}

impl ResolveEndpoint for Resolved {
    fn resolve_endpoint<'a>(&'a self, params: &'a Params) -> EndpointFuture<'a> {
        // These few are of a request, not of the client and its one bucket.
        let is_special = params.use_s3_express_control_endpoint().is_some()
            || params.disable_s3_express_session_auth().is_some()
            || params.disable_access_points().is_some();
        if is_special {
            return ResolveEndpoint::resolve_endpoint(&self.rules, params);
        }
        if let Some(endpoint) = self.endpoint.get() {
            return EndpointFuture::ready(Ok(endpoint.clone()));
        }
        EndpointFuture::new(async {
            let endpoint = ResolveEndpoint::resolve_endpoint(&self.rules, params).await?;
            Ok(self.endpoint.get_or_init(|| endpoint).clone())
        })
    }
}

/// Lets nothing go to another computer in plain, whatever a profile or the environment names as the endpoint.
#[derive(Debug)]
struct Encrypted {
    plain: bool,
}

#[dyn_dispatch_hint]
impl Intercept for Encrypted {
    fn name(&self) -> &'static str {
        "Encrypted"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let rest = context.request().uri().strip_prefix("http://");
        let host = rest.and_then(|rest| rest.split('/').next()).map(|host| match host.rsplit_once(':') {
            Some((host, _)) if !host.is_empty() => host,
            _ => host,
        });
        match host.filter(|host| !self.plain && !net::loopback(host)) {
            Some(_) => {
                Err("the endpoint has no TLS; write https://, or allow_http = true if you must".into())
            }
            None => Ok(()),
        }
    }
}
