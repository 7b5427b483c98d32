//! Walks one device's manifests from the first to the last, and compares what they list with what is here.

use std::collections::BTreeMap;

use indicatif::ProgressBar;

use super::{
    Options, Report, Store,
    bytes::{self, Expected},
    each,
    link::{Link, numbers},
    removed::{Fate, Removed},
    report::Fault,
    window::{self, Window},
};
use crate::{
    error::Result,
    seal::{Manifest, Runs, Share, key},
};

/// How many manifests are read at once.
const BATCH: usize = 64;

struct Walk<'a> {
    store: &'a dyn Store,
    options: &'a Options,
    removed: &'a Removed,
    window: Window<'a>,
    report: Report,
    /// The number the next manifest must begin with.
    next: u64,
    /// The SHA-256 of the manifest before, if that was good.
    previous: Option<String>,
}

/// Verifies one device.
pub fn verify(
    store: &dyn Store,
    options: &Options,
    removed: &Removed,
    device: &str,
    bar: &ProgressBar,
) -> Result<Report> {
    let window = Window::new(store, device, options.window);
    let report = Report::new(device);
    let mut walk = Walk { store, options, removed, window, report, next: 1, previous: None };
    loop {
        let ranges = walk.window.manifests(BATCH)?;
        if ranges.is_empty() {
            break;
        }
        let links = each(&ranges, |range| Link::read(store, device, *range));
        bar.inc(ranges.len() as u64);
        let mut there = Vec::new();
        for (range, link) in ranges.into_iter().zip(links) {
            walk.link(range, link, &mut there)?;
        }
        let faults = each(&there, |expected| bytes::fault(store, expected));
        bar.inc(there.len() as u64);
        for (expected, fault) in there.into_iter().zip(faults) {
            walk.object(expected, fault);
        }
    }
    Ok(walk.end())
}

