//! What the person is told: what is collected, where it goes, how to look and pause.
