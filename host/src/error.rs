//! What can go wrong, worded for the person who can mend it.
