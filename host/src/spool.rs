//! The folder of sealed objects that wait for their sinks.
//!
//! `state/spool/<key>`: a file per object, blob and manifest, under the key it has in every store. A manifest counts
//! only once the journal has said that its seal is final.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Instant,
};

use crate::{
    disk::{self, Doing},
    error::{Error, Result},
    seal::{
        Head, Manifest, Share, Sums,
        key::{self, numbers},
    },
};

mod object;
mod pace;

pub use object::Object;
pub use pace::Pace;

/// One seal, by its manifest's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seal {
    /// The device.
    pub device: String,
    /// The first number.
    pub first: u64,
    /// The last number.
    pub last: u64,
}

impl Seal {
    /// The manifest's key.
    pub fn key(&self) -> String {
        key::manifest(&self.device, self.first, self.last)
    }
}

#[derive(Debug)]
struct Now {
    device: String,
    sealed: u64,
    /// Counts seals and requests to look again.
    turn: u64,
    /// By sink and device: what it is to have.
    shares: BTreeMap<String, Shares>,
}

/// What a sink is to have of every chain.
#[derive(Clone, Debug, Default)]
pub struct Shares {
    /// Of which kinds; all if not said.
    pub kinds: Option<Vec<String>>,
    /// By device: from which number on, where that is not the first.
    pub from: BTreeMap<String, u64>,
}

/// Is told a device under whose names a store holds somebody else's bytes.
type OnDispute = Box<dyn Fn(&str) + Send + Sync>;

/// The folder, and how far it is final.
pub struct Spool {
    root: PathBuf,
    now: Mutex<Now>,
    changed: Condvar,
    disputed: OnceLock<OnDispute>,
}

impl Spool {
    /// The spool of a state folder, final up to a head.
    pub fn open(state: &Path, head: &Head) -> Result<Self> {
        let root = state.join("spool");
        disk::folder(&root)?;
        let now = Now { device: head.device.clone(), sealed: head.sealed, turn: 0, shares: BTreeMap::new() };
        Ok(Self { root, now: Mutex::new(now), changed: Condvar::new(), disputed: OnceLock::new() })
    }

    /// The same for a reader in another process: every manifest is taken as it is.
    pub fn at(state: &Path) -> Self {
        let now = Now { device: String::new(), sealed: 0, turn: 0, shares: BTreeMap::new() };
        Self {
            root: state.join("spool"),
            now: Mutex::new(now),
            changed: Condvar::new(),
            disputed: OnceLock::new(),
        }
    }

    /// Where the files are.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The file of a key.
    pub fn path(&self, key: &str) -> PathBuf {
        self.root.join(key)
    }

    /// Says that everything of this device up to a number is final.
    pub fn publish(&self, last: u64) {
        let mut now = self.lock();
        now.sealed = last;
        now.turn += 1;
        self.changed.notify_all();
    }

    /// Says what the sinks are to have, for the manifests of later seals.
    pub fn share(&self, shares: BTreeMap<String, Shares>) {
        self.lock().shares = shares;
    }

    /// What each sink is to have of a device's chain.
    pub fn shares(&self, device: &str) -> BTreeMap<String, Share> {
        let share = |shares: &Shares| Share {
            from: shares.from.get(device).copied().unwrap_or(1),
            kinds: shares.kinds.clone(),
        };
        self.lock().shares.iter().map(|(sink, shares)| (sink.clone(), share(shares))).collect()
    }

    /// Wakes whoever waits.
    pub fn wake(&self) {
        self.lock().turn += 1;
        self.changed.notify_all();
    }

    /// Goes on with the chain another one was opened for.
    pub fn go_on_as(&self, other: &Self) {
        let (device, sealed) = other.sealed();
        let mut now = self.lock();
        (now.device, now.sealed) = (device, sealed);
        now.turn += 1;
        self.changed.notify_all();
    }

