//! How a shot makes way for whatever else wants to run.

use thread_priority::Error;

/// Puts this thread behind others. It reads and writes no file, so there is nothing to order at the disk.
pub fn lower() -> Result<(), Error> {
    #[cfg(target_os = "linux")]
    {
        use thread_priority::{
            NormalThreadSchedulePolicy::Batch, ThreadPriority, ThreadSchedulePolicy::Normal,
            set_thread_priority_and_policy, thread_native_id,
        };
        // Nice 10, a tenth of what others get: with 19 a shot on a busy machine takes half a minute. Batch keeps it from
        // cutting in when it wakes up.
        let nice_10 =
            ThreadPriority::Crossplatform(22u8.try_into().map_err(|_| Error::Priority("not 0 to 99"))?);
        set_thread_priority_and_policy(thread_native_id(), nice_10, Normal(Batch))
    }
    #[cfg(windows)]
    {
        use thread_priority::{
            WinAPIThreadPriority::BackgroundModeBegin, set_winapi_thread_priority, thread_native_id,
        };
        set_winapi_thread_priority(thread_native_id(), BackgroundModeBegin)
    }
    #[cfg(not(any(target_os = "linux", windows)))]
    thread_priority::ThreadPriority::Min.set_for_current()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #[test]
    fn the_thread_of_a_shot_is_behind_others_and_no_other_is() {
        let of = |thread: i32| {
            let stat = std::fs::read_to_string(format!("/proc/self/task/{thread}/stat")).unwrap();
            // Fields after the name, which may hold anything: nice is the 19th of all and the policy the 41st.
            let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
            (fields[16].parse::<i32>().unwrap(), fields[38].parse::<u32>().unwrap())
        };
        let me = rustix::thread::gettid().as_raw_nonzero().get();
        let before = of(me);
        std::thread::spawn(move || {
            super::lower().unwrap();
            assert_eq!(of(rustix::thread::gettid().as_raw_nonzero().get()), (10, 3), "nice 10, SCHED_BATCH");
        })
        .join()
        .unwrap();
        assert_eq!(of(me), before);
    }
}
