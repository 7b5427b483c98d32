//! The promises of the design, one test each, that fails when it is broken.

pub mod pictures;

use std::{fs, process::Command};

use host::control::Request;
use serde_json::Value;

use crate::{
    agent::{Desk, USUAL, plugin},
    display::Display,
    root, store,
    wait::until,
};

/// An agent whose sources and sinks are of no display.
const HEADLESS: &str = r#"
[journal]
seal_every = "1s"
[[source]]
plugin = "faulty"
does = "nothing"
[[detector]]
plugin = "activity"
interval = "1s"
[[sink]]
plugin = "local"
path = "records"
"#;

#[test]
fn promise_1_nothing_typed_is_anywhere() {
    // In no order and no case the words of anything else here.
    let word = "xylophonequartz";
    let display = Display::new();
    let config = format!("{USUAL}[[source]]\nplugin = \"faulty\"\ndoes = \"garbage\"\ncount = 3\n");
    let desk = Desk::new(&config).on(&display).level("trace");
    let agent = desk.start();
    agent.wait_input();
    display.xdotool(&format!("type --delay 5 {word}"));
    until("the typed letters to be counted", || {
        let letters = store::sum(&desk.records("activity"), "/by_origin/injected/keys_by_class/letter");
        (letters >= word.len() as f64).then_some(())
    });
    // Not even a line for each key, which would tell when it was pressed.
    let log = desk.log();
    let lines = log.lines().filter(|line| line.contains("\"plugin\":\"input\"")).count();
    assert!((1..word.len()).contains(&lines), "{lines} lines of input in the log:\n{log}");
    // The fixture's key signals carry `secret`, and the key's own code, where nothing may be.
    let gap = |gap: &Value| {
        gap["instance"] == "faulty"
            && gap["reason"].as_str().is_some_and(|why| why.contains("signal dropped"))
    };
    until("what was dropped to be told", || desk.records("gap").iter().any(gap).then_some(()));
    let lost = agent.status()["lost"].clone();
    assert!(lost.as_array().unwrap().iter().any(|lost| lost["instance"] == "faulty"), "{lost:#}");
    assert!(agent.stop().success());
    for needle in [word, "xylo", "quartz", "secret"] {
        let found = store::grep(desk.path(), needle.as_bytes());
        let found: Vec<_> =
            found.into_iter().filter(|file| !file.starts_with(desk.plugins().path())).collect();
        assert!(found.is_empty(), "{needle:?} stands in {found:?}");
    }
}

#[test]
fn promise_2_signals_stay_in_memory() {
    let display = Display::new();
    // A detector that tries to send key signals on as if they were records.
    let config = format!("{USUAL}[[detector]]\nplugin = \"faulty\"\ndoes = \"absurd\"\n");
    let desk = Desk::new(&config).on(&display).level("trace");
    let agent = desk.start();
    agent.wait_input();
    for _ in 0..10 {
        display.xdotool(format!("mousemove 0 0 {}", "mousemove_relative 7 3 ".repeat(100)).trim_end());
    }
    let moved = 1000.0 * 7f64.hypot(3.0);
    until("the moves to be counted", || {
        (store::sum(&desk.records("activity"), "/distance_px") >= moved).then_some(())
    });
    let only_sources = |lost: &Value| {
        lost["instance"] == "faulty" && lost["reason"].as_str().unwrap().contains("only sources")
    };
    agent.wait("the detector's signals to be refused", |status| {
        status["lost"].as_array().unwrap().iter().any(only_sources)
    });
    assert!(agent.stop().success());
    let known = ["activity", "finding", "notice", "state", "gap", "device"];
    let shown = desk.shown();
    for record in &shown {
        let by_name = record["kind"] == "faulty.count";
        assert!(by_name || known.contains(&record["kind"].as_str().unwrap()), "{record}");
        // A path of a thousand points can't hide in lists this short.
        assert!(longest_list(record) <= 256, "{record}");
    }
    let bytes: usize = shown.iter().filter(|r| r["instance"] != "faulty").map(|r| r.to_string().len()).sum();
    assert!(bytes < 60 * 1024, "{bytes} bytes of records about 1,000 moves");
}

