//! What the network sinks share: finding out why a request did not arrive, step by step if asked, and saying it twice,
//! once for the person and once for whoever runs the network. Also TLS roots, proxies and sizes in configs, the
//! operating system's key store, noticing that the network is back, the runtime, reading back, and notes of uploads that are under way.
//!
//! Nothing here sends an object: each sink's SDK does that, and asks here what its errors mean.

#![forbid(unsafe_code)]

mod back;
mod cause;
mod chain;
mod failed;
mod keys;
mod look;
mod parts;
mod probe;
mod proxy;
mod run;
mod size;
mod tls;
mod uploads;
pub mod usual;
mod watch;
pub mod way;

pub use back::{There, get};
pub use cause::{Cause, Place};
pub use chain::{cause_of, chain};
pub use failed::{Failed, Trouble};
pub use keys::{Keys, Shut};
pub use look::{ahead, look, retry_after};
pub use parts::{Part, Sending, conflict, part_size, read, spoiled};
pub use probe::{Probe, Step};
pub use proxy::{Proxy, base64};
pub use run::Run;
pub use size::{bytes, loopback};
pub use tls::{Roots, roots, trusting};
pub use uploads::{Sent, Upload, Uploads, hex};
pub use usual::Credentials;
pub use watch::Watch;
pub use way::Way;