impl Walk<'_> {
    /// Takes the next manifest; adds what it lists and is here to what has to be read.
    fn link(
        &mut self,
        (first, last): (u64, u64),
        link: Result<Link, String>,
        there: &mut Vec<Expected>,
    ) -> Result<()> {
        let key = key::manifest(&self.report.device, first, last);
        let link = link.inspect_err(|text| self.report.problem(Fault::Altered, &key, text)).ok();
        let share = link.as_ref().and_then(|link| self.share(&link.manifest.sinks));
        if first > self.next {
            let began = self.next == 1 && share.as_ref().is_some_and(|share| share.from == first);
            match began {
                true => self.report.not_here += first - 1,
                false => self.report.missing.add(self.next, first - 1),
            }
            self.previous = None;
        } else if first < self.next {
            let text = "is about numbers of the manifest before it; two agents wrote this chain";
            self.report.problem(Fault::Chain, &key, text);
            self.report.duplicates.add(first, last.min(self.next - 1));
        } else if let Some(link) = link.as_ref().filter(|_| first == 1 || self.previous.is_some())
            && link.manifest.previous != self.previous
        {
            self.report.problem(Fault::Chain, &key, "does not follow the manifest before it");
        }
        self.next = self.next.max(last.saturating_add(1));
        self.previous = link.as_ref().map(|link| link.sum.clone());
        match link {
            Some(link) => self.listed(&key, link.manifest, share.as_ref(), there)?,
            None => self.report.missing.add(first, last),
        }
        for (number, key) in self.window.unclaimed(last) {
            // What a missing manifest listed can't be told from what somebody added.
            if !self.report.missing.contains(number) {
                self.report.problem(Fault::Unlisted, &key, "is in no manifest");
            }
        }
        Ok(())
    }

    /// Compares what a manifest lists with what is here.
    fn listed(
        &mut self,
        key: &str,
        manifest: Manifest,
        share: Option<&Share>,
        there: &mut Vec<Expected>,
    ) -> Result<()> {
        let mut seen = Runs::default();
        for (first, last) in manifest.gaps.iter().filter_map(|gap| numbers(gap, "first_seq", "last_seq")) {
            self.count(&mut seen, first, last);
            self.report.gone += last - first + 1;
        }
        for object in manifest.objects {
            object.seq.iter().for_each(|(first, last)| self.count(&mut seen, first, last));
            let expected =
                Expected { key: object.key, len: object.len, sha256: object.sha256, seq: object.seq };
            self.claim(&object.kind, &object.kind, expected, share, there)?;
        }
        for blob in manifest.blobs {
            let seq = Runs::default();
            let expected = Expected { key: blob.key, len: blob.len, sha256: blob.sha256, seq };
            self.claim("_blob", &blob.kind, expected, share, there)?;
        }
        self.report.blobs_gone += manifest.tombstones.len() as u64;
        self.report.blobs_gone += manifest
            .gaps
            .iter()
            .filter(|gap| gap.get("reason").is_some_and(|why| why == "blob_lost"))
            .count() as u64;
        let mut left = Runs::of(manifest.first, manifest.last);
        left.subtract(&seen);
        if !left.is_empty() {
            self.report.problem(Fault::Chain, key, "does not account for all of its numbers");
            left.iter().for_each(|(first, last)| self.report.missing.add(first, last));
        }
        Ok(())
    }

    fn count(&mut self, seen: &mut Runs, first: u64, last: u64) {
        let mut twice = Runs::of(first, last);
        let mut new = twice.clone();
        new.subtract(seen);
        twice.subtract(&new);
        twice.iter().for_each(|(first, last)| self.report.duplicates.add(first, last));
        seen.add(first, last);
    }

    /// Takes a listed key out of what is here, or says why it isn't.
    fn claim(
        &mut self,
        folder: &str,
        kind: &str,
        expected: Expected,
        share: Option<&Share>,
        there: &mut Vec<Expected>,
    ) -> Result<()> {
        let numbers = expected.key.strip_prefix(&format!("v=1/device={}/", self.report.device));
        let Some((_, first, last)) = numbers.and_then(window::numbers) else {
            self.report.problem(Fault::Chain, &expected.key, "is listed under a name of another device");
            return Ok(());
        };
        if self.window.take(first, &expected.key).is_some() {
            there.push(expected);
            return Ok(());
        }
        let kept = share.is_none_or(|share| share.wants(kind));
        let sink = self.options.sink.clone().or_else(|| self.report.sink.clone());
        let fate = match kept {
            false => Some(Fate::NotKept),
            true => {
                self.removed.fate(self.store, &self.report.device, folder, (first, last), sink.as_deref())?
            }
        };
        let (count, blob) = (expected.seq.count(), u64::from(folder == "_blob"));
        match fate {
            Some(Fate::NotKept) => {
                self.report.not_here += count;
                self.report.blobs_not_here += blob;
            }
            Some(Fate::Gone) => {
                self.report.gone += count;
                self.report.blobs_gone += blob;
            }
            None => {
                expected.seq.iter().for_each(|(first, last)| self.report.missing.add(first, last));
                if blob > 0 {
                    self.report.missing_blobs.add(first, last);
                }
                self.report.problem(Fault::Missing, &expected.key, "is listed and not here");
            }
        }
        Ok(())
    }

    /// Notes what came of an object that was read.
    fn object(&mut self, expected: Expected, fault: Option<String>) {
        let Some(fault) = fault else {
            self.report.complete += expected.seq.count();
            self.report.blobs += u64::from(expected.key.contains("/_blob/"));
            return;
        };
        self.report.problem(Fault::Altered, &expected.key, &fault);
        expected.seq.iter().for_each(|(first, last)| self.report.missing.add(first, last));
        if expected.seq.is_empty()
            && let Some((_, seq, _)) = expected
                .key
                .split_once("/_blob/")
                .and_then(|(_, rest)| window::numbers(&format!("_blob/{rest}")))
        {
            self.report.missing_blobs.add(seq, seq);
        }
    }

    /// What this store is to have of the chain, where that can be told.
    fn share(&mut self, sinks: &BTreeMap<String, Share>) -> Option<Share> {
        if let Some(sink) = &self.options.sink {
            return sinks.get(sink).cloned();
        }
        let mut names = sinks.iter();
        match (names.next(), names.next()) {
            (Some((name, share)), None) => {
                self.report.sink = Some(name.clone());
                Some(share.clone())
            }
            (None, _) => None,
            _ => {
                self.report.sinks = sinks.keys().cloned().collect();
                None
            }
        }
    }

    fn end(mut self) -> Report {
        self.report.upto = self.next - 1;
        if let Some(head) = self.options.head.filter(|head| *head >= self.next) {
            self.report.missing.add(self.next, head);
        }
        self.report.on_their_way = self.window.unclaimed(u64::MAX).len() as u64;
        for key in std::mem::take(&mut self.window.foreign) {
            self.report.problem(Fault::Unlisted, &key, "is no name of an object");
        }
        self.report
    }
}
