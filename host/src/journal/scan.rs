//! Reads journal files as they are, past whatever is damaged.

use std::{collections::BTreeMap, fs, ops::Range};

use super::{
    files::{Folder, Open, Sealed},
    frame::{self, Found, Type},
    line,
    record::INSTANCE,
};
use crate::{
    disk::Doing,
    error::Result,
    seal::{Head, Runs},
};

/// The shortest frame a record can have: the most numbers that may be in bytes nobody can read.
const SHORTEST: usize = 160;

/// One file, read.
pub struct Segment {
    /// Its number.
    pub generation: u64,
    /// All of it.
    pub bytes: Vec<u8>,
    /// What it begins with, if that can be read.
    pub open: Option<Open>,
    /// The records: number and where the payload is.
    pub records: Vec<(u64, Range<usize>)>,
    /// The last `sealed` frame.
    pub sealed: Option<Sealed>,
    /// The number in the last `sealed` header, even if its payload is damaged.
    pub sealed_to: u64,
    /// The highest number that a good header speaks of.
    pub highest: u64,
    /// Whether the last frame is a clean end.
    pub closed: bool,
    /// Where the last good frame ends.
    pub end: usize,
    /// What is behind it.
    pub tail: Tail,
    /// How many places in the file could not be read.
    pub damages: usize,
}

/// What is behind the last good frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// Nothing, or the zeros of a reserve.
    Clean,
    /// A header whose record is not there to its end.
    Torn(u64),
    /// Bytes that are no frame: at most so many records.
    Garbage(u64),
}

/// Reads one file.
pub fn segment(generation: u64, bytes: Vec<u8>) -> Segment {
    let mut segment = Segment {
        generation,
        bytes: Vec::new(),
        open: None,
        records: Vec::new(),
        sealed: None,
        sealed_to: 0,
        highest: 0,
        closed: false,
        end: 0,
        tail: Tail::Clean,
        damages: 0,
    };
    let mut at = 0;
    while at < bytes.len() {
        match frame::look(&bytes, at) {
            Found::Frame(header, payload) => {
                let start = at + frame::HEADER;
                at = start + header.len;
                segment.take(header, payload, start..at);
                segment.end = at;
            }
            Found::Damaged(header) => {
                segment.speak_of(header);
                segment.closed = false;
                segment.damages += 1;
                let end = at + frame::HEADER + header.len;
                at = frame::resume(&bytes, at + 1).unwrap_or(end);
                segment.end = end;
            }
            Found::Torn(header) => match frame::resume(&bytes, at + 1) {
                Some(next) => {
                    segment.speak_of(header);
                    segment.damages += 1;
                    at = next;
                }
                None => {
                    segment.tail = match header.kind {
                        Type::Record => Tail::Torn(header.seq),
                        _ => Tail::Clean,
                    };
                    segment.closed = false;
                    break;
                }
            },
            Found::Nothing => match frame::resume(&bytes, at + 1) {
                Some(next) => {
                    segment.damages += 1;
                    at = next;
                }
                None => {
                    segment.tail = segment.rest(&bytes[at..]);
                    break;
                }
            },
        }
    }
    segment.bytes = bytes;
    segment
}

impl Segment {
    fn take(&mut self, header: frame::Header, payload: &[u8], place: Range<usize>) {
        self.speak_of(header);
        self.closed = header.kind == Type::Close;
        match header.kind {
            Type::Record if line::split(payload).is_none() => self.damages += 1,
            Type::Record => self.records.push((header.seq, place)),
            Type::Open => self.open = serde_json::from_slice(payload).ok().or(self.open.take()),
            Type::Sealed => self.sealed = serde_json::from_slice(payload).ok().or(self.sealed.take()),
            Type::Close => {}
        }
    }

    fn speak_of(&mut self, header: frame::Header) {
        let known = match header.kind {
            Type::Open => header.seq.saturating_sub(1),
            _ => header.seq,
        };
        self.highest = self.highest.max(known);
        if header.kind == Type::Sealed {
            self.sealed_to = self.sealed_to.max(header.seq);
        }
    }

