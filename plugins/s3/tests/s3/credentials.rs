//! Where credentials come from, beyond profiles and the environment: each source as it speaks, answered on this machine.

use std::{
    fs,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use libtest_mimic::Trial;
use plugin_api::prelude::*;
use rig::{
    child,
    http::{Act, Front, Message},
};

use crate::{config, folder, get, noise, put, sink, trial, weed, with};

pub fn tests() -> Vec<Trial> {
    vec![
        trial("a_web_identity_is_exchanged_for_credentials", web_identity),
        trial("the_machines_own_role_gives_credentials", own_role),
        trial("a_container_gives_credentials", container),
        trial("a_single_sign_on_gives_credentials", single_sign_on),
        trial("the_key_of_a_key_management_is_named_to_the_store", with_key),
    ]
}

/// A server that answers each path as told, and what it was asked.
fn answers(answers: &'static [(&str, &str)]) -> (SocketAddr, Arc<Mutex<Vec<Message>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let noting = asked.clone();
    let front =
        Front::start(weed().plain, move |request| {
            noting.lock().unwrap().push(request.clone());
            let asked = request.path().split('?').next().unwrap().trim_end_matches('/');
            let found = answers.iter().find(|(path, _)| asked == *path);
            let lines = [("content-type", "text/plain"), ("x-aws-ec2-metadata-token-ttl-seconds", "21600")];
            Act::Answer(found.map_or_else(
                || Message::answer(404, &[], ""),
                |(_, body)| Message::answer(200, &lines, body),
            ))
        });
    (front.address, asked)
}

/// What the store is asked with the credentials that a child with this environment finds.
fn stored_with(environment: &[(&str, String)]) -> String {
    let seen = Arc::new(Mutex::new(String::new()));
    let noting = seen.clone();
    let front = Front::start(weed().plain, move |request| {
        let line = |name| request.line(name).unwrap_or_default();
        if request.method() == "PUT" {
            *noting.lock().unwrap() = format!("{} {}", line("authorization"), line("x-amz-security-token"));
        }
        // Whether the store would take them is not what is tried here: no store outside of a cloud knows such tokens.
        Act::Answer(Message::answer(403, &[], "<Error><Code>AccessDenied</Code></Error>"))
    });
    let mut config = config(front.address);
    config.as_object_mut().unwrap().remove("profile");
    let said = child::run(&config, "x", environment);
    assert!(!said.contains("agentsecret") && !said.contains("tokentoken"), "{said}");
    let seen = seen.lock().unwrap().clone();
    assert!(!seen.is_empty(), "nothing was stored: {said}");
    seen
}

#[track_caller]
fn is_from(seen: &str) {
    assert!(seen.contains("Credential=agentkey/") && seen.ends_with(" tokentoken"), "{seen}");
}

fn web_identity() {
    let (address, asked) = answers(&[(
        "",
        "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>agentkey</AccessKeyId>\
         <SecretAccessKey>agentsecret</SecretAccessKey><SessionToken>tokentoken</SessionToken>\
         <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult>\
         </AssumeRoleWithWebIdentityResponse>",
    )]);
    let token = folder().join("identity");
    fs::write(&token, "whoiam").unwrap();
    is_from(&stored_with(&[
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token.display().to_string()),
        ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/agent".to_owned()),
        ("AWS_ENDPOINT_URL_STS", format!("http://{address}")),
    ]));
    let asked = asked.lock().unwrap();
    let body = String::from_utf8_lossy(&asked[0].body);
    assert!(
        body.contains("Action=AssumeRoleWithWebIdentity") && body.contains("WebIdentityToken=whoiam"),
        "{body}"
    );
}

const ROLE: &str = r#"{"Code":"Success","AccessKeyId":"agentkey","SecretAccessKey":"agentsecret","Token":"tokentoken","Expiration":"2099-01-01T00:00:00Z"}"#;

fn own_role() {
    let (address, asked) = answers(&[
        ("/latest/api/token", "a-session"),
        ("/latest/meta-data/iam/security-credentials/agent", ROLE),
        ("/latest/meta-data/iam/security-credentials", "agent"),
    ]);
    is_from(&stored_with(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", format!("http://{address}"))]));
    let asked = asked.lock().unwrap();
    let by_session = |message: &Message| message.line("x-aws-ec2-metadata-token") == Some("a-session");
    assert!(asked[1..].iter().all(by_session), "as IMDSv2 wants it: {asked:#?}");
}

fn container() {
    let (address, _) = answers(&[("/role", ROLE)]);
    is_from(&stored_with(&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("http://{address}/role"))]));
}

fn single_sign_on() {
    let (address, asked) = answers(&[(
        "/federation/credentials",
        r#"{"roleCredentials":{"accessKeyId":"agentkey","secretAccessKey":"agentsecret","sessionToken":"tokentoken","expiration":4070908800000}}"#,
    )]);
    let home = folder().join("signed-in");
    // As `aws sso login` leaves it: the name is the SHA-1 of "work".
    let cache = home.join(".aws/sso/cache");
    fs::create_dir_all(&cache).unwrap();
    let token = r#"{"accessToken":"signedin","expiresAt":"2099-01-01T00:00:00Z","region":"eu-west-1","startUrl":"https://work.example.com"}"#;
    fs::write(cache.join("e274eeff768c6396088ec6eb091f4bf4d47ab1e0.json"), token).unwrap();
    let profile = "[default]\nsso_session = work\nsso_account_id = 123456789012\nsso_role_name = agent\n\
                   [sso-session work]\nsso_region = eu-west-1\nsso_start_url = https://work.example.com\n";
    fs::write(home.join("config"), profile).unwrap();
    is_from(&stored_with(&[
        ("HOME", home.display().to_string()),
        ("AWS_CONFIG_FILE", home.join("config").display().to_string()),
        ("AWS_ENDPOINT_URL_SSO", format!("http://{address}")),
    ]));
    assert_eq!(asked.lock().unwrap()[0].line("x-amz-sso_bearer_token"), Some("signedin"));
}

fn with_key() {
    const KEY: &str = "arn:aws:kms:eu-central-1:123456789012:key/agent";
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noting = seen.clone();
    // No key management is here to use it: the store answers as one that did.
    let front = Front::start(weed().plain, move |request| {
        let line = |name: &str| request.line(name).unwrap_or_default().to_owned();
        let begins = match request.method() {
            "PUT" => !request.path().contains("uploadId="),
            "POST" => request.path().contains("uploads"),
            _ => return Act::Pass,
        };
        let told =
            (line("x-amz-server-side-encryption"), line("x-amz-server-side-encryption-aws-kms-key-id"));
        noting.lock().unwrap().push((begins, told));
        Act::Answer(Message::answer(500, &[], ""))
    });
    let options = json!({"encryption": "kms", "kms_key": KEY, "prefix": "with/key"});
    let (encrypted, _state) = sink(with(config(front.address), options));
    for len in [1_000, 9 << 20] {
        put(&encrypted.instance, &len.to_string(), &noise(81, len)).unwrap_err();
    }
    let expected = (true, ("aws:kms".to_owned(), KEY.to_owned()));
    assert_eq!(*seen.lock().unwrap(), [expected.clone(), expected]);
    assert!(get(&encrypted.instance, "1000").is_err());
}
