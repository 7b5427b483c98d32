//! Reads one object of a store and compares it with what its manifest says.

use std::io::{self, Write};

use sha2::{Digest, Sha256};

use super::Store;
use crate::{disk, seal::Runs};

/// What a manifest says of an object or blob.
#[derive(Clone, Debug)]
pub struct Expected {
    /// Its key.
    pub key: String,
    /// Length in bytes.
    pub len: u64,
    /// SHA-256 of the bytes, in hex.
    pub sha256: String,
    /// The numbers of its records, if it holds any.
    pub seq: Runs,
}

/// What is wrong with an object of a store, if anything is.
pub fn fault(store: &dyn Store, expected: &Expected) -> Option<String> {
    let mut sum = Sha256::new();
    let mut len = 0_u64;
    let mut lines = None;
    if expected.key.ends_with(".zst") {
        match zstd::stream::write::Decoder::new(Lines::of(&expected.seq)) {
            Ok(decoder) => lines = Some(decoder),
            Err(error) => return Some(error.to_string()),
        }
    }
    let mut broken = None;
    let read = store.get(&expected.key, &mut |piece| {
        sum.update(piece);
        len += piece.len() as u64;
        if let Some(lines) = lines.as_mut().filter(|_| broken.is_none()) {
            broken = lines.write_all(piece).err();
        }
    });
    if let Err(error) = read {
        return Some(format!("can't be read: {error}"));
    }
    if len != expected.len || disk::hex(&sum.finalize()) != expected.sha256 {
        return Some("its bytes are not those that were sealed".to_owned());
    }
    let mut lines = lines?;
    if broken.is_some() || lines.flush().is_err() {
        return Some("its records can't be unpacked".to_owned());
    }
    let mut lines = lines.into_inner();
    (!lines.is_whole()).then(|| "its records have other numbers than its manifest says".to_owned())
}

/// Takes unpacked lines and compares their numbers with those that are expected.
struct Lines {
    numbers: Box<dyn Iterator<Item = u64> + Send>,
    /// The beginning of the line that is being read.
    line: Vec<u8>,
    differs: bool,
}

/// What every line begins with, and the longest number.
const BEGIN: &[u8] = b"{\"seq\":";
const LONGEST: usize = BEGIN.len() + 21;

impl Lines {
    fn of(expected: &Runs) -> Self {
        let runs: Vec<_> = expected.iter().collect();
        let numbers = runs.into_iter().flat_map(|(first, last)| first..=last);
        Self { numbers: Box::new(numbers), line: Vec::new(), differs: false }
    }

    fn end_line(&mut self) {
        let digits = self.line.strip_prefix(BEGIN).unwrap_or_default();
        let end = digits.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(digits.len());
        let number = std::str::from_utf8(&digits[..end]).ok().and_then(|text| text.parse().ok());
        self.differs |= number.is_none() || number != self.numbers.next();
        self.line.clear();
    }

    fn is_whole(&mut self) -> bool {
        !self.differs && self.line.is_empty() && self.numbers.next().is_none()
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let text = part.strip_suffix(b"\n").unwrap_or(part);
            let room = LONGEST.saturating_sub(self.line.len());
            self.line.extend_from_slice(&text[..text.len().min(room)]);
            if text.len() < part.len() {
                self.end_line();
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
