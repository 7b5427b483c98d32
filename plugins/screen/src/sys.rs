//! The one call that Rust has no safe name for.

/// Gives memory that was freed back to the system: a shot's buffers are large, and the next one is minutes away.
pub fn trim() {
    #[cfg(target_env = "gnu")]
    {
        unsafe extern "C" {
            fn malloc_trim(pad: usize) -> i32;
        }
        // SAFETY: glibc's own function with its own signature; it takes the allocator's lock itself.
        unsafe { malloc_trim(0) };
    }
}
