//! What stores answer on bad days, and what is made of it.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use libtest_mimic::Trial;
use plugin_api::{call::Failure, prelude::*};
use rig::{
    child,
    http::{Act, Front, Message},
};

use crate::{config, get, list, noise, put, sink, trial, weed, with};

pub fn tests() -> Vec<Trial> {
    vec![
        trial("wrong_keys_are_the_credentials_fault", wrong_keys),
        trial("an_expired_token_is_said_to_have_expired", expired),
        trial("no_credentials_at_all_are_said_to_be_missing", no_credentials),
        trial("a_missing_bucket_is_said_to_be_missing", missing_bucket),
        trial("a_wrong_region_is_answered_with_the_right_one", wrong_region),
        trial("a_bucket_that_becomes_read_only_keeps_what_it_has", read_only),
        trial("a_storm_of_errors_is_waited_out_as_long_as_asked", storms),
        trial("a_quota_is_said_to_be_used_up", quota),
        trial("an_answer_lost_after_storing_makes_no_second_object", lost_answer),
        trial("an_idle_connection_that_was_closed_is_no_failure", idle_closed),
        trial("bytes_changed_on_the_way_are_not_stored", changed),
        trial("a_store_that_lies_about_what_it_keeps_is_not_believed", lies),
        trial("a_clock_off_by_hours_is_said_or_overcome", clock),
        trial("a_store_without_conditions_overwrites_nothing_either", unconditional),
        trial("what_a_store_will_never_take_is_refused_for_good", rejected),
        trial("a_read_that_is_cut_off_goes_on", cut_read),
    ]
}

/// An answer as S3 words it.
fn error(status: u16, code: &str, lines: &[(&str, &str)]) -> Message {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>said</Message></Error>"
    );
    let mut answer = Message::answer(status, lines, &body);
    answer.set("content-type", "application/xml");
    answer
}

/// Stores something through a store that answers this to every request.
fn answered(answer: Message) -> Failure {
    let front = Front::start(weed().plain, move |_| Act::Answer(answer.clone()));
    let (sink, _state) = sink(config(front.address));
    let failure = put(&sink.instance, "answered", b"x").unwrap_err();
    let large = put(&sink.instance, "answered", &noise(1, 9 << 20)).unwrap_err();
    assert_eq!(failure.fault, large.fault, "{} | {}", failure.text, large.text);
    failure
}

#[track_caller]
fn says(failure: &Failure, fault: Fault, words: &str) {
    assert!(failure.fault == fault && failure.text.contains(words), "{:?}: {}", failure.fault, failure.text);
    assert_eq!(failure.may_pass(), fault.may_pass(), "{}", failure.text);
}

fn wrong_keys() {
    for profile in ["wrong-secret", "wrong-key"] {
        let (sink, _state) = sink(with(config(weed().plain), json!({"profile": profile})));
        says(&put(&sink.instance, "denied", b"x").unwrap_err(), Fault::Credentials, "denies access");
        let mut steps = Vec::new();
        sink.instance.probe(|step| steps.push(step)).unwrap_err();
        let last = steps.last().unwrap();
        assert_eq!(
            (&last["step"], &last["ok"], &last["cause"]),
            (&json!("list"), &json!(false), &json!("denied")),
            "{steps:#?}"
        );
    }
}

fn expired() {
    says(&answered(error(400, "ExpiredToken", &[])), Fault::Credentials, "expired");
}

fn no_credentials() {
    let (sink, _state) = sink(with(config(weed().plain), json!({"profile": "empty"})));
    says(&put(&sink.instance, "denied", b"x").unwrap_err(), Fault::Credentials, "no credentials");
}

fn missing_bucket() {
    let (sink, _state) = sink(with(config(weed().plain), json!({"bucket": "nothere", "profile": "admin"})));
    says(&put(&sink.instance, "x", b"x").unwrap_err(), Fault::Missing, "no such bucket");
    says(&put(&sink.instance, "x", &noise(1, 9 << 20)).unwrap_err(), Fault::Missing, "no such bucket");
}

fn wrong_region() {
    let moved = error(301, "PermanentRedirect", &[("x-amz-bucket-region", "eu-west-1")]);
    says(&answered(moved), Fault::Missing, "region = \"eu-west-1\"");
}

fn read_only() {
    let (writer, _state) = sink(with(config(weed().plain), json!({"prefix": "readonly"})));
    put(&writer.instance, "before", b"before").unwrap();
    let (reader, _state) =
        sink(with(config(weed().plain), json!({"prefix": "readonly", "profile": "reader"})));
    says(&put(&reader.instance, "after", b"after").unwrap_err(), Fault::Credentials, "AccessDenied");
    assert_eq!(get(&reader.instance, "before").unwrap(), b"before");
    assert_eq!(list(&reader.instance, "").len(), 1);
}

fn storms() {
    for (status, code) in [(500, "InternalError"), (503, "SlowDown"), (429, "TooManyRequests")] {
        let left = Arc::new(AtomicUsize::new(5));
        let storm = left.clone();
        let front = Front::start(weed().plain, move |_| {
            let in_storm =
                storm.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
            if in_storm { Act::Answer(error(status, code, &[("Retry-After", "7")])) } else { Act::Pass }
        });
        let (sink, _state) = sink(with(config(front.address), json!({"prefix": format!("storm/{status}")})));
        for still in (0..5).rev() {
            let failure = put(&sink.instance, "x", b"x").unwrap_err();
            says(&failure, Fault::Busy, &status.to_string());
            assert_eq!(
                failure.retry_after,
                Some(Duration::from_secs(7)),
                "Retry-After is handed on, and not waited out in here"
            );
            assert_eq!(left.load(Ordering::SeqCst), still, "one try is one request");
        }
        put(&sink.instance, "x", b"x").unwrap();
    }
}

