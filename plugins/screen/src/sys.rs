//! The two calls that Rust has no safe name for.

/// Has memory of a megabyte and more given back to the system as soon as it is freed: a shot's buffers are large, and the
/// next one is minutes away. Left to itself, glibc keeps up to twice its largest buffer in each thread's heap.
pub fn keep_no_large_memory() {
    #[cfg(target_env = "gnu")]
    {
        /// As in `malloc.h`.
        const M_MMAP_THRESHOLD: i32 = -3;
        unsafe extern "C" {
            fn mallopt(parameter: i32, value: i32) -> i32;
        }
        // SAFETY: glibc's own function with its own signature; it takes the allocator's lock itself.
        unsafe { mallopt(M_MMAP_THRESHOLD, 1 << 20) };
    }
}

/// Gives the small pieces back too.
pub fn trim() {
    #[cfg(target_env = "gnu")]
    {
        unsafe extern "C" {
            fn malloc_trim(pad: usize) -> i32;
        }
        // SAFETY: as above.
        unsafe { malloc_trim(0) };
    }
}
