//! The append-only file of records: single writer, group commit, salvage.
