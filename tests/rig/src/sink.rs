//! Sinks as the host calls them, for tests of what they store.

use std::{fs, io, path::Path};

use plugin_api::{
    call::{Failure, Object, ReadAt, Sink},
    v1::Plugin,
};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Bytes to store.
pub struct Bytes(pub Vec<u8>);

impl ReadAt for Bytes {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read_at(offset, buffer)
    }
}

/// Stores bytes.
pub fn put(sink: &Sink, key: &str, bytes: &[u8]) -> Result<(), Failure> {
    sink.put(&Object {
        key,
        len: bytes.len() as u64,
        sha256: Sha256::digest(bytes).into(),
        media_type: "application/zstd",
        metadata: "{}",
        bytes: &Bytes(bytes.to_vec()),
    })
}

/// Reads an object.
pub fn get(sink: &Sink, key: &str) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    sink.get(key, &mut |piece: &[u8]| bytes.extend_from_slice(piece))?;
    Ok(bytes)
}

/// The keys below a prefix, with their lengths.
pub fn list(sink: &Sink, prefix: &str) -> Vec<(String, u64)> {
    let mut keys = Vec::new();
    sink.list(prefix, |key, len| keys.push((key.to_owned(), len))).unwrap();
    keys
}

/// Bytes that differ by seed.
pub fn noise(seed: u32, len: usize) -> Vec<u8> {
    (0..len as u32)
        .map(|at| (at.wrapping_mul(2_654_435_761).wrapping_add(seed.wrapping_mul(97)) >> 13) as u8)
        .collect()
}

/// Checks that `config/reference.toml` states every option of a sink with its default.
pub fn assert_reference(plugin: &'static Plugin) {
    let schema = plugin_api::call::schema(plugin);
    let options = schema["sink"]["properties"].as_object().unwrap();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/reference.toml");
    let file = fs::read_to_string(file).unwrap();
    let name = format!("plugin = \"{}\"", plugin_api::read::lossy(plugin.name));
    let entry = file.split(&name).nth(1).unwrap().split("\n\n").next().unwrap();
    let mut said = Vec::new();
    for line in entry.lines().skip(1) {
        let (key, value) = line.trim_start_matches('#').split_once(" = ").unwrap();
        let value: Value = serde_json::from_str(value.split(" # ").next().unwrap()).unwrap();
        let default = &options.get(key).unwrap_or_else(|| panic!("{key} is no option"))["default"];
        assert!(default.is_null() || *default == value, "{key}: {value}, not {default}");
        assert_eq!(line.starts_with('#'), default.is_null() && key != "bucket", "{key}");
        said.push(key);
    }
    said.sort_unstable();
    assert_eq!(said, options.keys().collect::<Vec<_>>());
}
