//! Who this device is to the stores: its id and chain.
//!
//! The id is made from a random key and says nothing about machine or person; the key signs the chain. A hash of machine
//! and user is kept beside it, so that a copied state folder is noticed: two agents must never write one chain.

use std::{fs, path::Path};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{
    disk,
    error::{Error, Result},
};

mod key;

pub use key::{Key, Public};

const FILE: &str = "identity.json";

/// The device's id, and how it came to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// 32 hex digits.
    pub id: String,
    /// What its manifests are signed with.
    pub key: Key,
    /// Whether this is the first start with this id, and why.
    pub origin: Origin,
}

/// Where the id came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It was there.
    Kept,
    /// Made now: there was none.
    First,
    /// Made now: this is another machine or user than the one the old id was made for.
    Moved {
        /// The id before.
        from: String,
    },
    /// Made now: the file could not be read.
    Damaged,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    id: String,
    /// The secret key; this file is for its owner alone.
    key: String,
    /// Hash of machine id and user; null where the system tells no machine id.
    holder: Option<String>,
}

/// Reads the id, or makes one where there is none or it was made for another machine or user.
pub fn load(state: &Path) -> Result<Identity> {
    load_for(state, holder())
}

fn load_for(state: &Path, holder: Option<String>) -> Result<Identity> {
    let text = match fs::read(state.join(FILE)) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return make(state, holder, Origin::First);
        }
        Err(source) => {
            return Err(Error::State { doing: "read the device id", path: state.join(FILE), source });
        }
    };
    let stored = serde_json::from_slice::<Stored>(&text).ok();
    let Some((stored, key)) = stored.and_then(|stored| {
        let key = Key::from_secret(&stored.key).filter(|key| key.device() == stored.id)?;
        Some((stored, key))
    }) else {
        return make(state, holder, Origin::Damaged);
    };
    match (&stored.holder, &holder) {
        (Some(then), Some(now)) if then != now => make(state, holder, Origin::Moved { from: stored.id }),
        (None, Some(_)) => {
            store(state, &Stored { holder, ..stored })?;
            Ok(Identity { id: key.device(), key, origin: Origin::Kept })
        }
        _ => Ok(Identity { id: stored.id, key, origin: Origin::Kept }),
    }
}

/// Takes a new id: the old chain can't be continued.
pub fn renew(state: &Path, from: &str) -> Result<Identity> {
    make(state, holder(), Origin::Moved { from: from.to_owned() })
}

fn make(state: &Path, holder: Option<String>, origin: Origin) -> Result<Identity> {
    let key = Key::random()?;
    let id = key.device();
    store(state, &Stored { id: id.clone(), key: key.secret(), holder })?;
    Ok(Identity { id, key, origin })
}

fn store(state: &Path, stored: &Stored) -> Result<()> {
    let text = json!(stored).to_string();
    disk::write(&state.join(FILE), text.as_bytes())
}

/// 128 random bits in hex.
pub fn random_id() -> Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(Error::Random)?;
    Ok(disk::hex(&bytes))
}

#[cfg(not(any(windows, target_vendor = "apple")))]
fn is_machine_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// The fields of the record that begins a chain.
pub fn describe(label: Option<&str>, identity: &Identity) -> Map<String, Value> {
    let mut fields = Map::new();
    fields.insert("os".into(), std::env::consts::OS.into());
    fields.insert("os_version".into(), os_version().into());
    fields.insert("arch".into(), std::env::consts::ARCH.into());
    fields.insert("agent".into(), env!("CARGO_PKG_VERSION").into());
    fields.insert("label".into(), label.into());
    let previous = if let Origin::Moved { from } = &identity.origin { Some(from.as_str()) } else { None };
    fields.insert("previous_device".into(), previous.into());
    fields.insert("public_key".into(), identity.key.public().into());
    fields
}

/// A hash of machine id and user, or none where the system tells no machine id.
fn holder() -> Option<String> {
    let text = format!("candor holder 1\n{}\n{}\n", machine()?, user());
    Some(disk::hex(&disk::sha256(text.as_bytes())))
}

