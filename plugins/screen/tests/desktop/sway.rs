//! A Wayland session of a test's own: sway without a screen, and without X.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use crate::display::until;

/// Sway refuses to run as root, so that tests of root run it as nobody.
const NOBODY: u32 = 65_534;

/// A compositor; ends with the test.
pub struct Sway {
    folder: tempfile::TempDir,
    /// The socket of the session that shows it, if any does.
    outer: Option<PathBuf>,
    running: Option<Child>,
}

impl Sway {
    /// Starts it with one monitor of 1920×1080, which shows a picture.
    pub fn start(picture: &Path) -> Self {
        Self::new(picture, None)
    }

    /// Starts it with two monitors, WL-1 and WL-2, that are windows of another: one that is closed is unplugged.
    pub fn inside(outer: &Self, picture: &Path) -> Self {
        Self::new(picture, Some(outer.socket("wayland-").unwrap()))
    }

    fn new(picture: &Path, outer: Option<PathBuf>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let own = |name: &str| folder.path().join(name);
        let shown = own("picture.png");
        fs::copy(picture, &shown).unwrap();
        fs::set_permissions(&shown, fs::Permissions::from_mode(0o644)).unwrap();
        let config = format!(
            "xwayland disable\noutput HEADLESS-1 mode 1920x1080\noutput * bg {} fill\n",
            shown.display()
        );
        fs::write(own("config"), config).unwrap();
        fs::create_dir(own("run")).unwrap();
        fs::set_permissions(own("run"), fs::Permissions::from_mode(0o700)).unwrap();
        if is_root() {
            for path in [folder.path(), &own("run")] {
                chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
            }
        }
        let mut sway = Self { folder, outer, running: None };
        sway.begin();
        sway
    }

    /// Starts it, with a session bus.
    pub fn begin(&mut self) {
        let folder = self.folder.path();
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "dbus-run-session"]);
            command
        } else {
            Command::new("dbus-run-session")
        };
        let say =
            "echo $DBUS_SESSION_BUS_ADDRESS > $XDG_RUNTIME_DIR/session-bus; exec sway -c \"$HOME/config\"";
        let child = command
            .args(["--", "sh", "-c", say])
            .env_remove("DISPLAY")
            .env_remove("WAYLAND_DISPLAY")
            .env_remove("SWAYSOCK")
            .env("HOME", folder)
            .env("XDG_RUNTIME_DIR", self.run())
            .envs([
                ("WLR_BACKENDS", if self.outer.is_some() { "wayland" } else { "headless" }),
                ("WLR_WL_OUTPUTS", "2"),
                ("WLR_LIBINPUT_NO_DEVICES", "1"),
                ("WLR_RENDERER", "pixman"),
            ])
            .envs(self.outer.as_ref().map(|socket| ("WAYLAND_DISPLAY", socket)))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|why| panic!("{command:?}: {why}; run config/setup-debian.sh --test"));
        self.running = Some(child);
        until("sway; run config/setup-debian.sh --test", || self.socket("wayland-"));
        until("sway's own socket", || self.socket("sway-ipc"));
    }

    /// Ends it.
    pub fn end(&mut self) {
        let Some(mut child) = self.running.take() else { return };
        // The session ends with the compositor.
        if self.socket("sway-ipc").is_some() {
            self.message(&["exit"]);
        } else {
            let _ = child.kill();
        }
        let _ = child.wait();
    }

    /// Where programs find it.
    pub fn session(&self) -> Vec<(&'static str, String)> {
        let name = self.socket("wayland-").unwrap();
        vec![
            ("XDG_RUNTIME_DIR", self.run().display().to_string()),
            ("WAYLAND_DISPLAY", name.file_name().unwrap().to_string_lossy().into_owned()),
            ("XDG_SESSION_TYPE", "wayland".to_owned()),
            (
                "DBUS_SESSION_BUS_ADDRESS",
                fs::read_to_string(self.run().join("session-bus")).unwrap().trim().to_owned(),
            ),
        ]
    }

    /// Whose session it is, if not that of who runs the tests.
    pub fn user(&self) -> Option<u32> {
        is_root().then_some(NOBODY)
    }

    /// Says something to it.
    pub fn say(&self, what: &[&str]) {
        let output = self.message(what);
        assert!(output.status.success(), "{what:?}: {}", String::from_utf8_lossy(&output.stdout));
    }

    fn message(&self, what: &[&str]) -> std::process::Output {
        let socket = self.socket("sway-ipc").unwrap();
        Command::new("swaymsg").arg("-s").arg(socket).args(what).output().unwrap()
    }

    fn run(&self) -> PathBuf {
        self.folder.path().join("run")
    }

    fn socket(&self, name: &str) -> Option<PathBuf> {
        let all = fs::read_dir(self.run()).unwrap().flatten().map(|entry| entry.path());
        let is_one = |path: &PathBuf| {
            let file = path.file_name().unwrap().to_string_lossy();
            file.starts_with(name) && !file.ends_with(".lock")
        };
        all.into_iter().find(is_one)
    }
}

impl Drop for Sway {
    fn drop(&mut self) {
        self.end();
    }
}

fn is_root() -> bool {
    rustix::process::getuid().is_root()
}
