//! The SDK's client: own roots, own proxy, no retries of its own.

use std::time::Duration;

use aws_config::{
    BehaviorVersion, Region, identity::IdentityCache, retry::RetryConfig, timeout::TimeoutConfig,
};
use aws_sdk_s3::{
    Client,
    config::{
        ConfigBag, Intercept, RequestChecksumCalculation, ResponseChecksumValidation, RuntimeComponents,
        StalledStreamProtectionConfig, interceptors::BeforeTransmitInterceptorContextRef,
    },
    error::BoxError,
};
use aws_smithy_http_client::{
    Builder, Connector,
    proxy::ProxyConfig,
    tls::{self, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::{http::SharedHttpClient, interceptors::dyn_dispatch_hint};
use plugin_api::{Error, Fault};

use crate::{
    keys,
    options::{Credentials, Options},
};

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a body may stand still.
const STALL: Duration = Duration::from_secs(20);

/// Makes the client. Credentials are looked for when they are needed.
pub async fn new(options: &Options) -> Result<Client, Error> {
    let config = &options.config;
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(config.region.clone()))
        .http_client(connections(options)?)
        // The host waits and tries again, with what it knows of the other sinks.
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::builder().connect_timeout(CONNECT).build())
        .stalled_stream_protection(StalledStreamProtectionConfig::enabled().grace_period(STALL).build())
        // Each upload brings its own.
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenSupported);
    if let Some(profile) = &config.profile {
        loader = loader.profile_name(profile);
    }
    if config.credentials == Credentials::Keyring {
        let patient = IdentityCache::lazy().load_timeout(keys::PATIENCE + CONNECT);
        loader =
            loader.credentials_provider(keys::Provider(keys::entry(options))).identity_cache(patient.build());
    }
    let mut builder = aws_sdk_s3::config::Builder::from(&loader.load().await)
        .force_path_style(config.path_style)
        .interceptor(Encrypted { plain: config.allow_http });
    if let Some(endpoint) = &config.endpoint {
        builder = builder.endpoint_url(endpoint);
    }
    Ok(Client::from_conf(builder.build()))
}

fn connections(options: &Options) -> Result<SharedHttpClient, Error> {
    let trust = TrustStore::default();
    let trust = options.way.ca.iter().fold(trust, |trust, pem| trust.with_pem_certificate(pem.clone()));
    let other = |error: &dyn std::fmt::Display| Error::new(Fault::Config, format!("s3: {error}"));
    let tls = TlsContext::builder().with_trust_store(trust).build().map_err(|error| other(&error))?;
    let proxy = match &options.way.proxy {
        None => ProxyConfig::disabled(),
        Some(proxy) => {
            let config = ProxyConfig::all(proxy.url()).map_err(|error| other(&error))?;
            // The machine's own credentials come from addresses that no proxy may see.
            let config =
                config.no_proxy("localhost,127.0.0.1,::1,169.254.169.254,169.254.170.2,169.254.170.23");
            match proxy.login() {
                Some((user, password)) => config.with_basic_auth(user, password),
                None => config,
            }
        }
    };
    Ok(Builder::new().build_with_connector_fn(move |settings, components| {
        let mut builder = Connector::builder().proxy_config(proxy.clone());
        builder.set_connector_settings(settings.cloned());
        builder.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        builder.tls_provider(tls::Provider::Rustls(CryptoMode::Ring)).tls_context(tls.clone()).build()
    }))
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
