//! What a screenshot costs in time, bytes and memory, beside `image` and ImageMagick on the same screen.
//!
//! `cargo bench -p candor-tests --bench screen`.
//! Two desktops: one full of text in many colours, smoothed by sub-pixels, and one with a photo.

#![allow(clippy::unwrap_used)]

#[cfg(target_os = "linux")]
mod desktop;
#[cfg(target_os = "linux")]
#[path = "../../../plugins/screen/tests/desktop/display.rs"]
#[allow(dead_code)]
mod display;
#[cfg(target_os = "linux")]
#[path = "../measure/mod.rs"]
mod measure;
#[cfg(target_os = "linux")]
mod picture;
#[cfg(target_os = "linux")]
#[path = "../agent/process.rs"]
#[allow(dead_code)]
mod process;
#[cfg(target_os = "linux")]
mod whole;

fn main() {
    #[cfg(target_os = "linux")]
    if !std::env::args().any(|argument| argument == "--list") {
        // Frames are measured in a process of their own, since xcap takes the display from the environment.
        if std::env::var_os(picture::PART).is_some() {
            picture::measure();
        } else {
            whole::measure();
        }
    }
}
