//! Log output: for people on a terminal, JSON otherwise.

use std::io::{IsTerminal, stderr};

use tracing::{Level, debug, error, info, level_filters::LevelFilter, trace, warn};

/// Starts logging to standard error at a level; more verbose lines are dropped where they arise.
pub fn start(level: LevelFilter) {
    let builder = tracing_subscriber::fmt().with_max_level(level).with_writer(stderr).with_target(false);
    // Fails when a test has started one already, which serves as well.
    let _ = match stderr().is_terminal() {
        true => builder.with_timer(tracing_subscriber::fmt::time::uptime()).try_init(),
        false => builder.json().flatten_event(true).try_init(),
    };
}

/// The level in force as the number plugins know it by: 1 error to 5 trace, 0 none.
pub fn number() -> u32 {
    match LevelFilter::current().into_level() {
        None => 0,
        Some(Level::ERROR) => 1,
        Some(Level::WARN) => 2,
        Some(Level::INFO) => 3,
        Some(Level::DEBUG) => 4,
        Some(Level::TRACE) => 5,
    }
}

/// Logs a line of a plugin's.
pub fn plugin_line(plugin: &str, level: u32, module: &str, text: &str) {
    match level {
        0 | 1 => error!(plugin, module, "{text}"),
        2 => warn!(plugin, module, "{text}"),
        3 => info!(plugin, module, "{text}"),
        4 => debug!(plugin, module, "{text}"),
        _ => trace!(plugin, module, "{text}"),
    }
}
