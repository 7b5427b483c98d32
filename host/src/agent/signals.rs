//! Signals from the system: the end, and on Unix a changed config.

use std::sync::Arc;

use crate::{
    error::{Error, Result},
    stop::Stop,
};

/// Has Ctrl-C and SIGTERM stop the agent. SIGHUP reloads the config, but on a terminal, where it says that the terminal is
/// gone.
#[cfg(unix)]
pub fn handle(stop: Arc<Stop>, reload: impl Fn() + Send + 'static) -> Result<()> {
    use signal_hook::{
        consts::{SIGHUP, SIGINT, SIGTERM},
        iterator::Signals,
    };
    use std::io::{IsTerminal, stdin, stdout};
    let failed = |error: std::io::Error| Error::Signals { text: error.to_string() };
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM]).map_err(failed)?;
    let on_terminal = stdin().is_terminal() || stdout().is_terminal();
    // Not joined: it ends with the process.
    super::worker("signals", move || {
        for signal in signals.forever() {
            if signal == SIGHUP && !on_terminal { reload() } else { stop.stop() }
        }
    })?;
    Ok(())
}

/// Has Ctrl-C and its kin stop the agent; the config is reloaded by `candor reload`.
#[cfg(not(unix))]
pub fn handle(stop: Arc<Stop>, _: impl Fn() + Send + 'static) -> Result<()> {
    ctrlc::set_handler(move || stop.stop()).map_err(|error| Error::Signals { text: error.to_string() })
}
