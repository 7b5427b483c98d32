//! Namespaces of one's own.

use std::{
    env, fs,
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, exit},
};

/// Set in the process that is alone.
const MARK: &str = "CANDOR_RIG";

/// Starts this program again in namespaces of its own, unless it is there already. Root isn't needed where the kernel
/// lets anybody make namespaces; where it doesn't, says so and fails.
pub fn alone(home: &Path, variables: &[(&str, &Path)]) {
    if env::var_os(MARK).is_some() {
        run("ip", &["link", "set", "lo", "up"]);
        return;
    }
    let mut command = Command::new("unshare");
    command.args(["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]);
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    let allowed = Command::new("unshare").args(command.get_args()).arg("true").output();
    if !allowed.as_ref().is_ok_and(|output| output.status.success()) {
        let why = allowed.map_or_else(
            |error| error.to_string(),
            |output| String::from_utf8_lossy(&output.stderr).into_owned(),
        );
        eprintln!("these tests need namespaces of their own, which this user may not make: {}", why.trim());
        eprintln!("run them as root, or allow it: sysctl -w kernel.unprivileged_userns_clone=1");
        exit(1);
    }
    fs::create_dir_all(home).unwrap();
    command.arg(env::current_exe().unwrap()).args(env::args_os().skip(1)).env(MARK, "1");
    command.env("CANDOR_HOME", env::var_os("HOME").unwrap_or_default()).env("HOME", home);
    for (name, _) in
        env::vars().filter(|(name, _)| name.starts_with("AWS_") || name.to_lowercase().ends_with("_proxy"))
    {
        command.env_remove(name);
    }
    let error = command.envs(variables.iter().copied()).exec();
    panic!("unshare: {error}");
}

/// Runs a program that has to succeed.
#[track_caller]
pub fn run(program: &str, arguments: &[&str]) {
    let output =
        Command::new(program).args(arguments).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
}
