//! The command line of the agent.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use clap::{Parser, Subcommand};
use host::{
    agent, check,
    clock::Clock,
    config::{self, Config},
    control::{self, Request},
    doctor, dump, findings, log,
    outbox::command,
    policy, queue, reload, replay, scan,
    seal::cipher,
    secret, shot, show,
    status::{self, Status},
    verify,
};
use tracing::level_filters::LevelFilter;

mod cli;

use cli::{Output, Place, QueueCommand, SecretCommand};

/// Candor: an activity agent that is open with the person it runs for.
///
/// It counts and never reads: which class of key was pressed, not which key. `candor run` says what is collected.
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    /// How much to log to standard error: error, warn, info, debug or trace.
    #[arg(long, global = true, default_value = "info", value_name = "LEVEL")]
    log: LevelFilter,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the agent until it is stopped (Ctrl-C or SIGTERM).
    Run(Place),
    /// Checks a config with its plugins, and says what is wrong in which line.
    Check {
        /// The config file; default: the one `candor run` would use.
        config: Option<PathBuf>,
        #[command(flatten)]
        output: Output,
    },
    /// Lists the plugins found, or checks one.
    Plugins {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        output: Output,
    },
    /// Works on one plugin.
    #[command(subcommand)]
    Plugin(PluginCommand),
    /// Shows how the running agent is doing.
    Status {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        output: Output,
    },
    /// Shows what was recorded and is still on this machine.
    Show {
        /// How far back, for example 30m, 1h or 2d.
        #[arg(long, default_value = "1h", value_parser = config::parse_duration, value_name = "TIME")]
        last: Duration,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        output: Output,
    },
    /// Looks at screenshots that wait before they may leave, and deletes some.
    #[command(subcommand)]
    Outbox(OutboxCommand),
    /// Stops observing; what was recorded stays, and the pause is recorded as a gap.
    Pause {
        /// How long, for example 15m; default: until `candor resume`.
        #[arg(long = "for", value_parser = config::parse_duration, value_name = "TIME")]
        time: Option<Duration>,
        #[command(flatten)]
        place: Place,
    },
    /// Observes again after a pause.
    Resume(Place),
    /// Has the agent take over its changed config; asks before anything that lets it know more of you.
    Reload {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        output: Output,
    },
    /// Takes a screenshot now and says where it is; redacted and masked as the config says.
    Shot {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        output: Output,
    },
    /// Shows what waits to be sent, and what was refused.
    Queue {
        #[command(subcommand)]
        command: Option<QueueCommand>,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        output: Output,
    },
    /// Seals what is there, has everything sent now, and waits until it is; exit code 1 if something is left.
    Flush {
        /// How long to wait at most; "0s" only says that now is a good time, for example when the network is up.
        #[arg(long = "for", value_parser = config::parse_duration, value_name = "TIME")]
        time: Option<Duration>,
        #[command(flatten)]
        place: Place,
    },
    /// Prints an encrypted object of a store in clear; records unpacked.
    Decrypt {
        /// The object, ending in .age.
        file: PathBuf,
        /// The file with the secret key, as `age-keygen` writes it.
        #[arg(long, value_name = "KEYFILE")]
        identity: PathBuf,
    },
    /// Proves that a store has everything: exit code 1 unless it is complete.
    Verify {
        #[command(flatten)]
        what: verify::What,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        output: Output,
    },
    /// Goes the way to each sink's store step by step, and says what is in the way and what to do.
    Doctor {
        /// The sink's id; default: all of the config.
        sink: Option<String>,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        output: Output,
    },
    /// Keeps what opens a store in the key store of the operating system, so that no file holds it.
    #[command(subcommand)]
    Secret(SecretCommand),
    /// Lists what detectors found.
    Findings {
        /// How far back, for example 1h, 2d or 30d.
        #[arg(long, default_value = "7d", value_parser = config::parse_duration, value_name = "TIME")]
        last: Duration,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        output: Output,
    },
    /// Shows one finding with its evidence.
    Finding {
        /// Its number, as `candor findings` lists it.
        id: u64,
        /// Draws path and speed, or times, beside a typical person's, as SVG.
        #[arg(long, value_name = "FILE")]
        plot: Option<PathBuf>,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        output: Output,
    },
    /// Runs a detector over recorded traces and prints what it finds.
    Replay(replay::Args),
    /// Looks at a library; the agent starts it as a child process.
    #[command(hide = true)]
    PluginProbe {
        /// The library.
        file: PathBuf,
    },
    /// Tries a library; `candor plugin check` starts it as a child process.
    #[command(hide = true)]
    PluginConform {
        /// The library.
        file: PathBuf,
        /// Its config.
        config: String,
    },
}

