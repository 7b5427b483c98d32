//! Where things live when the config doesn't say: config file, state folder, plugin folders.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Looks up an environment variable.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// The process's own environment.
pub fn environment(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// Finds the config file: the given one, else the person's, else the machine's; None: the built-in config.
///
/// | | person | machine |
/// |---|---|---|
/// | Linux | `$XDG_CONFIG_HOME/candor/agent.toml`, `~/.config/…` | `/etc/candor/agent.toml` |
/// | macOS | `~/Library/Application Support/Candor/agent.toml` | `/Library/Application Support/Candor/agent.toml` |
/// | Windows | `%APPDATA%\Candor\agent.toml` | `%ProgramData%\Candor\agent.toml` |
pub fn find(explicit: Option<&Path>) -> Result<Option<PathBuf>> {
    if let Some(file) = explicit {
        return std::path::absolute(file)
            .map(Some)
            .map_err(|source| Error::Unreadable { file: file.to_owned(), source });
    }
    Ok(configs(&environment).into_iter().find(|file| file.exists()))
}

/// The places a config file may be in, the first one first.
pub fn configs(env: Environment<'_>) -> Vec<PathBuf> {
    let person = if cfg!(windows) {
        absolute(env, "APPDATA").map(|folder| folder.join("Candor"))
    } else if cfg!(target_os = "macos") {
        absolute(env, "HOME").map(|home| home.join("Library/Application Support/Candor"))
    } else {
        absolute(env, "XDG_CONFIG_HOME")
            .or_else(|| Some(absolute(env, "HOME")?.join(".config")))
            .map(|folder| folder.join("candor"))
    };
    let machine = if cfg!(windows) {
        absolute(env, "ProgramData").map(|folder| folder.join("Candor"))
    } else if cfg!(target_os = "macos") {
        Some("/Library/Application Support/Candor".into())
    } else {
        Some("/etc/candor".into())
    };
    person.into_iter().chain(machine).map(|folder| folder.join("agent.toml")).collect()
}

/// The platform's state folder.
pub fn state(env: Environment<'_>) -> Result<PathBuf> {
    let (found, variable) = if cfg!(windows) {
        (absolute(env, "LOCALAPPDATA").map(|folder| folder.join("Candor")), "LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        (absolute(env, "HOME").map(|home| home.join("Library/Application Support/Candor")), "HOME")
    } else {
        let folder = absolute(env, "XDG_STATE_HOME")
            .or_else(|| Some(absolute(env, "HOME")?.join(".local/state")))
            .map(|folder| folder.join("candor"));
        (folder, "HOME")
    };
    found.ok_or(Error::Homeless { what: "state", variable, fix: "pass --state DIR" })
}

/// The default plugin folders that exist: `plugins` beside the binary, the binary's own folder when cargo built
/// it there, the system's.
pub fn plugins(binary: Option<&Path>, env: Environment<'_>) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    if let Some(folder) = binary.and_then(Path::parent) {
        folders.push(folder.join("plugins"));
        if folder.join(".cargo-lock").exists() {
            folders.push(folder.to_owned());
        }
    }
    if cfg!(windows) {
        folders.extend(absolute(env, "ProgramFiles").map(|folder| folder.join("Candor").join("plugins")));
    } else if cfg!(target_os = "macos") {
        folders.push("/Library/Application Support/Candor/plugins".into());
    } else {
        folders.extend(["/usr/local/lib/candor/plugins", "/usr/lib/candor/plugins"].map(PathBuf::from));
    }
    folders.retain(|folder| folder.is_dir());
    folders
}

/// Makes a path of the config whole: `~/` is the home folder, a relative one starts at `base`.
pub fn resolve(path: &Path, base: &Path, env: Environment<'_>) -> Result<PathBuf> {
    match path.strip_prefix("~") {
        Ok(rest) => {
            let variable = if cfg!(windows) { "USERPROFILE" } else { "HOME" };
            let home = absolute(env, variable);
            let fix = "write the whole path";
            home.map(|home| home.join(rest)).ok_or(Error::Homeless { what: "~", variable, fix })
        }
        Err(_) => Ok(base.join(path)),
    }
}

/// The folder a variable names; a relative one is as good as none (the XDG rule).
fn absolute(env: Environment<'_>, name: &str) -> Option<PathBuf> {
    env(name).map(PathBuf::from).filter(|path| path.is_absolute())
}
