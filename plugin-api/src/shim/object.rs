//! An object as a sink sees it.

use serde_json::{Map, Value};

use crate::{Error, Fault, read, v1};

/// An object that is being stored: its description, and its bytes on demand.
#[derive(Clone, Copy)]
pub struct Object<'a>(&'a v1::Object<'a>);

impl<'a> Object<'a> {
    /// Wraps what the ABI passes.
    pub fn new(raw: &'a v1::Object<'a>) -> Self {
        Self(raw)
    }

    /// The name in the store: relative, `/` between parts, no `.` or `..` part.
    pub fn key(&self) -> Result<&'a str, Error> {
        let key = read::text(self.0.key).unwrap_or_default();
        let bad = |part: &str| part.is_empty() || part == "." || part == ".." || part.contains(['\\', '\0']);
        if key.split('/').any(bad) {
            return Err(Error::new(Fault::Malformed, format!("{key:?}: not a key")));
        }
        Ok(key)
    }

    /// Length in bytes.
    pub fn len(&self) -> u64 {
        self.0.len
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.0.len == 0
    }

    /// SHA-256 of the bytes.
    pub fn sha256(&self) -> &'a [u8; 32] {
        &self.0.sha256
    }

    /// For example `application/zstd`.
    pub fn media_type(&self) -> &'a str {
        read::text(self.0.media_type).unwrap_or("application/octet-stream")
    }

    /// Strings to keep beside the bytes where the store can.
    pub fn metadata(&self) -> Map<String, Value> {
        read::text(self.0.metadata).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }

    /// Reads at an offset; the number of bytes read, 0 at the end.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, Error> {
        // SAFETY: `read_at` takes its context from any thread until `put` returns, which the borrow outlives not.
        let read = unsafe { (self.0.read_at)(self.0.ctx, offset, buffer.as_mut_ptr(), buffer.len()) };
        match usize::try_from(read) {
            Ok(read) if read <= buffer.len() => Ok(read),
            _ => Err(Error::new(
                Fault::Malformed,
                "the object can't be read, or is damaged; see `candor verify`",
            )),
        }
    }
}