    /// Judges bytes that hold no further frame.
    fn rest(&mut self, bytes: &[u8]) -> Tail {
        let reserve = self.open.as_ref().is_some_and(|open| open.reserve);
        let len = if reserve {
            bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1)
        } else {
            bytes.len()
        };
        if len == 0 {
            return Tail::Clean;
        }
        self.closed = false;
        Tail::Garbage(len.div_ceil(SHORTEST) as u64)
    }

    /// The payload of a record.
    pub fn payload(&self, place: &Range<usize>) -> &[u8] {
        &self.bytes[place.clone()]
    }
}

/// All files, read.
pub struct Scan {
    /// The files, in order.
    pub segments: Vec<Segment>,
    /// Every record that counts: number to segment and place.
    pub records: BTreeMap<u64, (usize, Range<usize>)>,
}

impl Scan {
    /// Reads the files of a journal. A file that vanishes meanwhile is one whose records are in sealed objects.
    pub fn read(folder: &Folder) -> Result<Self> {
        let mut segments = Vec::new();
        for generation in folder.generations()? {
            match fs::read(folder.file(generation)) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                bytes => segments.push(segment(generation, bytes.doing("read", &folder.file(generation))?)),
            }
        }
        Ok(Self::of(segments))
    }

    fn of(mut segments: Vec<Segment>) -> Self {
        if let Some(chain) =
            segments.iter().rev().find_map(|file| file.open.as_ref()).map(|open| open.head.device.clone())
        {
            let foreign = |file: &Segment| file.open.as_ref().is_some_and(|open| open.head.device != chain);
            let keep = segments.iter().rposition(foreign).map_or(0, |at| at + 1);
            segments.drain(..keep);
        }
        let mut records = BTreeMap::new();
        for (index, file) in segments.iter().enumerate() {
            if let Some(open) = &file.open {
                records.split_off(&open.first);
            }
            for (seq, place) in &file.records {
                records.insert(*seq, (index, place.clone()));
            }
        }
        Self { segments, records }
    }

    /// Where the chain stands, if a file tells.
    pub fn head(&self) -> Option<Head> {
        let mut head: Option<Head> = None;
        for file in &self.segments {
            if let Some(open) = &file.open {
                head = Some(open.head.clone());
            }
            if let (Some(head), Some(sealed)) = (&mut head, &file.sealed)
                && sealed.last >= head.sealed
            {
                head.sealed = sealed.last;
                head.manifest = Some(sealed.sha256.clone());
            }
        }
        head
    }

    /// The highest number a good header speaks of, leaving out what a later file made void.
    pub fn highest(&self) -> u64 {
        let mut highest = 0;
        for file in &self.segments {
            if let Some(open) = &file.open {
                highest = open.first.saturating_sub(1).min(highest);
            }
            highest = highest.max(file.highest);
        }
        highest
    }

    /// The payload of a record.
    pub fn payload(&self, seq: u64) -> Option<&[u8]> {
        let (index, place) = self.records.get(&seq)?;
        Some(self.segments[*index].payload(place))
    }

    /// Which of the numbers from `first` to `last` are neither here nor declared by a gap record that is.
    pub fn undeclared(&self, first: u64, last: u64) -> Runs {
        let mut missing = Runs::of(first, last);
        let here: Runs = self.records.keys().copied().collect();
        missing.subtract(&here);
        if missing.is_empty() {
            return missing;
        }
        for seq in self.records.range(first..).map(|(seq, _)| *seq) {
            if let Some((from, to)) = self.payload(seq).and_then(declared) {
                missing.remove(from, to);
            }
        }
        missing
    }
}

/// The numbers a gap record of the host's own declares missing.
fn declared(payload: &[u8]) -> Option<(u64, u64)> {
    let (kind, _, line) = line::split(payload)?;
    if kind != "gap" {
        return None;
    }
    let body: serde_json::Value = serde_json::from_str(line).ok()?;
    let own = body["instance"] == INSTANCE;
    own.then_some((body["first_seq"].as_u64()?, body["last_seq"].as_u64()?))
}
