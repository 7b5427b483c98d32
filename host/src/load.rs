//! Opens plugin libraries through either door.
