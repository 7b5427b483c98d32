//! What the whole agent costs, beside a bare listener in Python that stores nothing.
//!
//! Both watch the same display at the same time: 1,000 pointer moves a second, then 125, as an office mouse makes.
//! Then nobody moves anything. Counts CPU time, so other work on the machine matters little.

#![allow(clippy::unwrap_used)]

#[cfg(target_os = "linux")]
#[path = "../../it/display.rs"]
#[allow(dead_code)]
mod display;
#[cfg(target_os = "linux")]
mod listener;
#[cfg(target_os = "linux")]
#[path = "../measure/mod.rs"]
mod measure;
#[cfg(target_os = "linux")]
mod mover;
#[cfg(target_os = "linux")]
#[allow(dead_code)]
mod process;
#[cfg(target_os = "linux")]
#[path = "../../it/wait.rs"]
mod wait;
#[cfg(target_os = "linux")]
mod whole;

fn main() {
    #[cfg(target_os = "linux")]
    whole::measure();
}
