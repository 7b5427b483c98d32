//! Networks that drop, reject, filter, intercept: each is named, in `put` and in the probe.

use std::{
    net::SocketAddr,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
};

use libtest_mimic::Trial;
use plugin_api::{call::Failure, prelude::*};
use rig::{
    Certificates, child,
    http::{Act, Front, Message},
    network,
};

use crate::{config, folder, get, noise, put, sink, trial, weed, with};

/// The names of this network, each with an address of its own on `lo`.
const NAMES: [(&str, &str); 9] = [
    ("127.0.0.1", "localhost"),
    ("127.0.0.1", "store.test"),
    ("127.0.0.12", "dropped.test"),
    ("127.0.0.13", "rejected.test"),
    ("127.0.0.14", "filtered.test"),
    ("127.0.0.15", "intercepted.test"),
    ("127.0.0.16", "portal.test"),
    ("127.0.0.17", "other.test"),
    ("127.0.0.18", "prohibited.test"),
];

/// Gives this namespace its names.
pub fn names(folder: &Path) {
    network::hosts(folder, &NAMES);
}

fn at(name: &str, port: u16) -> SocketAddr {
    let (address, _) = NAMES.iter().find(|(_, known)| *known == name).unwrap();
    SocketAddr::new(address.parse().unwrap(), port)
}

pub fn tests() -> Vec<Trial> {
    vec![
        trial("a_name_that_does_not_resolve_is_named", unresolved),
        trial("no_way_to_the_host_is_named", no_route),
        trial("a_firewall_that_drops_is_named", dropped),
        trial("a_firewall_that_rejects_is_named", rejected),
        trial("a_filter_by_name_is_named", filtered),
        trial("who_intercepts_tls_is_named", intercepted),
        trial("a_certificate_of_another_name_is_named", other_name),
        trial("a_sign_in_page_is_named", portal),
        trial("a_proxy_of_the_config_is_used_and_probed", proxied),
        trial("a_proxy_of_the_config_is_used_for_plain_http_too", proxied_in_plain),
        trial("a_proxy_that_wants_a_login_is_named_and_gets_it_from_the_environment", proxy_login),
        trial("a_slow_and_lossy_network_delivers", slow),
        trial("a_firewall_that_drops_in_the_middle_is_noticed", dropped_in_the_middle),
        trial("a_store_behind_its_real_name_can_be_probed", probed),
    ]
}

fn secure(name: &str, port: u16) -> Value {
    let options =
        json!({"endpoint": format!("https://{name}:{port}"), "ca": weed().ca, "probe": "store.test:18443"});
    with(config(""), options)
}

/// What storing fails with, and the step a probe fails at.
fn fails(config: Value) -> (Failure, Value) {
    let (sink, _state) = sink(config);
    let failure = put(&sink.instance, "network", b"x").unwrap_err();
    let mut steps = Vec::new();
    sink.instance.probe(|step| steps.push(step)).unwrap_err();
    let failed = steps.iter().find(|step| step["ok"] == false).unwrap_or_else(|| panic!("{steps:#?}"));
    (failure, failed.clone())
}

#[track_caller]
fn named(name: &str, port: u16, step: &str, cause: &str, words: &str) {
    let (failure, failed) = fails(secure(name, port));
    assert!(failure.text.contains(words) && failure.may_pass(), "put: {}", failure.text);
    assert_eq!((&failed["step"], &failed["cause"]), (&json!(step), &json!(cause)), "{failed}");
    assert!(failed["sentence"].as_str().unwrap().contains(words), "{failed}");
    assert_eq!((&failed["it"]["host"], &failed["it"]["port"]), (&json!(name), &json!(port)), "{failed}");
}

fn unresolved() {
    named("nowhere.test", 443, "resolve", "dns", "can't be resolved");
}

fn no_route() {
    named("10.99.9.9", 443, "connect", "no_route", "no way to");
}

fn dropped() {
    network::firewall("ip daddr 127.0.0.12 drop");
    named("dropped.test", 443, "connect", "dropped", "firewall probably drops");
}

fn rejected() {
    network::firewall("ip daddr 127.0.0.13 tcp dport 443 reject with tcp reset");
    named("rejected.test", 443, "connect", "refused", "refuses connections");
    network::firewall("ip daddr 127.0.0.18 reject with icmpx type admin-prohibited");
    named("prohibited.test", 443, "connect", "no_route", "no way to");
}

fn filtered() {
    network::filter(at("filtered.test", 443));
    named("filtered.test", 443, "tls", "filtered", "a filter blocks filtered.test");
}

fn intercepted() {
    let office = Certificates::new(&folder().join("office"), "Office Inspection");
    network::tls(at("intercepted.test", 443), office.issue("it", "DNS:intercepted.test", "30"));
    named("intercepted.test", 443, "tls", "intercepted", "Office Inspection");
}

