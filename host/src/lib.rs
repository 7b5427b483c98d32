//! The Candor host: loads plugins, routes what they emit, journals, seals and delivers records.

pub mod agent;
pub mod batch;
pub mod call;
pub mod check;
pub mod clock;
pub mod config;
pub mod control;
pub mod disk;
pub mod elf;
pub mod error;
pub mod findings;
pub mod identity;
pub mod instance;
pub mod journal;
#[allow(unsafe_code)]
pub mod load;
pub mod log;
pub mod meter;
pub mod notice;
pub mod outbox;
pub mod policy;
pub mod queue;
pub mod reload;
pub mod replay;
pub mod retain;
pub mod route;
pub mod scan;
pub mod seal;
pub mod shot;
pub mod show;
pub mod spool;
pub mod status;
pub mod stop;
pub mod trust;
pub mod upload;
pub mod verify;