fn quota() {
    says(&answered(error(507, "InsufficientStorage", &[])), Fault::Full, "quota");
    says(&answered(error(403, "QuotaExceeded", &[])), Fault::Full, "quota");
}

/// What is done to the first request that is a PUT.
fn first_put(act: impl Fn() -> Act + Send + Sync + 'static) -> (Front, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counting = count.clone();
    let front = Front::start(weed().plain, move |request| {
        let is_first = request.method() == "PUT" && counting.fetch_add(1, Ordering::SeqCst) == 0;
        if is_first { act() } else { Act::Pass }
    });
    (front, count)
}

fn lost_answer() {
    let (front, count) = first_put(|| Act::Lose(None));
    let (sink, _state) = sink(with(config(front.address), json!({"prefix": "lost/answer"})));
    put(&sink.instance, "once", b"once").unwrap();
    assert_eq!(count.load(Ordering::SeqCst), 2, "it was sent again, and found there");
    assert_eq!(list(&sink.instance, ""), [("once".to_owned(), 4)]);
}

fn idle_closed() {
    let (front, _) = first_put(|| Act::Cut);
    let (sink, _state) = sink(with(config(front.address), json!({"prefix": "idle"})));
    put(&sink.instance, "x", b"x").unwrap();
}

fn changed() {
    let front = Front::start(weed().plain, |request| {
        if request.method() != "PUT" {
            return Act::Pass;
        }
        let mut changed = request.clone();
        changed.body[3] ^= 1;
        Act::Change(changed)
    });
    let (sink, _state) = sink(with(config(front.address), json!({"prefix": "changed"})));
    let failure = put(&sink.instance, "x", &noise(5, 50_000)).unwrap_err();
    assert!(failure.may_pass(), "the object is fine: {failure:?}");
    let failure = put(&sink.instance, "large", &noise(5, 9 << 20)).unwrap_err();
    assert!(failure.may_pass(), "the object is fine: {failure:?}");
    assert!(list(&sink.instance, "").is_empty());
}

fn lies() {
    let alter = |change: fn(Message) -> Message| {
        let front = Front::start(weed().plain, move |request| {
            if request.method() == "PUT" { Act::Alter(Box::new(change)) } else { Act::Pass }
        });
        let (sink, _state) = sink(with(config(front.address), json!({"prefix": "lies"})));
        put(&sink.instance, "x", b"x")
    };
    let other = alter(|mut answer| {
        answer.set("x-amz-checksum-sha256", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
        answer
    });
    says(&other.unwrap_err(), Fault::Other, "other bytes");
    // It says 200, and kept nothing.
    let front = Front::start(weed().plain, |request| {
        if request.method() == "PUT" {
            Act::Answer(Message::answer(200, &[("etag", "\"1\"")], ""))
        } else {
            Act::Pass
        }
    });
    let (sink, _state) = sink(with(config(front.address), json!({"prefix": "lies/nothing"})));
    says(&put(&sink.instance, "x", b"x").unwrap_err(), Fault::Other, "doesn't have it");
}

fn clock() {
    let date = "Mon, 05 Jan 2026 10:00:00 GMT";
    let failure = answered(error(403, "RequestTimeTooSkewed", &[("Date", date)]));
    says(&failure, Fault::Other, "clock is");
    says(&failure, Fault::Other, "set the clock");
    // The real store, and a clock that is really off: overcome by the store's own time, and told by the probe.
    for (by, says) in [("+5h", "300 minutes fast"), ("-5h", "300 minutes slow")] {
        let environment =
            [("LD_PRELOAD", "/usr/$LIB/faketime/libfaketime.so.1".to_owned()), ("FAKETIME", by.to_owned())];
        let said = child::run(
            &with(config(weed().plain), json!({"prefix": format!("clock{by}")})),
            "put",
            &environment,
        );
        assert!(said.contains(says) || said.contains(&says.replace("300", "299")), "{by}: {said}");
    }
}

fn unconditional() {
    let front = Front::start(weed().plain, |request| match request.line("if-none-match") {
        Some(_) if request.method() == "PUT" => Act::Answer(error(501, "NotImplemented", &[])),
        _ => Act::Pass,
    });
    let (sink, _state) = sink(with(config(front.address), json!({"prefix": "unconditional"})));
    put(&sink.instance, "x", b"first").unwrap();
    put(&sink.instance, "x", b"first").unwrap();
    says(&put(&sink.instance, "x", b"other").unwrap_err(), Fault::Conflict, "other bytes");
    assert_eq!(get(&sink.instance, "x").unwrap(), b"first");
}

fn rejected() {
    let failure = answered(error(400, "KeyTooLongError", &[]));
    says(&failure, Fault::Malformed, "will not take");
    assert!(!failure.may_pass());
}

fn cut_read() {
    let (direct, _state) = sink(with(config(weed().plain), json!({"prefix": "cut/read"})));
    let bytes = noise(9, 300_000);
    put(&direct.instance, "x", &bytes).unwrap();
    let cut = Mutex::new(false);
    // It says more than it sends, and the connection ends.
    let front = Front::start(weed().plain, move |request| {
        let is_first = request.method() == "GET" && !std::mem::replace(&mut *cut.lock().unwrap(), true);
        if !is_first {
            return Act::Pass;
        }
        Act::Alter(Box::new(|mut answer| {
            answer.cut = Some(100_000);
            answer
        }))
    });
    let (sink, _state) = sink(with(config(front.address), json!({"prefix": "cut/read"})));
    assert!(get(&sink.instance, "x").unwrap() == bytes);
}
