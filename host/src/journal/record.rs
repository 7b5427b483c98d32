//! What is kept.

/// The instance that the host's own records name. No plugin's instance may have it.
pub const INSTANCE: &str = "candor";

/// Something to keep.
#[derive(Clone, Debug)]
pub struct Record {
    /// The kind's name, which is part of the object's path.
    pub kind: String,
    /// When it happened, on the monotonic clock; 0 is now.
    pub mono_ns: u64,
    /// When it happened, since 1970 UTC; 0: to be derived from `mono_ns`.
    pub unix_ns: i64,
    /// Who says so.
    pub instance: String,
    /// The version of its plugin.
    pub plugin_version: String,
    /// The kind's own fields: one JSON object.
    pub body: Vec<u8>,
    /// Bytes that belong to it, kept in a file of their own.
    pub blob: Option<Blob>,
}

impl Record {
    /// A record of this version of the host, happening now.
    pub fn new(kind: impl Into<String>, instance: impl Into<String>, body: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            mono_ns: 0,
            unix_ns: 0,
            instance: instance.into(),
            plugin_version: env!("CARGO_PKG_VERSION").into(),
            body: body.into().into_bytes(),
            blob: None,
        }
    }
}

/// Bytes that belong to a record.
#[derive(Clone, Debug)]
pub struct Blob {
    /// For example `image/webp`.
    pub media_type: String,
    /// The bytes.
    pub bytes: Vec<u8>,
}
