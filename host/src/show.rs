//! Reads back what the host holds: journal and objects.