    /// Has `f` called when a store turns out to hold somebody else's bytes under a device's names.
    pub fn on_dispute(&self, f: impl Fn(&str) + Send + Sync + 'static) {
        // Set once, by the journal whose spool it is.
        let _ = self.disputed.set(Box::new(f));
    }

    /// Says that a store holds somebody else's bytes under this device's names.
    pub fn dispute(&self, device: &str) {
        if let Some(disputed) = self.disputed.get() {
            disputed(device);
        }
    }

    /// The device whose chain is being written, and its last final number.
    pub fn sealed(&self) -> (String, u64) {
        let now = self.lock();
        (now.device.clone(), now.sealed)
    }

    /// The turn there is now; pass it to [`wait`](Self::wait) to notice what comes after.
    pub fn turn(&self) -> u64 {
        self.lock().turn
    }

    /// Waits for a later turn, at most until a moment. Without one it sleeps until something happens.
    pub fn wait(&self, turn: u64, until: Option<Instant>) {
        let mut now = self.lock();
        while now.turn == turn {
            let Some(until) = until else {
                now = self.changed.wait(now).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            now = self.changed.wait_timeout(now, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The devices there are files of.
    pub fn devices(&self) -> Result<Vec<String>> {
        let names = disk::names(&self.root.join("v=1"))?;
        Ok(names.iter().filter_map(|name| name.strip_prefix("device=")).map(str::to_owned).collect())
    }

    /// The kinds there are objects of.
    pub fn kinds(&self, device: &str) -> Result<Vec<String>> {
        let names = disk::names(&self.root.join(format!("v=1/device={device}")))?;
        Ok(names.iter().filter_map(|name| name.strip_prefix("kind=")).map(str::to_owned).collect())
    }

    /// The final seals of a device, oldest first.
    pub fn seals(&self, device: &str) -> Result<Vec<Seal>> {
        let seals = self.seals_upto(device, u64::MAX)?.into_iter();
        Ok(seals.map(|(first, last)| Seal { device: device.to_owned(), first, last }).collect())
    }

    /// The final seals of a device after a number, oldest first: first and last numbers. Reads every name, and keeps only
    /// those.
    pub fn seals_after(&self, device: &str, after: u64) -> Result<Vec<(u64, u64)>> {
        self.seals_within(device, after, u64::MAX)
    }

    /// The same of those up to a number.
    pub fn seals_upto(&self, device: &str, upto: u64) -> Result<Vec<(u64, u64)>> {
        self.seals_within(device, 0, upto)
    }

    /// The seal that ends with a number.
    pub fn seal_with_last(&self, device: &str, last: u64) -> Result<Option<Seal>> {
        let mut found = None;
        self.each_manifest(device, |range| found = if range.1 == last { Some(range) } else { found })?;
        Ok(found.map(|(first, last)| Seal { device: device.to_owned(), first, last }))
    }

    fn seals_within(&self, device: &str, after: u64, upto: u64) -> Result<Vec<(u64, u64)>> {
        let end = match self.sealed() {
            (current, sealed) if current == device => sealed.min(upto),
            _ => upto,
        };
        let mut seals = Vec::new();
        self.each_manifest(device, |range| {
            seals.extend(Some(range).filter(|(first, last)| *first > after && *last <= end));
        })?;
        seals.sort_unstable();
        Ok(seals)
    }

    fn each_manifest(&self, device: &str, mut each: impl FnMut((u64, u64))) -> Result<()> {
        let folder = self.root.join(format!("v=1/device={device}/_manifest"));
        disk::each_name(&folder, |name| {
            if let Some(range) = name.strip_suffix(".json").and_then(numbers) {
                each(range);
            }
        })
    }

    /// Reads a manifest.
    pub fn manifest(&self, seal: &Seal) -> Result<Manifest> {
        let path = self.path(&seal.key());
        let bytes = fs::read(&path).doing("read", &path)?;
        serde_json::from_slice(&bytes).map_err(|error| Error::Damaged {
            path,
            text: format!("not a manifest: {error}; the records it lists can't be sent"),
        })
    }

    /// Opens an object whose bytes have to be what was sealed.
    pub fn object(&self, key: &str, len: u64, sums: &Sums) -> Result<Object> {
        Object::open(&self.path(key), key, len, sums)
    }

    /// What is said of one whose bytes are others.
    pub fn spoiled(&self, key: &str) -> Error {
        Error::Damaged { path: self.path(key), text: "its bytes are not those that were sealed".into() }
    }

    /// Opens what no manifest lists, a manifest itself: its bytes are checked by the one after it, in the store.
    pub fn whole_object(&self, key: &str) -> Result<Object> {
        let path = self.path(key);
        let file = File::open(&path).doing("open", &path)?;
        let (len, sha256) = sum(&file).doing("read", &path)?;
        Ok(Object::unchecked(file, key, len, sha256))
    }

    /// Removes what a crash left between a seal's first file and its `sealed` frame: everything of this device after
    /// the head. Where it is known of which date the oldest record is that such a seal could have had, the folders of
    /// the dates before are passed over: a month's backlog is not read at each start.
    pub fn discard(&self, head: &Head, oldest: Option<&str>) -> Result<u64> {
        let device = self.path(&format!("v=1/device={}", head.device));
        let mut removed = 0;
        for name in disk::names(&device)? {
            let folder = device.join(&name);
            if name == "_manifest" {
                removed += discard(&folder, head.sealed)?;
                continue;
            }
            for name in disk::names(&folder)? {
                let date = name.strip_prefix("date=");
                if date.is_some_and(|date| oldest.is_none_or(|oldest| date >= oldest)) {
                    removed += discard(&folder.join(name), head.sealed)?;
                }
            }
        }
        Ok(removed)
    }

    /// Removes an object and the folders that became empty.
    pub fn remove(&self, key: &str) -> Result<()> {
        let path = self.path(key);
        disk::remove(&path)?;
        for folder in path.ancestors().skip(1).take_while(|folder| *folder != self.root) {
            if fs::remove_dir(folder).is_err() {
                break;
            }
        }
        Ok(())
    }
}

/// Removes the leftovers that lie in one folder.
fn discard(folder: &Path, sealed: u64) -> Result<u64> {
    let mut leftovers = Vec::new();
    disk::each_name(folder, |name| leftovers.extend(is_leftover(name, sealed).then(|| name.to_owned())))?;
    leftovers.iter().try_for_each(|name| disk::remove(&folder.join(name)))?;
    Ok(leftovers.len() as u64)
}

fn is_leftover(name: &str, sealed: u64) -> bool {
    let stem = name.split('.').next().unwrap_or(name);
    let first = numbers(stem).map(|(first, _)| first).or_else(|| stem.parse().ok());
    name.ends_with(disk::PART) || first.is_some_and(|first| first > sealed)
}

fn sum(mut file: &File) -> io::Result<(u64, [u8; 32])> {
    use sha2::{Digest, Sha256};
    use std::io::Read;
    let (mut hash, mut len, mut buffer) = (Sha256::new(), 0, vec![0; 64 << 10]);
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 {
            return Ok((len, hash.finalize().into()));
        }
        hash.update(&buffer[..n]);
        len += n as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leftovers_are_what_no_sealed_frame_covers() {
        let cases = [
            ("00000000000000000011-00000000000000000020.ndjson.zst", true),
            ("00000000000000000001-00000000000000000010.ndjson.zst", false),
            ("00000000000000000011-00000000000000000020.json", true),
            ("00000000000000000011.webp", true),
            ("00000000000000000010.webp", false),
            ("00000000000000000001-00000000000000000010.ndjson.zst.part", true),
        ];
        for (name, expect) in cases {
            assert_eq!(is_leftover(name, 10), expect, "{name}");
        }
    }
}
