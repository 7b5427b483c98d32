//! Log output: for people on a terminal, JSON otherwise.
