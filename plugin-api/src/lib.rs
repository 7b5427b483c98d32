//! What a Candor plugin is written against.
//!
//! A plugin implements [`Source`], [`Detector`] or [`Sink`] in safe Rust and exports it with one macro; the host
//! loads the library through a stable ABI ([`v1`]). A detector needs about thirty lines and this one dependency:
//!
//! ```
//! use plugin_api::prelude::*;
//!
//! config! {
//!     /// Reports every so many keys.
//!     pub struct Config { limit: u32 }
//! }
//!
//! pub struct Busy { config: Config, keys: u32 }
//!
//! impl Detector for Busy {
//!     type Config = Config;
//!     const READS: &'static [&'static str] = &["key"];
//!
//!     fn new(config: Config, _: &Host) -> Result<Self, Error> {
//!         Ok(Self { config, keys: 0 })
//!     }
//!
//!     fn on_batch(&mut self, batch: &[Event<'_>], out: &mut Out<'_>) -> Result<(), Error> {
//!         for key in batch.iter().filter_map(Event::key) {
//!             self.keys += u32::from(key.pressed);
//!             if self.keys == self.config.limit {
//!                 out.finding(Finding::new("busy").confidence(0.9).evidence(json!({"keys": self.keys})))?;
//!             }
//!         }
//!         Ok(())
//!     }
//! }
//!
//! export_detector!(Busy);
//!
//! # fn main() {
//! use plugin_api::testing::Harness;
//! let mut harness = Harness::detector::<Busy>(json!({ "limit": 2 })).unwrap();
//! let key = Event::key_class(1_000, Origin::Physical, 0, KeyClass::Letter, true);
//! harness.feed(&[key, key]).unwrap();
//! assert_eq!(harness.records()[0].body["evidence"]["keys"], 2);
//! # }
//! ```

// So that what the macros write resolves in this crate's own tests.
#[cfg(test)]
extern crate self as plugin_api;

#[allow(unsafe_code)]
pub mod call;
pub mod detector;
pub mod door;
pub mod event;
pub mod export;
mod guard;
pub mod log;
pub mod read;
pub mod record;
pub mod runtime;
#[allow(unsafe_code)]
pub mod shim;
pub mod sink;
pub mod source;
pub mod testing;
pub mod units;
#[allow(unsafe_code)]
pub mod v1;

pub use detector::Detector;
pub use event::{Device, KeyClass, Origin};
pub use record::{Finding, Health, Severity};
pub use runtime::{Change, Error, Fault, Host, Out};
pub use sink::{Asked, Form, Object, Secrets, Sink, Store};
pub use source::Source;
pub use units::Span;
pub use v1::{Event, Kind};

/// What the macros below expand to names; no plugin writes these paths itself.
#[doc(hidden)]
pub mod hidden {
    pub use schemars;
    pub use serde;
    pub use serde_json;
}

/// All a plugin author needs.
pub mod prelude {
    pub use crate::{
        Asked, Change, Detector, Device, Error, Event, Fault, Finding, Form, Health, Host, KeyClass, Kind,
        Object, Origin, Out, Secrets, Severity, Sink, Source, Span, Store, config, event, export_detector,
        export_plugin, export_sink, export_source,
    };
    pub use serde_json::{Value, json};
    pub use tracing::{debug, error, info, trace, warn};
}

/// Defines a plugin's config: `serde` and JSON Schema derived, unknown keys refused. (Serialized are the defaults, for the schema.)
///
/// Fields may carry `#[serde(default = "…")]` and doc comments; the latter become the schema's descriptions.
#[macro_export]
macro_rules! config {
    ($(#[$meta:meta])* $vis:vis struct $name:ident { $($(#[$field_meta:meta])* $field_vis:vis $field:ident : $ty:ty),* $(,)? }) => {
        #[derive(Clone, Debug, $crate::hidden::serde::Deserialize, $crate::hidden::serde::Serialize, $crate::hidden::schemars::JsonSchema)]
        #[serde(crate = "plugin_api::hidden::serde", deny_unknown_fields)]
        #[schemars(crate = "plugin_api::hidden::schemars")]
        $(#[$meta])*
        $vis struct $name { $($(#[$field_meta])* $field_vis $field: $ty),* }
    };
    ($(#[$meta:meta])* $vis:vis enum $name:ident { $($(#[$variant_meta:meta])* $variant:ident),* $(,)? }) => {
        #[derive(Clone, Copy, PartialEq, Eq, Debug, $crate::hidden::serde::Deserialize, $crate::hidden::serde::Serialize, $crate::hidden::schemars::JsonSchema)]
        #[serde(crate = "plugin_api::hidden::serde", rename_all = "snake_case")]
        #[schemars(crate = "plugin_api::hidden::schemars")]
        $(#[$meta])*
        $vis enum $name { $($(#[$variant_meta])* $variant),* }
    };
}
