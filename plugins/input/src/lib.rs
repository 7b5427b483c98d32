//! Mouse and keyboard use as signals: how much, when, and from which device; never which key.
//!
//! One backend observes at a time: `x11` (XInput 2 and RECORD), `evdev` (Linux without X), `windows` (low-level
//! hooks) or `rdev` (macOS, and where the own backend can't work). Which one it is and what it can't see is the
//! instance's health. A key becomes its class in the backend that read it, and its code goes no further.

mod backend;
mod batch;
#[cfg(target_os = "linux")]
mod evdev;
mod gate;
#[cfg(all(feature = "rdev", any(target_os = "linux", target_os = "macos", windows)))]
mod rdev;
mod source;
#[cfg(any(target_os = "linux", windows))]
#[allow(unsafe_code)]
mod sys;
#[cfg(target_os = "linux")]
mod sysfs;
mod watch;
#[cfg(windows)]
mod windows;
#[cfg(all(unix, not(target_os = "macos")))]
mod x11;

#[cfg(all(target_os = "macos", not(feature = "rdev")))]
compile_error!("rdev is the only backend of macOS; build with the feature `rdev`");

pub use source::{Config, Input};

plugin_api::export_source!(Input);

#[cfg(test)]
mod tests {
    // A display that nobody has: the source has to say so and go on looking until it is stopped.
    plugin_api::conformance!(
        serde_json::json!({"source": {"backend": crate::backend::NAMES[0], "display": ":65000"}})
    );
}
