//! A record as one line of NDJSON: what every record carries, then the kind's own fields.

use std::fmt::Write as _;

use plugin_api::event::RESERVED_FIELDS;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::Value;

use super::{frame, record::Record};
use crate::{
    clock::Stamp,
    error::{Error, Result},
};

/// What the record's own fields may add to a body.
const OWN_MAX: usize = 4096;
/// The longest body.
pub const BODY_MAX: usize = frame::PAYLOAD_MAX - OWN_MAX;

/// Checks a record before it is taken: a kind that may be part of a path, a body that is one JSON object whose names
/// clash with nothing.
pub fn check(record: &Record) -> Result<()> {
    let fail = |text: String| {
        Err(Error::Record { instance: record.instance.clone(), kind: record.kind.clone(), text })
    };
    if !is_kind(&record.kind) {
        return fail("not a kind's name; use small letters, digits, _, - and dots between".into());
    }
    if record.instance.len() + record.plugin_version.len() > 512 {
        return fail("instance and plugin_version are longer than 512 bytes; shorten them".into());
    }
    if record.body.len() > BODY_MAX {
        return fail(format!("its body has {} bytes; at most {BODY_MAX} are taken", record.body.len()));
    }
    if record.blob.as_ref().is_some_and(|blob| !is_media_type(&blob.media_type)) {
        return fail("its blob's media type is none; use one like image/webp".into());
    }
    let mut json = serde_json::Deserializer::from_slice(&record.body);
    match json.deserialize_map(Names).and_then(|()| json.end()) {
        Ok(()) => Ok(()),
        Err(error) => fail(format!("its body is not a JSON object of its own fields: {error}")),
    }
}

/// Whether a name may be a kind: part of a path on every system, and not hidden.
pub fn is_kind(name: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte))
    };
    name.len() <= 64 && !name.starts_with('_') && name.split('.').all(part)
}

fn is_media_type(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/.+-".contains(&byte);
    !text.is_empty() && text.len() <= 100 && text.bytes().all(plain)
}

struct Names;

impl<'de> Visitor<'de> for Names {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = Vec::<String>::new();
        while let Some((name, _)) = map.next_entry::<String, Value>()? {
            let name = name.to_lowercase();
            if RESERVED_FIELDS.contains(&name.as_str()) {
                return Err(A::Error::custom(format!("{name} is the host's name; choose another")));
            }
            if seen.contains(&name) {
                return Err(A::Error::custom(format!("{name} is there twice; readers ignore case")));
            }
            seen.push(name);
        }
        Ok(())
    }
}

/// Writes the payload of a record's frame: kind, date and the line.
pub fn payload(out: &mut String, seq: u64, stamp: &Stamp, record: &Record) {
    out.clear();
    let _ = write!(
        out,
        "{} {}\n{{\"seq\":{seq},\"time\":\"{}\",\"local_date\":\"{}\",\"mono_ns\":{},\"boot\":{},\"offset_s\":{}",
        record.kind,
        stamp.date(),
        stamp.time,
        stamp.local_date,
        stamp.mono_ns,
        Text(&stamp.boot),
        stamp.offset_s,
    );
    match stamp.zone {
        Some(zone) => _ = write!(out, ",\"zone\":{}", Text(zone)),
        None => out.push_str(",\"zone\":null"),
    }
    let _ = write!(
        out,
        ",\"instance\":{},\"plugin_version\":{}",
        Text(&record.instance),
        Text(&record.plugin_version)
    );
    let fields = inner(&record.body);
    if !fields.is_empty() {
        out.push(',');
        // A newline in JSON is only ever white space between tokens; here it would end the line.
        out.extend(fields.chars().map(|letter| if matches!(letter, '\n' | '\r') { ' ' } else { letter }));
    }
    out.push('}');
}

/// Where the blob's fields begin; inside a JSON string the quotes would have a backslash.
pub const BLOB: &str = ",\"blob\":";

/// What stands between the braces of a body.
fn inner(body: &[u8]) -> &str {
    let text = std::str::from_utf8(body).unwrap_or_default().trim();
    text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or_default().trim()
}

struct Text<'a>(&'a str);

impl std::fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&serde_json::to_string(self.0).map_err(|_| std::fmt::Error)?)
    }
}

/// The parts of a record's payload: kind, date, line.
pub fn split(payload: &[u8]) -> Option<(&str, &str, &str)> {
    let (head, line) = std::str::from_utf8(payload).ok()?.split_once('\n')?;
    let (kind, date) = head.split_once(' ')?;
    Some((kind, date, line))
}

