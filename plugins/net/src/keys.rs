//! What opens a store, in the key store of the operating system: the Secret Service on Linux, the keychain on macOS, the
//! credential manager on Windows.

use std::fmt;

use keyring::Entry;
use plugin_api::{Error, Fault};
use zeroize::Zeroizing;

/// Whose entries these are.
const SERVICE: &str = "candor";

/// The entry of one store.
#[derive(Clone, Debug)]
pub struct Keys {
    account: String,
}

/// A key store that doesn't do what it was asked; says why, never what it holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shut(pub String);

impl fmt::Display for Shut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the key store of this computer can't be used: {}; unlock it, or sign in to a desktop",
            self.0
        )
    }
}

impl std::error::Error for Shut {}

impl From<Shut> for Error {
    fn from(shut: Shut) -> Self {
        Self::new(Fault::Credentials, shut.to_string())
    }
}

impl Keys {
    /// The entry of a store, by a name that is the same wherever it is asked for.
    pub fn new(store: impl Into<String>) -> Self {
        Self { account: store.into() }
    }

    /// What is kept, if anything is. May wait for somebody who is asked to unlock the key store.
    pub fn read(&self) -> Result<Option<Zeroizing<String>>, Shut> {
        match self.entry()?.get_password() {
            Ok(secret) => Ok(Some(Zeroizing::new(secret))),
            Err(keyring::Error::NoEntry) => Ok(None),
            Err(error) => Err(shut(&error)),
        }
    }

    /// Keeps this instead of what was kept.
    pub fn write(&self, secret: &str) -> Result<(), Shut> {
        self.entry()?.set_password(secret).map_err(|error| shut(&error))
    }

    /// Forgets it; fine when there is nothing.
    pub fn delete(&self) -> Result<(), Shut> {
        match self.entry()?.delete_credential() {
            Ok(()) | Err(keyring::Error::NoEntry) => Ok(()),
            Err(error) => Err(shut(&error)),
        }
    }

    fn entry(&self) -> Result<Entry, Shut> {
        Entry::new(SERVICE, &self.account).map_err(|error| match Entry::store_status() {
            Err(why) => shut(why),
            Ok(()) => shut(&error),
        })
    }
}

/// The innermost says most; where an error may hold what was read, only its kind is told.
fn shut(error: &keyring::Error) -> Shut {
    use keyring::Error as E;
    Shut(match error {
        E::PlatformFailure(inner) | E::NoStorageAccess(inner) => {
            crate::chain(inner.as_ref()).last().map_or_else(String::new, ToString::to_string)
        }
        E::BadEncoding(_) | E::BadDataFormat(..) => "what it holds is not text".to_owned(),
        E::NoDefaultStore => "there is none".to_owned(),
        other => other.to_string(),
    })
}