/// The length of the longest list in a value.
fn longest_list(value: &Value) -> usize {
    match value {
        Value::Array(list) => list.iter().map(longest_list).max().unwrap_or(0).max(list.len()),
        Value::Object(fields) => fields.values().map(longest_list).max().unwrap_or(0),
        _ => 0,
    }
}

#[test]
fn promise_3_what_was_acknowledged_survives_kill_9() {
    let desk = Desk::new(&HEADLESS.replace("\"nothing\"", "\"records\""));
    let mut acknowledged = 0;
    for _ in 0..3 {
        let agent = desk.start();
        acknowledged = agent.wait_durable(acknowledged + 100);
        agent.kill();
    }
    let agent = desk.start();
    let first = agent.wait_durable(acknowledged + 1);
    assert!(agent.stop().success());
    let shown = desk.shown();
    let checked = store::check_records(&shown);
    assert!(checked.declared.is_empty() && checked.last >= first, "{checked:?}");
    let unclean = |record: &&Value| record["kind"] == "gap" && record["reason"] == "unclean_end";
    assert_eq!(shown.iter().filter(unclean).count(), 3, "each kill is told");
    assert!(desk.log().contains("did not end in good order"), "{}", desk.log());
}

#[test]
fn promise_4_no_plugin_harms_its_neighbours() {
    // One of each role goes wrong in its main call, always; those that behave share the agent with them.
    let config = r#"
        [journal]
        seal_every = "1s"
        [[source]]
        plugin = "faulty"
        id = "panics"
        does = "panic_run"
        [[source]]
        plugin = "faulty"
        id = "counts"
        does = "count"
        count = 1000
        [[detector]]
        plugin = "faulty"
        id = "panics-too"
        does = "panic_batch"
        [[detector]]
        plugin = "activity"
        interval = "1s"
        [[sink]]
        plugin = "faulty"
        id = "panics-as-well"
        does = "panic_put"
        [[sink]]
        plugin = "local"
        path = "records"
    "#;
    let desk = Desk::new(config);
    let agent = desk.start();
    for id in ["panics", "panics-too", "panics-as-well"] {
        let said = agent.wait_state(id, "degraded");
        assert!(said["cause"].as_str().unwrap().contains("panic"), "{said}");
    }
    until("all keys in the store", || {
        (store::sum(&desk.records("activity"), "/keys") >= 1000.0).then_some(())
    });
    assert_eq!(store::sum(&desk.records("activity"), "/keys"), 1000.0);
    let status = agent.status();
    for id in ["counts", "activity", "local"] {
        assert_eq!(plugin(&status, id)["state"], "ok", "{status:#}");
    }
    assert!(agent.stop().success());
}

#[test]
fn promise_6_what_the_hosts_tables_raise_waits_too() {
    let pictures = HEADLESS.replace("\"nothing\"", "\"pictures\"");
    let desk =
        Desk::new(&format!("{pictures}keep = \"30d\"\nkinds = [\"notice\"]\n[outbox]\ngrace = \"1h\"\n"));
    let agent = desk.start();
    agent.wait("one that waits", |status| status["outbox"]["count"].as_u64() > Some(0));
    let raised = format!(
        "{pictures}[outbox]\ngrace = \"0s\"\ndelete = false\n[retain]\nmax_age = \"90d\"\narchive = \"archive\"\n\
         [spool]\nmax = \"9GB\"\n[[sink]]\nplugin = \"local\"\nid = \"elsewhere\"\npath = \"elsewhere\"\n"
    );
    desk.configure(&raised);
    let all = ["grace", "delete", "max_age", "archive", "spool]: max", "elsewhere is added", "keep", "kinds"];
    let waits = |status: &Value| {
        let pending = status["pending"].to_string();
        all.iter().all(|part| pending.contains(part))
            && status["pending"].as_array().unwrap().len() == all.len()
    };
    assert!(!desk.run(&["reload"]).status.success());
    assert!(waits(&agent.status()), "{:#}", agent.status());
    assert!(agent.stop().success());
    // Nor does a restart bring it about.
    let agent = desk.start();
    assert!(waits(&agent.status()), "{:#}", agent.status());
    let durable = agent.status()["durable"].as_u64().unwrap();
    agent.wait_durable(durable + 3);
    let waiting = desk.run(&["outbox", "list", "--json"]);
    let first: Value =
        serde_json::from_slice(waiting.stdout.split(|byte| *byte == b'\n').next().unwrap()).unwrap();
    assert!(first["leaves_in_s"].as_u64() > Some(3000), "as long as it was agreed: {first}");
    let deleted = desk.run(&["outbox", "delete", &first["id"].to_string(), "--why", "mine"]);
    assert!(deleted.status.success(), "{deleted:?}");
    until("a record in the store", || (!desk.records("notice").is_empty()).then_some(()));
    assert!(desk.records("screenshot").is_empty() && !desk.state().join("elsewhere").exists());
    assert!(agent.stop().success());
    // Also where no agent is asked.
    let second = desk.run(&["outbox", "list", "--json"]);
    let second: Value =
        serde_json::from_slice(second.stdout.split(|byte| *byte == b'\n').next().unwrap()).unwrap();
    let deleted = desk.run(&["outbox", "delete", &second["id"].to_string(), "--why", "mine"]);
    assert!(deleted.status.success(), "{deleted:?}");
}

