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
        trial("a_list_of_more_than_one_page_is_whole", pages),
    ]
}

fn conforms() {
    testing::assert_conformance(candor_s3::candor_plugin(), &json!({"sink": config(weed().plain)}));
}

fn reference() {
    rig::sink::assert_reference(candor_s3::candor_plugin());
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
