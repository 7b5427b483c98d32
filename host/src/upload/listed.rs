//! What of a seal is sent.

use crate::seal::{Manifest, Sums, cipher::SUFFIX, key::media_type};

/// One object to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The key.
    pub key: String,
    /// By what its bytes are told, but for a manifest.
    pub sums: Option<Sums>,
    /// For example `application/zstd`.
    pub media_type: String,
    /// Length in bytes.
    pub len: u64,
}

/// An object or blob of a seal.
pub struct Listed<'a> {
    /// The key.
    pub key: &'a str,
    /// The kind of its records.
    pub kind: &'a str,
    /// Length in bytes.
    pub len: u64,
    /// By what its bytes are told.
    pub sums: Sums,
    /// For example `application/zstd`.
    pub media_type: &'a str,
    /// Whether it is a blob.
    pub is_blob: bool,
}

impl Listed<'_> {
    /// How it is sent.
    pub fn part(self) -> Part {
        Part {
            key: self.key.to_owned(),
            sums: Some(self.sums),
            media_type: self.media_type.to_owned(),
            len: self.len,
        }
    }
}

/// The objects and blobs that a manifest lists.
pub fn parts(manifest: &Manifest) -> impl Iterator<Item = Listed<'_>> {
    let objects = manifest.objects.iter().map(|object| Listed {
        key: &object.key,
        kind: &object.kind,
        len: object.len,
        sums: object.sums(),
        media_type: media_type(&object.key),
        is_blob: false,
    });
    let blobs = manifest.blobs.iter().map(|blob| Listed {
        key: &blob.key,
        kind: &blob.kind,
        len: blob.len,
        sums: blob.sums(),
        media_type: if blob.key.ends_with(SUFFIX) { media_type(&blob.key) } else { &blob.media_type },
        is_blob: true,
    });
    objects.chain(blobs)
}

/// Whether kinds have a kind; notices always.
pub fn wants(kinds: Option<&[String]>, kind: &str) -> bool {
    kind == "notice" || kinds.is_none_or(|kinds| kinds.iter().any(|want| want == kind))
}
