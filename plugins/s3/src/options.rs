//! The sink's part of the config, and what it comes to.

pub use net::Credentials;
use net::{
    Place, Way, usual,
    way::{self, wrong},
};
use plugin_api::prelude::*;

/// The sink's name.
pub const SINK: &str = "s3";

config! {
    /// How the store encrypts what it keeps.
    pub enum Encryption {
        /// With a key of the store's.
        S3,
        /// With a key of its key management.
        Kms,
    }
}

config! {
    /// Stores objects in S3 and what speaks its protocol.
    #[schemars(extend("x-instead" = {
        "access_key": SECRET, "access_key_id": SECRET, "aws_access_key_id": SECRET, "aws_secret_access_key": SECRET,
        "key": SECRET, "password": SECRET, "secret": SECRET, "secret_access_key": SECRET, "secret_key": SECRET,
        "session_token": SECRET, "token": SECRET,
    }))]
    pub struct Config {
        /// The bucket.
        #[schemars(extend("examples" = ["activity"]))]
        pub bucket: String,
        /// Its region.
        #[serde(default = "region")]
        #[schemars(extend("examples" = ["eu-central-1"]))]
        pub region: String,
        /// What comes before `v=1/…` in each key.
        #[serde(default)]
        pub prefix: String,
        /// The store's address, if it isn't Amazon's.
        #[serde(default)]
        #[schemars(extend("examples" = ["https://s3.example.com"]))]
        pub endpoint: Option<String>,
        /// Whether the bucket is part of the path, not of the host's name.
        #[serde(default)]
        #[schemars(extend("x-raises" = "never"))]
        pub path_style: bool,
        /// A file of certificates in PEM form to trust besides the system's.
        #[serde(default)]
        #[schemars(extend("x-raises" = "given"))]
        pub ca: Option<String>,
        /// Whether an endpoint other than this computer may be talked to without TLS.
        #[serde(default)]
        #[schemars(extend("x-raises" = [false, true]))]
        pub allow_http: bool,
        /// The HTTP proxy; if none is named here, the environment's (HTTPS_PROXY, NO_PROXY).
        #[serde(default)]
        #[schemars(extend("examples" = ["http://proxy.example.com:3128"]))]
        pub proxy: Option<String>,
        /// The profile of the AWS config files.
        #[serde(default)]
        pub profile: Option<String>,
        /// Where the credentials are.
        #[serde(default = "usual::credentials")]
        #[schemars(extend("x-raises" = "never"))]
        pub credentials: Credentials,
        /// How the store encrypts what it keeps; not said: as the bucket says.
        #[serde(default)]
        #[schemars(extend("x-raises" = [["s3", "kms"], null]))]
        pub encryption: Option<Encryption>,
        /// The key of `encryption = "kms"`; not said: the bucket's.
        #[serde(default)]
        pub kms_key: Option<String>,
        /// Larger objects go in parts of this size, at least 5 MiB.
        #[serde(default = "usual::part_size")]
        #[schemars(extend("x-raises" = "never", "examples" = ["8MiB"]))]
        pub part_size: String,
        /// How many parts are on their way at once. Each costs its size in memory.
        #[serde(default = "usual::concurrency")]
        #[schemars(range(min = 1, max = 16))]
        #[schemars(extend("x-raises" = "never"))]
        pub concurrency: u32,
        /// What `candor doctor` reaches for besides the store, to tell a blocked store from a broken network.
        #[serde(default = "usual::probe")]
        #[schemars(extend("x-raises" = "never"))]
        pub probe: String,
    }
}

/// The way to do it right.
const SECRET: &str = "secrets have no place in this file: remove the line, and use a profile of ~/.aws/credentials \
    (profile = \"…\") or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the agent's environment, \
    or `candor secret set` and credentials = \"keyring\"";

fn region() -> String {
    "us-east-1".to_owned()
}

/// The config, checked.
pub struct Options {
    pub config: Config,
    pub way: Way,
    pub part_size: u64,
}

impl Options {
    /// Checks a config.
    pub fn new(mut config: Config) -> Result<Self, Error> {
        way::bucket(SINK, &config.bucket)?;
        config.prefix = way::prefix(SINK, &config.prefix)?;
        let way = Way::new(SINK, place(&config)?, config.ca.as_deref(), config.proxy.as_deref())?;
        let part_size = way::part_size(SINK, &config.part_size)?;
        config.concurrency = config.concurrency.clamp(1, 16);
        Ok(Self { way, part_size, config })
    }

