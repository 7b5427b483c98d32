//! How many signals a second pass the router and both detectors, all on one core.
//!
//! `cargo bench -p candor-tests --bench pipeline`

#![allow(clippy::unwrap_used)]

mod measure;

use std::{
    path::PathBuf,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use host::{
    batch::Queue,
    call::{self, Instance},
    clock::Clock,
    journal::{Journal, Options},
    load,
    route::{Port, Role, Router},
    stop::Stop,
};
use plugin_api::{Kind, call::Serve, event};
use serde_json::json;

const SIGNALS: u64 = 8_000_000;
const LEAST: f64 = 1_000_000.0;

/// Keeps this thread, and those it starts, on one core.
#[cfg(target_os = "linux")]
fn pin() {
    let allowed = rustix::thread::sched_getaffinity(None).unwrap();
    let core = (0..rustix::thread::CpuSet::MAX_CPU).find(|core| allowed.is_set(*core)).unwrap();
    let mut one = rustix::thread::CpuSet::new();
    one.set(core);
    rustix::thread::sched_setaffinity(None, &one).unwrap();
}

#[cfg(not(target_os = "linux"))]
fn pin() {
    println!("not pinned to one core: the figure below is of as many as there are");
}

fn main() {
    pin();
    let state = tempfile::tempdir().unwrap();
    let clock = Clock::system();
    let journal = Arc::new(Journal::open(Options::new(state.path(), clock.clone())).unwrap().0);
    let router = Arc::new(Router::new(journal.clone(), clock.clone()));
    let port = |number, id: &str, role| Port {
        router: router.clone(),
        number,
        id: id.to_owned(),
        role,
        version: "0.0.0".to_owned(),
        state_folder: state.path().display().to_string(),
        level: 3,
        pulse: Default::default(),
        retry: Default::default(),
    };
    let stop = Arc::new(Stop::default());
    let detectors: Vec<_> = [(2, "activity"), (3, "scripted")]
        .into_iter()
        .map(|(number, name)| {
            let plugin = load::open(&measure::library(name)).unwrap().plugin;
            let queue = Arc::new(Queue::default());
            let reads: Vec<Kind> = call::reads(plugin);
            assert!(reads.contains(&event::POINTER));
            router.connect(name, &reads, queue.clone());
            let port = port(number, name, Role::Detector);
            let instance = Instance::new(port, plugin, PathBuf::new(), json!({}));
            let (stop, their) = (stop.clone(), queue.clone());
            (queue, thread::spawn(move || call::detector(&instance, &their, &stop)))
        })
        .collect();
    let source = port(1, "input", Role::Source);
    // Signals of the past, so that none is from the future, whenever the machine was started.
    let apart = (clock.mono_ns() / 2 / SIGNALS).min(1_000_000);
    let mut now = clock.mono_ns() - apart * SIGNALS;
    let start = Instant::now();
    for _ in 0..SIGNALS / 64 {
        source.emit(&measure::batch(now, apart));
        now += 64 * apart;
        // A source that is faster than the detectors would have its signals dropped.
        while detectors.iter().any(|(queue, _)| queue.waiting() > host::batch::CAPACITY / 2) {
            thread::yield_now();
        }
    }
    for (queue, thread) in detectors {
        queue.close();
        thread.join().unwrap();
    }
    let rate = SIGNALS as f64 / start.elapsed().as_secs_f64();
    let lost: u64 = router.lost().iter().map(|loss| loss.count).sum();
    let verdict = if rate >= LEAST { "" } else { " MISSED" };
    println!(
        "{rate:.0} signals a second through the router and both detectors on one core (at least {LEAST:.0}{verdict}), {lost} lost"
    );
    router.close();
    journal.close(Duration::from_secs(5)).unwrap();
}
