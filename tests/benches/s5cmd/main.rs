//! What storing in S3 costs, against s5cmd with the same files to the same store: one large object and many small ones,
//! in plain and by TLS, to a store that only accepts and to a real one (SeaweedFS).
//!
//! `cargo bench -p candor-s3 --bench s5cmd`, with `-- accepting` or `-- SeaweedFS` for one of the stores.
//!
//! Each client is a process of its own; its CPU is what Linux says of it from start to end. Candor's stores as the agent
//! does: what it sends it checks against the sum that was made when it was sealed. Everything runs in a network namespace
//! with only `lo`.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

mod client;
mod store;

use std::{
    env,
    fs::{self, File},
    io::{BufWriter, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
};

use client::Cost;
use host::seal::Sums;
use plugin_api::prelude::*;
use rig::{Certificates, Weed};

/// Turns of each pair; the middle one counts.
const ROUNDS: usize = 3;
/// The most CPU against s5cmd, the least throughput against it, the most memory over idle.
const BARS: (f64, f64, f64) = (0.5, 1.0, 32.0);

/// What is stored.
struct Load {
    name: &'static str,
    folder: PathBuf,
    /// Path, key, length and sums of each object.
    objects: Vec<Value>,
    bytes: u64,
}

/// Where it is stored.
struct Target {
    name: String,
    url: String,
    ca: PathBuf,
}

fn main() {
    client::serve();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("s5cmd");
    rig::alone(&folder.join("home"), &[]);
    let wanted = |name: &str| {
        let words: Vec<_> = env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
        words.is_empty() || words.iter().any(|word| name.contains(word))
    };
    let loads = [
        load(&folder, "one object of 512 MiB", 1, 512 << 20),
        load(&folder, "2,000 objects of 100 KB", 2_000, 100_000),
    ];
    if wanted("accepting") {
        let certificates = Certificates::new(&folder.join("accepting"), "Candor bench authority");
        let certificate = certificates.issue("store", "DNS:localhost,IP:127.0.0.1", "30");
        let target = |name: &str, url| Target { name: name.to_owned(), url, ca: certificates.authority() };
        let (plain, tls) = (store::start(None), store::start(Some(&certificate)));
        measure(&loads, &target("accepting store", format!("http://{plain}")));
        measure(&loads, &target("accepting store, TLS", format!("https://localhost:{}", tls.port())));
    }
    if wanted("SeaweedFS") {
        let weed = Weed::start(&folder.join("weed"));
        let target = |name: &str, url| Target { name: name.to_owned(), url, ca: weed.ca.clone() };
        let at = |address: SocketAddr| address.port();
        measure(&loads, &target("SeaweedFS", format!("http://127.0.0.1:{}", at(weed.plain))));
        measure(&loads, &target("SeaweedFS, TLS", format!("https://localhost:{}", at(weed.tls))));
    }
    fs::remove_dir_all(&folder).unwrap();
}

/// Makes files that can't be compressed.
fn load(folder: &Path, name: &'static str, count: usize, len: usize) -> Load {
    let folder = folder.join(count.to_string());
    fs::create_dir_all(&folder).unwrap();
    let mut state = 88_172_645_463_325_252_u64;
    let mut objects = Vec::new();
    for number in 0..count {
        let path = folder.join(format!("{number:04}"));
        let mut file = BufWriter::new(File::create(&path).unwrap());
        let mut left = len;
        while left > 0 {
            let mut bytes = [0; 4_096];
            for word in bytes.chunks_exact_mut(8) {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                word.copy_from_slice(&state.to_le_bytes());
            }
            let part = &bytes[..left.min(4_096)];
            file.write_all(part).unwrap();
            left -= part.len();
        }
        file.flush().unwrap();
        let sums = Sums::of(&fs::read(&path).unwrap());
        objects.push(json!([path, format!("{number:04}"), len, sums]));
    }
    Load { name, folder, objects, bytes: (count * len) as u64 }
}

/// Has both store all that, in turns, and prints what it cost.
fn measure(loads: &[Load], target: &Target) {
    for load in loads {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            ours.push(client::candor(target, load));
            theirs.push(client::s5cmd(target, load));
        }
        let middle = |costs: &[Cost], of: fn(&Cost) -> f64| {
            let mut values: Vec<_> = costs.iter().map(of).collect();
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        let both = |of: fn(&Cost) -> f64| (middle(&ours, of), middle(&theirs, of));
        let (cpu, time) = (both(|cost| cost.cpu), both(|cost| cost.time));
        let rate = |time: f64| load.bytes as f64 / 1e6 / time;
        let memory = ours.iter().map(|cost| cost.memory).fold(0.0, f64::max);
        let (cpu_ratio, rate_ratio) = (cpu.0 / cpu.1, time.1 / time.0);
        let verdict = |is_held: bool| if is_held { "" } else { " MISSED" };
        println!(
            "{}, {}: CPU {:.2} s against {:.2} s: {cpu_ratio:.2} times (at most {}{}); \
             {:.0} MB/s against {:.0} MB/s: {rate_ratio:.2} times (at least {}{}); {memory:.0} MB over idle (at most {}{})",
            target.name,
            load.name,
            cpu.0,
            cpu.1,
            BARS.0,
            verdict(cpu_ratio <= BARS.0),
            rate(time.0),
            rate(time.1),
            BARS.1,
            verdict(rate_ratio >= BARS.1),
            BARS.2,
            verdict(memory <= BARS.2),
        );
    }
}
