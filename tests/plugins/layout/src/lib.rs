//! A plugin built against an interface whose events are laid out otherwise: it must never be asked anything.

// It writes out by hand what `export_plugin!` writes for a plugin that fits.
#![allow(unsafe_code)]

use abi_stable::{
    StableAbi,
    library::{self, RootModule},
    package_version_strings,
    prefix_type::PrefixTypeTrait,
    sabi_types::VersionStrings,
};
use v1::Plugin;

/// The same interface, but an event's numbers have 64 bits.
#[allow(missing_docs, clippy::all)]
pub mod v1 {
    include!(concat!(env!("OUT_DIR"), "/v1.rs"));
}

/// The root module.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = DoorRef, prefix_fields = DoorPrefix)))]
#[sabi(missing_field(panic))]
pub struct Door {
    /// Hands out the plugin.
    #[sabi(last_prefix_field)]
    pub plugin: extern "C" fn() -> &'static Plugin,
}

const DOOR: Door = Door { plugin };

extern "C" fn plugin() -> &'static Plugin {
    std::process::abort()
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
