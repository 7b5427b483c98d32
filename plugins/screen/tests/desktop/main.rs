//! The source against real displays: Xvfb, Xorg with the dummy driver for monitors that come and go, and sway.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

mod agent;
mod display;
mod lost;
mod mask;
mod monitors;
mod ocr;
mod schedule;
mod sway;
mod text;
mod wayland;
