//! One frame of a journal file: a checked header and a checked payload.
//!
//! ```text
//!  0  magic        4 bytes, never part of UTF-8 text, so that no payload can pass for a frame
//!  4  version      1
//!  5  type         open 1, record 2, sealed 3, close 4
//!  6  0 0
//!  8  length       of the payload, little-endian, like all numbers here
//! 12  payload crc  CRC-32
//! 16  seq          a record's number; open: the first that may follow; sealed: the last sealed; close: the last durable
//! 24  header crc   CRC-32 of the 24 bytes before
//! 28  payload      UTF-8
//! ```
//!
//! The header has a checksum of its own, so that a damaged payload still tells which number is lost and where the next
//! frame begins.

/// Bytes of a header.
pub const HEADER: usize = 28;
/// The longest payload a frame may have.
pub const PAYLOAD_MAX: usize = 2 << 20;

const MAGIC: [u8; 4] = [0xFE, 0xCA, 0xDA, 0xFF];
const VERSION: u8 = 1;

/// What a frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// The file begins: which chain, and how far it is sealed.
    Open,
    /// A record.
    Record,
    /// Everything up to here is in sealed objects.
    Sealed,
    /// The agent ended in good order.
    Close,
}

impl Type {
    fn number(self) -> u8 {
        match self {
            Self::Open => 1,
            Self::Record => 2,
            Self::Sealed => 3,
            Self::Close => 4,
        }
    }

    fn from_number(number: u8) -> Option<Self> {
        [Self::Open, Self::Record, Self::Sealed, Self::Close].into_iter().find(|kind| kind.number() == number)
    }
}

/// A header that passed its check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the frame says.
    pub kind: Type,
    /// Its number.
    pub seq: u64,
    /// Length of the payload.
    pub len: usize,
    crc: u32,
}

/// What is at a place in a file.
#[derive(Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// A frame that passed both checks.
    Frame(Header, &'a [u8]),
    /// A good header before a damaged payload.
    Damaged(Header),
    /// A good header whose payload the file does not hold to the end.
    Torn(Header),
    /// No header.
    Nothing,
}

/// Appends a frame. The payload must be UTF-8 of at most [`PAYLOAD_MAX`] bytes.
pub fn encode(out: &mut Vec<u8>, kind: Type, seq: u64, payload: &[u8]) {
    let start = out.len();
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&[VERSION, kind.number(), 0, 0]);
    out.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    out.extend_from_slice(&crc32fast::hash(payload).to_le_bytes());
    out.extend_from_slice(&seq.to_le_bytes());
    let crc = crc32fast::hash(&out[start..]);
    out.extend_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(payload);
}

/// Looks at the place `at`.
pub fn look(bytes: &[u8], at: usize) -> Found<'_> {
    let Some(header) = bytes.get(at..at + HEADER).and_then(header) else { return Found::Nothing };
    let start = at + HEADER;
    match bytes.get(start..start + header.len) {
        None => Found::Torn(header),
        Some(payload) if crc32fast::hash(payload) == header.crc => Found::Frame(header, payload),
        Some(_) => Found::Damaged(header),
    }
}

/// The next place at or after `at` that holds a good header.
pub fn resume(bytes: &[u8], at: usize) -> Option<usize> {
    let mut from = at;
    while let Some(found) = bytes.get(from..)?.windows(MAGIC.len()).position(|window| window == MAGIC) {
        let place = from + found;
        if bytes.get(place..place + HEADER).is_some_and(|bytes| header(bytes).is_some()) {
            return Some(place);
        }
        from = place + 1;
    }
    None
}

fn header(bytes: &[u8]) -> Option<Header> {
    let number = |at: usize| bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes);
    let len = number(8)? as usize;
    let good = bytes.starts_with(&MAGIC)
        && bytes[4] == VERSION
        && len <= PAYLOAD_MAX
        && number(24)? == crc32fast::hash(&bytes[..24]);
    let seq = u64::from_le_bytes(bytes.get(16..24)?.try_into().ok()?);
    good.then_some(Header { kind: Type::from_number(bytes[5])?, seq, len, crc: number(12)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two() -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(&mut bytes, Type::Record, 7, b"first");
        encode(&mut bytes, Type::Close, 8, b"");
        bytes
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let good = two();
        let second = HEADER + 5;
        for bit in 0..good.len() * 8 {
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            match bit / 8 {
                place if place < HEADER => assert_eq!(look(&bytes, 0), Found::Nothing, "bit {bit}"),
                place if place < second => {
                    assert!(
                        matches!(look(&bytes, 0), Found::Damaged(header) if header.seq == 7),
                        "bit {bit}"
                    );
                }
                _ => assert_eq!(look(&bytes, second), Found::Nothing, "bit {bit}"),
            }
            let found = resume(&bytes, 1);
            assert_eq!(found, (bit / 8 < second).then_some(second), "bit {bit}");
        }
    }

    #[test]
    fn cut_frame_is_torn_where_its_header_is_whole() {
        let good = two();
        for len in 0..HEADER + 5 {
            let found = look(&good[..len], 0);
            match found {
                Found::Nothing => assert!(len < HEADER),
                Found::Torn(header) => assert!(len >= HEADER && header.seq == 7),
                other => panic!("{len}: {other:?}"),
            }
        }
    }

    #[test]
    fn magic_is_not_text() {
        for from in 0..MAGIC.len() {
            assert!(std::str::from_utf8(&MAGIC[from..]).is_err());
        }
    }
}
