//! One manifest of a chain, checked by itself.

use serde_json::{Map, Value};

use super::Store;
use crate::{
    disk,
    identity::Public,
    seal::{self, Manifest, key},
};

/// No manifest is that long.
const LONGEST: usize = 64 << 20;

/// A manifest whose signature holds, and its SHA-256.
pub struct Link {
    /// What it says.
    pub manifest: Manifest,
    /// Its SHA-256, which the next one names.
    pub sum: String,
}

impl Link {
    /// Reads and checks a manifest by itself; or what is wrong with it.
    pub fn read(store: &dyn Store, device: &str, (first, last): (u64, u64)) -> Result<Self, String> {
        let mut bytes = Vec::new();
        let read = store.get(&key::manifest(device, first, last), &mut |piece| {
            if bytes.len() < LONGEST {
                bytes.extend_from_slice(piece);
            }
        });
        read.map_err(|error| format!("can't be read: {error}"))?;
        let manifest: Manifest =
            serde_json::from_slice(&bytes).map_err(|error| format!("is no manifest: {error}"))?;
        let (text, signature) = seal::signed(&bytes).ok_or("has no signature")?;
        let key =
            Public::of(device, &manifest.public_key).ok_or("is signed with the key of another device")?;
        if !key.signed(&text, signature) {
            return Err("is not as it was signed".to_owned());
        }
        if (manifest.device.as_str(), manifest.first, manifest.last) != (device, first, last) {
            return Err(format!("is that of {} to {}", manifest.first, manifest.last));
        }
        Ok(Self { manifest, sum: disk::hex(&disk::sha256(&bytes)) })
    }
}

/// Two numbers of a gap.
pub fn numbers(gap: &Map<String, Value>, first: &str, last: &str) -> Option<(u64, u64)> {
    let (first, last) = (gap.get(first)?.as_u64()?, gap.get(last)?.as_u64()?);
    (first <= last).then_some((first, last))
}
