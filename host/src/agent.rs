//! The agent from start to stop: puts the parts together.
