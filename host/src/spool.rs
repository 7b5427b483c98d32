//! The folder of sealed objects that wait for their sinks.
