//! Turns journaled records into compressed, immutable objects and a manifest.
