//! The promises about pictures: how much of them leaves the plugin, and who may change that.

use std::{
    fs,
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
};

use host::control::Request;

use crate::{
    agent::{Agent, Desk},
    desktop::shots::{config, page},
    store, text,
    wait::until,
};

/// Every picture in files, wherever it begins in it, packed or not.
fn pictures(files: &[PathBuf]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for file in files {
        let bytes = fs::read(file).unwrap_or_default();
        for bytes in [zstd::decode_all(&bytes[..]).unwrap_or_default(), bytes] {
            for begin in [&b"\xff\xd8\xff"[..], b"\x89PNG\r\n"] {
                let places = bytes.windows(begin.len()).enumerate().filter(|(_, window)| *window == begin);
                found.extend(places.map(|(at, _)| bytes[at..].to_vec()));
            }
        }
    }
    found
}

#[test]
fn promise_5_no_picture_is_less_redacted_than_the_policy() {
    let display = page();
    for (options, most) in [
        ("every = \"1s\"\nredact = \"none\"", None),
        ("every = \"1s\"", Some(0)),
        ("every = \"1s\"\nredact = \"pixelate\"\nformat = \"png\"", Some(0)),
    ] {
        let desk = Desk::bare(&["screen", "local"], &config(options)).on_name(&display.name).level("trace");
        let agent = desk.start();
        agent.wait_state("screen", "ok");
        for _ in 0..2 {
            assert_eq!(desk.json(&["shot"])["shots"][0]["outcome"], "stored");
        }
        until("pictures in the store", || {
            let stored = desk.records("screenshot");
            (stored.iter().filter(|record| record["outcome"] == "stored").count() >= 2).then_some(())
        });
        assert!(agent.stop().success());
        // All that this agent ever wrote, its log included.
        let mut files = store::files(desk.state());
        files.extend(["err", "out"].map(|name| desk.path().join(name)));
        let pictures = pictures(&files);
        assert!(pictures.len() >= 2, "{options}: {} pictures", pictures.len());
        let mut read = 0;
        for (number, picture) in pictures.iter().enumerate() {
            let file = desk.path().join(format!("picture-{number}"));
            fs::write(&file, picture).unwrap();
            for size in ["100%", "1920x1080!"] {
                read = read.max(text::words(&file, size));
            }
        }
        match most {
            Some(most) => assert!(read <= most, "{options}: {read} words can be read"),
            None => assert!(read > 60, "the test could not fail: {read} words"),
        }
    }
}

/// Types an answer at a terminal where `candor reload` asks.
pub fn answer(desk: &Desk, word: &str) -> String {
    let (config, state) = (desk.config(), desk.state().to_owned());
    let run = format!(
        "'{}' reload --config '{}' --state '{}'",
        desk.command(&[]).get_program().display(),
        config.display(),
        state.display()
    );
    let mut command = Command::new("script");
    command.args(["--quiet", "--flush", "--return", "--command", &run, "/dev/null"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    writeln!(child.stdin.as_mut().unwrap(), "{word}").unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}

#[test]
fn promise_6_what_raises_needs_consent_and_what_lowers_counts_at_once() {
    let display = page();
    let desk = Desk::bare(&["screen", "local"], &config("every = \"1d\"")).on_name(&display.name);
    let redaction =
        || desk.json(&["shot"])["shots"][0]["record"]["redaction"]["mode"].as_str().unwrap().to_owned();
    let pending = |agent: &Agent<'_>| agent.status()["pending"].as_array().unwrap().len();
    let agent = desk.start();
    agent.wait_state("screen", "ok");
    assert_eq!((redaction(), pending(&agent)), ("blur".to_owned(), 0), "what was installed is accepted");

    // Nothing but a terminal is consent: no command, no pipe, no signal, no restart.
    desk.configure(&config("every = \"1d\"\nredact = \"none\""));
    let output = desk.run(&["reload"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        !output.status.success() && text.contains("WAITS  screen: redact") && text.contains("terminal"),
        "{text}"
    );
    assert!(answer(&desk, "no").contains("not allowed"));
    let hang_up = rustix::process::Pid::from_raw(agent.pid().try_into().unwrap()).unwrap();
    rustix::process::kill_process(hang_up, rustix::process::Signal::HUP).unwrap();
    let guess = Request::Reload { proof: Some("0".repeat(64)) };
    assert!(agent.ask(&guess).is_none(), "only the token of just this change");
    assert_eq!((redaction(), pending(&agent)), ("blur".to_owned(), 1));
    assert!(agent.stop().success());
    let agent = desk.start();
    agent.wait_state("screen", "ok");
    assert_eq!((redaction(), pending(&agent)), ("blur".to_owned(), 1));
    assert!(desk.log().contains("waits until it is allowed"), "{}", desk.log());

    let said = answer(&desk, "yes");
    assert!(said.contains("know more of you") && said.contains("done   screen: redact"), "{said}");
    assert_eq!((redaction(), pending(&agent)), ("none".to_owned(), 0));
    assert!(agent.stop().success());
    let agent = desk.start();
    agent.wait_state("screen", "ok");
    assert_eq!((redaction(), pending(&agent)), ("none".to_owned(), 0), "what was allowed stays so");

    desk.configure(&config("every = \"1d\"\nredact = \"pixelate\""));
    assert!(desk.run(&["reload"]).status.success());
    assert_eq!(redaction(), "pixelate");
    assert!(agent.stop().success());
    let notices: Vec<_> = desk.shown().into_iter().filter(|record| record["cause"] == "config").collect();
    let told = |list: &str, part: &str| notices.iter().any(|notice| notice[list].to_string().contains(part));
    assert!(
        told("pending", "redact from")
            && told("changes", "to \\\"none\\\"")
            && told("changes", "to \\\"pixelate\\\""),
        "{notices:#?}"
    );
}
