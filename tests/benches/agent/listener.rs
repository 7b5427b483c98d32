//! The bare listener in Python: what somebody would write who needs no more than the events.

use std::{env, fs, path::PathBuf, process::Stdio};

use tempfile::NamedTempFile;

use crate::{
    display::{Display, held},
    process::Process,
    wait::until,
};

/// Listens to mouse and keyboard, and does nothing but count; says the count when asked by a signal.
const PROGRAM: &str = "
import signal, sys
from pynput import keyboard, mouse
seen = 0
def count(*_):
    global seen
    seen += 1
def tell(*_):
    with open(sys.argv[1], 'w') as file:
        file.write(f'{seen}\\n')
signal.signal(signal.SIGUSR1, tell)
keys = keyboard.Listener(on_press=count, on_release=count)
keys.start()
with mouse.Listener(on_move=count, on_click=count, on_scroll=count) as mouse:
    mouse.wait()
    keys.wait()
    tell()
    mouse.join()
";

/// A running listener.
pub struct Listener {
    /// Its process.
    pub process: Process,
    pid: rustix::process::Pid,
    told: NamedTempFile,
}

impl Listener {
    /// Starts it on a display.
    pub fn start(display: &Display) -> Self {
        let home = || PathBuf::from(env::var_os("HOME").expect("HOME is set")).join(".cache");
        let cache = env::var_os("XDG_CACHE_HOME").map_or_else(home, PathBuf::from);
        let python = cache.join("candor/venv/bin/python");
        assert!(python.exists(), "{}: is missing; run config/setup-debian.sh --test", python.display());
        let told = NamedTempFile::new().unwrap();
        let mut command = held(python.to_str().unwrap());
        command.args(["-c", PROGRAM]).arg(told.path()).env("DISPLAY", &display.name).stdout(Stdio::null());
        let child = command.spawn().unwrap();
        let pid = rustix::process::Pid::from_child(&child);
        let listener = Self { process: Process::new(child), pid, told };
        until("the bare listener", || listener.told());
        listener
    }

    fn told(&self) -> Option<u64> {
        fs::read_to_string(self.told.path()).ok()?.strip_suffix('\n')?.parse().ok()
    }

    /// How many events it has seen.
    pub fn seen(&self) -> u64 {
        fs::write(self.told.path(), "").unwrap();
        rustix::process::kill_process(self.pid, rustix::process::Signal::USR1).unwrap();
        until("the bare listener's count", || self.told())
    }
}
