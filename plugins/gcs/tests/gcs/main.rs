//! The sink against a real server behind Google's XML interface, with real tokens.
//!
//! The whole binary runs in a network namespace with nothing but `lo`.

#![cfg(target_os = "linux")]
// Clippy lets tests unwrap, but not the functions they share.
#![allow(clippy::unwrap_used)]

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use libtest_mimic::{Arguments, Trial};
use plugin_api::{
    call::{self, Failure, Object, ReadAt},
    prelude::*,
    testing::{self, Harness},
};
use rig::{
    Weed,
    http::{Act, Message},
    shim::{self, Account},
};
use sha2::{Digest, Sha256};

static WEED: OnceLock<Weed> = OnceLock::new();
static ACCOUNT: OnceLock<Arc<Account>> = OnceLock::new();

fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("gcs")
}

fn main() {
    let arguments = Arguments::from_args();
    rig::alone(&folder().join("home"), &[]);
    if !arguments.list {
        assert!(WEED.set(Weed::open(&folder().join("weed"))).is_ok());
        assert!(ACCOUNT.set(Arc::new(Account::new(&folder().join("account")))).is_ok());
    }
    let tests: [(&str, fn()); 11] = [
        ("refuses_bad_configs", conforms),
        ("the_reference_states_every_option_with_its_default", reference),
        ("stores_as_every_sink_has_to", stores),
        ("a_key_of_another_account_is_the_credentials_fault", other_key),
        ("a_missing_bucket_is_said_to_be_missing", missing_bucket),
        ("an_answer_lost_after_storing_makes_no_second_object", lost_answer),
        ("a_storm_of_errors_is_waited_out_as_long_as_asked", storms),
        ("bytes_changed_on_the_way_are_not_stored", changed),
        ("a_restart_sends_only_the_parts_that_are_not_there", resumed),
        ("a_connection_cut_at_any_part_boundary_goes_on_there", cut_at_each_part),
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

struct Bytes(Vec<u8>);

impl ReadAt for Bytes {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.read_at(offset, buffer)
    }
}

fn put(sink: &call::Sink, key: &str, bytes: &[u8]) -> Result<(), Failure> {
    sink.put(&Object {
        key,
        len: bytes.len() as u64,
        sha256: Sha256::digest(bytes).into(),
        media_type: "application/zstd",
        metadata: "{}",
        bytes: &Bytes(bytes.to_vec()),
    })
}

fn get(sink: &call::Sink, key: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    sink.get(key, &mut |piece: &[u8]| bytes.extend_from_slice(piece)).unwrap();
    bytes
}

fn list(sink: &call::Sink) -> Vec<(String, u64)> {
    let mut keys = Vec::new();
    sink.list("", |key, len| keys.push((key.to_owned(), len))).unwrap();
    keys
}

fn noise(seed: u32, len: usize) -> Vec<u8> {
    (0..len as u32)
        .map(|at| (at.wrapping_mul(2_654_435_761).wrapping_add(seed.wrapping_mul(97)) >> 13) as u8)
        .collect()
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
    let schema = call::schema(candor_gcs::candor_plugin());
    let options = schema["sink"]["properties"].as_object().unwrap();
    let file =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/reference.toml")).unwrap();
    let entry = file.split("plugin = \"gcs\"").nth(1).unwrap().split("\n\n").next().unwrap();
    let mut said = Vec::new();
    for line in entry.lines().skip(1) {
        let (key, value) = line.trim_start_matches('#').split_once(" = ").unwrap();
        let value: Value = serde_json::from_str(value.split(" # ").next().unwrap()).unwrap();
        let default = &options.get(key).unwrap_or_else(|| panic!("{key} is no option"))["default"];
        assert!(default.is_null() || *default == value, "{key}: {value}, not {default}");
        said.push(key);
    }
    said.sort_unstable();
    assert_eq!(said, options.keys().collect::<Vec<_>>());
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
    assert_eq!(list(&sink.instance), [("once".to_owned(), 4)]);
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
    assert!(list(&sink.instance).is_empty());
}

fn number(request: &Message) -> Option<usize> {
    let rest = request.path().split("partNumber=").nth(1).filter(|_| request.method() == "PUT")?;
    rest.split('&').next()?.parse().ok()
}

const LEN: usize = (25 << 20) + 17;

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
    assert!(get(&new().instance, "large") == bytes);
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
        assert!(get(&sink.instance, "large") == bytes, "part {part}");
    }
}

fn silent() {
    let store = front(|_| None);
    let key = std::fs::read_to_string(ACCOUNT.get().unwrap().file(store)).unwrap();
    let account: Value = serde_json::from_str(&key).unwrap();
    let key = account["private_key"].as_str().unwrap().lines().nth(1).unwrap().to_owned();
    let (sink, _state) = sink(config(store, "silent"));
    let mut said = String::new();
    for len in [1_000, 9 << 20] {
        put(&sink.instance, &len.to_string(), &noise(71, len)).unwrap();
        said += &format!("{:?}", put(&sink.instance, &len.to_string(), &noise(72, len)).unwrap_err());
    }
    let _ = sink.instance.probe(|step| said += &step.to_string());
    said += &sink.lines().join("\n");
    for secret in [key.as_str(), "Bearer ", "eyJ", "PRIVATE KEY"] {
        assert!(!said.contains(secret), "{secret} is in what was said");
    }
}
