//! The source over its real vtable, on a thread of its own, with what it emits kept.

use std::{
    sync::{Arc, Condvar, Mutex, mpsc},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use plugin_api::{
    Event, Kind, Origin, call,
    event::{self, BUTTON, DEVICE, KEY, POINTER, WHEEL},
    v1::Status,
};
use serde_json::{Value, json};

/// How long a test waits for what has to come.
const PATIENCE: Duration = Duration::from_secs(10);

/// One signal, as a test looks at it.
#[derive(Clone, Debug)]
pub struct Signal {
    pub kind: Kind,
    pub origin: Origin,
    pub device: u16,
    pub mono_ns: u64,
    pub args: [i32; 4],
    pub body: Vec<u8>,
}

#[derive(Default)]
struct Kept {
    signals: Vec<Signal>,
    health: Vec<Value>,
    refused: Vec<&'static str>,
}

#[derive(Default)]
struct Host {
    kept: Mutex<Kept>,
    more: Condvar,
}

impl call::Serve for Host {
    fn level(&self) -> u32 {
        3
    }
    fn log(&self, _: u32, module: &str, text: &str) {
        println!("{module}: {text}");
    }
    fn emit(&self, events: &[Event<'_>]) -> Status {
        let mut kept = self.kept.lock().unwrap();
        for event in events {
            if event.kind == event::STATE {
                kept.health.push(event.json().unwrap());
            } else if let Some(why) = event::signal_fault(event) {
                kept.refused.push(why);
            } else {
                kept.signals.push(Signal {
                    kind: event.kind,
                    origin: event.origin(),
                    device: event.device_number(),
                    mono_ns: event.mono_ns,
                    args: event.args,
                    body: event.bytes().to_vec(),
                });
            }
        }
        self.more.notify_all();
        Status::OK
    }
    fn mono_ns(&self) -> u64 {
        1
    }
}

/// The source at work.
pub struct Bench {
    source: Arc<call::Source>,
    host: Arc<Host>,
    thread: Option<JoinHandle<Result<(), call::Failure>>>,
    /// The thread's number in `/proc/self/task`.
    pub task: i32,
}

impl Bench {
    /// Starts observing a display and waits until it does.
    pub fn observing(display: &str) -> Self {
        let bench = Self::started(display);
        bench.until_health("ok", 1);
        bench
    }

    /// Starts observing a display, whether it is there or not.
    pub fn started(display: &str) -> Self {
        let host = Arc::new(Host::default());
        let config = json!({"backend": "x11", "display": display});
        let source = call::Source::new(candor_input::candor_plugin(), host.clone(), &config).unwrap();
        let source = Arc::new(source);
        let (tell, told) = mpsc::channel();
        let running = source.clone();
        let thread = std::thread::spawn(move || {
            tell.send(rustix::thread::gettid().as_raw_nonzero().get()).unwrap();
            running.run()
        });
        Self { source, host, thread: Some(thread), task: told.recv().unwrap() }
    }

    /// Waits until a state was told so many times; its last record.
    pub fn until_health(&self, state: &str, times: usize) -> Value {
        let of = |kept: &Kept| -> Vec<Value> {
            kept.health.iter().filter(|health| health["state"] == state).cloned().collect()
        };
        let kept = self.until(|kept| of(kept).len() >= times, &format!("{times} times {state}"));
        of(&kept)[times - 1].clone()
    }

    /// Waits until so many signals of a kind have come, then until no more do.
    pub fn signals(&self, kind: Kind, count: usize) -> Vec<Signal> {
        let of = |kept: &Kept| kept.signals.iter().filter(|signal| signal.kind == kind).count();
        drop(self.until(|kept| of(kept) >= count, &format!("{count} of {kind:?}")));
        self.settled().into_iter().filter(|signal| signal.kind == kind).collect()
    }

    /// Everything so far, once nothing has come for a while.
    pub fn settled(&self) -> Vec<Signal> {
        let quiet = Duration::from_millis(250);
        let mut kept = self.host.kept.lock().unwrap();
        loop {
            let before = kept.signals.len();
            kept = self
                .host
                .more
                .wait_timeout_while(kept, quiet, |kept| kept.signals.len() == before)
                .unwrap()
                .0;
            if kept.signals.len() == before {
                let (signals, refused) = (kept.signals.clone(), kept.refused.clone());
                drop(kept);
                assert!(refused.is_empty(), "the host refuses {refused:?}");
                return signals;
            }
        }
    }

    fn until(&self, is_there: impl Fn(&Kept) -> bool, what: &str) -> std::sync::MutexGuard<'_, Kept> {
        let kept = self.host.kept.lock().unwrap();
        let (kept, _) = self.host.more.wait_timeout_while(kept, PATIENCE, |kept| !is_there(kept)).unwrap();
        if !is_there(&kept) {
            let count = |wanted| kept.signals.iter().filter(|signal| signal.kind == wanted).count();
            let text = format!(
                "no {what} in {PATIENCE:?}: {} motions, {} buttons, {} wheels, {} keys, {} devices, {:#?}",
                count(POINTER),
                count(BUTTON),
                count(WHEEL),
                count(KEY),
                count(DEVICE),
                kept.health,
            );
            drop(kept);
            panic!("{text}");
        }
        kept
    }

    pub fn pause(&self) {
        self.source.pause().unwrap();
    }

    pub fn resume(&self) {
        self.source.resume().unwrap();
    }

    /// Stops it; how long that took.
    pub fn stop(mut self) -> Duration {
        self.end()
    }

    fn end(&mut self) -> Duration {
        let start = Instant::now();
        if let Some(thread) = self.thread.take() {
            self.source.stop().unwrap();
            thread.join().unwrap().unwrap();
        }
        start.elapsed()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.end();
    }
}
