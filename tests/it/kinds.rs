//! `KINDS.md` against what the code emits: each field documented, with its type, and none that nobody emits.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    time::Duration,
};

use host::{
    clock::Clock,
    journal, load,
    notice::{Line, Notice},
    retain::{self, Removed},
    show,
};
use plugin_api::{
    call,
    event::{self, Button},
    prelude::*,
    testing::Harness,
};

const SECOND: u64 = 1_000_000_000;

/// What a page says: by kind, the type of each field.
struct Page(String);

impl Page {
    fn read() -> Self {
        Self(fs::read_to_string(crate::root().join("plugin-api/KINDS.md")).unwrap())
    }

    /// The text below a heading, up to the next.
    fn part(&self, heading: &str) -> &str {
        let from = self.0.find(&format!("\n{heading}")).unwrap_or_else(|| panic!("no {heading:?}")) + 1;
        let text = &self.0[from..];
        &text[..text[3..].find("\n#").map_or(text.len(), |end| end + 3)]
    }

    /// The rows of a heading's tables that begin with a name in backquotes: the name, then the other cells.
    fn rows(&self, heading: &str) -> Vec<(String, Vec<String>)> {
        let row = |line: &str| {
            let mut cells = line.strip_prefix("| `")?.trim_end_matches('|').split('|').map(str::trim);
            let name = cells.next()?.strip_suffix('`')?.to_owned();
            Some((name, cells.map(str::to_owned).collect()))
        };
        self.part(heading).lines().filter_map(row).collect()
    }

    fn fields(&self, kind: &str) -> BTreeMap<String, String> {
        let (number, _) = event::RECORDS.iter().find(|(_, name)| *name == kind).unwrap();
        let rows = self.rows(&format!("### `{kind}` ({})", number.0));
        // A gap's reasons have no type.
        rows.into_iter()
            .filter(|(_, cells)| cells.len() == 2)
            .map(|(name, cells)| (name, cells[0].clone()))
            .collect()
    }
}

/// Notes the type of each value under its path; items of lists share one.
fn flatten(
    path: &str,
    value: &Value,
    documented: &BTreeMap<String, String>,
    found: &mut BTreeMap<String, BTreeSet<&str>>,
) {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(number) if number.is_u64() || number.is_i64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    };
    if !path.is_empty() {
        found.entry(path.to_owned()).or_default().insert(kind);
    }
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Array(items) if documented.keys().any(|known| known.starts_with(&format!("{path}[]"))) => {
            items.iter().for_each(|item| flatten(&format!("{path}[]"), item, documented, found));
        }
        Value::Object(fields) => {
            let integers = documented.get(path).is_some_and(|text| text.starts_with("object of integers"));
            if integers {
                assert!(fields.values().all(Value::is_u64), "{path}: {value}");
                return;
            }
            fields.iter().for_each(|(name, field)| flatten(&below(name), field, documented, found));
        }
        _ => {}
    }
}

/// Compares what was emitted with what is documented.
fn compare(kind: &str, bodies: &[Value]) {
    let mut documented = Page::read().fields(kind);
    if kind == "activity" {
        // The page says "the same nine sums" for these.
        let sums: Vec<_> =
            documented.iter().filter(|(name, _)| SUMS.contains(&name.as_str())).map(own).collect();
        assert_eq!(sums.len(), 9);
        for place in ["by_origin.physical", "by_origin.injected", "devices[]"] {
            documented.extend(sums.iter().map(|(name, kind)| (format!("{place}.{name}"), kind.clone())));
        }
        documented.extend(
            ["physical", "injected"].map(|origin| (format!("by_origin.{origin}"), "object".to_owned())),
        );
    }
    let mut found = BTreeMap::new();
    bodies.iter().for_each(|body| flatten("", body, &documented, &mut found));
    for (path, kinds) in &found {
        // The items of a list are documented by their fields.
        if path.ends_with("[]") {
            continue;
        }
        let said = documented.get(path).unwrap_or_else(|| panic!("{kind}: KINDS.md doesn't list {path}"));
        for found in kinds {
            let fits = said.contains(found) || (said.contains("number") && *found == "integer");
            assert!(fits, "{kind}: {path} is {found}; KINDS.md says {said}");
        }
    }
    for (path, said) in &documented {
        assert!(found.contains_key(path) || said.contains("optional"), "{kind}: nobody emits {path}");
    }
}

const SUMS: [&str; 9] = [
    "active_s",
    "keys",
    "repeats",
    "clicks",
    "scrolls",
    "distance_px",
    "keys_by_class",
    "repeats_by_class",
    "clicks_by_button",
];

fn own((name, kind): (&String, &String)) -> (String, String) {
    (name.clone(), kind.clone())
}

