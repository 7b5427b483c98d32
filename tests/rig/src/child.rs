//! A sink in a process of its own, which may be killed, have another clock and another environment.

use std::{
    env,
    path::Path,
    process::{Command, Stdio, exit},
};

use plugin_api::{testing::Harness, v1::Plugin};
use serde_json::{Value, json};

use crate::sink::{noise, put};

/// What the child is to do.
const CHILD: &str = "CANDOR_RIG_CHILD";
/// How large the object is that it stores on `large`: four parts of the usual size.
pub const LEN: usize = (25 << 20) + 17;

/// In a child, does what it was started for with a plugin's sink and ends. Called before the tests start.
pub fn serve(plugin: &'static Plugin) {
    let Some(told) = env::var_os(CHILD) else { return };
    let told: Value = serde_json::from_str(told.to_str().unwrap()).unwrap();
    let sink = Harness::loaded_sink(plugin, told["config"].clone(), told["state"].as_str().unwrap()).unwrap();
    let bytes = if told["what"] == "large" { noise(31, LEN) } else { b"from a child".to_vec() };
    match put(&sink.instance, told["what"].as_str().unwrap(), &bytes) {
        Ok(()) => println!("stored"),
        Err(failure) => println!("{failure:?}"),
    }
    sink.instance.probe(|step| println!("{step}")).unwrap_or_else(|failure| println!("{failure:?}"));
    exit(0);
}

/// A child that stores `what` and says what came of it.
pub fn command(config: &Value, what: &str, state: &Path) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .env(CHILD, json!({"config": config, "state": state, "what": what}).to_string())
        .stdin(Stdio::null());
    command
}

/// Runs a child in an environment to its end; all it said.
pub fn run(config: &Value, what: &str, environment: &[(&str, String)]) -> String {
    let state = tempfile::tempdir().unwrap();
    let output = command(config, what, state.path()).envs(environment.iter().cloned()).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&said).into_owned()
}
