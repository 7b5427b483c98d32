//! The control socket: one JSON line in, one JSON line out.
//!
//! It is the host's only listener: a Unix socket with mode 0600 whose peer must be the same user (or root), or a
//! named pipe that only this user may open.

#[cfg(windows)]
mod pipe;
#[cfg(unix)]
mod socket;

use std::{
    io::{BufRead, BufReader, Read, Write},
    path::Path,
    thread,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tracing::warn;

use crate::error::{Error, Result};

#[cfg(windows)]
use pipe as transport;
#[cfg(unix)]
use socket as transport;

pub use transport::{Listener, wake};

/// The longest request, in bytes.
const REQUEST_MAX: u64 = 64 << 10;

/// How long an agent may take to answer; one that answers nothing for so long is stuck, and saying so beats waiting.
const ANSWER: Duration = Duration::from_secs(10);
/// The same where the answer takes a plugin to do something.
const ANSWER_OF_PLUGIN: Duration = Duration::from_secs(60);

/// What may be asked of a running agent.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "lowercase", deny_unknown_fields)]
pub enum Request {
    /// How is it doing?
    Status,
    /// Stop observing, for that many seconds or until `Resume`.
    Pause {
        /// How long; `None`: until told otherwise.
        for_s: Option<u64>,
    },
    /// Observe again.
    Resume,
    /// Delete what waits in the outbox.
    Delete {
        /// The number of its record.
        id: u64,
        /// Why.
        why: String,
    },
    /// What waits for each sink?
    Queue,
    /// The same, as soon as nothing waits or something was sent; after a time in any case.
    Progress {
        /// How many milliseconds at most.
        within_ms: u64,
    },
    /// Seal what is there, and try at once to send whatever waits.
    Flush,
    /// Ask sinks again to take what they refused for good.
    Retry {
        /// Which sink; all if not said.
        sink: Option<String>,
        /// Which object; all if not said.
        key: Option<String>,
    },
    /// Read the config again and take over what may be.
    Reload {
        /// That the person agrees: the token of an earlier answer, for what waits by that.
        proof: Option<String>,
    },
    /// Have every source that knows a request do what it asks for.
    Ask {
        /// The request's name.
        name: String,
        /// An object.
        options: Value,
    },
}

/// What it answers.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// Done; what was asked for.
    Ok(Value),
    /// Not done; why, and what to do.
    Error(String),
}

/// Asks the agent that runs on a state folder.
pub fn ask(state: &Path, request: &Request) -> Result<Value> {
    let patience = if matches!(request, Request::Ask { .. } | Request::Reload { .. }) {
        ANSWER_OF_PLUGIN
    } else {
        ANSWER
    };
    let mut stream = transport::connect(state, patience)?;
    let failed = |source| Error::Control { state: state.to_owned(), source };
    let mut line = serde_json::to_string(request).unwrap_or_default();
    line.push('\n');
    stream.write_all(line.as_bytes()).map_err(failed)?;
    let mut text = String::new();
    BufReader::new(stream).read_line(&mut text).map_err(failed)?;
    match serde_json::from_str(&text) {
        Ok(Answer::Ok(value)) => Ok(value),
        Ok(Answer::Error(text)) => Err(Error::Refused { text }),
        Err(_) => Err(failed(std::io::Error::other("the answer is not one of this version's"))),
    }
}

/// Serves each peer on a thread of its own, so that one that waits for an answer keeps nobody from pausing. Returns at
/// the first peer after `stopped` has turned true, once all have been served.
fn serve_each<S: Send>(
    peers: impl Iterator<Item = std::io::Result<S>>,
    stopped: &dyn Fn() -> bool,
    one: &(dyn Fn(S) -> std::io::Result<()> + Sync),
) {
    thread::scope(|scope| {
        for peer in peers {
            if stopped() {
                return;
            }
            let serve = move || {
                if let Err(error) = peer.and_then(one) {
                    warn!(%error, "control peer failed");
                }
            };
            let thread = thread::Builder::new().name("control peer".to_owned()).stack_size(512 << 10);
            if let Err(error) = thread.spawn_scoped(scope, serve) {
                warn!(%error, "no thread for a control peer");
            }
        }
    });
}

/// Serves one peer until it hangs up.
fn serve(stream: impl Read + Write, answer: &dyn Fn(Request) -> Answer) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.by_ref().take(REQUEST_MAX).read_line(&mut line)? == 0 {
            return Ok(());
        }
        let answer = match serde_json::from_str(&line) {
            Ok(request) => answer(request),
            Err(error) => Answer::Error(format!("not a request of this version: {error}")),
        };
        let mut text = serde_json::to_string(&answer)?;
        text.push('\n');
        reader.get_mut().write_all(text.as_bytes())?;
    }
}
