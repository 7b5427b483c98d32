//! Opens plugin libraries through either door.
//!
//! A library that is open stays open: its code may run on threads of its own, so nothing here ever closes one.

use std::{
    env::consts::{DLL_PREFIX, DLL_SUFFIX},
    ffi::OsStr,
    path::{Path, PathBuf},
    ptr,
};

use libloading::Library;
use plugin_api::{
    call,
    door::{self, DoorRef, LibraryError},
    read,
    v1::{self, Plugin},
};

use crate::{
    elf,
    error::{Error, Result},
};

/// A library that is open, and what it says of itself.
#[derive(Clone)]
pub struct Loaded {
    /// What it exports; never freed.
    pub plugin: &'static Plugin,
    /// The library.
    pub path: PathBuf,
    /// The plugin's name: the file is `candor_<name>`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it can be: `source`, `detector`, `sink`.
    pub roles: Vec<String>,
    /// The signals it reads, if it is a detector.
    pub reads: Vec<String>,
}

/// The plugin a library must hold by its file name; None when the file is not named like a plugin.
pub fn name(path: &Path) -> Option<&str> {
    let file = path.file_name().and_then(OsStr::to_str)?;
    let name = file.strip_prefix(DLL_PREFIX)?.strip_prefix("candor_")?.strip_suffix(DLL_SUFFIX)?;
    (!name.is_empty()).then_some(name)
}

/// Opens a library and checks everything that can be checked before one of its calls.
///
/// What it runs as it is opened runs in this process: look at an unknown library in a child first
/// ([`scan`](crate::scan)).
pub fn open(path: &Path) -> Result<Loaded> {
    let Some(name) = name(path) else {
        let plugin = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = format!("not a plugin's file name; rename it to {DLL_PREFIX}candor_<name>{DLL_SUFFIX}");
        return Err(Error::Library { plugin, path: path.to_owned(), text });
    };
    let library = |text: String| Error::Library { plugin: name.to_owned(), path: path.to_owned(), text };
    let lies = |text: String| Error::Lies { plugin: name.to_owned(), path: path.to_owned(), text };
    if let Some(text) = elf::fault(path).map_err(|error| library(unreadable(&error)))? {
        return Err(library(text));
    }
    // The loader searches its own folders for a name without a slash.
    let whole = std::path::absolute(path).map_err(|error| library(unreadable(&error)))?;
    let handle = dlopen(&whole).map_err(|error| library(explain(&error, &whole)))?;
    let plugin = match rust_door(&whole).map_err(library)? {
        Some(plugin) => plugin,
        None => c_door(&handle).map_err(library)?,
    };
    std::mem::forget(handle);
    let plugin = known(plugin).map_err(|fault| match fault {
        Fault::Interface(text) => library(text),
        Fault::Lie(text) => lies(text),
    })?;
    let said = read::lossy(plugin.name);
    if said != name {
        return Err(lies(format!(
            "says its name is {said}; rename the file to {DLL_PREFIX}candor_{said}{DLL_SUFFIX}, or build {name} again"
        )));
    }
    Ok(Loaded {
        plugin,
        path: path.to_owned(),
        name: said,
        version: read::lossy(plugin.version),
        roles: roles(plugin),
        reads: plugin
            .detector
            .map_or(&[][..], |table| read::slice(table.reads))
            .iter()
            .map(|name| read::lossy(*name))
            .collect(),
    })
}

fn roles(plugin: &Plugin) -> Vec<String> {
    let source = plugin.source.map(|_| "source");
    let detector = plugin.detector.map(|_| "detector");
    let sink = plugin.sink.map(|_| "sink");
    [source, detector, sink].into_iter().flatten().map(str::to_owned).collect()
}

fn unreadable(error: &std::io::Error) -> String {
    format!("can't be read ({error}); check that it is there and that this user may read it")
}

#[cfg(unix)]
fn dlopen(path: &Path) -> Result<Library, libloading::Error> {
    use libloading::os::unix::{Library as Raw, RTLD_LOCAL, RTLD_NOW};
    // RTLD_NOW: a symbol that is missing is missing now, not in the middle of a call.
    // SAFETY: the library's constructors run; whoever put it here is trusted and a child has tried them.
    unsafe { Raw::open(Some(path), RTLD_NOW | RTLD_LOCAL) }.map(Library::from)
}

#[cfg(not(unix))]
fn dlopen(path: &Path) -> Result<Library, libloading::Error> {
    // SAFETY: the library's constructors run; whoever put it here is trusted and a child has tried them.
    unsafe { Library::new(path) }
}