    /// The key in the bucket of a key of the host's.
    pub fn key(&self, key: &str) -> String {
        format!("{}{key}", self.config.prefix)
    }
}

/// Whom the sink talks to.
fn place(config: &Config) -> Result<Place, Error> {
    let Some(endpoint) = &config.endpoint else {
        let host = format!("{}.s3.{}.amazonaws.com", config.bucket, config.region);
        return Ok(Place { host, port: 443, tls: true, proxy: None });
    };
    // What was written isn't repeated: somebody may have put a password into it.
    let bad = || wrong(SINK, "endpoint", "not an address; write it like \"https://s3.example.com\"");
    let (scheme, rest) = endpoint.split_once("://").ok_or_else(bad)?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err(wrong(
            SINK,
            "endpoint",
            "secrets have no place in an address; remove what is before the @",
        ));
    }
    let tls = match scheme {
        "https" => true,
        "http" => false,
        _ => return Err(bad()),
    };
    let (host, port) = match authority.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')) {
        Some((host, port)) => (host, port.parse().map_err(|_| bad())?),
        None => (authority, if tls { 443 } else { 80 }),
    };
    if host.is_empty() {
        return Err(bad());
    }
    if !tls && !net::loopback(host) && !config.allow_http {
        let text = "without TLS anybody on the way could read and change what is sent; write https://, or allow_http = true if you must";
        return Err(wrong(SINK, "endpoint", text));
    }
    let host = if config.path_style { host.to_owned() } else { format!("{}.{host}", config.bucket) };
    Ok(Place { host, port, tls, proxy: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(config: Value) -> Result<Options, Error> {
        Options::new(plugin_api::runtime::parse(config)?)
    }

    #[test]
    fn what_is_wrong_in_a_config_is_said_with_its_key() {
        for (config, says) in [
            (json!({"bucket": ""}), "`bucket`"),
            (json!({"bucket": "s3://b"}), "`bucket`"),
            (json!({"bucket": "b", "prefix": "/x"}), "`prefix`"),
            (json!({"bucket": "b", "part_size": "1MiB"}), "5MiB"),
            (json!({"bucket": "b", "part_size": "big"}), "`part_size`"),
            (json!({"bucket": "b", "ca": "/no/such.pem"}), "/no/such.pem"),
            (json!({"bucket": "b", "endpoint": "s3.example.com"}), "https://"),
            (json!({"bucket": "b", "endpoint": "ftp://s3.example.com"}), "https://"),
            (json!({"bucket": "b", "endpoint": "http://s3.example.com"}), "allow_http"),
            (json!({"bucket": "b", "endpoint": "http://localhost.example.com:80"}), "allow_http"),
        ] {
            let error = options(config.clone()).err().unwrap();
            assert!(error.text.contains(says) && error.fault == Fault::Config, "{config}: {error}");
        }
    }

    #[test]
    fn a_secret_in_the_config_is_refused_and_not_repeated() {
        for config in [
            json!({"bucket": "b", "endpoint": "https://AKIA1:hunter2@s3.example.com"}),
            json!({"bucket": "b", "proxy": "http://me:hunter2@proxy:3128"}),
            json!({"bucket": "b", "secret_access_key": "hunter2"}),
        ] {
            let error = options(config).err().unwrap();
            assert!(error.fault == Fault::Config && !error.text.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn plain_http_is_for_this_computer_or_for_who_insists() {
        for config in [
            json!({"bucket": "b", "path_style": true, "endpoint": "http://127.0.0.1:8333"}),
            json!({"bucket": "b", "path_style": true, "endpoint": "http://[::1]:8333"}),
            json!({"bucket": "b", "endpoint": "http://nas.local", "allow_http": true}),
        ] {
            options(config).unwrap();
        }
    }

    #[test]
    fn the_place_is_where_the_sdk_goes() {
        let place = |config| options(config).unwrap().way.place.to_string();
        assert_eq!(place(json!({"bucket": "b", "region": "eu-west-1"})), "b.s3.eu-west-1.amazonaws.com:443");
        assert_eq!(place(json!({"bucket": "b", "endpoint": "https://s3.x.org/"})), "b.s3.x.org:443");
        assert_eq!(
            place(json!({"bucket": "b", "path_style": true, "endpoint": "https://s3.x.org:9000"})),
            "s3.x.org:9000"
        );
    }
}
