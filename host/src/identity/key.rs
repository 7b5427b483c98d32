//! The key a device signs its manifests with (ed25519). Its public half makes the device's id, so that nobody else can
//! sign under that id.

use std::fmt;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};

use crate::{
    disk,
    error::{Error, Result},
};

/// A device's key. Only its public half is ever shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(SigningKey);

impl Key {
    /// A new one.
    pub fn random() -> Result<Self> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(Error::Random)?;
        Ok(Self(SigningKey::from_bytes(&secret)))
    }

    /// The one that was kept.
    pub fn from_secret(hex: &str) -> Option<Self> {
        Some(Self(SigningKey::from_bytes(&disk::unhex(hex)?)))
    }

    /// What has to be kept secret, in hex.
    pub fn secret(&self) -> String {
        disk::hex(self.0.as_bytes())
    }

    /// The public half, in hex.
    pub fn public(&self) -> String {
        disk::hex(self.0.verifying_key().as_bytes())
    }

    /// The id of the device whose key this is.
    pub fn device(&self) -> String {
        device(self.0.verifying_key().as_bytes())
    }

    /// A signature, in hex. The same bytes give the same one.
    pub fn sign(&self, bytes: &[u8]) -> String {
        disk::hex(&self.0.sign(bytes).to_bytes())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.public())
    }
}

/// The public half of a device's key, as found in a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Public(VerifyingKey);

impl Public {
    /// Reads it, if it is the key of this device.
    pub fn of(device: &str, hex: &str) -> Option<Self> {
        let bytes = disk::unhex(hex)?;
        if self::device(&bytes) != device {
            return None;
        }
        Some(Self(VerifyingKey::from_bytes(&bytes).ok()?))
    }

    /// Whether its holder signed these bytes.
    pub fn signed(&self, bytes: &[u8], signature: &str) -> bool {
        let (Some(first), Some(second)) = (signature.get(..64), signature.get(64..)) else { return false };
        let (Some(first), Some(second)) = (disk::unhex(first), disk::unhex(second)) else { return false };
        self.0.verify_strict(bytes, &Signature::from_components(first, second)).is_ok()
    }
}

/// 128 bits of the key's SHA-256, in hex.
fn device(public: &[u8]) -> String {
    disk::hex(&disk::sha256(public)[..16])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_holder_signs_and_only_under_its_own_id() {
        let (key, other) = (Key::random().expect("random"), Key::random().expect("random"));
        let public = Public::of(&key.device(), &key.public()).expect("its own");
        assert!(public.signed(b"text", &key.sign(b"text")));
        assert!(!public.signed(b"texT", &key.sign(b"text")) && !public.signed(b"text", &other.sign(b"text")));
        assert!(!public.signed(b"text", "") && !public.signed(b"text", &"é".repeat(64)));
        assert_eq!(Public::of(&key.device(), &other.public()), None, "another key under this id");
        assert_eq!(Key::from_secret(&key.secret()), Some(key.clone()));
        assert!(!format!("{key:?}").contains(&key.secret()));
    }
}
