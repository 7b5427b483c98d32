//! A plugin built against a newer interface than the host's: its door has one more field.

// It writes out by hand what `export_plugin!` writes for a plugin that fits.
#![allow(unsafe_code)]

use std::sync::OnceLock;

use abi_stable::{
    StableAbi,
    library::{self, RootModule},
    package_version_strings,
    prefix_type::PrefixTypeTrait,
    sabi_types::VersionStrings,
};
use plugin_api::{export::parts, prelude::*, v1::Plugin};

config! {
    /// No options.
    pub struct Config {}
}

/// A detector that works as any other.
pub struct Newer;

impl Detector for Newer {
    type Config = Config;
    const READS: &'static [&'static str] = &["key"];

    fn new(_: Config, _: &Host) -> Result<Self, Error> {
        Ok(Self)
    }
    fn on_batch(&mut self, _: &[Event<'_>], out: &mut Out<'_>) -> Result<(), Error> {
        out.finding(Finding::new("newer"))
    }
}

/// The door of a later version: one more field, after those that every version has.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = DoorRef, prefix_fields = DoorPrefix)))]
#[sabi(missing_field(panic))]
pub struct Door {
    /// Hands out the plugin.
    #[sabi(last_prefix_field)]
    pub plugin: extern "C" fn() -> &'static Plugin,
    /// What this host doesn't know.
    pub later: extern "C" fn(u64) -> u64,
}

const DOOR: Door = Door { plugin, later };

extern "C" fn plugin() -> &'static Plugin {
    static PLUGIN: OnceLock<&'static Plugin> = OnceLock::new();
    PLUGIN.get_or_init(|| parts().detector::<Newer>().plugin("candor_newer", env!("CARGO_PKG_VERSION")))
}

extern "C" fn later(n: u64) -> u64 {
    n + 1
}

impl RootModule for DoorRef {
    abi_stable::declare_root_module_statics! {DoorRef}
    const BASE_NAME: &'static str = "candor_plugin";
    const NAME: &'static str = "candor_plugin";
    const VERSION_STRINGS: VersionStrings = package_version_strings!();
}

fn open() -> DoorRef {
    DOOR.leak_into_prefix()
}

extern "C" fn erased() -> library::RootModuleResult {
    library::__call_root_module_loader(open)
}

/// What the host looks for.
#[unsafe(no_mangle)]
pub static _1as_0lib_1header_0root_bmodule_bloader: library::LibHeader =
    // SAFETY: `erased` answers with what `open` makes.
    unsafe { library::LibHeader::from_constructor::<DoorRef>(erased, library::CheckTypeLayout::Yes) };
