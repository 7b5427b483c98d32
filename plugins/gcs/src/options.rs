//! The sink's part of the config, and what it comes to.

pub use net::Credentials;
use net::{Place, Way, usual, way};
use plugin_api::prelude::*;

/// The sink's name.
pub const SINK: &str = "gcs";

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
        /// Where the credentials are.
        #[serde(default = "usual::credentials")]
        #[schemars(extend("x-raises" = "never"))]
        pub credentials: Credentials,
        /// A file of certificates in PEM form to trust besides the system's.
        #[serde(default)]
        #[schemars(extend("x-raises" = "given"))]
        pub ca: Option<String>,
        /// The HTTP proxy; if none is named here, the environment's (HTTPS_PROXY, NO_PROXY).
        #[serde(default)]
        #[schemars(extend("examples" = ["http://proxy.example.com:3128"]))]
        pub proxy: Option<String>,
        /// The key of Google's key management that the store encrypts with; not said: as the bucket says.
        #[serde(default)]
        #[schemars(extend("examples" = ["projects/p/locations/eu/keyRings/r/cryptoKeys/k"]))]
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
const SECRET: &str = "secrets have no place in this file: remove the line, and name the key's file (service_account = \"…\"), \
    give it to `candor secret set` and write credentials = \"keyring\", or sign in with `gcloud auth application-default login`";

/// The config, checked.
pub struct Options {
    pub config: Config,
    pub way: Way,
    pub part_size: u64,
}

impl Options {
    /// Checks a config.
    pub fn new(mut config: Config, place: Place) -> Result<Self, Error> {
        way::bucket(SINK, &config.bucket)?;
        config.prefix = way::prefix(SINK, &config.prefix)?;
        let way = Way::new(SINK, place, config.ca.as_deref(), config.proxy.as_deref())?;
        let part_size = way::part_size(SINK, &config.part_size)?;
        config.concurrency = config.concurrency.clamp(1, 16);
        Ok(Self { way, part_size, config })
    }

    /// The key in the bucket of a key of the host's.
    pub fn key(&self, key: &str) -> String {
        format!("{}{key}", self.config.prefix)
    }
}

/// Google's own.
pub fn google() -> Place {
    Place { host: "storage.googleapis.com".to_owned(), port: 443, tls: true, proxy: None }
}
