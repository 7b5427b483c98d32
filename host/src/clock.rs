//! The agent's clocks and the stamp every record carries.
