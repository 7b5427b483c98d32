//! The stores, and the networks before them.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
};

use rig::{
    Weed,
    http::{Act, Front, Message},
    run,
    shim::{self, Account},
};

/// What a network does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sky {
    /// It works.
    Clear,
    /// A firewall drops all packets.
    Dropped,
    /// It refuses them.
    Refused,
    /// Every third request has its connection cut.
    Torn,
    /// The answer to every third request is lost.
    Lossy,
    /// The store is busy.
    Storm,
}

/// The way to one store.
struct Way {
    address: SocketAddr,
    sky: Arc<AtomicU8>,
}

/// A store and the ways to it: by S3 and by Google's interface.
pub struct Weather {
    ways: [Way; 2],
    /// The file of the service account.
    pub account: PathBuf,
    _weed: Weed,
}

impl Weather {
    pub fn new(folder: &Path) -> Self {
        let weed = Weed::open(&folder.join("weed"));
        let credentials = "[agent]\naws_access_key_id = agentkey\naws_secret_access_key = agentsecret\n";
        fs::write(folder.join("home/credentials"), credentials).unwrap();
        let account = Arc::new(Account::new(&folder.join("account")));
        let (s3, gcs) = (Arc::<AtomicU8>::default(), Arc::<AtomicU8>::default());
        let (rule, other) = (rule(s3.clone()), rule(gcs.clone()));
        let front = Front::start(weed.plain, move |request| rule(request).unwrap_or(Act::Pass));
        let google = shim::start(weed.plain, &account, Box::new(other));
        run("nft", &["add table inet rig; add chain inet rig out { type filter hook output priority 0; }"]);
        Self {
            ways: [Way { address: front.address, sky: s3 }, Way { address: google, sky: gcs }],
            account: account.file(google),
            _weed: weed,
        }
    }

    /// Where S3 is spoken.
    pub fn s3(&self) -> SocketAddr {
        self.ways[0].address
    }

    /// Changes one way.
    pub fn set(&mut self, way: usize, sky: Sky) {
        self.ways[way].sky.store(sky as u8, Ordering::SeqCst);
        run("nft", &["flush chain inet rig out"]);
        for way in &self.ways {
            let what = match way.sky.load(Ordering::SeqCst) {
                sky if sky == Sky::Dropped as u8 => "drop",
                sky if sky == Sky::Refused as u8 => "reject with tcp reset",
                _ => continue,
            };
            // Reset is an answer to TCP alone.
            run(
                "nft",
                &[&format!("add rule inet rig out meta l4proto tcp tcp dport {} {what}", way.address.port())],
            );
        }
    }

    /// Everything works.
    pub fn clear(&mut self) {
        for way in 0..self.ways.len() {
            self.set(way, Sky::Clear);
        }
    }
}

/// What becomes of a request under a sky.
fn rule(sky: Arc<AtomicU8>) -> impl Fn(&Message) -> Option<Act> + Send + Sync + 'static {
    let count = AtomicU64::new(0);
    move |_| {
        let is_third = count.fetch_add(1, Ordering::Relaxed) % 3 == 2;
        let is = |wanted: Sky| sky.load(Ordering::SeqCst) == wanted as u8;
        if is(Sky::Storm) {
            return Some(Act::Answer(Message::answer(503, &[("Retry-After", "1")], "")));
        }
        match is_third {
            true if is(Sky::Torn) => Some(Act::Cut),
            true if is(Sky::Lossy) => Some(Act::Lose(None)),
            _ => None,
        }
    }
}
