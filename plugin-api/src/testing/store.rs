//! What every sink has to stand that can read back what it stored: the suite for authors of sinks.

use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc, Barrier,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::UNIX_EPOCH,
};

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Bench, Check};
use crate::{
    Fault,
    call::{self, Failure, Object, ReadAt},
    v1::Plugin,
};

/// Larger than what any sink sends at once.
const LARGE: usize = (20 << 20) + 12_345;

/// Tries a sink: that it stores what it is given, once, whole and unchanged, and reads it back. What it stores is below
/// a prefix of its own and removed at the end. `config` is one it accepts, `state_folder` where relative paths start.
pub fn stores(plugin: &'static Plugin, config: &Value, state_folder: &str) -> Vec<Check> {
    let since = UNIX_EPOCH.elapsed().map_or(0, |since| since.as_nanos());
    let suite = Suite { plugin, config, state_folder, prefix: format!("v=1/device=suite-{since:x}") };
    type Test<'a> = fn(&Suite<'a>) -> Result<(), String>;
    let tests: [(&'static str, Test<'_>); 12] = [
        ("probes its way", Suite::probes),
        ("stores what it is given, whatever its size, and reads it back", Suite::reads_back),
        ("takes the same again, and again after a restart", Suite::takes_again),
        ("refuses other bytes under the same key, and keeps the first", Suite::conflicts),
        ("takes odd keys and gives them back", Suite::odd_keys),
        ("refuses what is not a key", Suite::bad_keys),
        ("lists what is below a prefix, and no more", Suite::lists),
        ("removes, and doesn't mind what isn't there", Suite::removes),
        ("refuses what can't be read or isn't as long as it says, and stores nothing", Suite::spoiled),
        ("stores a large object piece by piece", Suite::large),
        ("stores many at once, the same one too", Suite::at_once),
        ("ends a call when it is stopped", Suite::stops),
    ];
    let mut checks: Vec<Check> =
        tests.iter().map(|(what, test)| Check { what, problem: test(&suite).err() }).collect();
    checks.push(Check { what: "removes all it stored", problem: suite.clean().err() });
    checks
}

/// Panics with every check of [`stores`] a sink failed.
pub fn assert_stores(plugin: &'static Plugin, config: &Value, state_folder: &str) {
    let failed: Vec<_> =
        stores(plugin, config, state_folder).into_iter().filter(|check| check.problem.is_some()).collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

struct Suite<'a> {
    plugin: &'static Plugin,
    config: &'a Value,
    state_folder: &'a str,
    prefix: String,
}

/// Bytes that don't compress and differ by seed.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut bytes: Vec<u8> = (0..len.div_ceil(8)).flat_map(|_| next()).collect();
    bytes.truncate(len);
    bytes
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn put(sink: &call::Sink, key: &str, bytes: &[u8]) -> Result<(), Failure> {
    put_as(sink, key, bytes.len() as u64, sha256(bytes), &bytes)
}

fn put_as(
    sink: &call::Sink,
    key: &str,
    len: u64,
    sha256: [u8; 32],
    bytes: &dyn ReadAt,
) -> Result<(), Failure> {
    let metadata = r#"{"suite":"yes"}"#;
    sink.put(&Object { key, len, sha256, media_type: "application/octet-stream", metadata, bytes })
}

impl ReadAt for &[u8] {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        ReadAt::read_at(&**self, offset, buffer)
    }
}

/// Bytes of which the last ones can't be read: so the host tells a sink that they are not what was sealed.
struct Broken<'a>(&'a [u8]);

impl ReadAt for Broken<'_> {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read_at(offset, buffer)?;
        let is_last = read > 0 && offset + read as u64 == self.0.len() as u64;
        if is_last { Err(io::ErrorKind::InvalidData.into()) } else { Ok(read) }
    }
}

/// What was expected to fail, and with what.
fn fails(what: &str, result: Result<(), Failure>, fault: Fault) -> Result<(), String> {
    match result {
        Ok(()) => Err(format!("{what}: took it")),
        Err(failure) if failure.panicked() => Err(format!("{what}: panicked: {failure}")),
        Err(failure) if failure.fault != fault => {
            Err(format!("{what}: answered {:?} instead of {fault:?}: {failure}", failure.fault))
        }
        Err(failure) if failure.may_pass() != fault.may_pass() => {
            Err(format!("{what}: wants another try or none, against its class {fault:?}: {failure}"))
        }
        Err(failure) if failure.text.is_empty() => Err(format!("{what}: gave no reason")),
        Err(_) => Ok(()),
    }
}