/// The same payload under another number and without its blob, for a chain that takes over what another left.
pub fn renumber(payload: &[u8], seq: u64) -> Option<String> {
    let (kind, date, line) = split(payload)?;
    let (_, rest) = line.strip_prefix("{\"seq\":")?.split_once(',')?;
    let rest = match rest.rfind(BLOB) {
        Some(at) => format!("{}}}", &rest[..at]),
        None => rest.to_owned(),
    };
    let rest = if kind == "gap" { foreign_numbers(rest) } else { rest };
    Some(format!("{kind} {date}\n{{\"seq\":{seq},{rest}"))
}

/// The numbers a gap of another chain declares mean nothing in this one. In a JSON string the quotes would differ.
fn foreign_numbers(line: String) -> String {
    line.replace("\"first_seq\":", "\"previous_first_seq\":")
        .replace("\"last_seq\":", "\"previous_last_seq\":")
}

/// A payload with a blob's fields at its end. Neither length nor hash: it may be deleted before it leaves.
pub fn attach(payload: &str, key: &str, media_type: &str) -> String {
    let body = payload.strip_suffix('}').unwrap_or(payload);
    format!("{body}{BLOB}{},\"blob_type\":{}}}", Text(key), Text(media_type))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    fn record(body: &str) -> Record {
        Record::new("activity", "host", body)
    }

    fn text(body: &str) -> String {
        let (clock, manual) = Clock::manual(chrono_tz::Tz::UTC);
        manual.set(1_772_020_800_000_000_000);
        let mut out = String::new();
        payload(&mut out, 5, &clock.stamp(0, 0), &record(body));
        out
    }

    #[test]
    fn body_follows_the_records_own_fields_on_one_line() {
        let text = text("{\n  \"keys\": 3,\r\n \"note\": \"a\\nb\"\n}");
        let (kind, date, line) = split(text.as_bytes()).expect("a payload");
        assert_eq!((kind, date), ("activity", "2026-02-25"));
        assert!(!line.contains('\n') && !line.contains('\r'));
        let value: Value = serde_json::from_str(line).expect("JSON");
        assert_eq!((&value["seq"], &value["keys"], &value["note"]), (&5.into(), &3.into(), &"a\nb".into()));
        assert_eq!(value["time"], "2026-02-25T12:00:00.000000Z");
    }

    #[test]
    fn empty_body_leaves_no_stray_comma() {
        let text = text(" { } ");
        let (_, _, line) = split(text.as_bytes()).expect("a payload");
        serde_json::from_str::<Value>(line).expect("JSON");
    }

    #[test]
    fn bodies_that_would_break_a_reader_are_refused() {
        let deep = "{\"a\":".repeat(500) + "1" + &"}".repeat(500);
        let bad = [
            "",
            "[]",
            "1",
            "{",
            "{} {}",
            "{\"a\":1,}",
            "{\"SEQ\":1}",
            "{\"kind\":1}",
            "{\"a\":1,\"A\":2}",
            "{\"blob\":1}",
            "{\"a\":1e999}",
            &deep,
        ];
        for body in bad {
            assert!(check(&record(body)).is_err(), "{body}");
        }
        let bytes = Record { body: b"{\"a\":\"\xff\"}".to_vec(), ..record("{}") };
        assert!(check(&bytes).is_err());
        check(&record("{\"a\":{\"seq\":1}}")).expect("only the outer names are the host's");
        let blob = super::super::Blob { media_type: "x".repeat(101), bytes: Vec::new() };
        assert!(check(&Record { blob: Some(blob), ..record("{}") }).is_err());
        let huge = format!("{{\"a\":\"{}\"}}", "x".repeat(BODY_MAX));
        assert!(check(&record(&huge)).is_err());
    }

    #[test]
    fn kind_can_not_leave_its_folder() {
        for kind in ["", ".", "..", "a/b", "_blob", "A", "a..b", "a b", "é", &"a".repeat(65)] {
            assert!(!is_kind(kind), "{kind}");
        }
        assert!(is_kind("activity") && is_kind("acme.net-probe_2"));
    }

    #[test]
    fn taken_over_record_keeps_all_but_number_and_blob() {
        let payload = text("{\"text\":\"x,\\\"blob\\\":1\"}");
        let with = attach(&payload, "v=1/x/5.webp", "image/webp");
        let value: Value = serde_json::from_str(split(with.as_bytes()).expect("a payload").2).expect("JSON");
        assert_eq!((&value["blob"], &value["blob_type"]), (&"v=1/x/5.webp".into(), &"image/webp".into()));
        let expect = payload.replace("\"seq\":5", "\"seq\":9");
        assert_eq!(renumber(with.as_bytes(), 9), Some(expect.clone()));
        assert_eq!(renumber(payload.as_bytes(), 9), Some(expect));
    }
}
