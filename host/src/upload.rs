//! Hands objects to sinks: a worker each, retry with back-off.
