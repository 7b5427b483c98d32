//! What a seal consists of: objects and blobs, the manifest that lists them, and the chain it goes on with.

mod chain;
pub mod cipher;
pub mod key;
mod manifest;
mod runs;

pub use chain::{Chain, Head};
pub use cipher::Cipher;
pub use manifest::{BlobEntry, Manifest, ObjectEntry, Share, Sums, Tombstone, signed};
pub use runs::Runs;
