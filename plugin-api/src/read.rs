//! Null-safe readers for what crosses the ABI: a C caller may pass a null pointer or bytes that aren't UTF-8.

use abi_stable::std_types::{RSlice, RStr};

/// The slice, or an empty one when its pointer is null.
pub fn slice<'a, T>(slice: RSlice<'a, T>) -> &'a [T] {
    if slice.is_empty() || slice.as_ptr().is_null() { &[] } else { slice.as_slice() }
}

/// The text, or `None` when it isn't UTF-8.
pub fn text<'a>(text: RStr<'a>) -> Option<&'a str> {
    std::str::from_utf8(slice(text.as_rslice())).ok()
}

/// The text with what isn't UTF-8 replaced, for messages.
pub fn lossy(text: RStr<'_>) -> String {
    String::from_utf8_lossy(slice(text.as_rslice())).into_owned()
}
