//! Looks at unknown libraries in a child process, and remembers what was found.
