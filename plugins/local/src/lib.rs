//! Stores objects in a folder: the same paths below it as the keys, so that query tools read it as it is.
//!
//! An object appears under its name complete, checked and durable, or not at all: it is written to `.partial`,
//! synced, linked to its name (which can't overwrite), and the folders that changed are synced.

#![forbid(unsafe_code)]

mod fault;
mod folder;
mod probe;
mod put;
mod store;
#[cfg(test)]
mod tests;

use std::{
    path::PathBuf,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use plugin_api::prelude::*;

config! {
    /// Stores objects in a folder.
    pub struct Config {
        /// The folder; relative to the agent's state folder.
        #[serde(default = "records")]
        #[schemars(extend("examples" = ["records"]))]
        pub path: String,
    }
}

fn records() -> String {
    "records".to_owned()
}

/// The sink.
pub struct Local {
    root: PathBuf,
    folders: folder::Known,
    /// Numbers the partial files of this instance.
    count: AtomicU64,
    stopped: AtomicBool,
}

impl Sink for Local {
    type Config = Config;
    const COLLECTS: &'static str = "a folder on this computer";

    fn new(config: Config, host: &Host) -> Result<Self, Error> {
        let root = folder::root(&config.path, host.state_folder())?;
        folder::make(&root)?;
        // An earlier run may have been killed before it did this. Where the folder above isn't ours, its owner made this one.
        let _ = root.parent().map(folder::sync);
        folder::make(&root.join(folder::PARTIAL))?;
        folder::clean(&root.join(folder::PARTIAL))?;
        let folders = folder::Known::default();
        Ok(Self { root, folders, count: AtomicU64::new(0), stopped: AtomicBool::new(false) })
    }

    fn probe(&self, report: &mut dyn FnMut(Value)) -> Result<(), Error> {
        probe::steps(self, report)
    }

    fn put(&self, object: &Object<'_>) -> Result<(), Error> {
        put::put(self, object)
    }

    fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    fn store(&self) -> Option<&dyn Store> {
        Some(self)
    }
}

export_sink!(Local);
