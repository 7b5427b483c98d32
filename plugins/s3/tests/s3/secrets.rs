//! No secret is ever said: not in a log at its most verbose, not in an error, not in a probe.

use libtest_mimic::Trial;
use plugin_api::prelude::*;
use rig::{
    child,
    http::{Act, Front, Message},
};

use crate::{config, noise, put, sink, trial, weed, with};

/// What the agents of these tests are known by.
pub const CREDENTIALS: &str = "\
[agent]\naws_access_key_id = agentkey\naws_secret_access_key = agentsecret\n
[admin]\naws_access_key_id = testadmin\naws_secret_access_key = testadminsecret\n
[reader]\naws_access_key_id = readerkey\naws_secret_access_key = readersecret\n
[wrong-secret]\naws_access_key_id = agentkey\naws_secret_access_key = hunter2hunter2\n
[wrong-key]\naws_access_key_id = nobodykey\naws_secret_access_key = hunter2hunter2\n
[session]\naws_access_key_id = agentkey\naws_secret_access_key = hunter2hunter2\naws_session_token = tokentokentoken\n
[empty]\n";

/// What must be in no line: secrets, tokens, and the signatures made of them.
const SECRET: [&str; 5] = ["agentsecret", "hunter2hunter2", "tokentokentoken", "Signature=", "signature="];

pub fn tests() -> Vec<Trial> {
    vec![
        trial("no_secret_is_in_the_most_verbose_log_nor_in_an_error", silent),
        trial("a_secret_in_the_config_is_refused_with_the_right_way", refused),
    ]
}

fn silent() {
    let broken = Front::start(weed().plain, |_| Act::Answer(Message::answer(500, &[], "")));
    let odd = Front::start(weed().plain, |_| Act::Answer(Message::answer(200, &[], "<html>sign in")));
    let mut said = String::new();
    for profile in ["agent", "wrong-secret", "session"] {
        for address in [weed().plain, broken.address, odd.address] {
            let (sink, _state) = sink(with(config(address), json!({"profile": profile, "prefix": "silent"})));
            for bytes in [noise(71, 1_000), noise(71, 9 << 20)] {
                said += &put(&sink.instance, &bytes.len().to_string(), &bytes)
                    .map_or_else(|failure| format!("{failure:?}\n"), |()| String::new());
            }
            let _ = sink.instance.probe(|step| said += &format!("{step}\n"));
            let _ = sink.instance.list("", |_, _| {});
            said += &sink.lines().join("\n");
        }
    }
    assert!(said.contains("a part is there"), "the log is not at its most verbose");
    // As in an agent, by a process of its own.
    let environment = [
        ("AWS_ACCESS_KEY_ID", "agentkey"),
        ("AWS_SECRET_ACCESS_KEY", "hunter2hunter2"),
        ("AWS_SESSION_TOKEN", "tokentokentoken"),
    ];
    let environment = environment.map(|(name, value)| (name, value.to_owned()));
    let mut by_environment = config(weed().plain);
    by_environment.as_object_mut().unwrap().remove("profile");
    said += &child::run(&by_environment, "put", &environment);
    assert!(said.contains("denies access"), "{said}");
    for secret in SECRET {
        let line = said.lines().find(|line| line.contains(secret));
        assert!(line.is_none(), "{secret}: {}", line.unwrap());
    }
}

fn refused() {
    let schema = plugin_api::call::schema(candor_s3::candor_plugin());
    for key in ["access_key", "secret_access_key", "session_token", "password"] {
        let text = schema["sink"]["x-instead"][key].as_str().unwrap();
        assert!(text.contains("AWS_SECRET_ACCESS_KEY") && text.contains("profile ="), "{text}");
        assert!(schema["sink"]["properties"][key].is_null());
    }
}
