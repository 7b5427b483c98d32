//! What every sink has to stand, on a real server.

use libtest_mimic::Trial;
use plugin_api::{prelude::*, testing};

use crate::{config, folder, get, list, noise, put, sink, trial, weed, with};

pub fn tests() -> Vec<Trial> {
    vec![
        trial("refuses_bad_configs", conforms),
        trial("the_reference_states_every_option_with_its_default", reference),
        trial("stores_as_every_sink_has_to", stores),
        trial("stores_by_tls_as_every_sink_has_to", stores_by_tls),
        trial("a_prefix_is_before_every_key_and_not_seen_outside", prefix),
        trial("what_is_written_is_encrypted_as_asked", encrypted),
        trial("a_bandwidth_limit_holds_and_changes_nothing", paced),
        trial("a_list_of_more_than_one_page_is_whole", pages),
    ]
}

fn conforms() {
    testing::assert_conformance(candor_s3::candor_plugin(), &json!({"sink": config(weed().plain)}));
}

fn reference() {
    let plugin = candor_s3::candor_plugin();
    let schema = plugin_api::call::schema(plugin);
    let options = schema["sink"]["properties"].as_object().unwrap();
    let file =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/reference.toml")).unwrap();
    let entry = file.split("plugin = \"s3\"").nth(1).unwrap().split("\n\n").next().unwrap();
    let mut said = Vec::new();
    for line in entry.lines().skip(1) {
        let (key, value) = line.trim_start_matches('#').split_once(" = ").unwrap();
        let value: Value = serde_json::from_str(value.split(" # ").next().unwrap()).unwrap();
        let default = &options.get(key).unwrap_or_else(|| panic!("{key} is no option"))["default"];
        assert!(default.is_null() || *default == value, "{key}: {value}, not {default}");
        assert_eq!(line.starts_with('#'), default.is_null() && key != "bucket", "{key}");
        said.push(key);
    }
    said.sort_unstable();
    assert_eq!(said, options.keys().collect::<Vec<_>>());
}

fn stores() {
    testing::assert_stores(candor_s3::candor_plugin(), &config(weed().plain), folder().to_str().unwrap());
}

fn stores_by_tls() {
    let ca = weed().ca.to_str().unwrap();
    let options = json!({"endpoint": "https://localhost:18443", "ca": ca, "prefix": "by/tls"});
    let config = with(config(""), options);
    testing::assert_stores(candor_s3::candor_plugin(), &config, folder().to_str().unwrap());
}

fn prefix() {
    let (outer, _state) = sink(config(weed().plain));
    let (inner, _state) = sink(with(config(weed().plain), json!({"prefix": "team/a"})));
    put(&inner.instance, "v=1/x", b"one").unwrap();
    assert_eq!(list(&inner.instance, "v=1/"), [("v=1/x".to_owned(), 3)]);
    assert_eq!(list(&outer.instance, "team/"), [("team/a/v=1/x".to_owned(), 3)]);
    assert_eq!(get(&outer.instance, "team/a/v=1/x").unwrap(), b"one");
}

fn encrypted() {
    let (sink, _state) = sink(with(config(weed().plain), json!({"encryption": "s3", "prefix": "encrypted"})));
    let (small, large) = (noise(1, 70_000), noise(2, 9 << 20));
    put(&sink.instance, "small", &small).unwrap();
    put(&sink.instance, "large", &large).unwrap();
    assert!(get(&sink.instance, "small").unwrap() == small && get(&sink.instance, "large").unwrap() == large);
    put(&sink.instance, "small", &small).unwrap();
}

fn paced() {
    let (sink, _state) = sink(with(config(weed().plain), json!({"bandwidth": "400kB", "prefix": "paced"})));
    let bytes = noise(3, 200_000);
    let start = std::time::Instant::now();
    put(&sink.instance, "slow", &bytes).unwrap();
    // Half of it goes at once at most; a limit is a promise about time.
    assert!(start.elapsed().as_millis() >= 400, "200 kB at 400 kB/s took {:?}", start.elapsed());
    assert!(get(&sink.instance, "slow").unwrap() == bytes);
}

fn pages() {
    let (sink, _state) = sink(with(config(weed().plain), json!({"prefix": "pages"})));
    let each = |from: usize| {
        (from..1_050).step_by(8).try_for_each(|n| put(&sink.instance, &format!("{n:04}"), b"x"))
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|from| scope.spawn(move || each(from))).collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap().unwrap());
    });
    let mut keys: Vec<_> = list(&sink.instance, "").into_iter().map(|(key, _)| key).collect();
    keys.dedup();
    assert_eq!(keys.len(), 1_050);
}
