//! Signals on their way to one detector: a bounded queue that never blocks its writer.
