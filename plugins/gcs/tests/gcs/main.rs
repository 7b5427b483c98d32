//! The sink against a real server behind Google's XML interface, with real tokens.
//!
//! The whole binary runs in a network namespace with nothing but `lo`.

#![cfg(target_os = "linux")]
// Clippy lets tests unwrap, but not the functions they share.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use libtest_mimic::{Arguments, Trial};
use plugin_api::{
    call,
    prelude::*,
    testing::{self, Harness},
};
use rig::{
    Desk, KeyStore, Weed,
    child::{self, LEN},
    http::{Act, Message},
    shim::{self, Account},
    sink::{get, list, noise, put},
};

static WEED: OnceLock<Weed> = OnceLock::new();
static ACCOUNT: OnceLock<Arc<Account>> = OnceLock::new();

fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("gcs")
}

fn main() {
    let arguments = Arguments::from_args();
    rig::alone(&folder().join("home"), &[]);
    child::serve(candor_gcs::candor_plugin());
    if !arguments.list {
        assert!(WEED.set(Weed::open(&folder().join("weed"))).is_ok());
        assert!(ACCOUNT.set(Arc::new(Account::new(&folder().join("account")))).is_ok());
    }
    let tests: [(&str, fn()); 18] = [
        ("refuses_bad_configs", conforms),
        ("the_reference_states_every_option_with_its_default", reference),
        ("stores_as_every_sink_has_to", stores),
        ("a_key_of_another_account_is_the_credentials_fault", other_key),
        ("a_missing_bucket_is_said_to_be_missing", missing_bucket),
        ("an_answer_lost_after_storing_makes_no_second_object", lost_answer),
        ("a_storm_of_errors_is_waited_out_as_long_as_asked", storms),
        ("bytes_changed_on_the_way_are_not_stored", changed),
        ("a_store_that_lies_about_what_it_keeps_is_not_believed", lies),
        ("a_clock_off_by_hours_is_said", clock),
        ("a_restart_sends_only_the_parts_that_are_not_there", resumed),
        ("a_connection_cut_at_any_part_boundary_goes_on_there", cut_at_each_part),
        ("a_kill_in_the_middle_of_an_upload_loses_and_doubles_nothing", killed),
        ("what_is_stored_is_encrypted_with_the_key_that_is_named", with_key),
        ("a_store_is_proved_by_its_url_and_what_was_removed_is_named", verified_by_url),
        ("no_more_is_sent_than_the_line_is_to_bear", paced),
        ("a_key_in_the_key_store_opens_the_bucket_and_is_in_no_output", kept),
        ("no_secret_is_in_the_most_verbose_log_nor_in_an_error", silent),
    ];
    let trial = |(name, test): (&str, fn())| {
        Trial::test(name, move || {
            test();
            Ok(())
        })
    };
    libtest_mimic::run(&arguments, tests.into_iter().map(trial).collect()).exit();
}

fn front(rule: impl Fn(&Message) -> Option<Act> + Send + Sync + 'static) -> SocketAddr {
    shim::start(WEED.get().unwrap().plain, ACCOUNT.get().unwrap(), Box::new(rule))
}

fn config(store: SocketAddr, prefix: &str) -> Value {
    json!({"bucket": "shots", "prefix": prefix, "service_account": ACCOUNT.get().unwrap().file(store), "probe": ""})
}

fn sink(config: Value) -> (Harness<call::Sink>, tempfile::TempDir) {
    let state = tempfile::tempdir_in(folder()).unwrap();
    (Harness::sink::<candor_gcs::Gcs>(config, state.path().to_str().unwrap()).unwrap(), state)
}

fn conforms() {
    testing::assert_conformance(candor_gcs::candor_plugin(), &json!({"sink": {"bucket": "shots"}}));
    for (config, says) in [
        (json!({"bucket": "b", "service_account": "/no/such.json"}), "/no/such.json"),
        (json!({"bucket": "b", "service_account": "/etc/hostname"}), "download it again"),
        (json!({"bucket": "b", "part_size": "1MiB"}), "5MiB"),
        (json!({"bucket": "b", "proxy": "http://me:hunter2@proxy:1"}), "HTTPS_PROXY"),
    ] {
        let failure = Harness::sink::<candor_gcs::Gcs>(config, "").err().unwrap();
        assert!(failure.text.contains(says) && !failure.text.contains("hunter2"), "{}", failure.text);
    }
}

