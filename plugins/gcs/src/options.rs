//! The sink's part of the config, and what it comes to.

use std::fs;

use net::{Place, Proxy};
use plugin_api::prelude::*;

config! {
    /// Stores objects in Google Cloud Storage.
    #[schemars(extend("x-instead" = {
        "key": SECRET, "password": SECRET, "private_key": SECRET, "secret": SECRET, "service_account_key": SECRET, "token": SECRET,
    }))]
    pub struct Config {
        /// The bucket.
        #[schemars(extend("examples" = ["activity"]))]
        pub bucket: String,
        /// What comes before `v=1/…` in each key.
        #[serde(default)]
        pub prefix: String,
        /// The file of a service account's key; if none is named, the application default credentials.
        #[serde(default)]
        #[schemars(extend("examples" = ["/etc/candor/agent.json"]))]
        pub service_account: Option<String>,
        /// A file of certificates in PEM form to trust besides the system's.
        #[serde(default)]
        #[schemars(extend("x-raises" = "given"))]
        pub ca: Option<String>,
        /// The HTTP proxy; if none is named here, the environment's (HTTPS_PROXY, NO_PROXY).
        #[serde(default)]
        #[schemars(extend("examples" = ["http://proxy.example.com:3128"]))]
        pub proxy: Option<String>,
        /// Larger objects go in parts of this size, at least 5 MiB.
        #[serde(default = "part_size")]
        #[schemars(extend("x-raises" = "never", "examples" = ["8MiB"]))]
        pub part_size: String,
        /// How many parts are on their way at once. Each costs its size in memory.
        #[serde(default = "concurrency")]
        #[schemars(range(min = 1, max = 16))]
        #[schemars(extend("x-raises" = "never"))]
        pub concurrency: u32,
        /// What `candor doctor` reaches for besides the store, to tell a blocked store from a broken network.
        #[serde(default = "probe")]
        #[schemars(extend("x-raises" = "never"))]
        pub probe: String,
    }
}

/// The way to do it right.
const SECRET: &str = "secrets have no place in this file: remove the line, and name the key's file (service_account = \"…\") \
    or sign in with `gcloud auth application-default login`";

fn part_size() -> String {
    "8MiB".to_owned()
}

fn concurrency() -> u32 {
    2
}

fn probe() -> String {
    "example.com:443".to_owned()
}

/// The config, checked.
pub struct Options {
    pub config: Config,
    pub place: Place,
    pub proxy: Option<Proxy>,
    pub roots: net::Roots,
    /// The text of `ca`.
    pub ca: Option<Vec<u8>>,
    pub part_size: u64,
    pub concurrency: u32,
}

impl Options {
    /// Checks a config.
    pub fn new(mut config: Config) -> Result<Self, Error> {
        if config.bucket.is_empty() || config.bucket.contains(['/', ' ', ':']) {
            return Err(wrong("bucket", "not a bucket's name; write the name alone, such as \"activity\""));
        }
        if !config.prefix.is_empty() && !config.prefix.ends_with('/') {
            config.prefix.push('/');
        }
        if config.prefix.starts_with('/') || config.prefix.contains("//") {
            return Err(wrong("prefix", "has an empty part; write it like \"candor/team\""));
        }
        let read = |path: &String| fs::read(path).map_err(|error| wrong("ca", &format!("{path}: {error}")));
        let ca = config.ca.as_ref().map(read).transpose()?;
        let named = |error: Error| Error::new(error.fault, format!("gcs: {error}"));
        let roots = net::roots(ca.as_deref()).map_err(named)?;
        let mut place = place(&config)?;
        let proxy = match &config.proxy {
            Some(url) => Some(Proxy::configured(url).map_err(named)?),
            None => Proxy::from_environment(&place.host, place.tls),
        };
        place.proxy = proxy.as_ref().map(ToString::to_string);
        let part_size = net::bytes(&config.part_size).filter(|size| (5 << 20..=64 << 20).contains(size));
        let part_size =
            part_size.ok_or_else(|| wrong("part_size", "write at least \"5MiB\" and at most \"64MiB\""))?;
        let concurrency = config.concurrency.clamp(1, 16);
        Ok(Self { place, proxy, roots, ca, part_size, concurrency, config })
    }

    /// The key in the bucket of a key of the host's.
    pub fn key(&self, key: &str) -> String {
        format!("{}{key}", self.config.prefix)
    }
}

fn wrong(key: &str, text: &str) -> Error {
    Error::new(Fault::Config, format!("gcs: `{key}`: {text}"))
}

/// Whom the sink talks to: Google, or whom the service account's file names (`gcs_base_url`), as test servers do.
fn place(config: &Config) -> Result<Place, Error> {
    let google = Place { host: "storage.googleapis.com".to_owned(), port: 443, tls: true, proxy: None };
    let Some(path) = &config.service_account else { return Ok(google) };
    let text = fs::read(path).map_err(|error| wrong("service_account", &format!("{path}: {error}")))?;
    // What is wrong in it isn't repeated: it holds a key.
    let bad = || {
        wrong("service_account", &format!("{path}: not the JSON key of a service account; download it again"))
    };
    let account: Value = serde_json::from_slice(&text).map_err(|_| bad())?;
    if !(account["private_key"].is_string() && account["client_email"].is_string()) {
        return Err(bad());
    }
    let Some(url) = account["gcs_base_url"].as_str() else { return Ok(google) };
    let (tls, rest) = match url.split_once("://") {
        Some(("https", rest)) => (true, rest),
        Some(("http", rest)) => (false, rest),
        _ => return Err(bad()),
    };
    let authority = rest.split('/').next().unwrap_or_default();
    let (host, port) = authority.rsplit_once(':').unwrap_or((authority, if tls { "443" } else { "80" }));
    if !tls && !net::loopback(host) {
        return Err(wrong(
            "service_account",
            "its gcs_base_url has no TLS; anybody on the way could read and change what is sent",
        ));
    }
    Ok(Place { host: host.to_owned(), port: port.parse().map_err(|_| bad())?, tls, proxy: None })
}
