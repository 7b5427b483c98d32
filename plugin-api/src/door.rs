//! The door for Rust plugins: an `abi_stable` root module whose layout the host checks at load.
//!
//! Nothing but this file and the derive lines of `v1.rs` depends on `abi_stable`'s life; a C plugin comes in
//! by `candor_plugin_v1` instead and meets the same [`Plugin`].

use abi_stable::{
    abi_stability::abi_checking::check_layout_compatibility,
    library::{LibHeader, RootModule},
    package_version_strings,
    sabi_types::VersionStrings,
};

use crate::v1::Plugin;

pub use abi_stable;

/// The symbol of the C door: `const CandorPlugin *candor_plugin_v1(void)`.
pub const C_SYMBOL: &[u8] = b"candor_plugin_v1\0";

/// The root module of a Rust plugin.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = DoorRef, prefix_fields = DoorPrefix)))]
#[sabi(missing_field(panic))]
pub struct Door {
    /// Hands out the plugin; the same pointer each time.
    #[sabi(last_prefix_field)]
    pub plugin: extern "C" fn() -> &'static Plugin,
}

impl RootModule for DoorRef {
    abi_stable::declare_root_module_statics! {DoorRef}
    const BASE_NAME: &'static str = "candor_plugin";
    const NAME: &'static str = "candor_plugin";
    const VERSION_STRINGS: VersionStrings = package_version_strings!();
}

/// What the host's loader needs of `abi_stable`, so that it depends on this file only.
pub use abi_stable::{
    StableAbi,
    library::{LibraryError, lib_header_from_path},
    type_layout::TypeLayout,
};

/// The header of a library that came in by this door.
pub type Header = LibHeader;

/// The version of this crate, which a plugin was built against in some version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Whether a root module of that layout can stand for `M`; if not, the first thing that differs, in one line.
///
/// `abi_stable` lets the library be newer than the host only. The other way round is as good, since a field that
/// an older library doesn't have is asked for before it is used; so the check is made with the roles swapped too.
pub fn fits<M: RootModule>(found: &'static TypeLayout) -> Result<(), String> {
    let layout = <M as StableAbi>::LAYOUT;
    let Err(errors) = check_layout_compatibility(layout, found) else { return Ok(()) };
    check_layout_compatibility(found, layout).map_err(|_| first_difference(&errors.to_string()))
}

/// The first `Error:` block of a text that has dozens of them, with the type it speaks of.
fn first_difference(text: &str) -> String {
    let (before, block) = text.split_once("Error:").unwrap_or(("", text));
    let of = before.rsplit_once("Layout of found type:").map_or("", |(_, layout)| layout);
    let of = of.lines().find_map(|line| line.trim().strip_prefix("type:")).unwrap_or("its interface");
    let lines = block.lines().map(str::trim).take_while(|line| !line.contains("error(s)"));
    let words: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    let line = format!(
        "{of}: {}",
        words.join(" ").replace(" Expected:", ", expected").replace(" Found:", ", found")
    );
    line.chars().take(200).collect()
}

/// Puts a plugin behind the Rust door: what `#[export_root_module]` would write, which names `::abi_stable`
/// and so would make it a dependency of every plugin.
#[doc(hidden)]
#[macro_export]
macro_rules! door {
    ($plugin:path) => {
        #[doc(hidden)]
        #[unsafe(no_mangle)]
        pub static _1as_0lib_1header_0root_bmodule_bloader: $crate::door::Header = {
            use $crate::door::abi_stable;

            fn open() -> $crate::door::DoorRef {
                use abi_stable::prefix_type::PrefixTypeTrait;
                $crate::door::Door { plugin: $plugin }.leak_into_prefix()
            }

            extern "C" fn erased() -> abi_stable::library::RootModuleResult {
                abi_stable::library::__call_root_module_loader(open)
            }

            // SAFETY: `erased` answers with what `open` makes, a `DoorRef`.
            unsafe {
                $crate::door::Header::from_constructor::<$crate::door::DoorRef>(
                    erased,
                    abi_stable::library::CheckTypeLayout::Yes,
                )
            }
        };
    };
}
