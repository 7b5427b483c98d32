//! What the agent itself costs: CPU time, memory, threads.
