//! x
pub mod v1;
pub mod door;
