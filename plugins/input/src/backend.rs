//! The backends of this platform, and which one to use.

use std::sync::Arc;

use plugin_api::Out;

use crate::{batch::Batch, gate::Gate, source::Config};

/// Names of the backends this platform has, the preferred one first.
pub const NAMES: &[&str] = if cfg!(target_os = "linux") {
    &["x11", "evdev"]
} else if cfg!(windows) {
    &["windows"]
} else if cfg!(target_os = "macos") {
    &["rdev"]
} else {
    &["x11"]
};

/// What lets a user read the devices, and its price.
#[cfg(target_os = "linux")]
pub const READ_DEVICES: &str =
    "run `sudo usermod -aG input $USER` and log in again (all programs of this user may read all input then)";

/// One way to observe input.
pub trait Backend {
    /// Its name, and what it observes.
    fn name(&self) -> String;
    /// What it can't see, for the person who reads the counts.
    fn blind(&self) -> String;
    /// What to do so that it sees more, if it should.
    fn fix(&self) -> Option<&'static str> {
        None
    }
    /// Observes until something else is wanted. An error when what it observes is gone.
    fn run(&mut self, gate: &Gate, batch: &mut Batch, out: &Out<'_>) -> Result<(), Lost>;
}

/// Why nothing can be observed, and what to do about it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{cause}")]
pub struct Lost {
    pub cause: String,
    pub fix: String,
}

impl Lost {
    pub fn new(cause: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { cause: cause.into(), fix: fix.into() }
    }
}

/// What the config asks for.
#[derive(Clone, Debug)]
pub struct Choice {
    /// None: whatever works.
    backend: Option<&'static str>,
    #[cfg(all(unix, not(target_os = "macos")))]
    display: String,
}

impl Choice {
    /// Checks the config against this platform.
    pub fn new(config: Config) -> Result<Self, String> {
        let backend = NAMES.iter().copied().find(|name| *name == config.backend);
        if backend.is_none() && config.backend != "auto" {
            let asked = config.backend;
            let have = NAMES.join(", ");
            return Err(format!(
                "backend = \"{asked}\": not on this platform; use \"auto\" or one of: {have}"
            ));
        }
        #[cfg(all(unix, not(target_os = "macos")))]
        let display = config
            .display
            .or_else(|| std::env::var("DISPLAY").ok())
            .filter(|display| !display.is_empty())
            .unwrap_or_else(|| ":0".to_owned());
        Ok(Self {
            backend,
            #[cfg(all(unix, not(target_os = "macos")))]
            display,
        })
    }
}

/// Waits for what [`open`] needs.
pub fn watch(_: &Choice) -> crate::watch::Watch {
    crate::watch::Watch::new()
}

/// Opens the backend that is asked for, or the first that works.
#[cfg(target_os = "linux")]
pub fn open(choice: &Choice, gate: &Arc<Gate>) -> Result<Box<dyn Backend>, Lost> {
    use crate::{evdev::Evdev, x11::X11};
    let x11 = || X11::open(&choice.display, gate).map(|x11| Box::new(x11) as Box<dyn Backend>);
    let evdev = || Evdev::open().map(|evdev| Box::new(evdev) as Box<dyn Backend>);
    match choice.backend {
        Some("x11") => x11(),
        Some(_) => evdev(),
        // Under Wayland an X server sees its own windows only, so devices come first.
        None if is_wayland() => {
            evdev().or_else(|no_devices| x11().map_err(|no_display| neither(&no_display, &no_devices)))
        }
        None => x11().or_else(|no_display| evdev().map_err(|no_devices| neither(&no_display, &no_devices))),
    }
}

/// Opens the only backend there is.
#[cfg(all(unix, not(any(target_os = "linux", target_os = "macos"))))]
pub fn open(choice: &Choice, gate: &Arc<Gate>) -> Result<Box<dyn Backend>, Lost> {
    crate::x11::X11::open(&choice.display, gate).map(|x11| Box::new(x11) as Box<dyn Backend>)
}

/// Opens the only backend there is.
#[cfg(windows)]
pub fn open(choice: &Choice, _: &Arc<Gate>) -> Result<Box<dyn Backend>, Lost> {
    let _ = choice.backend;
    Ok(Box::new(crate::windows::Hooks))
}

/// Opens the only backend there is.
#[cfg(target_os = "macos")]
pub fn open(choice: &Choice, _: &Arc<Gate>) -> Result<Box<dyn Backend>, Lost> {
    let _ = choice.backend;
    Ok(Box::new(crate::rdev::Rdev::new()))
}

/// Whether this is a Wayland session.
#[cfg(target_os = "linux")]
fn is_wayland() -> bool {
    let is = |name, wanted: &str| std::env::var(name).is_ok_and(|value| value == wanted);
    is("XDG_SESSION_TYPE", "wayland")
        || (!is("XDG_SESSION_TYPE", "x11") && std::env::var("WAYLAND_DISPLAY").is_ok())
}

#[cfg(target_os = "linux")]
fn neither(no_display: &Lost, no_devices: &Lost) -> Lost {
    let cause = format!("{}; {}", no_display.cause, no_devices.cause);
    Lost::new(cause, format!("{}; or, without X, {}", no_display.fix, no_devices.fix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(backend: &str) -> Result<Choice, String> {
        Choice::new(Config { backend: backend.to_owned(), display: None })
    }

    #[test]
    fn a_backend_of_another_platform_is_refused_with_those_of_this_one() {
        let why = choice("quartz").unwrap_err();
        assert!(why.contains("quartz") && why.contains(NAMES[0]), "{why}");
        assert_eq!(choice("auto").unwrap().backend, None);
        assert_eq!(choice(NAMES[0]).unwrap().backend, Some(NAMES[0]));
    }
}