/// What the system's loader says, without the path, which the message names already.
fn explain(error: &libloading::Error, path: &Path) -> String {
    let source = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
    let text = source.replace(&format!("{}: ", path.display()), "");
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let fix = if text.contains("No such file") {
        "install the package that has it"
    } else if text.contains("undefined symbol") || text.contains("version `") {
        "it was built for another system; build it on this one"
    } else {
        "build or copy it again"
    };
    format!("the system can't load it: {text}; {fix}")
}

/// The plugin behind the Rust door; None when the library has no such door.
fn rust_door(path: &Path) -> Result<Option<*const Plugin>, String> {
    let again = || format!("build it again against candor-plugin-api {}", door::VERSION);
    let header = match door::lib_header_from_path(path) {
        Ok(header) => header,
        Err(LibraryError::GetSymbolError { .. }) => return Ok(None),
        Err(LibraryError::InvalidAbiHeader(found)) => {
            return Err(format!(
                "built with abi_stable {}.{}; {}",
                found.abi_major,
                found.abi_minor,
                again()
            ));
        }
        Err(error) => return Err(format!("its Rust door does not open ({}); {}", line(&error), again())),
    };
    let Some(layout) = header.layout() else {
        return Err(format!("hides the layout of its interface; {}", again()));
    };
    door::fits::<DoorRef>(layout)
        .map_err(|difference| format!("does not fit this host's interface ({difference}); {}", again()))?;
    // SAFETY: the layout was checked in the line above.
    match unsafe { header.init_root_module_with_unchecked_layout::<DoorRef>() } {
        Ok(root) => Ok(Some(ptr::from_ref(root.plugin()()))),
        Err(LibraryError::IncompatibleVersionNumber { expected_version, actual_version, .. }) => {
            let fix = if actual_version.major > expected_version.major {
                "update Candor".to_owned()
            } else {
                again()
            };
            Err(format!("built for interface {actual_version}; this host has {expected_version}; {fix}"))
        }
        Err(error) => Err(format!("its Rust door does not open ({}); {}", line(&error), again())),
    }
}

fn line(error: &LibraryError) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The plugin behind the C door.
fn c_door(library: &Library) -> Result<*const Plugin, String> {
    type Door = unsafe extern "C" fn() -> *const Plugin;
    // SAFETY: the symbol's name is that of a function of this type, by the contract in `candor.h`.
    let Ok(open) = (unsafe { library.get::<Door>(door::C_SYMBOL) }) else {
        return Err("not a Candor plugin: it exports neither door; end it with export_plugin!, \
             or define candor_plugin_v1 (candor.h)"
            .to_owned());
    };
    // SAFETY: as above; it takes nothing and answers a pointer that is looked at before it is followed.
    Ok(unsafe { open() })
}

enum Fault {
    /// Built for another interface.
    Interface(String),
    /// Not what it says.
    Lie(String),
}

/// Looks at a plugin field by field, so that no more of it is read than it has.
fn known(plugin: *const Plugin) -> Result<&'static Plugin, Fault> {
    let lie = |text: &str| Err(Fault::Lie(text.to_owned()));
    if plugin.is_null() {
        return lie("candor_plugin_v1 answers null; return the address of a static CandorPlugin");
    }
    if !plugin.is_aligned() {
        return lie(
            "candor_plugin_v1 answers an address no CandorPlugin can have; return that of a static one",
        );
    }
    // SAFETY: neither null nor misaligned; a plugin of any version begins with these eight bytes.
    if unsafe { (&raw const (*plugin).magic).read() } != v1::MAGIC {
        return lie("what it exports is not a Candor plugin (wrong magic); set magic to CANDOR_MAGIC");
    }
    // SAFETY: every version of a plugin has these two after the magic.
    let (abi, size) = unsafe { ((&raw const (*plugin).abi).read(), (&raw const (*plugin).size).read()) };
    if abi != v1::ABI {
        let fix = if abi > v1::ABI { "update Candor" } else { "build it again" };
        return Err(Fault::Interface(format!("built for interface {abi}; this host has {}; {fix}", v1::ABI)));
    }
    if (size as usize) < size_of::<Plugin>() {
        return lie(&format!(
            "its CandorPlugin has {size} bytes; this interface has {}; set size to sizeof(CandorPlugin)",
            size_of::<Plugin>()
        ));
    }
    // SAFETY: it has the magic, version and size of a `Plugin`, and is never freed, by the contract.
    let plugin = unsafe { &*plugin };
    call::check(plugin).map_err(|text| Fault::Lie(format!("{text}; ask its author")))?;
    Ok(plugin)
}
