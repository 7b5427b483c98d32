//! What candor status prints.
