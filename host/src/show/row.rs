//! A record as one row for a person.

use serde_json::Value;

use crate::clock;

/// The longest text of a row; `--json` has the rest.
const TEXT_MAX: usize = 160;

/// What a row shows in columns of its own, or not at all.
const COLUMNS: [&str; 12] = [
    "seq",
    "time",
    "local_date",
    "mono_ns",
    "boot",
    "offset_s",
    "zone",
    "instance",
    "plugin_version",
    "kind",
    "device",
    "blob_type",
];

/// Local time, kind, instance, and what it says.
pub fn row(value: &Value) -> String {
    let text = |name: &str| value[name].as_str().unwrap_or_default();
    let moment =
        clock::parse(text("time")).unwrap_or(0) + value["offset_s"].as_i64().unwrap_or(0) * 1_000_000_000;
    let time = clock::rfc3339(moment)[..19].replace('T', " ");
    let says = match text("kind") {
        "activity" => activity(value),
        "finding" => finding(value),
        "gap" => gap(value),
        "notice" => notice(value),
        "state" => state(value),
        _ => fields(value),
    };
    format!("{time}  {:<10} {:<12} {}", text("kind"), text("instance"), short(&plain(&says)))
}

fn activity(value: &Value) -> String {
    let number = |name: &str| value[name].as_f64().unwrap_or(0.0);
    let origins: Vec<&str> =
        value["by_origin"].as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    if origins.is_empty() {
        return format!("no input for {:.0} s", number("idle_s"));
    }
    let seconds = number("active_s") + number("idle_s");
    let (keys, clicks, scrolls) = (number("keys"), number("clicks"), number("scrolls"));
    let counts =
        format!("{keys:.0} keys, {clicks:.0} clicks, {scrolls:.0} scrolls, {:.0} px", number("distance_px"));
    format!("active {:.0} of {seconds:.0} s, {counts}, {}", number("active_s"), origins.join(" and "))
}

fn finding(value: &Value) -> String {
    let device =
        value["evidence"]["device"]["name"].as_str().map_or(String::new(), |name| format!(" ({name})"));
    let confidence = value["confidence"].as_f64().unwrap_or(0.0);
    format!("{:.0} %: {}{device}", 100.0 * confidence, value["text"].as_str().unwrap_or_default())
}

fn gap(value: &Value) -> String {
    let mut says = value["reason"].as_str().unwrap_or_default().to_owned();
    let add = |says: &mut String, text: String| *says = format!("{says}, {text}");
    if let Some(count) = value["count"].as_u64() {
        add(&mut says, format!("{count} of them"));
    }
    if let (Some(from), Some(to)) = (value["from_mono_ns"].as_u64(), value["to_mono_ns"].as_u64()) {
        add(&mut says, format!("{:.1} s", to.saturating_sub(from) as f64 / 1e9));
    }
    let shown = ["reason", "count", "from_mono_ns", "to_mono_ns"];
    let others = others(value, &shown);
    if !others.is_empty() {
        add(&mut says, others);
    }
    says
}

fn notice(value: &Value) -> String {
    let cause = value["cause"].as_str().unwrap_or_default();
    match value["collects"].as_array() {
        Some(collects) => {
            let names: Vec<&str> = collects.iter().filter_map(|line| line["instance"].as_str()).collect();
            format!("{cause}: the person was told what {} collect", names.join(", "))
        }
        None => format!("{cause} {}", others(value, &["cause"])),
    }
}

fn state(value: &Value) -> String {
    let text = |name: &str| value[name].as_str().unwrap_or_default();
    let fix = if text("fix").is_empty() { String::new() } else { format!(" -> {}", text("fix")) };
    format!("{}: {}{fix}", text("state"), text("cause"))
}

fn fields(value: &Value) -> String {
    others(value, &[])
}

/// Every field that has no column and isn't in `shown`.
fn others(value: &Value, shown: &[&str]) -> String {
    let fields = value.as_object().into_iter().flatten();
    let fields = fields.filter(|(name, value)| {
        !COLUMNS.contains(&name.as_str()) && !shown.contains(&name.as_str()) && !value.is_null()
    });
    let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    fields.map(|(name, value)| format!("{name}={}", word(value))).collect::<Vec<_>>().join(" ")
}

/// Without letters that would move the terminal's cursor.
fn plain(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

fn short(text: &str) -> String {
    match text.char_indices().nth(TEXT_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.trim_end().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::row;

    #[test]
    fn a_row_says_what_a_person_wants_to_know() {
        let cases = [
            (
                json!({"kind": "activity", "active_s": 7, "idle_s": 2.0, "keys": 10, "clicks": 3, "by_origin": {"injected": {}}}),
                "active 7 of 9 s, 10 keys, 3 clicks, 0 scrolls, 0 px, injected",
            ),
            (json!({"kind": "activity", "idle_s": 60.0, "by_origin": {}}), "no input for 60 s"),
            (
                json!({"kind": "state", "state": "degraded", "cause": "no display", "fix": "start one"}),
                "degraded: no display -> start one",
            ),
            (
                json!({"kind": "gap", "reason": "paused", "from_mono_ns": 1_000_000_000, "to_mono_ns": 3_500_000_000_u64}),
                "paused, 2.5 s",
            ),
            (json!({"kind": "acme.thing", "a": 1, "b": "\u{1b}[2J"}), "a=1 b= [2J"),
        ];
        for (mut value, expected) in cases {
            value["time"] = "2026-01-01T10:00:00.000000Z".into();
            value["offset_s"] = 3600.into();
            value["instance"] = "x".into();
            let row = row(&value);
            assert!(row.starts_with("2026-01-01 11:00:00") && row.ends_with(expected), "{row}");
        }
    }
}