fn other_name() {
    let certificates = Certificates::new(&folder().join("other"), "Trusted Authority");
    network::tls(at("other.test", 443), certificates.issue("other", "DNS:another.test", "30"));
    let config = with(secure("other.test", 443), json!({"ca": certificates.authority()}));
    let (failure, failed) = fails(config);
    assert!(failure.text.contains("for another name"), "{}", failure.text);
    assert_eq!(failed["cause"], "certificate", "{failed}");
}

fn portal() {
    let hotel = Certificates::new(&folder().join("hotel"), "Hotel");
    network::tls(at("portal.test", 443), hotel.issue("portal", "DNS:login.hotel.test", "30"));
    Front::at(at("portal.test", 80), weed().plain, |_| {
        Act::Answer(Message::answer(302, &[("location", "http://login.hotel.test/welcome")], ""))
    });
    named("portal.test", 443, "tls", "portal", "http://login.hotel.test/welcome");
}

fn proxied() {
    let proxy = network::Proxy::start(None);
    let options = json!({"proxy": format!("http://{}", proxy.address), "prefix": "proxied"});
    let (sink, _state) = sink(with(secure("store.test", 18443), options));
    put(&sink.instance, "x", b"by proxy").unwrap();
    assert_eq!(get(&sink.instance, "x").unwrap(), b"by proxy");
    assert!(proxy.asked.lock().unwrap().iter().all(|target| target == "store.test:18443"));
    sink.instance.probe(|step| assert_eq!(step["ok"], true, "{step}")).unwrap();
}

fn proxied_in_plain() {
    let store = format!("store.test:{}", weed().plain.port());
    let proxy = network::Proxy::start(None);
    let options = json!({"proxy": format!("http://{}", proxy.address), "prefix": "proxied/plain",
        "endpoint": format!("http://{store}"), "allow_http": true});
    let (sink, _state) = sink(with(config(""), options));
    put(&sink.instance, "x", b"by proxy in plain").unwrap();
    assert_eq!(get(&sink.instance, "x").unwrap(), b"by proxy in plain");
    let asked = proxy.asked.lock().unwrap();
    assert!(!asked.is_empty() && asked.iter().all(|target| *target == store), "{asked:?}");
}

fn proxy_login() {
    // me:hunter2hunter2
    let proxy = network::Proxy::start(Some("Basic bWU6aHVudGVyMmh1bnRlcjI="));
    let options = json!({"proxy": format!("http://{}", proxy.address), "prefix": "login"});
    let (failure, failed) = fails(with(secure("store.test", 18443), options));
    assert!(failure.text.contains("wants a user and a password"), "{}", failure.text);
    assert_eq!(failed["cause"], "proxy_auth", "{failed}");
    let environment = [("HTTPS_PROXY", format!("http://me:hunter2hunter2@{}", proxy.address))];
    let said =
        child::run(&with(secure("store.test", 18443), json!({"prefix": "login"})), "put", &environment);
    assert!(said.contains("stored") && !said.contains("hunter2"), "{said}");
    assert!(!proxy.asked.lock().unwrap().is_empty());
}

fn slow() {
    let front = Front::start(weed().plain, |_| Act::Pass);
    network::firewall(&format!(
        "tcp dport {} limit rate over 2 mbytes/second burst 100 kbytes drop",
        front.address.port()
    ));
    let (sink, _state) = sink(with(config(front.address), json!({"prefix": "slow"})));
    let bytes = noise(61, 3 << 20);
    put(&sink.instance, "x", &bytes).unwrap();
    assert!(get(&sink.instance, "x").unwrap() == bytes);
}

fn dropped_in_the_middle() {
    let parts = AtomicUsize::new(0);
    let port = std::sync::Arc::new(std::sync::OnceLock::new());
    let own = port.clone();
    let front = Front::start(weed().plain, move |request| {
        if request.path().contains("partNumber=") && parts.fetch_add(1, Ordering::SeqCst) == 0 {
            network::firewall(&format!("tcp dport {} drop", own.get().unwrap()));
        }
        Act::Pass
    });
    port.set(front.address.port()).unwrap();
    let (sink, _state) = sink(with(config(front.address), json!({"prefix": "middle"})));
    let failure = put(&sink.instance, "x", &noise(62, 30 << 20)).unwrap_err();
    assert_eq!(failure.fault, Fault::Network, "{}", failure.text);
    assert!(failure.text.contains("doesn't answer"), "{}", failure.text);
}

fn probed() {
    let (sink, _state) = sink(secure("store.test", 18443));
    let mut steps = Vec::new();
    sink.instance.probe(|step| steps.push(step["step"].clone())).unwrap();
    assert_eq!(json!(steps), json!(["resolve", "connect", "second", "tls", "http", "list", "begin"]));
}
