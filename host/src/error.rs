//! What can go wrong, worded for the person who can mend it.

use std::io;
use std::path::PathBuf;

/// The host's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The config says something the host can't follow.
    #[error("{}:{line}: {text}", file.display())]
    Config {
        /// The config file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The key, what is wrong with it, and the fix.
        text: String,
    },
    /// A file the person named can't be read.
    #[error("{}: {source}; check the path and that this user may read it", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No folder can be derived from the environment.
    #[error("{what}: no folder for it, since {variable} is not set; set it or {fix}")]
    Homeless {
        /// What the folder is for.
        what: &'static str,
        /// The environment variable that would tell.
        variable: &'static str,
        /// What else the person can do.
        fix: &'static str,
    },
    /// A library others could have written.
    #[error("{plugin}: {what}")]
    Untrusted {
        /// The plugin.
        plugin: String,
        /// The path, what speaks against it, and the fix.
        what: String,
    },
    /// A library can't be loaded as it is.
    #[error("{plugin}: {}: {text}", path.display())]
    Library {
        /// The plugin it should be.
        plugin: String,
        /// The library.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        text: String,
    },
    /// A library says of itself what isn't so: it isn't tried again until it changes.
    #[error("{plugin}: {}: {text}", path.display())]
    Lies {
        /// The plugin it should be.
        plugin: String,
        /// The library.
        path: PathBuf,
        /// What isn't so, and what to do.
        text: String,
    },
    /// The state folder can't be used.
    #[error("{}: {source}; give this user a folder of its own to keep state in: [agent] state = \"...\" or --state DIR", path.display())]
    StateFolder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file or folder of the agent's own state can't be used.
    #[error("{}: {doing}: {source}; check that this user owns it and that its disk has room", path.display())]
    State {
        /// What was tried.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A store can't be read, or it isn't clear which.
    #[error("{text}")]
    Store {
        /// What is wrong and the fix.
        text: String,
    },
    /// Another agent has the state folder.
    #[error("an agent runs already on {} ({holder}); stop it first or give this one a --state of its own", state.display())]
    Running {
        /// The folder.
        state: PathBuf,
        /// Who has it.
        holder: String,
    },
    /// Nobody listens on the control socket.
    #[error("no agent runs on {}; start one with `candor run`, or name its --state", state.display())]
    NotRunning {
        /// The folder.
        state: PathBuf,
    },
    /// The control socket failed.
    #[error("control socket of {}: {source}; see the agent's log, or start it again", state.display())]
    Control {
        /// The folder.
        state: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The agent refused what was asked.
    #[error("the agent refused: {text}")]
    Refused {
        /// Why.
        text: String,
    },
    /// The agent doesn't know its own file.
    #[error("the agent's own file can't be told: {source}; start it by its full path")]
    Executable {
        /// Why.
        source: io::Error,
    },
    /// No handler for the signals that stop the agent.
    #[error("signals can't be handled: {text}; start the agent again")]
    Signals {
        /// Why.
        text: String,
    },
    /// No thread to be had.
    #[error(
        "{name}: no thread for it: {source}; raise the limit of processes (ulimit -u) or free some memory"
    )]
    Thread {
        /// Whose.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// A file of the agent's own state holds something else than it should.
    #[error("{}: {text}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it and the fix.
        text: String,
    },
    /// A record that can't be journaled as it is.
    #[error("{instance}: record of kind {kind:?}: {text}")]
    Record {
        /// Who emitted it.
        instance: String,
        /// The kind it was to have.
        kind: String,
        /// What is wrong with it.
        text: String,
    },
    /// Nothing can be written now; what can't be is counted and told as a gap once it can.
    #[error("journal: {cause}; free some space or mend the disk: records are lost and counted until then")]
    Unwritable {
        /// Why.
        cause: String,
    },
    /// The config doesn't allow it.
    #[error("{text}")]
    Forbidden {
        /// What, and what to do.
        text: &'static str,
    },
    /// What was to be deleted doesn't wait any more, or never did.
    #[error("{seq}: nothing waits under this number; it has left, or `candor outbox list` knows another")]
    NotWaiting {
        /// The number.
        seq: u64,
    },
    /// The journal's thread is gone or did not answer in time.
    #[error("journal: {text}")]
    Journal {
        /// What happened.
        text: &'static str,
    },
    /// There is no finding of that number here.
    #[error("finding {id}: not on this machine; `candor findings` lists those that are")]
    NoFinding {
        /// The number asked for.
        id: u64,
    },
    /// A plot would be written to a file whose name says that it is something else.
    #[error("{file}: plots are SVG; end the name in .svg", file = .file.display())]
    NotSvg {
        /// The file.
        file: PathBuf,
    },
    /// A finding is about origins or a single number, so that there is nothing to draw.
    #[error("finding {id}: has neither a path of the pointer nor times to draw; leave --plot out")]
    NoPath {
        /// The number asked for.
        id: u64,
    },
    /// A recorded trace can't be replayed.
    #[error("{place}: {text}")]
    Trace {
        /// The file, and the line where there is one.
        place: String,
        /// What is wrong with it, and what to do.
        text: String,
    },
    /// The system gave no random bytes for a new device id.
    #[error("identity: no random bytes from the system: {0}; start the agent again")]
    Random(getrandom::Error),
}

impl Error {
    /// Whether a file of the agent's own state is not there.
    pub fn is_gone(&self) -> bool {
        matches!(self, Self::State { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}
