//! Encrypts objects to recipients, before they are final: neither the spool nor a store can be read without a key that
//! is nowhere on this machine. Manifests stay readable, or nobody could tell whether something is missing.

use std::{
    fs,
    io::{self, BufReader, Read, Write},
    path::Path,
    str::FromStr,
};

use age::{Decryptor, Encryptor, IdentityFile, Recipient, x25519};

use crate::{
    disk::Doing,
    error::{Error, Result},
};

/// What the key of an encrypted object ends with.
pub const SUFFIX: &str = ".age";

/// Who can read what is sealed, and of which kinds.
#[derive(Clone)]
pub struct Cipher {
    recipients: Vec<x25519::Recipient>,
    kinds: Option<Vec<String>>,
}

impl Cipher {
    /// To these recipients, `age1…`; all kinds if none are given. What is wrong with them otherwise.
    pub fn new(recipients: &[String], kinds: Option<&[String]>) -> Result<Self, String> {
        let parsed: Result<Vec<_>, String> = recipients
            .iter()
            .map(|text| {
                x25519::Recipient::from_str(text).map_err(|why| {
                    format!("{text:?} is no recipient ({why}); `age-keygen` prints one, age1…")
                })
            })
            .collect();
        Ok(Self { recipients: parsed?, kinds: kinds.map(<[String]>::to_vec) })
    }

    /// Whether records and blobs of a kind are encrypted.
    pub fn covers(&self, kind: &str) -> bool {
        self.kinds.as_ref().is_none_or(|kinds| kinds.iter().any(|covered| covered == kind))
    }

    /// Encrypts; the same bytes give others each time.
    pub fn encrypt(&self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        let recipients = self.recipients.iter().map(|recipient| recipient as &dyn Recipient);
        let encryptor = Encryptor::with_recipients(recipients).map_err(io::Error::other)?;
        let mut out = encryptor.wrap_output(Vec::with_capacity(bytes.len() + 512))?;
        out.write_all(bytes)?;
        out.finish()
    }
}

/// Decrypts a file with the identities in another (`AGE-SECRET-KEY-1…`, as `age-keygen` writes it), and unpacks it if
/// it holds records.
pub fn decrypt(path: &Path, identities: &Path, out: &mut impl Write) -> Result<()> {
    let file = fs::File::open(identities).doing("open", identities)?;
    let wrong = |text: String| Error::Store { text };
    let identities = IdentityFile::from_buffer(BufReader::new(file))
        .ok()
        .and_then(|file| file.into_identities().ok())
        .ok_or_else(|| {
            wrong(format!("{}: no age identities in it; give the file of `age-keygen`", identities.display()))
        })?;
    let file = BufReader::new(fs::File::open(path).doing("open", path)?);
    let opened = Decryptor::new(file).and_then(|decryptor| {
        decryptor.decrypt(identities.iter().map(|identity| &**identity as &dyn age::Identity))
    });
    let mut plain = opened.map_err(|error| wrong(format!("{}: {error}", path.display())))?;
    let name = path.to_string_lossy();
    if name.strip_suffix(SUFFIX).unwrap_or(&name).ends_with(".zst") {
        copy(&mut zstd::stream::Decoder::new(plain).doing("unpack", path)?, out, path)
    } else {
        copy(&mut plain, out, path)
    }
}

fn copy(from: &mut impl Read, out: &mut impl Write, path: &Path) -> Result<()> {
    io::copy(from, out).doing("decrypt", path).map(drop)
}
