//! What came of one device.

use std::io;

use serde::Serialize;

use crate::seal::Runs;

/// How many problems are named; all of them count.
const NAMED: usize = 1000;
/// How many runs of numbers are printed for a person.
const PRINTED: usize = 20;

/// What is wrong with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fault {
    /// It is listed, and not here.
    Missing,
    /// Its bytes are not those that were sealed or signed.
    Altered,
    /// It is not where the chain says.
    Chain,
    /// It is here, and in no manifest.
    Unlisted,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// What kind of thing.
    pub fault: Fault,
    /// With which object.
    pub key: String,
    /// In words.
    pub text: String,
}

/// What a store has of a device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The device's id.
    pub device: String,
    /// The sink whose store this is, if its manifests name only one.
    pub sink: Option<String>,
    /// All sinks, if they name several and it wasn't said which.
    pub sinks: Vec<String>,
    /// Up to which number the manifests go.
    pub upto: u64,
    /// How many records are here as they were sealed.
    pub complete: u64,
    /// How many numbers the device declared gone, with the reason.
    pub gone: u64,
    /// How many records this store was not to have, or no longer.
    pub not_here: u64,
    /// The numbers that are MISSING.
    pub missing: Runs,
    /// The numbers that are there twice.
    pub duplicates: Runs,
    /// How many blobs are here as they were sealed.
    pub blobs: u64,
    /// How many blobs the device declared gone.
    pub blobs_gone: u64,
    /// How many blobs this store was not to have, or no longer.
    pub blobs_not_here: u64,
    /// The numbers of records whose blobs are MISSING.
    pub missing_blobs: Runs,
    /// Objects whose manifest is not here yet.
    pub on_their_way: u64,
    /// How many things are wrong.
    pub faults: u64,
    /// The first of them.
    pub problems: Vec<Problem>,
}

impl Report {
    /// Of nothing yet.
    pub fn new(device: &str) -> Self {
        Self { device: device.to_owned(), ..Self::default() }
    }

    /// Whether nothing is missing and nothing is wrong.
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty()
            && self.missing_blobs.is_empty()
            && self.duplicates.is_empty()
            && self.faults == 0
    }

    /// Notes something that is wrong.
    pub fn problem(&mut self, fault: Fault, key: &str, text: &str) {
        self.faults += 1;
        if self.problems.len() < NAMED {
            self.problems.push(Problem { fault, key: key.to_owned(), text: text.to_owned() });
        }
    }

    /// Prints it for people.
    pub fn print(&self, out: &mut impl io::Write) -> io::Result<()> {
        let verdict = match (self.is_complete(), self.missing.is_empty() && self.missing_blobs.is_empty()) {
            (true, _) => "complete",
            (false, true) => "DAMAGED",
            (false, false) => "MISSING",
        };
        writeln!(out, "device {}: {verdict} up to {}", self.device, self.upto)?;
        writeln!(
            out,
            "  {} records here, {} declared gone, {} not kept here; {} blobs here, {} declared gone, {} not kept here",
            self.complete, self.gone, self.not_here, self.blobs, self.blobs_gone, self.blobs_not_here
        )?;
        let lists = [
            ("MISSING", &self.missing),
            ("MISSING blobs of", &self.missing_blobs),
            ("TWICE", &self.duplicates),
        ];
        for (what, runs) in lists.into_iter().filter(|(_, runs)| !runs.is_empty()) {
            writeln!(out, "  {what} {} ({} of them)", list(runs), runs.count())?;
        }
        for problem in self.problems.iter().take(PRINTED) {
            writeln!(out, "  {} {}", problem.key, problem.text)?;
        }
        if self.faults > PRINTED as u64 {
            writeln!(out, "  {} things are wrong; --json names {NAMED} of them", self.faults)?;
        }
        if self.on_their_way > 0 {
            writeln!(out, "  {} objects wait for their manifest", self.on_their_way)?;
        }
        if !self.sinks.is_empty() && !self.is_complete() {
            let sinks = self.sinks.join(", ");
            writeln!(out, "  some sinks do not get everything: say whose store this is with --as ({sinks})")?;
        }
        Ok(())
    }
}

fn list(runs: &Runs) -> String {
    let name = |(first, last): (u64, u64)| {
        if first == last { first.to_string() } else { format!("{first} to {last}") }
    };
    let mut names: Vec<String> = runs.iter().take(PRINTED).map(name).collect();
    if runs.iter().nth(PRINTED).is_some() {
        names.push("…".to_owned());
    }
    names.join(", ")
}
