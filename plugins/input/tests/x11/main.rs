//! The X11 backend against a real server: Xvfb, driven by xdotool.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

mod bench;
mod capture;
mod display;
mod idle;
mod lost;