fn reference() {
    rig::sink::assert_reference(candor_gcs::candor_plugin());
}

fn stores() {
    let config = config(front(|_| None), "suite");
    testing::assert_stores(candor_gcs::candor_plugin(), &config, folder().to_str().unwrap());
}

fn other_key() {
    let other = Account::new(&folder().join("other"));
    let store = front(|_| None);
    let mut config = config(store, "other");
    config["service_account"] = json!(other.file(store));
    let (sink, _state) = sink(config);
    let failure = put(&sink.instance, "x", b"x").unwrap_err();
    assert!(failure.fault == Fault::Credentials && failure.may_pass(), "{failure:?}");
    let mut steps = Vec::new();
    sink.instance.probe(|step| steps.push(step)).unwrap_err();
    let last = steps.last().unwrap();
    assert_eq!((&last["step"], &last["cause"]), (&json!("list"), &json!("denied")), "{last}");
}

fn missing_bucket() {
    let mut config = config(front(|_| None), "");
    config["bucket"] = json!("nothere");
    let (sink, _state) = sink(config);
    let failure = put(&sink.instance, "x", b"x").unwrap_err();
    assert!(failure.fault == Fault::Missing && failure.text.contains("no such bucket"), "{failure:?}");
}

fn lost_answer() {
    let puts = Arc::new(AtomicUsize::new(0));
    let counting = puts.clone();
    let store = front(move |request| {
        let is_first = request.method() == "PUT" && counting.fetch_add(1, Ordering::SeqCst) == 0;
        is_first.then_some(Act::Lose(None))
    });
    let (sink, _state) = sink(config(store, "lost"));
    put(&sink.instance, "once", b"once").unwrap();
    assert_eq!(puts.load(Ordering::SeqCst), 2, "it was sent again, and found there");
    assert_eq!(list(&sink.instance, ""), [("once".to_owned(), 4)]);
}

fn storms() {
    for status in [500, 503, 429] {
        let left = AtomicUsize::new(3);
        let store = front(move |_| {
            let in_storm =
                left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
            in_storm.then(|| Act::Answer(Message::answer(status, &[("Retry-After", "7")], "")))
        });
        let (sink, _state) = sink(config(store, &format!("storm/{status}")));
        for _ in 0..3 {
            let failure = put(&sink.instance, "x", b"x").unwrap_err();
            assert_eq!(
                (failure.fault, failure.retry_after),
                (Fault::Busy, Some(Duration::from_secs(7))),
                "{failure:?}"
            );
        }
        put(&sink.instance, "x", b"x").unwrap();
    }
}

fn changed() {
    let store = front(|request| {
        if request.method() != "PUT" {
            return None;
        }
        let mut changed = shim::translated(request);
        changed.body[3] ^= 1;
        Some(Act::Change(changed))
    });
    let (sink, _state) = sink(config(store, "changed"));
    let failure = put(&sink.instance, "x", &noise(5, 50_000)).unwrap_err();
    assert!(failure.may_pass(), "the object is fine: {failure:?}");
    assert!(list(&sink.instance, "").is_empty());
}

fn lies() {
    let store = front(|request| {
        if request.method() != "PUT" {
            return None;
        }
        let other = |mut answer: Message| {
            answer.set("x-goog-hash", "crc32c=AAAAAA==");
            answer
        };
        Some(Act::Both(shim::translated(request), Box::new(other)))
    });
    let (other, _state) = sink(config(store, "lies"));
    for len in [1_000, 9 << 20] {
        let failure = put(&other.instance, &len.to_string(), &noise(6, len)).unwrap_err();
        assert!(failure.fault == Fault::Other && failure.text.contains("other bytes"), "{failure:?}");
    }
    // It says 200, and kept nothing.
    let store = front(|request| {
        let answer = || Act::Answer(Message::answer(200, &[("etag", "\"1\"")], ""));
        (request.method() == "PUT").then(answer)
    });
    let (nothing, _state) = sink(config(store, "lies/nothing"));
    let failure = put(&nothing.instance, "x", b"x").unwrap_err();
    assert!(failure.fault == Fault::Other && failure.text.contains("doesn't have it"), "{failure:?}");
}

