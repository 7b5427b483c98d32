//! The key of a service account, in a file of its own or in the key store of the operating system (`secret/1`).

use std::fs;

use net::{Cause, Keys, Place, way::wrong};
use plugin_api::{Asked, Error, Fault, Form, Secrets};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::{
    Config, Credentials, Gcs,
    options::{SINK, google},
};

/// The key of a service account.
pub struct Account {
    /// Where it is from, for messages.
    from: String,
    /// The JSON that Google gives.
    pub text: Zeroizing<String>,
}

impl Account {
    /// The one that the config names; none if it names none.
    pub fn of(config: &Config) -> Result<Option<Self>, Error> {
        match (&config.credentials, &config.service_account) {
            (Credentials::Keyring, _) => {
                let refused = |cause: Cause| cause.error(SINK, &google());
                let kept = entry(config).read().map_err(|shut| refused(Cause::KeyStore(shut.0)))?;
                let text = kept.ok_or_else(|| refused(Cause::NoCredentials))?;
                Ok(Some(Self { from: "the key store".to_owned(), text }))
            }
            (Credentials::Chain, Some(path)) => {
                let read = fs::read_to_string(path);
                let text =
                    read.map_err(|error| wrong(SINK, "service_account", format!("{path}: {error}")))?;
                Ok(Some(Self { from: path.clone(), text: text.into() }))
            }
            (Credentials::Chain, None) => Ok(None),
        }
    }

    /// What it says of the place: `gcs_base_url`, as test servers have it.
    pub fn place(&self) -> Result<Option<String>, Error> {
        // What is wrong in it isn't repeated: it holds a key.
        let bad = || {
            let text = format!("{}: not the JSON key of a service account; download it again", self.from);
            wrong(SINK, "service_account", text)
        };
        let account: Value = serde_json::from_str(&self.text).map_err(|_| bad())?;
        if !(account["private_key"].is_string() && account["client_email"].is_string()) {
            return Err(bad());
        }
        Ok(account["gcs_base_url"].as_str().map(str::to_owned))
    }
}

/// Whom the sink talks to: Google, or whom the service account's key names, as test servers do.
pub fn place(account: Option<&Account>) -> Result<Place, Error> {
    let Some(url) = account.map(Account::place).transpose()?.flatten() else { return Ok(google()) };
    let bad = || wrong(SINK, "service_account", "its gcs_base_url is not an address; download it again");
    let (tls, rest) = match url.split_once("://") {
        Some(("https", rest)) => (true, rest),
        Some(("http", rest)) => (false, rest),
        _ => return Err(bad()),
    };
    let authority = rest.split('/').next().unwrap_or_default();
    let (host, port) = authority.rsplit_once(':').unwrap_or((authority, if tls { "443" } else { "80" }));
    if !tls && !net::loopback(host) {
        let text = "its gcs_base_url has no TLS; anybody on the way could read and change what is sent";
        return Err(wrong(SINK, "service_account", text));
    }
    Ok(Place { host: host.to_owned(), port: port.parse().map_err(|_| bad())?, tls, proxy: None })
}

/// The entry of a bucket.
fn entry(config: &Config) -> Keys {
    Keys::new(format!("gcs {}", config.bucket))
}

impl Secrets for Gcs {
    fn asked(&self) -> Vec<Asked> {
        vec![Asked { text: "The JSON key of a service account".to_owned(), form: Form::Whole }]
    }

    fn set(&self, answers: Vec<String>) -> Result<String, Error> {
        let answers = Zeroizing::new(answers);
        let [text] = answers.as_slice() else {
            return Err(Error::new(
                Fault::Config,
                "gcs: give the JSON key of a service account, and nothing else",
            ));
        };
        let account = Account { from: "what was given".to_owned(), text: text.clone().into() };
        account.place()?;
        entry(&self.config).write(&account.text)?;
        *self.ready() = None;
        let what = "the service account's key is in this computer's key store; remove its file";
        Ok(match self.config.credentials {
            Credentials::Keyring => format!("{what}. A running agent uses it when the old one is refused"),
            Credentials::Chain => {
                format!("{what}, and write credentials = \"keyring\" below plugin = \"gcs\"")
            }
        })
    }

    fn delete(&self) -> Result<(), Error> {
        Ok(entry(&self.config).delete()?)
    }

    fn is_set(&self) -> Result<bool, Error> {
        Ok(entry(&self.config).read()?.is_some())
    }
}