impl Suite<'_> {
    fn open(&self) -> Result<call::Sink, String> {
        let bench = Bench { state_folder: Some(self.state_folder.to_owned()), ..Bench::default() };
        call::Sink::new(self.plugin, Arc::new(bench), self.config).map_err(|failure| failure.text)
    }

    fn key(&self, name: &str) -> String {
        format!("{}/{name}", self.prefix)
    }

    fn read(&self, sink: &call::Sink, key: &str) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        sink.get(key, &mut |piece: &[u8]| bytes.extend_from_slice(piece))
            .map_err(|failure| format!("{key}: {failure}"))?;
        Ok(bytes)
    }

    fn list(&self, sink: &call::Sink, prefix: &str) -> Result<BTreeMap<String, u64>, String> {
        let mut keys = BTreeMap::new();
        let mut twice = None;
        let listed = sink.list(prefix, |key, len| {
            if keys.insert(key.to_owned(), len).is_some() {
                twice = Some(key.to_owned());
            }
        });
        listed.map_err(|failure| format!("{prefix}: {failure}"))?;
        twice.map_or(Ok(keys), |key| Err(format!("lists {key} twice")))
    }

    fn same(&self, sink: &call::Sink, key: &str, bytes: &[u8]) -> Result<(), String> {
        let read = self.read(sink, key)?;
        if read == bytes {
            Ok(())
        } else {
            Err(format!("{key}: gives {} other bytes back than it got", read.len()))
        }
    }

    fn store(&self, sink: &call::Sink, key: &str, bytes: &[u8]) -> Result<(), String> {
        put(sink, key, bytes).map_err(|failure| format!("{key}: {failure}"))
    }

    fn probes(&self) -> Result<(), String> {
        let sink = self.open()?;
        let mut bad = None;
        let result = sink.probe(|step| {
            if !(step["step"].is_string() && step["text"].is_string() && step["ok"] == true) {
                bad = Some(step.to_string());
            }
        });
        result.map_err(|failure| failure.text)?;
        bad.map_or(Ok(()), |step| Err(format!("this step is not one that went well: {step}")))
    }

    fn reads_back(&self) -> Result<(), String> {
        let sink = self.open()?;
        for (seed, len) in [0, 1, 100, 65_536, 300_001].into_iter().enumerate() {
            let (key, bytes) = (self.key(&format!("size/{len}.bin")), noise(seed as u64, len));
            self.store(&sink, &key, &bytes)?;
            self.same(&sink, &key, &bytes)?;
        }
        Ok(())
    }

    fn takes_again(&self) -> Result<(), String> {
        let (key, bytes) = (self.key("again.bin"), noise(7, 5_000));
        let sink = self.open()?;
        self.store(&sink, &key, &bytes)?;
        self.store(&sink, &key, &bytes)?;
        drop(sink);
        let sink = self.open()?;
        self.store(&sink, &key, &bytes)?;
        self.same(&sink, &key, &bytes)
    }

    fn conflicts(&self) -> Result<(), String> {
        let sink = self.open()?;
        for (name, len, other) in
            [("same length", 5_000, 5_000), ("another length", 5_000, 4_999), ("large", 1_000, LARGE)]
        {
            let (key, first) = (self.key(&format!("conflict/{name}")), noise(11, len));
            self.store(&sink, &key, &first)?;
            fails(name, put(&sink, &key, &noise(13, other)), Fault::Conflict)?;
            self.same(&sink, &key, &first)?;
        }
        Ok(())
    }

    fn odd_keys(&self) -> Result<(), String> {
        let sink = self.open()?;
        let long = "long".repeat(50);
        let names = [
            "kind=a b",
            "a+b",
            "50%",
            "%2F",
            "q?x=1&y#z",
            "\u{e4}\u{1f5b1}",
            "'quoted\"",
            "_manifest/1-2.json",
            "~tilde(1)!*",
            &long,
            "a@b,c;d",
        ];
        for name in names {
            let (key, bytes) = (self.key(&format!("odd/{name}")), name.as_bytes());
            self.store(&sink, &key, bytes)?;
            self.same(&sink, &key, bytes)?;
        }
        let listed = self.list(&sink, &self.key("odd/"))?;
        for name in names {
            if !listed.contains_key(&self.key(&format!("odd/{name}"))) {
                return Err(format!("stores {name:?} and doesn't list it: {listed:?}"));
            }
        }
        Ok(())
    }

    fn bad_keys(&self) -> Result<(), String> {
        let sink = self.open()?;
        ["", "/absolute", "a//b", "a/../b", "..", "./a", "a/", "a\\b", "a\0b"]
            .into_iter()
            .try_for_each(|key| fails(&format!("{key:?}"), put(&sink, key, b"x"), Fault::Malformed))
    }

    fn lists(&self) -> Result<(), String> {
        let sink = self.open()?;
        let names = ["list/a/1", "list/a/2", "list/b/1", "list/ab", "list/a.b"];
        for (len, name) in names.iter().enumerate() {
            self.store(&sink, &self.key(name), &noise(3, len * 10))?;
        }
        for prefix in ["list/", "list/a", "list/a/", "list/b/1", "list/c", "list/a/1/"] {
            let listed = self.list(&sink, &self.key(prefix))?;
            let expected = (0..).zip(names).filter(|(_, name)| name.starts_with(prefix));
            let expected: BTreeMap<_, _> = expected.map(|(len, name)| (self.key(name), len * 10)).collect();
            if listed != expected {
                return Err(format!("below {prefix} it lists {listed:?} instead of {expected:?}"));
            }
        }
        Ok(())
    }

    fn removes(&self) -> Result<(), String> {
        let (key, bytes) = (self.key("removed.bin"), noise(5, 100));
        let sink = self.open()?;
        self.store(&sink, &key, &bytes)?;
        for _ in 0..2 {
            sink.remove(&key).map_err(|failure| failure.text)?;
        }
        if !self.list(&sink, &key)?.is_empty() {
            return Err("lists what it removed".to_owned());
        }
        fails("reading what isn't there", sink.get(&key, &mut |_: &[u8]| {}), Fault::Missing)?;
        self.store(&sink, &key, &bytes)?;
        self.same(&sink, &key, &bytes)
    }

    fn spoiled(&self) -> Result<(), String> {
        let sink = self.open()?;
        for (name, len) in [("small", 3_000), ("large", LARGE)] {
            let bytes = noise(17, len);
            let all = bytes.as_slice();
            let key = |what| self.key(&format!("spoiled/{name} {what}"));
            let broken = put_as(&sink, &key("bytes"), len as u64, sha256(all), &Broken(all));
            fails("can't be read to its end", broken, Fault::Malformed)?;
            let short = put_as(&sink, &key("short"), len as u64 + 1, sha256(all), &all);
            fails("too short", short, Fault::Malformed)?;
            let long = put_as(&sink, &key("long"), len as u64 - 1, sha256(&all[..len - 1]), &all);
            fails("too long", long, Fault::Malformed)?;
        }
        let listed = self.list(&sink, &self.key("spoiled/"))?;
        if listed.is_empty() { Ok(()) } else { Err(format!("stored {listed:?}")) }
    }

    fn large(&self) -> Result<(), String> {
        let (key, bytes) = (self.key("large.bin"), noise(19, LARGE));
        let sink = self.open()?;
        self.store(&sink, &key, &bytes)?;
        self.same(&sink, &key, &bytes)?;
        self.store(&sink, &key, &bytes)
    }

    fn at_once(&self) -> Result<(), String> {
        const THREADS: usize = 4;
        let sink = self.open()?;
        let start = Barrier::new(THREADS);
        let shared = noise(23, 50_000);
        let work = |number: usize| {
            start.wait();
            // All of them store this one.
            self.store(&sink, &self.key("at once/shared"), &shared)?;
            (0..5).try_for_each(|each| {
                let key = self.key(&format!("at once/{number}-{each}"));
                self.store(&sink, &key, &noise(each, 20_000))
            })
        };
        thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS).map(|number| scope.spawn(move || work(number))).collect();
            threads
                .into_iter()
                .try_for_each(|thread| thread.join().unwrap_or_else(|_| Err("panicked".to_owned())))
        })?;
        let listed = self.list(&sink, &self.key("at once/"))?;
        if listed.len() == THREADS * 5 + 1 {
            Ok(())
        } else {
            Err(format!("has {} of {}", listed.len(), THREADS * 5 + 1))
        }
    }

    fn stops(&self) -> Result<(), String> {
        const ENDLESS: u64 = 1 << 36;
        /// Never ends, and tells when it is read.
        struct Endless<'a> {
            reading: &'a Barrier,
            read: AtomicU64,
        }
        impl ReadAt for Endless<'_> {
            fn read_at(&self, _: u64, buffer: &mut [u8]) -> io::Result<usize> {
                if self.read.fetch_add(buffer.len() as u64, Ordering::Relaxed) == 0 {
                    self.reading.wait();
                }
                Ok(buffer.len())
            }
        }
        let sink = self.open()?;
        let reading = Barrier::new(2);
        let endless = Endless { reading: &reading, read: AtomicU64::new(0) };
        let result = thread::scope(|scope| {
            let putting = scope.spawn(|| put_as(&sink, &self.key("stopped.bin"), ENDLESS, [0; 32], &endless));
            reading.wait();
            let stopped = sink.stop();
            (putting.join(), stopped)
        });
        result.1.map_err(|failure| failure.text)?;
        match result.0 {
            Ok(Err(failure)) if failure.may_pass() => Ok(()),
            Ok(other) => Err(format!("answered {other:?}; what is stopped is to be tried again")),
            Err(_) => Err("panicked".to_owned()),
        }
    }

    fn clean(&self) -> Result<(), String> {
        let sink = self.open()?;
        for key in self.list(&sink, &self.prefix)?.into_keys() {
            sink.remove(&key).map_err(|failure| failure.text)?;
        }
        let left = self.list(&sink, &self.prefix)?;
        if left.is_empty() { Ok(()) } else { Err(format!("left {left:?}")) }
    }
}
