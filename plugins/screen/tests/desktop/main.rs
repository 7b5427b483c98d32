//! The source against real X servers: Xvfb, and Xorg with the dummy driver for monitors that come and go.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

mod agent;
mod display;
mod lost;
mod mask;
mod monitors;
mod ocr;
mod schedule;
mod text;
