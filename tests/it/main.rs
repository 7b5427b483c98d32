//! What only the whole can show.
//!
//! Nothing here is a mock: libraries are loaded, C is compiled, children crash.

#![cfg(unix)]
// Clippy lets tests unwrap, but not the functions they share.
#![allow(clippy::unwrap_used)]
// The whole agent is run where displays, mounts and processes are Linux's; its helpers are then idle elsewhere.
#![cfg_attr(not(target_os = "linux"), allow(dead_code))]

#[cfg(target_os = "linux")]
mod agent;
mod c_door;
#[cfg(target_os = "linux")]
mod config;
#[cfg(target_os = "linux")]
mod crash;
mod day;
#[cfg(target_os = "linux")]
mod desktop;
#[cfg(target_os = "linux")]
mod display;
mod kinds;
#[cfg(target_os = "linux")]
mod live;
mod load;
#[cfg(target_os = "linux")]
mod neighbours;
#[cfg(target_os = "linux")]
mod outbox;
mod panic;
#[cfg(target_os = "linux")]
mod promises;
#[cfg(target_os = "linux")]
mod queue;
#[cfg(target_os = "linux")]
mod rdev;
#[cfg(target_os = "linux")]
mod replay;
#[cfg(target_os = "linux")]
// The plugin's own tests use all of it.
#[allow(dead_code)]
#[path = "../../plugins/screen/tests/desktop/display.rs"]
mod screen;
#[cfg(target_os = "linux")]
mod scripted;
#[cfg(target_os = "linux")]
mod sinks;
#[cfg(target_os = "linux")]
mod stop;
mod store;
#[cfg(target_os = "linux")]
#[path = "../../plugins/screen/tests/desktop/text.rs"]
mod text;
mod tidy;
mod trust;
#[cfg(target_os = "linux")]
mod verify;
mod wait;

use std::{
    env::consts::{DLL_PREFIX, DLL_SUFFIX},
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use tempfile::TempDir;

/// The root of the repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Where cargo puts what it builds: `target/debug`.
fn built() -> PathBuf {
    // The test itself is in its `deps`.
    std::env::current_exe().unwrap().ancestors().nth(2).unwrap().to_owned()
}

/// The library a plugin's crate was built to. As a dependency it is in `deps`, which is built with this test;
/// `cargo build` links it beside the binary.
fn library(name: &str) -> PathBuf {
    let file = file_name(name);
    let found =
        [built().join("deps").join(&file), built().join(&file)].into_iter().find(|path| path.exists());
    found.unwrap_or_else(|| panic!("{file} isn't built; run cargo build --workspace"))
}

/// The file name of a plugin's library.
fn file_name(name: &str) -> String {
    format!("{DLL_PREFIX}candor_{name}{DLL_SUFFIX}")
}

/// The agent, built if it isn't yet: cargo doesn't build it for the tests of another crate.
fn candor() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let mut cargo = Command::new(env!("CARGO"));
        // Sinks on a cloud's SDK take minutes to build, and are tested in their own crates.
        cargo
            .args(["build", "--quiet", "--workspace", "--exclude", "candor-gcs", "--exclude", "candor-s3"])
            .current_dir(root());
        cargo.args((!cfg!(debug_assertions)).then_some("--release"));
        assert!(cargo.status().unwrap().success(), "cargo build --workspace failed");
        built().join(format!("candor{}", std::env::consts::EXE_SUFFIX))
    })
}

/// A folder that plugins may be loaded from, whatever the umask here.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        mode(folder.path(), 0o755);
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Copies a plugin of the workspace here.
    fn plugin(&self, name: &str) -> PathBuf {
        self.plugin_as(name, name)
    }

    /// Copies a plugin of the workspace here, under another name.
    fn plugin_as(&self, name: &str, file: &str) -> PathBuf {
        let path = self.path().join(file_name(file));
        fs::copy(library(name), &path).unwrap();
        mode(&path, 0o755);
        path
    }

    /// Writes a file that is named like a plugin.
    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path().join(file_name(name));
        fs::write(&path, bytes).unwrap();
        mode(&path, 0o755);
        path
    }

    /// Compiles a library that goes wrong as it is loaded; `flags` say how.
    fn fault(&self, name: &str, flags: &[&str]) -> PathBuf {
        let name_flag = format!("-DNAME=\"{name}\"");
        let flags = [&[name_flag.as_str()], flags].concat();
        self.c(name, "tests/plugins/load/fault.c", &flags)
    }

    /// Compiles a library from C.
    fn c(&self, name: &str, source: &str, flags: &[&str]) -> PathBuf {
        let path = self.path().join(file_name(name));
        cc(&["-shared", "-fPIC", "-o", path.to_str().unwrap(), root().join(source).to_str().unwrap()], flags);
        mode(&path, 0o755);
        path
    }
}

/// Runs the C compiler, strictly.
fn cc(args: &[&str], flags: &[&str]) {
    let include = root().join("plugin-api/include");
    let out = Command::new("cc")
        .args(["-std=c99", "-D_POSIX_C_SOURCE=200809L", "-Wall", "-Wextra", "-Werror", "-I"])
        .arg(include)
        .args(flags)
        .args(args)
        .output()
        .expect("cc: not found; install gcc");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}
