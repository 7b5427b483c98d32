//! What commands are told: which agent and how to print, several of them; the rest, some of their own.

use std::path::PathBuf;

use anyhow::Context;
use host::{config::Config, show::Style};

/// Which agent.
#[derive(clap::Args)]
pub struct Place {
    /// The config file; default: ./config/agent.toml of a source tree, the user's, the system's, or the built-in one.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The state folder; default: the config's, or the platform's.
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
}

/// How to print.
#[derive(clap::Args)]
pub struct Output {
    /// Prints JSON.
    #[arg(long)]
    pub json: bool,
}

impl Output {
    /// As text or as JSON.
    pub fn style(&self) -> Style {
        if self.json { Style::Json } else { Style::Text }
    }
}

impl Place {
    /// The config, with the state folder that is named beside it.
    pub fn config(&self) -> anyhow::Result<Config> {
        let mut config = Config::load(self.config.as_deref())?;
        if let Some(state) = &self.state {
            config.agent.state =
                Some(std::path::absolute(state).with_context(|| state.display().to_string())?);
        }
        Ok(config)
    }

    /// The state folder.
    pub fn state(&self) -> anyhow::Result<PathBuf> {
        Ok(self.config()?.state()?)
    }
}

/// What `candor secret` does.
#[derive(clap::Subcommand)]
pub enum SecretCommand {
    /// Asks for it on the terminal, without showing it, or reads it from standard input; never from an argument.
    Set {
        /// The sink's id.
        sink: String,
        #[command(flatten)]
        place: Place,
    },
    /// Forgets it.
    Delete {
        /// The sink's id.
        sink: String,
        #[command(flatten)]
        place: Place,
    },
    /// Lists for which sinks something is kept; never what.
    List {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        output: Output,
    },
}

/// What `candor queue` does besides showing.
#[derive(clap::Subcommand)]
pub enum QueueCommand {
    /// Asks sinks again to take what they refused for good.
    Retry {
        /// Only this sink.
        #[arg(long, value_name = "ID")]
        sink: Option<String>,
        /// Only this object.
        key: Option<String>,
        #[command(flatten)]
        place: Place,
    },
}
