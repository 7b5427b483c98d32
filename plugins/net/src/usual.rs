//! Options that every network sink has, where a config doesn't say.

use plugin_api::prelude::*;

config! {
    /// Where the credentials are.
    pub enum Credentials {
        /// Where the store's own tools look.
        Chain,
        /// In the key store of the operating system; `candor secret set` puts them there.
        Keyring,
    }
}

/// Where the tools look.
pub fn credentials() -> Credentials {
    Credentials::Chain
}

/// The size of parts.
pub fn part_size() -> String {
    "8MiB".to_owned()
}

/// How many parts are on their way at once.
pub fn concurrency() -> u32 {
    2
}

/// What `candor doctor` reaches for besides the store.
pub fn probe() -> String {
    "example.com:443".to_owned()
}