#[test]
fn promise_7_the_host_names_no_plugin() {
    let mut names: Vec<String> = Vec::new();
    for entry in fs::read_dir(root().join("plugins")).unwrap() {
        names.push(entry.unwrap().file_name().into_string().unwrap());
    }
    assert!(names.len() >= 5, "{names:?}");
    for file in store::files(&root().join("host/src")).iter().filter(|file| !file.ends_with("tests.rs")) {
        let text = fs::read_to_string(file).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        for name in &names {
            let quoted = code.contains(&format!("\"{name}\"")) && name != "activity";
            let library =
                code.contains(&format!("candor_{name}")) || code.contains(&format!("candor-{name}"));
            assert!(!quoted && !library, "{} names {name}", file.display());
        }
    }
}

#[test]
fn promise_7_the_host_is_built_without_a_network() {
    let tree = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--package",
            "candor-host",
            "--edges",
            "normal",
            "--prefix",
            "none",
            "--target",
            "all",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    let tree = String::from_utf8(tree.stdout).unwrap();
    assert!(tree.contains("libloading"), "{tree}");
    let families =
        ["async-std", "aws-", "curl", "h2", "h3", "hickory", "hyper", "mio", "native-tls", "object_store"];
    let more =
        ["openssl", "quinn", "reqwest", "ring", "rustls", "smol", "socket2", "tokio", "tungstenite", "ureq"];
    let is_network = |line: &&str| {
        let name = line.split(' ').next().unwrap();
        families.iter().chain(&more).any(|known| match known.len() {
            // Short names are whole names.
            0..=4 if !known.ends_with('-') => name == *known,
            _ => name.starts_with(known),
        })
    };
    let found: Vec<_> = tree.lines().filter(is_network).collect();
    assert!(found.is_empty(), "{found:?}");
    for file in store::files(&root().join("host/src")) {
        let text = fs::read_to_string(&file).unwrap();
        for socket in ["TcpStream", "TcpListener", "UdpSocket", "ToSocketAddrs", "AddressFamily::INET"] {
            assert!(!text.contains(socket), "{}: {socket}", file.display());
        }
    }
}

#[test]
fn promise_7_a_running_host_opens_no_socket_but_its_own() {
    let desk = Desk::new(HEADLESS);
    let trace = desk.path().join("trace");
    let outer = ["strace", "-f", "-qq", "-e", "trace=network", "-o", trace.to_str().unwrap()];
    let agent = desk.spawn_in(&outer);
    agent.wait_ready();
    until("something in the store", || (!desk.records("notice").is_empty()).then_some(()));
    // The signal is for the agent, not for strace.
    let pid = i32::try_from(agent.status()["pid"].as_u64().unwrap()).unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert!(agent.ends().success());
    let trace = fs::read_to_string(trace).unwrap();
    let opened =
        |name: &str| trace.lines().filter(|line| line.contains(name)).map(str::to_owned).collect::<Vec<_>>();
    let families: Vec<_> = opened("socket(").into_iter().chain(opened("socketpair(")).collect();
    assert!(!families.is_empty() && families.iter().all(|line| line.contains("AF_UNIX")), "{families:#?}");
    let bound = opened("bind(");
    assert!(bound.len() == 1 && bound[0].contains("control.sock"), "{bound:#?}");
    let connected = opened("connect(");
    assert!(connected.iter().all(|line| line.contains("control.sock")), "{connected:#?}");
}