#[cfg(unix)]
fn user() -> String {
    rustix::process::getuid().as_raw().to_string()
}

#[cfg(not(unix))]
fn user() -> String {
    let variable = |name| std::env::var(name).unwrap_or_default();
    format!("{}\\{}", variable("USERDOMAIN"), variable("USERNAME"))
}

#[cfg(not(any(windows, target_vendor = "apple")))]
fn machine() -> Option<String> {
    ["/etc/machine-id", "/var/lib/dbus/machine-id"]
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok())
        .map(|text| text.trim().to_owned())
        .find(|id| is_machine_id(id))
}

#[cfg(target_vendor = "apple")]
fn machine() -> Option<String> {
    let text = output("/usr/sbin/ioreg", &["-rd1", "-c", "IOPlatformExpertDevice"])?;
    let line = text.lines().find(|line| line.contains("IOPlatformUUID"))?;
    Some(line.split('"').nth(3)?.to_owned())
}

#[cfg(windows)]
fn machine() -> Option<String> {
    let key = r"HKLM\SOFTWARE\Microsoft\Cryptography";
    let text = output("reg", &["query", key, "/v", "MachineGuid", "/reg:64"])?;
    let line = text.lines().find(|line| line.contains("MachineGuid"))?;
    Some(line.split_whitespace().last()?.to_owned())
}

#[cfg(not(any(windows, target_vendor = "apple")))]
fn os_version() -> Option<String> {
    let text = fs::read_to_string("/etc/os-release").ok()?;
    let name = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    Some(name.trim_matches('"').to_owned())
}

#[cfg(target_vendor = "apple")]
fn os_version() -> Option<String> {
    output("/usr/bin/sw_vers", &["-productVersion"])
}

#[cfg(windows)]
fn os_version() -> Option<String> {
    output("cmd", &["/c", "ver"])
}

#[cfg(any(windows, target_vendor = "apple"))]
fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = std::process::Command::new(program).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_is_kept_until_machine_or_user_changes() {
        let state = tempfile::tempdir().expect("a folder");
        let here = || Some("here".to_owned());
        let first = load_for(state.path(), here()).expect("made");
        assert_eq!(first.origin, Origin::First);
        assert_eq!((first.id.len(), &first.id), (32, &first.key.device()));
        let again = load_for(state.path(), here()).expect("kept");
        assert_eq!((again.key, again.origin), (first.key, Origin::Kept));
        let unknown = load_for(state.path(), None).expect("kept");
        assert_eq!(unknown.id, first.id, "a machine that tells no id is no reason to leave the chain");
        let there = load_for(state.path(), Some("there".into())).expect("made");
        assert_eq!(there.origin, Origin::Moved { from: first.id.clone() });
        assert_ne!(there.id, first.id);
    }

    #[cfg(unix)]
    #[test]
    fn secret_key_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let state = tempfile::tempdir().expect("a folder");
        let identity = load(state.path()).expect("made");
        let file = state.path().join(FILE);
        assert_eq!(fs::metadata(&file).expect("a file").permissions().mode() & 0o777, 0o600);
        assert!(fs::read_to_string(&file).expect("text").contains(&identity.key.secret()));
    }

    #[test]
    fn holder_is_taken_on_when_the_machine_tells_one_later() {
        let state = tempfile::tempdir().expect("a folder");
        let first = load_for(state.path(), None).expect("made");
        assert_eq!(load_for(state.path(), Some("a".into())).expect("kept").id, first.id);
        assert_ne!(load_for(state.path(), Some("b".into())).expect("made").id, first.id);
    }

    #[test]
    fn damaged_file_gives_a_new_id() {
        let state = tempfile::tempdir().expect("a folder");
        let key = Key::random().expect("random").secret();
        let foreign = format!(r#"{{"id":"../../x","key":"{key}","holder":null}}"#);
        for text in ["", "{", r#"{"id":"x","holder":null}"#, &foreign] {
            fs::write(state.path().join(FILE), text).expect("written");
            assert_eq!(load_for(state.path(), None).expect("made").origin, Origin::Damaged, "{text}");
        }
    }
}
