//! The order of stopping, with its deadlines.