fn clock() {
    let store = front(|_| None);
    for (by, says) in [("+5h", "300 minutes fast"), ("-5h", "300 minutes slow")] {
        let environment =
            [("LD_PRELOAD", "/usr/$LIB/faketime/libfaketime.so.1".to_owned()), ("FAKETIME", by.to_owned())];
        let said = child::run(&config(store, &format!("clock{by}")), "put", &environment);
        assert!(said.contains(says) || said.contains(&says.replace("300", "299")), "{by}: {said}");
    }
}

fn number(request: &Message) -> Option<usize> {
    let rest = request.path().split("partNumber=").nth(1).filter(|_| request.method() == "PUT")?;
    rest.split('&').next()?.parse().ok()
}

fn resumed() {
    let stop_at = Arc::new(AtomicUsize::new(3));
    let parts = Arc::new(Mutex::new(Vec::new()));
    let (stopping, seen) = (stop_at.clone(), parts.clone());
    let store = front(move |request| {
        let number = number(request)?;
        seen.lock().unwrap().push(number);
        (number >= stopping.load(Ordering::SeqCst)).then_some(Act::Cut)
    });
    let state = tempfile::tempdir_in(folder()).unwrap();
    let new = || {
        let mut config = config(store, "resumed");
        config["concurrency"] = json!(1);
        Harness::sink::<candor_gcs::Gcs>(config, state.path().to_str().unwrap()).unwrap()
    };
    let bytes = noise(21, LEN);
    put(&new().instance, "large", &bytes).unwrap_err();
    stop_at.store(usize::MAX, Ordering::SeqCst);
    parts.lock().unwrap().clear();
    put(&new().instance, "large", &bytes).unwrap();
    assert_eq!(*parts.lock().unwrap(), [3, 4], "parts that are there are not sent again");
    assert!(get(&new().instance, "large").unwrap() == bytes);
}

fn cut_at_each_part() {
    for part in 1..=4 {
        let cuts = Mutex::new(3);
        let store = front(move |request| {
            let mut cuts = cuts.lock().unwrap();
            if *cuts == 0 || number(request)? != part {
                return None;
            }
            *cuts -= 1;
            Some(if *cuts == 1 { Act::Lose(None) } else { Act::Cut })
        });
        let (sink, _state) = sink(config(store, &format!("cut/{part}")));
        let bytes = noise(part as u32, LEN);
        let failure = put(&sink.instance, "large", &bytes).unwrap_err();
        assert!(failure.may_pass() && failure.fault == Fault::Network, "{failure:?}");
        put(&sink.instance, "large", &bytes).unwrap();
        assert!(get(&sink.instance, "large").unwrap() == bytes, "part {part}");
    }
}

fn killed() {
    let state = tempfile::tempdir_in(folder()).unwrap();
    let parts = Arc::new(Mutex::new(Vec::new()));
    let child_to_kill: Arc<Mutex<Option<u32>>> = Arc::default();
    let (seen, killing) = (parts.clone(), child_to_kill.clone());
    let store = front(move |request| {
        let number = number(request)?;
        let mut seen = seen.lock().unwrap();
        seen.push(number);
        // While the third part is on its way.
        let child = killing.lock().unwrap().take_if(|_| seen.len() == 3)?;
        rig::run("kill", &["-9", &child.to_string()]);
        Some(Act::Cut)
    });
    let mut config = config(store, "killed");
    config["concurrency"] = json!(1);
    let start = || child::command(&config, "large", state.path()).stdout(Stdio::null()).spawn().unwrap();
    let mut lock = child_to_kill.lock().unwrap();
    let mut first = start();
    *lock = Some(first.id());
    drop(lock);
    assert!(!first.wait().unwrap().success(), "it was killed");
    assert!(start().wait().unwrap().success(), "the next start finishes what was begun");
    let parts = parts.lock().unwrap().clone();
    assert_eq!(parts[..2], [1, 2]);
    assert!(!parts[3..].contains(&1), "parts that are there are not sent again: {parts:?}");
    let (sink, _other) = sink(config);
    assert!(get(&sink.instance, "large").unwrap() == noise(31, LEN));
    assert_eq!(list(&sink.instance, ""), [("large".to_owned(), LEN as u64)]);
}

