//! Storing an object whole, and telling what is there already.

use std::{error::Error as StdError, time::Duration};

use bytes::Bytes;
use net::{Cause, hex};
use object_store::{Attribute, Attributes, GetOptions, ObjectStore, PutMode, PutOptions, path::Path};
use plugin_api::{Error, Fault, Object};
use sha2::{Digest, Sha256};

use crate::{Gcs, parts, service::Answered};

/// The name under which the SHA-256 of the whole is kept beside it.
const SHA256: &str = "sha256";

/// Why a call ended without having done its work.
#[derive(Debug)]
pub enum Trouble {
    /// Known in full.
    Error(Error),
    /// A request wasn't done; a closer look may tell more.
    Failed(Failed),
}

/// A request that wasn't done.
#[derive(Debug)]
pub struct Failed {
    /// What it means.
    pub cause: Cause,
    /// What the store answered, if it did.
    pub status: Option<u16>,
    /// What the store calls it.
    pub code: String,
    /// How long the store wants to be left alone.
    pub wait: Option<Duration>,
}

impl Failed {
    /// A failure that no server answered with.
    pub fn of(cause: Cause) -> Self {
        Self { cause, status: None, code: String::new(), wait: None }
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl From<Failed> for Trouble {
    fn from(failed: Failed) -> Self {
        Self::Failed(failed)
    }
}

impl From<object_store::Error> for Failed {
    fn from(error: object_store::Error) -> Self {
        let answered = net::chain(&error).find_map(|error| error.downcast_ref::<Answered>());
        if let Some(answered) = answered {
            let (status, code) = (Some(answered.status), answered.code.clone());
            return Self { cause: answered.cause(), status, code, wait: answered.wait };
        }
        if matches!(
            error,
            object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }
        ) {
            return Self { status: Some(412), ..Self::of(Cause::Cut) };
        }
        let error: &(dyn StdError + 'static) = &error;
        let said = net::chain(error).last().map_or_else(String::new, ToString::to_string);
        Self::of(net::cause_of(error).unwrap_or(Cause::Other(said)))
    }
}

impl Gcs {
    /// For the host, after a closer look where the error alone leaves open who is behind it.
    pub fn explain(&self, trouble: Trouble) -> Error {
        let failed = match trouble {
            Trouble::Error(error) => return error,
            Trouble::Failed(failed) => failed,
        };
        let options = &self.options;
        let cause = net::look(failed.cause, &options.place, options.proxy.as_ref(), &options.roots);
        let error = cause.error("gcs", &options.place);
        match failed.wait {
            Some(wait) => error.retry_after(wait),
            None => error,
        }
    }
}

/// The name of a key for the SDK, which encodes what it holds for unusual; the agent's own keys have none of that.
pub fn path(key: &str) -> Path {
    Path::from(key)
}

/// Stores an object, unless it is there already.
pub async fn put(gcs: &Gcs, object: &Object<'_>) -> Result<(), Trouble> {
    let key = path(&gcs.options.key(object.key()?));
    if object.len() > gcs.options.part_size {
        return parts::put(gcs, object, &key).await;
    }
    let _memory = gcs.run.memory(object.len()).await?;
    let bytes = Bytes::from(read(object, 0, object.len())?);
    // The store checks what arrives, not what was read.
    if Sha256::digest(&bytes)[..] != object.sha256()[..] {
        return Err(spoiled(object).into());
    }
    let mut result = once(gcs, object, &key, &bytes).await;
    if matches!(&result, Err(Failed { cause: Cause::Cut, status: None, .. })) {
        result = once(gcs, object, &key, &bytes).await;
    }
    match result {
        Err(Failed { status: Some(412), .. }) => known(gcs, object, &key).await,
        other => Ok(other?),
    }
}

async fn once(gcs: &Gcs, object: &Object<'_>, key: &Path, bytes: &Bytes) -> Result<(), Failed> {
    let options =
        PutOptions { mode: PutMode::Create, attributes: attributes(object), ..PutOptions::default() };
    gcs.client.put_opts(key, bytes.clone().into(), options).await?;
    Ok(())
}

/// What is kept beside the bytes.
pub fn attributes(object: &Object<'_>) -> Attributes {
    let mut attributes = Attributes::new();
    attributes.insert(Attribute::ContentType, object.media_type().to_owned().into());
    for (name, value) in object.metadata() {
        if let Some(value) = value.as_str() {
            attributes.insert(Attribute::Metadata(name.into()), value.to_owned().into());
        }
    }
    attributes.insert(Attribute::Metadata(SHA256.into()), hex(object.sha256()).into());
    attributes
}

/// Whether something is stored under a key.
pub async fn there(gcs: &Gcs, key: &Path) -> Result<bool, Failed> {
    let head = GetOptions { head: true, ..GetOptions::default() };
    match gcs.client.get_opts(key, head).await.map_err(Failed::from) {
        Ok(_) => Ok(true),
        Err(Failed { status: Some(404), .. }) => Ok(false),
        Err(failed) => Err(failed),
    }
}

/// Whether what is stored is the object; other bytes are a conflict.
pub async fn known(gcs: &Gcs, object: &Object<'_>, key: &Path) -> Result<(), Trouble> {
    let head = GetOptions { head: true, ..GetOptions::default() };
    let there = gcs.client.get_opts(key, head).await.map_err(Failed::from)?;
    let sent = there.attributes.get(&Attribute::Metadata(SHA256.into())).map(|value| value.to_string());
    let is_same = there.meta.size == object.len()
        && match sent {
            Some(sha256) => sha256 == hex(object.sha256()),
            None => crate::store::sha256(gcs, key).await?[..] == object.sha256()[..],
        };
    if is_same {
        return Ok(());
    }
    let text = format!(
        "gcs: {key}: the bucket holds other bytes under this name; it belongs to another agent, or was changed by hand"
    );
    Err(Error::new(Fault::Conflict, text).into())
}

/// An object whose bytes aren't what it says.
pub fn spoiled(object: &Object<'_>) -> Error {
    let key = object.key().unwrap_or_default();
    let text = format!(
        "gcs: {key}: its bytes don't have its length and sha256; the spool is damaged, see `candor verify`"
    );
    Error::new(Fault::Malformed, text)
}

/// Reads some of an object.
pub fn read(object: &Object<'_>, offset: u64, len: u64) -> Result<Vec<u8>, Error> {
    let mut bytes = vec![0; usize::try_from(len).map_err(|_| spoiled(object))?];
    let mut filled = 0;
    while filled < bytes.len() {
        match object.read_at(offset + filled as u64, &mut bytes[filled..])? {
            0 => return Err(spoiled(object)),
            n => filled += n,
        }
    }
    // What is longer than it says has another hash, too.
    if offset + len == object.len() && object.read_at(object.len(), &mut [0])? != 0 {
        return Err(spoiled(object));
    }
    Ok(bytes)
}
