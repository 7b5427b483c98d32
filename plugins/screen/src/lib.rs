//! Screenshots of every monitor, redacted before they leave the plugin.
//!
//! A shot goes one way: the screen is read ([`screen`]), excluded windows are blacked out ([`frame`]), a picture
//! that can't be true ([`truth`]) or shows nothing new ([`print`](mod@print)) is not stored, the rest is made small and
//! blurred ([`redact`]) and encoded ([`encode`]). The frame itself lives only as long as that takes and only in memory.
//! Each shot that was due leaves a record, also when there is no picture: its `outcome` says what became of it.

pub mod config;
pub mod encode;
pub mod frame;
mod gate;
mod palette;
pub mod print;
mod priority;
mod record;
pub mod redact;
pub mod rules;
pub mod schedule;
pub mod screen;
mod shot;
mod source;
#[cfg(target_os = "linux")]
#[allow(unsafe_code)]
mod sys;
#[cfg(test)]
mod tests;
pub mod truth;
mod worker;

pub use source::Screen;

plugin_api::export_source!(Screen);
