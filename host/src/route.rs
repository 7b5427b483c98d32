//! Takes what plugins emit: checks it, sends signals to detectors and records to the journal.
