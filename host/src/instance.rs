//! One agent per user and state folder.
