//! The whole agent on a real store: what it stored is proved by URL, can't be read without the key, and its keys come from
//! the key store.

use std::{
    fs,
    io::Write,
    net::Ipv4Addr,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use age::secrecy::ExposeSecret;
use libtest_mimic::Trial;
use plugin_api::prelude::*;
use rig::{
    Desk, KeyStore,
    http::{Act, Front},
    run, until,
};

use crate::{config, folder, get, list, sink, trial, weed, with};

pub fn tests() -> Vec<Trial> {
    vec![
        trial("a_store_is_proved_by_its_url_and_what_was_removed_is_named", verified_by_url),
        trial("no_more_is_sent_than_the_line_is_to_bear", paced),
        trial("what_waits_is_sent_as_soon_as_the_network_is_back", back),
        trial("nothing_in_the_spool_or_the_bucket_can_be_read_without_the_key", encrypted),
        trial("keys_in_the_key_store_open_the_bucket_and_are_in_no_output", kept),
        trial("a_key_typed_on_a_terminal_is_not_shown", typed),
        trial("a_key_store_that_is_not_there_is_named", no_key_store),
    ]
}

/// An agent that stores below a prefix.
fn agent(prefix: &str, more: &str, table: &str) -> Desk {
    let endpoint =
        format!("endpoint = \"http://{}\"\npath_style = true\nprefix = \"{prefix}\"", weed().plain);
    Desk::storing("s3", &format!("{endpoint}\n{more}"), table)
}

fn verified_by_url() {
    let desk = agent("verified", "profile = \"agent\"", "");
    let (direct, _state) = sink(with(config(weed().plain), json!({"prefix": "verified"})));
    desk.fill(&[], &direct.instance);
    let address = weed().plain;
    let url = format!("s3://shots/verified?endpoint=http://{address}&path_style=true&profile=agent&probe=");
    desk.assert_proved(&url, "s3", &direct.instance);
}

fn paced() {
    let desk = agent("paced", "profile = \"agent\"\nlimits = { bandwidth = \"20KB\" }", "");
    let (direct, _state) = sink(with(config(weed().plain), json!({"prefix": "paced"})));
    desk.assert_paced(20_000, &direct.instance);
}

/// What is in the records and pictures.
const PLAIN: [&str; 3] = ["a label to look for", "xxxxxxxxxx", "<picture 00"];

/// Whether one of these is in the bytes, as they are or unpacked.
fn readable(bytes: &[u8]) -> bool {
    let unpacked = zstd::decode_all(bytes).unwrap_or_default();
    [bytes, &unpacked].iter().any(|bytes| {
        PLAIN.iter().any(|plain| bytes.windows(plain.len()).any(|window| window == plain.as_bytes()))
    })
}

fn encrypted() {
    let identity = age::x25519::Identity::generate();
    let table = format!("[seal]\nencrypt_to = [\"{}\"]", identity.to_public());
    for (prefix, table, is_readable) in [("clear", "", true), ("sealed", &table, false)] {
        let desk = agent(prefix, "profile = \"agent\"", table);
        let (direct, _state) = sink(with(config(weed().plain), json!({"prefix": prefix})));
        desk.fill(&[], &direct.instance);
        let keys = list(&direct.instance, "");
        let stored: Vec<_> = keys.iter().map(|(key, _)| (key, get(&direct.instance, key).unwrap())).collect();
        let found = stored.iter().filter(|(_, bytes)| readable(bytes)).count();
        assert_eq!(found > 0, is_readable, "{found} of {} objects in the bucket", stored.len());
        // Sealed objects that are still on this machine.
        let spooled = files(&desk.state().join("spool"));
        let found = spooled.iter().filter(|path| readable(&fs::read(path).unwrap())).count();
        assert!(!spooled.is_empty());
        assert_eq!(found > 0, is_readable, "{found} of {} files in the spool", spooled.len());
        if is_readable {
            continue;
        }
        // Who has the key reads them.
        let key = desk.path().join("key");
        fs::write(&key, identity.to_string().expose_secret()).unwrap();
        let (name, bytes) = stored.iter().find(|(name, _)| name.contains("kind=faulty.tick")).unwrap();
        let file = desk.path().join(name.rsplit('/').next().unwrap());
        fs::write(&file, bytes).unwrap();
        let mut command = desk.binary();
        let output = command.arg("decrypt").arg(&file).arg("--identity").arg(&key).output().unwrap();
        assert!(output.status.success() && readable(&output.stdout), "{output:?}");
    }
}

/// Every file below a folder.
fn files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn kept() {
    let keys = KeyStore::start(&folder().join("keys"));
    let desk = agent("kept", "credentials = \"keyring\"", "");
    let mut said = String::new();
    let mut run_with = |arguments: &[&str], input: &str| {
        let mut command = desk.command(arguments);
        command.envs(keys.environment.iter().cloned());
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
        said += &text;
        (output.status.success(), text)
    };
    let (_, text) = run_with(&["secret", "list"], "");
    assert!(text.contains("s3: nothing is kept"), "{text}");
    let (is_open, text) = run_with(&["doctor", "s3"], "");
    assert!(!is_open && text.contains("there are no credentials"), "{text}");
    let (is_set, text) = run_with(&["secret", "set", "s3"], "agentkey\n");
    assert!(!is_set && text.contains("a line each of: Access key id, Secret access key"), "{text}");
    let (is_set, text) = run_with(&["secret", "set", "s3"], "agentkey\nagentsecret\n");
    assert!(is_set && text.contains("in this computer's key store"), "{text}");
    let (_, text) = run_with(&["secret", "list", "--json"], "");
    assert!(text.contains("{\"error\":null,\"kept\":true,\"sink\":\"s3\"}"), "{text}");
    let (is_open, text) = run_with(&["doctor", "s3"], "");
    assert!(is_open, "{text}");
    let (direct, _state) = sink(with(config(weed().plain), json!({"prefix": "kept"})));
    desk.fill(&keys.environment, &direct.instance);
    let (complete, text) = run_with(&["verify", "--sink", "s3"], "");
    assert!(complete, "{text}");
    let (_, text) = run_with(&["secret", "delete", "s3"], "");
    assert!(text.contains("nothing is kept for it any more"), "{text}");
    assert!(!run_with(&["doctor", "s3"], "").0);
    said += &desk.log();
    assert!(said.contains("TRACE") || said.contains("DEBUG"), "the log is not at its most verbose");
    let line = said.lines().find(|line| line.contains("agentsecret"));
    assert!(line.is_none(), "{}", line.unwrap());
    // Nor is it in a file of the agent's.
    let secret = b"agentsecret";
    for path in files(&desk.state()) {
        let bytes = fs::read(&path).unwrap();
        assert!(!bytes.windows(secret.len()).any(|window| window == secret), "{}", path.display());
    }
}

fn typed() {
    let keys = KeyStore::start(&folder().join("typed"));
    let desk = agent("typed", "credentials = \"keyring\"", "");
    let (config, state) = (desk.path().join("agent.toml"), desk.state());
    let run = format!(
        "{} secret set s3 --config {config:?} --state {state:?}",
        desk.binary().get_program().display()
    );
    let screen = desk.path().join("screen");
    let mut command = Command::new("script");
    command.args(["--quiet", "--return", "--flush", "--command", &run]).arg(&screen);
    command.envs(keys.environment.iter().cloned()).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut child = command.spawn().unwrap();
    let shows = |text: &str| {
        until(text, || fs::read_to_string(&screen).unwrap_or_default().contains(text).then_some(()));
    };
    let mut keyboard = child.stdin.take().unwrap();
    shows("Access key id: ");
    keyboard.write_all(b"agentkey\n").unwrap();
    shows("Secret access key: ");
    until("the terminal to show nothing more", || {
        let terminals = fs::read_dir("/dev/pts").unwrap().flatten().map(|entry| entry.path());
        let mut hidden = terminals.filter(|path| {
            let settings = Command::new("stty").arg("-F").arg(path).arg("-a").output().unwrap();
            String::from_utf8_lossy(&settings.stdout).contains("-echo ")
        });
        hidden.next()
    });
    keyboard.write_all(b"agentsecret\n").unwrap();
    assert!(child.wait().unwrap().success());
    let screen = fs::read_to_string(&screen).unwrap();
    assert!(screen.contains("in this computer's key store") && !screen.contains("agentsecret"), "{screen}");
}

fn no_key_store() {
    let keys = KeyStore::none(&folder().join("none"));
    let desk = agent("none", "credentials = \"keyring\"", "");
    let output = desk.command(&["doctor", "s3"]).envs(keys.environment.iter().cloned()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success() && said.contains("key store"), "{said}");
    assert!(said.contains("key_store"), "the block for the network's people names the cause: {said}");
}

/// An address that this machine gets while the agent waits.
const LATER: &str = "10.9.9.9";

fn back() {
    let front = Front::at((Ipv4Addr::UNSPECIFIED, 0).into(), weed().plain, |_| Act::Pass);
    let endpoint = format!("endpoint = \"http://{LATER}:{}\"\nallow_http = true", front.address.port());
    let options = format!("{endpoint}\npath_style = true\nprefix = \"back\"\nprofile = \"agent\"");
    let desk = Desk::storing("s3", &options, "");
    let agent = desk.start(&[]);
    let mut due = Instant::now();
    agent.wait("back-off to take a while", |status| {
        let sink = &status["sinks"]["s3"];
        let left = sink["retry_in_s"].as_f64().filter(|_| sink["code"] == "no_route").unwrap_or_default();
        due = Instant::now() + Duration::from_secs_f64(left);
        left > 10.0
    });
    run("ip", &["address", "add", &format!("{LATER}/32"), "dev", "lo"]);
    agent.wait("what waits to be stored", |status| status["sinks"]["s3"]["sent"].as_u64() > Some(0));
    assert!(Instant::now() < due, "it was stored at its time, not when the network came back");
    assert!(agent.stop().success());
}
