//! Who may have written a library: owner, mode, links, allow-list.
