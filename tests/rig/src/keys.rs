//! A real key store: gnome-keyring's Secret Service on a session bus of its own.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
};

use crate::until;

/// A running key store; ends when dropped.
pub struct KeyStore {
    children: Vec<Child>,
    /// What programs that are to use it have in their environment.
    pub environment: Vec<(String, String)>,
}

impl KeyStore {
    /// Starts one, unlocked, that keeps what it is given in a folder.
    pub fn start(folder: &Path) -> Self {
        let mut own = Self::none(folder);
        let mut daemon = own.daemon(&["--unlock", "--foreground", "--components=secrets"]);
        daemon.stdin.take().unwrap().write_all(b"a password").unwrap();
        own.children.push(daemon);
        until("the key store to be on the bus", || {
            let mut command = Command::new("dbus-send");
            command.envs(own.environment.iter().cloned());
            command.args([
                "--session",
                "--print-reply",
                "--dest=org.freedesktop.DBus",
                "/org/freedesktop/DBus",
            ]);
            command.args(["org.freedesktop.DBus.NameHasOwner", "string:org.freedesktop.secrets"]);
            let said = command.output().unwrap();
            String::from_utf8_lossy(&said.stdout).contains("boolean true").then_some(())
        });
        own
    }

    /// A session bus that nobody offers a key store on.
    pub fn none(folder: &Path) -> Self {
        let _ = fs::remove_dir_all(folder);
        fs::create_dir_all(folder).unwrap();
        let mut config = fs::File::create(folder.join("bus.conf")).unwrap();
        let address = format!("unix:path={}", folder.join("bus").display());
        // No folder of services: nothing of the machine is started by asking for it.
        write!(
            config,
            "<busconfig><type>session</type><listen>{address}</listen><auth>EXTERNAL</auth>\
             <policy context=\"default\"><allow send_destination=\"*\" eavesdrop=\"true\"/><allow eavesdrop=\"true\"/>\
             <allow own=\"*\"/></policy></busconfig>"
        )
        .unwrap();
        let mut bus = Command::new("dbus-daemon");
        bus.arg("--config-file").arg(folder.join("bus.conf")).args(["--nofork", "--print-address"]);
        let mut bus = bus.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("dbus-daemon");
        let mut line = String::new();
        BufReader::new(bus.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let folder = folder.display().to_string();
        let environment = [
            ("DBUS_SESSION_BUS_ADDRESS", address),
            ("XDG_RUNTIME_DIR", folder.clone()),
            ("XDG_DATA_HOME", folder),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value)).to_vec();
        Self { children: vec![bus], environment }
    }

    fn daemon(&self, arguments: &[&str]) -> Child {
        let mut command = Command::new("gnome-keyring-daemon");
        command.args(arguments).envs(self.environment.iter().cloned());
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().expect("gnome-keyring-daemon")
    }
}

impl Drop for KeyStore {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
