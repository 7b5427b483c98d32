//! Large objects: in parts, through cuts, kills and lies.

use std::{
    process::Stdio,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use libtest_mimic::Trial;
use plugin_api::prelude::*;
use rig::{
    child::{self, LEN},
    http::{Act, Front, Message},
};

use crate::{config, folder, get, noise, put, sink, trial, weed, with};

pub fn tests() -> Vec<Trial> {
    vec![
        trial("a_connection_cut_at_any_part_boundary_goes_on_there", cut_at_each_part),
        trial("a_restart_sends_only_the_parts_that_are_not_there", resumed),
        trial("a_kill_in_the_middle_of_an_upload_loses_and_doubles_nothing", killed),
        trial("a_lost_note_leaves_no_upload_behind", lost_note),
        trial("an_upload_given_up_leaves_no_parts_behind", given_up),
        trial("the_lost_answer_to_complete_is_no_conflict", lost_complete),
    ]
}

fn is_part(request: &Message) -> bool {
    request.method() == "PUT" && request.path().contains("partNumber=")
}

fn number(request: &Message) -> usize {
    let rest = request.path().split("partNumber=").nth(1).unwrap();
    rest.split('&').next().unwrap().parse().unwrap()
}

fn cut_at_each_part() {
    // Of four parts of the default size.
    for part in 1..=4 {
        let cuts = Mutex::new(3);
        let front = Front::start(weed().plain, move |request| {
            let mut cuts = cuts.lock().unwrap();
            // Once before it arrives, once after, and once more: each try gets further than the one before.
            if *cuts > 0 && is_part(request) && number(request) == part {
                *cuts -= 1;
                return if *cuts == 1 { Act::Lose(None) } else { Act::Cut };
            }
            Act::Pass
        });
        let (sink, _state) = sink(with(config(front.address), json!({"prefix": format!("cut/{part}")})));
        let bytes = noise(part as u32, LEN);
        let failure = put(&sink.instance, "large", &bytes).unwrap_err();
        assert!(failure.may_pass() && failure.fault == Fault::Network, "{failure:?}");
        put(&sink.instance, "large", &bytes).unwrap();
        assert!(get(&sink.instance, "large").unwrap() == bytes, "part {part}");
    }
}

fn resumed() {
    let stop_at = Arc::new(AtomicUsize::new(3));
    let parts = Arc::new(Mutex::new(Vec::new()));
    let (stopping, seen) = (stop_at.clone(), parts.clone());
    let front = Front::start(weed().plain, move |request| {
        if !is_part(request) {
            return Act::Pass;
        }
        seen.lock().unwrap().push(number(request));
        if number(request) >= stopping.load(Ordering::SeqCst) { Act::Cut } else { Act::Pass }
    });
    let state = tempfile::tempdir_in(folder()).unwrap();
    let new = || {
        let config = with(config(front.address), json!({"prefix": "resumed", "concurrency": 1}));
        plugin_api::testing::Harness::sink::<candor_s3::S3>(config, state.path().to_str().unwrap()).unwrap()
    };
    let notes = || {
        let folders = std::fs::read_dir(state.path().join("uploads")).unwrap().flatten();
        folders.flat_map(|folder| std::fs::read_dir(folder.path()).unwrap()).count()
    };
    let bytes = noise(21, LEN);
    put(&new().instance, "large", &bytes).unwrap_err();
    assert_eq!(notes(), 1, "an upload that is under way is noted");
    stop_at.store(usize::MAX, Ordering::SeqCst);
    parts.lock().unwrap().clear();
    put(&new().instance, "large", &bytes).unwrap();
    assert_eq!(*parts.lock().unwrap(), [3, 4], "parts that are there are not sent again");
    assert_eq!(notes(), 0, "one that is done is not noted");
    assert!(get(&new().instance, "large").unwrap() == bytes);
    parts.lock().unwrap().clear();
    put(&new().instance, "large", &bytes).unwrap();
    assert!(parts.lock().unwrap().is_empty(), "what is there is not sent again");
}

fn killed() {
    let state = tempfile::tempdir_in(folder()).unwrap();
    let parts = Arc::new(Mutex::new(Vec::new()));
    let seen = parts.clone();
    let child_to_kill: Arc<Mutex<Option<u32>>> = Arc::default();
    let killing = child_to_kill.clone();
    let front = Front::start(weed().plain, move |request| {
        if is_part(request) {
            let mut seen = seen.lock().unwrap();
            seen.push(number(request));
            // While the third part is on its way.
            if seen.len() == 3
                && let Some(child) = killing.lock().unwrap().take()
            {
                rig::run("kill", &["-9", &child.to_string()]);
                return Act::Cut;
            }
        }
        Act::Pass
    });
    let config = with(config(front.address), json!({"prefix": "killed", "concurrency": 1}));
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
    assert_eq!(crate::list(&sink.instance, ""), [("large".to_owned(), LEN as u64)]);
}

/// How many uploads are under way below a prefix, asked as the store's owner.
fn begun(prefix: &str) -> usize {
    let count = Arc::new(AtomicUsize::new(0));
    let counting = count.clone();
    let front = Front::start(weed().plain, move |request| {
        let counting = counting.clone();
        if !request.path().contains("uploads") || request.method() != "GET" {
            return Act::Pass;
        }
        Act::Alter(Box::new(move |answer| {
            counting
                .store(String::from_utf8_lossy(&answer.body).matches("<UploadId>").count(), Ordering::SeqCst);
            answer
        }))
    });
    // Beginning a large object asks for what was begun under its key.
    let (sink, _state) = sink(with(config(front.address), json!({"prefix": prefix})));
    put(&sink.instance, "large", &noise(77, LEN)).unwrap();
    count.load(Ordering::SeqCst)
}

fn lost_note() {
    let front = Front::start(weed().plain, |request| if is_part(request) { Act::Cut } else { Act::Pass });
    let config = with(config(front.address), json!({"prefix": "lost/note"}));
    for _ in 0..2 {
        // A new state folder: the note of the try before is lost, and its upload cleaned up.
        let (sink, _state) = sink(config.clone());
        put(&sink.instance, "large", &noise(77, LEN)).unwrap_err();
    }
    assert_eq!(begun("lost/note"), 1, "of two tries only the last one's upload is left");
    assert_eq!(begun("lost/note"), 0, "and that is cleaned up, too");
}

fn given_up() {
    let (sink, _state) = sink(with(config(weed().plain), json!({"prefix": "given/up"})));
    let bytes = noise(41, LEN - 1);
    let failure = sink.instance.put(&plugin_api::call::Object {
        key: "large",
        len: LEN as u64,
        sha256: [7; 32],
        media_type: "application/zstd",
        metadata: "{}",
        bytes: &rig::sink::Bytes(bytes),
    });
    assert_eq!(failure.unwrap_err().fault, Fault::Malformed);
    assert!(crate::list(&sink.instance, "").is_empty());
    assert_eq!(begun("given/up"), 0);
}

fn lost_complete() {
    let lost = Mutex::new(false);
    let front = Front::start(weed().plain, move |request| {
        let is_complete = request.method() == "POST" && request.path().contains("uploadId=");
        if is_complete && !std::mem::replace(&mut *lost.lock().unwrap(), true) {
            return Act::Lose(None);
        }
        Act::Pass
    });
    let (sink, _state) = sink(with(config(front.address), json!({"prefix": "lost/complete"})));
    let bytes = noise(51, LEN);
    let failure = put(&sink.instance, "large", &bytes).unwrap_err();
    assert!(failure.may_pass(), "{failure:?}");
    put(&sink.instance, "large", &bytes).unwrap();
    put(&sink.instance, "large", &bytes).unwrap();
    assert!(get(&sink.instance, "large").unwrap() == bytes);
}