#[derive(Subcommand)]
enum PluginCommand {
    /// Tries what every plugin has to stand, in a child process.
    Check {
        /// The library.
        file: PathBuf,
        /// Its config as JSON, for example '{"limit": 3}'; of several roles by role: '{"detector": {"limit": 3}}'.
        #[arg(long, value_parser = json, value_name = "JSON")]
        config: Option<serde_json::Value>,
        #[command(flatten)]
        output: Output,
    },
}

#[derive(Subcommand)]
enum OutboxCommand {
    /// Lists what waits.
    List {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        output: Output,
    },
    /// Shows one, and where it can be looked at.
    Show {
        /// Its id, as `list` prints it.
        id: u64,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        output: Output,
    },
    /// Deletes one; that it was deleted, when and why is stored in its place.
    Delete {
        /// Its id, as `list` prints it.
        id: u64,
        /// Why, in your own words.
        #[arg(long, value_name = "TEXT", value_parser = reason)]
        why: String,
        #[command(flatten)]
        place: Place,
    },
}

fn main() -> ExitCode {
    dump::never();
    let cli = Cli::parse();
    log::start(cli.log);
    match run(cli.command) {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(io::stderr(), "candor: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout();
    match print(command, &mut out) {
        // Somebody who pipes into `head` has what was wanted.
        Err(error) if is_broken_pipe(&error) => Ok(ExitCode::SUCCESS),
        result => result,
    }
}

fn print(command: Command, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let done = |good: bool| if good { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    match command {
        Command::Run(place) => agent::run(&Config::load(place.config.as_deref())?, &place.state()?)?,
        Command::Check { config, output } => {
            let config = Config::load(config.as_deref())?;
            let found = agent::found(&config, existing(&config).as_deref())?;
            return Ok(done(check::print(&config, &found, output.style(), out)?));
        }
        Command::Plugins { place, output } => {
            let config = place.config()?;
            scan::print_plugins(&agent::found(&config, existing(&config).as_deref())?, output.style(), out)?;
        }
        Command::Plugin(PluginCommand::Check { file, config, output }) => {
            let program = std::env::current_exe()?;
            return Ok(done(scan::plugin_check(&program, &file, config.as_ref(), output.style(), out)?));
        }
        Command::Status { place, output } => {
            let answer = control::ask(&place.state()?, &Request::Status)?;
            match output.json {
                true => writeln!(out, "{answer:#}")?,
                false => status::print(&serde_json::from_value::<Status>(answer)?, out)?,
            }
        }
        Command::Show { last, place, output } => {
            show::print(&place.state()?, Some(since(last)), output.style(), out)?;
        }
        Command::Findings { last, place, output } => {
            findings::list(&place.state()?, since(last), output.style(), out)?;
        }
        Command::Finding { id, plot, place, output } => {
            findings::one(&place.state()?, id, plot.as_deref(), output.style(), out)?;
        }
        Command::Replay(args) => {
            let config = Config::load(args.config.as_deref())?;
            let found = agent::found(&config, existing(&config).as_deref())?;
            return Ok(done(replay::run(&args, &config, &found, out)?));
        }
        Command::Outbox(OutboxCommand::List { place, output }) => {
            let (config, state) = accepted(&place)?;
            command::list(&config, &state, output.style(), out)?;
        }
        Command::Outbox(OutboxCommand::Show { id, place, output }) => {
            let (config, state) = accepted(&place)?;
            command::show(&config, &state, id, output.style(), out)?;
        }
        Command::Outbox(OutboxCommand::Delete { id, why, place }) => {
            let (config, state) = accepted(&place)?;
            writeln!(out, "{}", command::delete(&config, &state, id, &why)?)?;
        }
        Command::Pause { time, place } => {
            let for_s = time.map(|time| time.as_secs().max(1));
            say(out, &control::ask(&place.state()?, &Request::Pause { for_s })?)?;
        }
        Command::Resume(place) => say(out, &control::ask(&place.state()?, &Request::Resume)?)?,
        Command::Reload { place, output } => {
            return Ok(done(reload::run(&place.state()?, output.style(), out)?));
        }
        Command::Shot { place, output } => {
            return Ok(done(shot::take(&place.state()?, output.style(), out)?));
        }
        Command::Queue { command: None, place, output } => {
            queue::print(&place.config()?, output.style(), out)?;
        }
        Command::Queue { command: Some(QueueCommand::Retry { sink, key, place }), .. } => {
            let count = queue::retry(&place.config()?, sink.as_deref(), key.as_deref())?;
            writeln!(out, "{count} objects are sent again")?;
        }
        Command::Flush { time, place } => return Ok(done(queue::flush(&place.config()?, time)?)),
        Command::Decrypt { file, identity } => cipher::decrypt(&file, &identity, out)?,
        Command::Doctor { sink, place, output } => {
            return Ok(done(doctor::run(sink.as_deref(), &place.config()?, output.style(), out)?));
        }
        Command::Secret(SecretCommand::Set { sink, place }) => {
            writeln!(out, "{}", secret::set(&sink, &place.config()?)?)?;
        }
        Command::Secret(SecretCommand::Delete { sink, place }) => {
            writeln!(out, "{}", secret::delete(&sink, &place.config()?)?)?;
        }
        Command::Secret(SecretCommand::List { place, output }) => {
            secret::list(&place.config()?, output.style(), out)?;
        }
        Command::Verify { what, place, output } => {
            return Ok(done(what.print(&place.config()?, output.style(), out)?));
        }
        Command::PluginProbe { file } => return Ok(scan::probe_main(&file)),
        Command::PluginConform { file, config } => return Ok(scan::conform_main(&file, &config)),
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// The config as far as the person accepted it, and the state folder.
fn accepted(place: &Place) -> anyhow::Result<(Config, PathBuf)> {
    let config = place.config()?;
    let state = config.state()?;
    Ok((policy::as_accepted(config, &state), state))
}

/// The state folder if there is one: a command that only looks doesn't make it.
fn existing(config: &Config) -> Option<PathBuf> {
    config.state().ok().filter(|state| state.is_dir())
}

/// The moment so long ago, in nanoseconds since 1970 UTC.
fn since(last: Duration) -> i64 {
    let last = i64::try_from(last.as_nanos()).unwrap_or(i64::MAX);
    Clock::system().unix_ns().saturating_sub(last)
}

/// Clap would take any text for a JSON string.
fn json(text: &str) -> serde_json::Result<serde_json::Value> {
    serde_json::from_str(text)
}

/// A reason is a line that a person wrote.
fn reason(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("is empty; say in a few words why".to_owned()),
        long if long.chars().count() > 500 => Err("is longer than 500 letters; say it shorter".to_owned()),
        text => Ok(text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()),
    }
}

fn say(out: &mut impl Write, answer: &serde_json::Value) -> io::Result<()> {
    writeln!(out, "{}", answer.as_str().unwrap_or_default())
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
