//! How long delivered objects stay on this machine.