fn with_key() {
    const KEY: &str = "projects/p/locations/eu/keyRings/r/cryptoKeys/k";
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noting = seen.clone();
    let store = front(move |request| {
        let key = request.line("x-goog-encryption-kms-key-name").map(str::to_owned);
        if ["PUT", "POST"].contains(&request.method()) {
            noting.lock().unwrap().push((
                request.method().to_owned(),
                request.path().contains("uploadId="),
                key,
            ));
        }
        None
    });
    let mut config = config(store, "with/key");
    config["kms_key"] = json!(KEY);
    let (sink, _state) = sink(config);
    for len in [1_000, 9 << 20] {
        put(&sink.instance, &len.to_string(), &noise(81, len)).unwrap();
    }
    // Said where an object or an upload begins, and nowhere else, which the store would refuse.
    let seen = seen.lock().unwrap();
    assert!(seen.iter().all(|(_, goes_on, key)| *goes_on == key.is_none()), "{seen:?}");
    assert_eq!(seen.iter().filter(|(_, _, key)| key.as_deref() == Some(KEY)).count(), 2, "{seen:?}");
}

fn verified_by_url() {
    let store = front(|_| None);
    let account = ACCOUNT.get().unwrap().file(store);
    let desk = Desk::storing("gcs", &format!("service_account = {account:?}\nprefix = \"verified\""), "");
    let (direct, _state) = sink(config(store, "verified"));
    desk.fill(&[], &direct.instance);
    let url = format!("gs://shots/verified?service_account={}&probe=", account.display());
    desk.assert_proved(&url, "gcs", &direct.instance);
}

fn paced() {
    let store = front(|_| None);
    let account = ACCOUNT.get().unwrap().file(store);
    let limits = "limits = { bandwidth = \"20KB\" }";
    let desk =
        Desk::storing("gcs", &format!("service_account = {account:?}\nprefix = \"paced\"\n{limits}"), "");
    let (direct, _state) = sink(config(store, "paced"));
    desk.assert_paced(20_000, &direct.instance);
}

fn kept() {
    let store = front(|_| None);
    let account = ACCOUNT.get().unwrap().file(store);
    let keys = KeyStore::start(&folder().join("keys"));
    let desk = Desk::storing("gcs", "credentials = \"keyring\"\nprefix = \"kept\"", "");
    let mut said = String::new();
    let mut run = |arguments: &[&str], input: Stdio| {
        let output =
            desk.command(arguments).envs(keys.environment.iter().cloned()).stdin(input).output().unwrap();
        let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
        said += &text;
        (output.status.success(), text)
    };
    let (is_open, text) = run(&["doctor", "gcs"], Stdio::null());
    assert!(!is_open && text.contains("there are no credentials"), "{text}");
    let file = fs::File::open(&account).unwrap();
    let (is_set, text) = run(&["secret", "set", "gcs"], file.into());
    assert!(is_set && text.contains("in this computer's key store"), "{text}");
    let (is_open, text) = run(&["doctor", "gcs"], Stdio::null());
    assert!(is_open, "{text}");
    let (direct, _state) = sink(config(store, "kept"));
    desk.fill(&keys.environment, &direct.instance);
    let (complete, text) = run(&["verify", "--sink", "gcs"], Stdio::null());
    assert!(complete, "{text}");
    said += &desk.log();
    is_silent(&said, &account);
}

/// Nothing of the account's key is in what was said.
fn is_silent(said: &str, account: &Path) {
    let account: Value = serde_json::from_str(&fs::read_to_string(account).unwrap()).unwrap();
    let key = account["private_key"].as_str().unwrap().lines().nth(1).unwrap();
    for secret in [key, "Bearer ", "eyJ", "PRIVATE KEY"] {
        assert!(!said.contains(secret), "{secret} is in what was said");
    }
}

fn silent() {
    let store = front(|_| None);
    let (sink, _state) = sink(config(store, "silent"));
    let mut said = String::new();
    for len in [1_000, 9 << 20] {
        put(&sink.instance, &len.to_string(), &noise(71, len)).unwrap();
        said += &format!("{:?}", put(&sink.instance, &len.to_string(), &noise(72, len)).unwrap_err());
    }
    let _ = sink.instance.probe(|step| said += &step.to_string());
    said += &sink.lines().join("\n");
    is_silent(&said, &ACCOUNT.get().unwrap().file(store));
}
