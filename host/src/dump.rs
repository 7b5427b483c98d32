//! Keeps what is in memory from ending in a file: no core dump.

/// Has this process leave no core dump, neither as a file nor piped to a collector.
///
/// It isn't dumpable, which also keeps other programs of the same user from reading its memory, and its limit is 0, which
/// what it starts inherits. What can't be had is done without: it is a second line of defence.
pub fn never() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, setrlimit};
        let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    }
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    }
}
