//! The backends of this platform, and which one to use.

use std::sync::Arc;

use plugin_api::Out;

use crate::{batch::Batch, gate::Gate, source::Config};

/// Names of the backends this platform has, the preferred one first.
pub const NAMES: &[&str] = &[
    #[cfg(all(unix, not(target_os = "macos")))]
    "x11",
    #[cfg(target_os = "linux")]
    "evdev",
    #[cfg(windows)]
    "windows",
    #[cfg(all(feature = "rdev", any(target_os = "linux", target_os = "macos", windows)))]
    "rdev",
];

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
    let x11 = || X11::open(&choice.display, gate).map(boxed);
    let session = || x11().or_else(|why| stand_in(choice, gate, why));
    let evdev = |better| Evdev::open(better).map(boxed);
    match choice.backend {
        Some("x11") => x11(),
        Some("evdev") => evdev(None),
        Some(_) => rdev(choice, gate, None),
        // Under Wayland an X server sees its own windows only, so devices come first.
        None if is_wayland() => evdev(None)
            .or_else(|no_devices| session().map_err(|no_display| neither(&no_display, &no_devices))),
        None => session().or_else(|no_display| {
            let better = Some((choice.display.clone(), gate.clone()));
            evdev(better).map_err(|no_devices| neither(&no_display, &no_devices))
        }),
    }
}

/// What observes a display that the own backend can't observe, if that is what's wrong.
#[cfg(all(target_os = "linux", feature = "rdev"))]
fn stand_in(choice: &Choice, gate: &Arc<Gate>, why: Lost) -> Result<Box<dyn Backend>, Lost> {
    let fix = "start the X server with XInput 2 and XKEYBOARD; then devices, origins and layouts are known";
    rdev(choice, gate, Some(fix))
        .inspect(|_| plugin_api::prelude::warn!(cause = why.cause, "using rdev"))
        .map_err(|_| why)
}

#[cfg(all(target_os = "linux", feature = "rdev"))]
fn rdev(choice: &Choice, gate: &Arc<Gate>, fix: Option<&'static str>) -> Result<Box<dyn Backend>, Lost> {
    crate::rdev::check(&choice.display, gate)?;
    crate::rdev::Rdev::open(fix).map(boxed)
}

#[cfg(all(target_os = "linux", not(feature = "rdev")))]
fn stand_in(_: &Choice, _: &Arc<Gate>, why: Lost) -> Result<Box<dyn Backend>, Lost> {
    Err(why)
}

#[cfg(all(target_os = "linux", not(feature = "rdev")))]
fn rdev(_: &Choice, _: &Arc<Gate>, _: Option<&'static str>) -> Result<Box<dyn Backend>, Lost> {
    Err(Lost::new("built without rdev", "use another backend"))
}

/// Opens the only backend there is.
#[cfg(all(unix, not(any(target_os = "linux", target_os = "macos"))))]
pub fn open(choice: &Choice, gate: &Arc<Gate>) -> Result<Box<dyn Backend>, Lost> {
    crate::x11::X11::open(&choice.display, gate).map(boxed)
}

/// Opens the backend that is asked for, or the first that works.
#[cfg(windows)]
pub fn open(choice: &Choice, _: &Arc<Gate>) -> Result<Box<dyn Backend>, Lost> {
    let hooks = || crate::windows::Hooks::open().map(boxed);
    #[cfg(feature = "rdev")]
    {
        let rdev = |fix| crate::rdev::Rdev::open(fix).map(boxed);
        match choice.backend {
            Some("rdev") => return rdev(None),
            Some(_) => {}
            None => {
                let fix = "start the agent in the session; then it is known which input programs made";
                return hooks().or_else(|why| rdev(Some(fix)).map_err(|_| why));
            }
        }
    }
    let _ = choice.backend;
    hooks()
}

/// Opens the only backend there is.
#[cfg(target_os = "macos")]
pub fn open(choice: &Choice, _: &Arc<Gate>) -> Result<Box<dyn Backend>, Lost> {
    let _ = choice.backend;
    crate::rdev::Rdev::open(None).map(boxed)
}

fn boxed(backend: impl Backend + 'static) -> Box<dyn Backend> {
    Box::new(backend)
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
