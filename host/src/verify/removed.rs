//! What devices say they removed after it was sealed. Read only once something is not here.

use std::{cell::OnceCell, collections::BTreeMap};

use serde_json::Value;

use super::{
    Store, each,
    link::{Link, numbers},
    window::{self, What},
};
use crate::error::Result;

/// How many manifests are read at once.
const BATCH: usize = 256;

/// Why a key is not here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The device declared that it was removed before it came here.
    Gone,
    /// This store was not to have it, or no longer.
    NotKept,
}

/// One removal.
struct Removal {
    /// A kind, or `_blob`.
    of: String,
    from: u64,
    to: u64,
    missing_from: Vec<String>,
    fate: Fate,
}

/// Every removal that a store's manifests tell, by device.
#[derive(Default)]
pub struct Removed(OnceCell<BTreeMap<String, Vec<Removal>>>);

impl Removed {
    /// Why a key with these numbers is missing in a sink's store, if the device says so.
    pub fn fate(
        &self,
        store: &dyn Store,
        device: &str,
        of: &str,
        (first, last): (u64, u64),
        sink: Option<&str>,
    ) -> Result<Option<Fate>> {
        let all = match self.0.get() {
            Some(all) => all,
            None => {
                let all = read(store)?;
                self.0.get_or_init(|| all)
            }
        };
        let covers = |removal: &&Removal| {
            let here = sink.is_some_and(|sink| removal.missing_from.iter().any(|name| name == sink));
            here && removal.of == of && removal.from <= first && last <= removal.to
        };
        Ok(all.get(device).and_then(|all| all.iter().find(covers)).map(|removal| removal.fate))
    }
}

fn read(store: &dyn Store) -> Result<BTreeMap<String, Vec<Removal>>> {
    let (mut devices, mut manifests) = (Vec::<String>::new(), Vec::new());
    store.list("v=1/", &mut |key, _| {
        let Some((device, rest)) = key.strip_prefix("v=1/device=").and_then(|key| key.split_once('/')) else {
            return;
        };
        let Some((What::Manifest, first, last)) = window::numbers(rest) else { return };
        let known = devices.iter().position(|known| known == device);
        let device = known.unwrap_or_else(|| {
            devices.push(device.to_owned());
            devices.len() - 1
        });
        manifests.push((device, first, last));
    })?;
    let mut all = BTreeMap::<String, Vec<Removal>>::new();
    for part in manifests.chunks(BATCH) {
        let links = each(part, |(device, first, last)| Link::read(store, &devices[*device], (*first, *last)));
        // One that is altered tells nothing; that it is, its device's report says.
        for link in links.into_iter().flatten() {
            for gap in &link.manifest.gaps {
                let of_device = gap.get("of_device").and_then(Value::as_str).unwrap_or(&link.manifest.device);
                if let Some(removal) = removal(gap) {
                    all.entry(of_device.to_owned()).or_default().push(removal);
                }
            }
        }
    }
    Ok(all)
}

fn removal(gap: &serde_json::Map<String, Value>) -> Option<Removal> {
    let fate = match gap.get("reason")?.as_str()? {
        "keep" | "kinds" => Fate::NotKept,
        "quota" => Fate::Gone,
        _ => return None,
    };
    let (from, to) = numbers(gap, "from_seq", "to_seq")?;
    let names = gap.get("missing_from")?.as_array()?;
    let missing_from = names.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    Some(Removal { of: gap.get("of")?.as_str()?.to_owned(), from, to, missing_from, fate })
}
