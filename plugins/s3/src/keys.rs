//! Credentials in the key store of the operating system (`secret/1`).

use std::time::{Duration, SystemTime};

use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, error::CredentialsError, future},
};
use net::{Keys, Shut};
use plugin_api::{Asked, Error, Fault, Form, Secrets};
use tokio::{task::spawn_blocking, time::timeout};
use zeroize::Zeroizing;

use crate::{S3, options::Options};

/// How long what was read counts, so that what is set anew is used without a restart.
const FRESH: Duration = Duration::from_secs(5 * 60);
/// How long somebody may take to unlock the key store before the call fails; the next one waits again.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The entry of a store: of its bucket, at its address.
pub fn entry(options: &Options) -> Keys {
    let place = &options.way.place;
    Keys::new(format!("s3 {} {}:{}", options.config.bucket, place.host, place.port))
}

impl Secrets for S3 {
    fn asked(&self) -> Vec<Asked> {
        let asked = |text: &str, form| Asked { text: text.to_owned(), form };
        vec![asked("Access key id", Form::Shown), asked("Secret access key", Form::Hidden)]
    }

    fn set(&self, answers: Vec<String>) -> Result<String, Error> {
        let answers = Zeroizing::new(answers);
        let [id, secret] = answers.as_slice() else {
            return Err(Error::new(
                Fault::Config,
                "s3: give the access key id and the secret access key, a line each",
            ));
        };
        let is_word = |text: &str| !text.is_empty() && !text.contains(char::is_whitespace);
        if !is_word(id) || !is_word(secret) {
            return Err(Error::new(Fault::Config, "s3: a key is empty or has a space in it; copy it again"));
        }
        entry(&self.options).write(&Zeroizing::new(format!("{id}\n{secret}")))?;
        let what = "the keys are in this computer's key store";
        Ok(match self.options.config.credentials {
            crate::Credentials::Keyring => format!("{what}; a running agent uses them within 5 minutes"),
            crate::Credentials::Chain => {
                format!("{what}; write credentials = \"keyring\" below plugin = \"s3\" to have them used")
            }
        })
    }

    fn delete(&self) -> Result<(), Error> {
        Ok(entry(&self.options).delete()?)
    }

    fn is_set(&self) -> Result<bool, Error> {
        Ok(entry(&self.options).read()?.is_some())
    }
}

/// Gives the SDK what the key store holds.
#[derive(Debug)]
pub struct Provider(pub Keys);

impl ProvideCredentials for Provider {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            let keys = self.0.clone();
            // It may wait for a person, while other requests go on.
            let read = timeout(PATIENCE, spawn_blocking(move || keys.read())).await;
            let shut = |why: &str| Shut(why.to_owned());
            let read = read.map_err(|_| shut("it waits to be unlocked"));
            let read = read.and_then(|read| read.unwrap_or_else(|error| Err(shut(&error.to_string()))));
            let Some(kept) = read.map_err(CredentialsError::provider_error)? else {
                return Err(CredentialsError::not_loaded("nothing is kept in the key store"));
            };
            let (id, secret) = kept.split_once('\n').unwrap_or((kept.as_str(), ""));
            let until = SystemTime::now() + FRESH;
            Ok(Credentials::new(id, secret, None, Some(until), "keyring"))
        })
    }
}