#[test]
fn promise_8_it_is_visible_and_can_be_paused() {
    let desk = Desk::new(HEADLESS);
    let agent = desk.start();
    let process = format!("/proc/{}", agent.pid());
    assert_eq!(fs::read_to_string(format!("{process}/comm")).unwrap().trim(), "candor");
    let command = fs::read_to_string(format!("{process}/cmdline")).unwrap();
    assert!(command.split('\0').next().unwrap().ends_with("/candor"), "{command:?}");
    let output = desk.run(&["status"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && text.contains(&format!("pid {}", agent.pid())), "{output:?}");

    assert!(desk.run(&["pause"]).status.success());
    assert_eq!(agent.status()["paused"], true);
    let text = String::from_utf8_lossy(&desk.run(&["status"]).stdout).into_owned();
    assert!(text.contains("PAUSED"), "{text}");
    assert!(desk.run(&["resume"]).status.success());
    assert_eq!(agent.ask(&Request::Resume).unwrap(), "was not paused");
    until("the pause in the store", || {
        desk.records("gap").iter().any(|gap| gap["reason"] == "paused").then_some(())
    });

    // What the person was told stands before anything that was observed, and says all of it.
    let shown = desk.shown();
    let told = shown.iter().position(|record| record["kind"] == "notice").unwrap();
    let observed =
        shown.iter().position(|record| ["activity", "finding"].contains(&record["kind"].as_str().unwrap()));
    assert!(observed.is_none_or(|observed| told < observed), "{shown:#?}");
    let notice = shown[told].to_string();
    for part in ["faulty", "activity", "local", "which keys were pressed"] {
        assert!(notice.contains(part), "{notice}");
    }
    assert!(agent.stop().success());
}

#[test]
fn promise_8_a_pause_is_nobodys_idle_time() {
    let desk = Desk::new(HEADLESS);
    let agent = desk.start();
    agent.wait("something to sum up before it", |status| status["uptime_s"].as_f64() > Some(0.5));
    agent.ask(&Request::Pause { for_s: Some(3) }).unwrap();
    let after = agent.wait("the end of the pause", |status| status["paused"] == false)["uptime_s"].as_f64();
    agent.wait("something to sum up after it", |status| {
        status["uptime_s"].as_f64() > after.map(|at| at + 0.5)
    });
    // Idle intervals are merged until something else is stored: the stop has them all.
    assert!(agent.stop().success());
    let records = desk.shown();
    let span = |record: &Value| {
        let field = |name: &str| record[name].as_u64().unwrap();
        (field("from_mono_ns"), field("to_mono_ns"))
    };
    let (from, to) = span(records.iter().find(|record| record["reason"] == "paused").unwrap());
    assert!(to - from >= 3_000_000_000, "{records:#?}");
    // The detector ends a moment after the pause has begun.
    let late = 500_000_000;
    let sums: Vec<_> = records.iter().filter(|record| record["kind"] == "activity").map(span).collect();
    assert!(sums.len() >= 2, "before and after: {records:#?}");
    for sum in sums {
        assert!(sum.1 <= from + late || sum.0 >= to, "{sum:?} is in the pause {from} to {to}: {records:#?}");
    }
}

#[test]
fn promise_8_a_terminal_says_first_what_is_collected() {
    let desk = Desk::new(HEADLESS);
    let screen = desk.path().join("screen");
    let run = format!(
        "exec '{}' run --config '{}' --state '{}'",
        desk.command(&[]).get_program().display(),
        desk.config().display(),
        desk.state().display()
    );
    let agent =
        desk.spawn_program(&["script", "--quiet", "--flush", "--command", &run, screen.to_str().unwrap()]);
    let text = until("the live line", || {
        let text = fs::read_to_string(&screen).unwrap_or_default();
        text.contains("Try:").then_some(text)
    });
    let mut lines = text.lines().filter(|line| !line.starts_with("Script started"));
    let first = lines.next().unwrap();
    assert!(first.starts_with("Candor") && first.contains("in the open"), "said first: {first}\n{text}");
    for part in ["It collects", "It never collects", "It goes to", "status", "pause", "no input"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    drop(agent);
}
