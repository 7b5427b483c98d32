//! What a library exports, and the macros that export it.

use std::marker::PhantomData;

use schemars::JsonSchema;
use serde_json::{Map, Value};

use crate::{
    Detector, Sink, Source,
    shim::{self, Extensions, OfSink, OfSource},
    v1::{self, Plugin},
};

/// What a library exports, with the extensions `X`; the macros fill it.
#[derive(Default)]
pub struct Parts<X> {
    source: Option<&'static v1::SourceVtable>,
    detector: Option<&'static v1::DetectorVtable>,
    sink: Option<&'static v1::SinkVtable>,
    schema: Map<String, Value>,
    extensions: PhantomData<X>,
}

/// A library that exports nothing yet.
pub fn parts() -> Parts<()> {
    Parts::default()
}

impl<X: Extensions> Parts<X> {
    /// Adds a source.
    #[must_use]
    pub fn source<T: Source>(mut self) -> Parts<OfSource<T, X>> {
        self.source = Some(shim::source::<T>());
        self.describe::<T::Config>("source", T::COLLECTS, T::NEVER).extended()
    }

    /// Adds a detector.
    #[must_use]
    pub fn detector<T: Detector>(mut self) -> Self {
        self.detector = Some(shim::detector::<T>());
        self.describe::<T::Config>("detector", T::COLLECTS, T::NEVER)
    }

    /// Adds a sink.
    #[must_use]
    pub fn sink<T: Sink>(mut self) -> Parts<OfSink<T, X>> {
        self.sink = Some(shim::sink::<T>());
        self.describe::<T::Config>("sink", T::COLLECTS, "").extended()
    }

    fn extended<Y>(self) -> Parts<Y> {
        let Self { source, detector, sink, schema, extensions: _ } = self;
        Parts { source, detector, sink, schema, extensions: PhantomData }
    }

    fn describe<C: JsonSchema>(mut self, role: &str, collects: &str, never: &str) -> Self {
        let mut schema = schemars::schema_for!(C);
        schema.insert("x-collects".to_owned(), collects.into());
        schema.insert("x-never".to_owned(), never.into());
        self.schema.insert(role.to_owned(), schema.into());
        self
    }

    /// The library's description; leaked, so made once per library.
    pub fn plugin(self, library: &'static str, version: &'static str) -> &'static Plugin {
        let schema: &'static str = Value::Object(self.schema).to_string().leak();
        Box::leak(Box::new(Plugin {
            magic: v1::MAGIC,
            abi: v1::ABI,
            size: size_of::<Plugin>() as u32,
            name: library.strip_prefix("candor_").unwrap_or(library).into(),
            version: version.into(),
            schema: schema.into(),
            source: self.source,
            detector: self.detector,
            sink: self.sink,
            extension: Some(shim::extension::<X>),
        }))
    }
}

/// Exports a source: `export_source!(Type);`.
#[macro_export]
macro_rules! export_source {
    ($source:ty) => {
        $crate::export_plugin!(source: $source);
    };
}

/// Exports a detector: `export_detector!(Type);`.
#[macro_export]
macro_rules! export_detector {
    ($detector:ty) => {
        $crate::export_plugin!(detector: $detector);
    };
}

/// Exports a sink: `export_sink!(Type);`.
#[macro_export]
macro_rules! export_sink {
    ($sink:ty) => {
        $crate::export_plugin!(sink: $sink);
    };
}

/// Exports a library with several roles: `export_plugin!(source: A, detector: B, sink: C);`.
#[macro_export]
macro_rules! export_plugin {
    ($($role:ident: $ty:ty),+ $(,)?) => {
        /// What this library is.
        #[doc(hidden)]
        pub extern "C" fn candor_plugin() -> &'static $crate::v1::Plugin {
            #[cfg(panic = "abort")]
            compile_error!("a plugin's panics must be caught: build with panic = \"unwind\"");
            static PLUGIN: std::sync::OnceLock<&'static $crate::v1::Plugin> = std::sync::OnceLock::new();
            PLUGIN.get_or_init(|| {
                $crate::export::parts()
                    $(.$role::<$ty>())+
                    .plugin(env!("CARGO_CRATE_NAME"), env!("CARGO_PKG_VERSION"))
            })
        }

        $crate::door!(candor_plugin);
    };
}
