//! What is stored, read back: whether it is the object, and all of its bytes.

use plugin_api::{Error, Fault, Object};

use crate::{Cause, Failed, Trouble, conflict, hex};

/// How often a read that was cut off goes on.
const TRIES: usize = 4;

/// What is stored under a key.
pub struct There {
    /// Its length.
    pub len: u64,
    /// The SHA-256 that the store made of it, or that was sent along, in hexadecimal.
    pub sha256: Option<String>,
}

impl There {
    /// Checks that it is the object; other bytes are a conflict. `hash` reads it where the store doesn't tell its hash.
    pub async fn is(
        &self,
        sink: &str,
        key: &str,
        object: &Object<'_>,
        hash: impl AsyncFnOnce() -> Result<Vec<u8>, Trouble>,
    ) -> Result<(), Trouble> {
        let is_same = self.len == object.len()
            && match &self.sha256 {
                Some(sha256) => *sha256 == hex(object.sha256()),
                None => hash().await?[..] == object.sha256()[..],
            };
        if is_same { Ok(()) } else { Err(conflict(sink, key).into()) }
    }
}

/// Reads an object by `from`, which reads from an offset on and moves it; what is cut off goes on there.
pub async fn get(
    sink: &str,
    key: &str,
    mut from: impl AsyncFnMut(&mut u64) -> Result<(), Failed>,
) -> Result<(), Trouble> {
    let mut offset = 0;
    for _ in 0..TRIES {
        match from(&mut offset).await {
            Err(Failed { cause: Cause::Cut, .. }) => {}
            Err(failed) if failed.is("NoSuchKey", 404) => {
                return Err(Error::new(Fault::Missing, format!("{sink}: {key}: is not in the bucket")).into());
            }
            other => return Ok(other?),
        }
    }
    Err(Failed::of(Cause::Cut).into())
}