#[test]
fn every_signal_and_record_has_its_row() {
    let page = Page::read();
    let rows = page.rows("## Signals");
    let signals: Vec<_> = rows.iter().map(|(name, cells)| (name.as_str(), cells[0].as_str())).collect();
    let numbers: Vec<_> = event::SIGNALS.iter().map(|(kind, name)| (*name, kind.0.to_string())).collect();
    assert_eq!(signals, numbers.iter().map(|(name, number)| (*name, number.as_str())).collect::<Vec<_>>());
    for (kind, name) in event::RECORDS {
        assert!(page.part(&format!("### `{name}` ({})", kind.0)).contains("| field | type | meaning |"));
    }
    for number in [event::SIGNAL_BODY_MAX, event::DEVICE_NAME_MAX] {
        let text = if number >= 1_000 {
            format!("{},{:03}", number / 1_000, number % 1_000)
        } else {
            number.to_string()
        };
        assert!(page.part("## Signals").contains(&text), "{text}");
    }
    for class in KeyClass::ALL {
        assert!(page.part("## Signals").contains(&format!("{} {}", class as i32, class.name())));
    }
    let own: BTreeSet<_> = page.rows("### Every record").into_iter().map(|(name, _)| name).collect();
    let path = ["v", "device", "kind", "date"].map(str::to_owned);
    let reserved: BTreeSet<_> = event::RESERVED_FIELDS.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(own.into_iter().chain(path).collect::<BTreeSet<_>>(), reserved);
}

fn detector(name: &str) -> Harness<call::Detector> {
    let loaded = load::open(&crate::Folder::new().plugin(name)).unwrap();
    Harness::loaded_detector(loaded.plugin, json!({})).unwrap()
}

fn bodies<T>(bench: &Harness<T>) -> Vec<Value> {
    bench.records().into_iter().map(|record| record.body).collect()
}

#[test]
fn activity_has_the_fields_the_page_lists() {
    let mut bench = detector("activity");
    bench.tick(SECOND).unwrap();
    let device = Device { bus: 3, vendor: 1, product: 1, present: true, name: "A mouse" };
    let key = Event::key_class(2 * SECOND, Origin::Injected, 2, KeyClass::Digit, true);
    bench
        .feed(&[
            Event::device_change(2 * SECOND, Origin::Physical, 1, device),
            Event::motion(2 * SECOND, Origin::Physical, 1, 256, 0, None),
            key,
        ])
        .unwrap();
    for source in 0..40 {
        bench.feed(&[Event { source: source << 16, ..key }]).unwrap();
    }
    // Asleep for an hour.
    bench.feed(&[Event { mono_ns: 3_700 * SECOND, ..key }]).unwrap();
    bench.instance.finish().unwrap();
    compare("activity", &bodies(&bench));
}

#[test]
fn findings_have_the_fields_the_page_lists() {
    let mut bench = detector("scripted");
    for n in 1..300u64 {
        let click = Button { button: 1, pressed: true, position: Some((0, 0)) };
        let at = n * SECOND + n % 7 * 100_000;
        bench
            .feed(&[
                Event::motion(at, Origin::Injected, 1, 256, 0, Some((0, 0))),
                Event::button_change(at, Origin::Injected, 1, click),
                Event::key_class(at, Origin::Physical, 2, KeyClass::Enter, true),
                Event::key_class(at, Origin::Physical, 2, KeyClass::Enter, false),
            ])
            .unwrap();
    }
    compare("finding", &bodies(&bench));
}

#[test]
fn the_hosts_own_records_have_the_fields_the_page_lists() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (journal, _) = journal::Journal::open(options(first.path())).unwrap();
    let health = serde_json::to_string(&Health::ok("works")).unwrap();
    journal.append(journal::Record::new("state", "x", health)).unwrap();
    let lines = || vec![Line { instance: "x".to_owned(), what: "y".to_owned() }];
    let texts = || vec!["in words".to_owned()];
    let notice = Notice {
        cause: "start".to_owned(),
        changes: texts(),
        pending: texts(),
        collects: lines(),
        never: lines(),
        goes_to: lines(),
    };
    let notice = serde_json::to_string(&notice).unwrap();
    journal.append(journal::Record::new("notice", "host", notice)).unwrap();
    let of =
        Removed { of: "activity".to_owned(), of_device: None, count: 1, bytes: 2, from_seq: 3, to_seq: 4 };
    let notice = retain::notice(&[("age", of)], None).to_string();
    journal.append(journal::Record::new("notice", "host", notice)).unwrap();
    journal.sync().unwrap();
    // What a crash leaves: a state folder whose journal was not closed.
    copy(first.path(), second.path());
    journal.close(Duration::from_secs(5)).unwrap();
    let (journal, _) = journal::Journal::open(options(second.path())).unwrap();
    journal.close(Duration::from_secs(5)).unwrap();

    let page = Page::read();
    let every: BTreeMap<_, _> = page.rows("### Every record").into_iter().collect();
    let mut by_kind = BTreeMap::<String, Vec<Value>>::new();
    for record in show::records(second.path(), None).unwrap() {
        let mut record = record.as_object().unwrap().clone();
        let kind = record.remove("kind").unwrap().as_str().unwrap().to_owned();
        record.remove("device").unwrap();
        for (name, cells) in &every {
            let there = record.remove(name).is_some();
            assert!(there || cells[0].contains("optional"), "{kind}: no {name}");
        }
        by_kind.entry(kind).or_default().push(Value::Object(record));
    }
    assert_eq!(by_kind.keys().collect::<Vec<_>>(), ["device", "gap", "notice", "state"]);
    assert_eq!(by_kind["gap"][0]["reason"], "unclean_end");
    by_kind.iter().for_each(|(kind, bodies)| compare(kind, bodies));
}

fn options(state: &Path) -> journal::Options {
    journal::Options::new(state, Clock::system())
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir(&target).unwrap();
            crate::mode(&target, 0o700);
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
