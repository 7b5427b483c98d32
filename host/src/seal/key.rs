//! What objects are called, in the spool and in every store.

/// The key of a manifest.
pub fn manifest(device: &str, first: u64, last: u64) -> String {
    format!("v=1/device={device}/_manifest/{first:020}-{last:020}.json")
}

/// What an object is called to a store.
pub fn media_type(key: &str) -> &'static str {
    match key.rsplit('.').next() {
        Some("zst") => "application/zstd",
        Some("age") => "application/octet-stream",
        _ => "application/json",
    }
}

/// The key of a record's blob.
pub fn blob(device: &str, seq: u64, date: &str, media_type: &str) -> String {
    format!("v=1/device={device}/_blob/date={date}/{seq:020}.{}", extension(media_type))
}

fn extension(media_type: &str) -> &'static str {
    match media_type {
        "image/png" => "png",
        "image/jpeg" => "jpg",
        "image/webp" => "webp",
        "image/avif" => "avif",
        "application/json" => "json",
        _ => "bin",
    }
}

/// `<first>-<last>`.
pub fn numbers(stem: &str) -> Option<(u64, u64)> {
    let (first, last) = stem.split_once('-')?;
    Some((first.parse().ok()?, last.parse().ok()?))
}
