//! Checks keys against a JSON Schema: what serde would refuse, but with the key, the type and a way out.
//!
//! Of JSON Schema it knows what `schemars` writes for a config: properties, required, type, enum, const,
//! minimum, maximum, references and unions. What it doesn't know it lets pass; the plugin decides in the end.

use std::path::Path;

use serde_json::{Map, Value};

use super::{Entry, RESERVED};
use crate::error::Result;

/// One key that doesn't fit.
#[derive(Debug)]
pub struct Fault {
    pub key: String,
    pub text: String,
}

/// Checks an entry's own keys against the schema its plugin gives.
pub fn check_options(entry: &Entry, schema: &Value, file: &Path) -> Result<()> {
    check(&entry.options, schema, &RESERVED).map_err(|fault| entry.error(file, &fault.key, &fault.text))
}

/// Checks the keys of one table; `others` are keys that may have been meant, though they aren't in the schema.
pub fn check(values: &Map<String, Value>, schema: &Value, others: &[&str]) -> Result<(), Fault> {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return match schema.get("additionalProperties") {
            Some(Value::Bool(false)) => unknown(values, schema, &Map::new(), others),
            _ => Ok(()),
        };
    };
    if !matches!(schema.get("additionalProperties"), Some(Value::Bool(true) | Value::Object(_))) {
        unknown(values, schema, properties, others)?;
    }
    for (key, property) in properties {
        let fault = |text| Fault { key: key.clone(), text };
        match values.get(key) {
            Some(value) => fits(value, property, schema)
                .map_err(|wrong| fault(explain(value, &wrong, property, schema)))?,
            None if required(schema, key) => {
                return Err(fault(format!("missing; {}", ask_for(property, schema))));
            }
            None => {}
        }
    }
    Ok(())
}

/// The nearest known word, else all of them.
pub fn suggest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    match nearest(word, &known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known are {}", known.join(", ")),
    }
}

fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let near = |name: &str| strsim::jaro_winkler(word, name);
    let known = known.iter().copied().filter(|name| near(name) >= 0.75);
    known.max_by(|a, b| near(a).total_cmp(&near(b)))
}

fn unknown(
    values: &Map<String, Value>,
    schema: &Value,
    properties: &Map<String, Value>,
    others: &[&str],
) -> Result<(), Fault> {
    let Some(key) = values.keys().find(|key| !properties.contains_key(*key)) else { return Ok(()) };
    // What a plugin answers to keys that people are likely to try, such as secrets.
    if let Some(text) = schema["x-instead"][key].as_str() {
        return Err(Fault { key: key.clone(), text: text.to_owned() });
    }
    let own: Vec<&str> = properties.keys().map(String::as_str).collect();
    let text = match nearest(key, &[others, &own].concat()) {
        Some(near) => format!("unknown key; did you mean `{near}`?"),
        None if own.is_empty() => "unknown key; it has no options, so remove the line".to_owned(),
        None => format!("unknown key; {}", suggest(key, own)),
    };
    Err(Fault { key: key.clone(), text })
}

fn required(schema: &Value, key: &str) -> bool {
    schema.get("required").and_then(Value::as_array).is_some_and(|keys| keys.iter().any(|name| name == key))
}

/// Says whether a value fits; if not, what would.
fn fits(value: &Value, schema: &Value, root: &Value) -> Result<(), String> {
    if schema.get("$ref").is_some() {
        return target(schema, root).map_or(Ok(()), |target| fits(value, target, root));
    }
    for part in list(schema, "allOf") {
        fits(value, part, root)?;
    }
    for union in ["anyOf", "oneOf"] {
        let choices = list(schema, union);
        let wrong: Vec<String> =
            choices.iter().filter_map(|choice| fits(value, choice, root).err()).collect();
        if !choices.is_empty() && wrong.len() == choices.len() {
            let wrong: Vec<String> = wrong.into_iter().filter(|wrong| wrong != "null").collect();
            return Err(wrong.join(" or "));
        }
    }
    if let Some(only) = schema.get("const").filter(|only| *only != value) {
        return Err(only.to_string());
    }
    let choices = list(schema, "enum");
    if !choices.is_empty() && !choices.contains(value) {
        let choices: Vec<String> =
            choices.iter().filter(|choice| !choice.is_null()).map(Value::to_string).collect();
        return Err(choices.join(" or "));
    }
    let types = match schema.get("type") {
        Some(Value::String(name)) => vec![name.as_str()],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if !types.is_empty() && !types.iter().any(|name| is(value, name)) {
        let names: Vec<&str> = types.iter().filter(|name| **name != "null").map(|name| title(name)).collect();
        return Err(if names.is_empty() { "null".to_owned() } else { names.join(" or ") });
    }
    in_range(value, schema)?;
    match schema.get("items") {
        Some(items) => value.as_array().into_iter().flatten().try_for_each(|item| {
            fits(item, items, root).map_err(|wrong| format!("a list, each item {wrong}"))
        }),
        None => Ok(()),
    }
}

fn in_range(value: &Value, schema: &Value) -> Result<(), String> {
    let Some(number) = value.as_f64() else { return Ok(()) };
    let bound = |name| schema.get(name).and_then(Value::as_f64);
    if bound("minimum").is_some_and(|low| number < low) {
        return Err(format!("a number of at least {}", schema["minimum"]));
    }
    if bound("maximum").is_some_and(|high| number > high) {
        return Err(format!("a number of at most {}", schema["maximum"]));
    }
    Ok(())
}

fn list<'a>(schema: &'a Value, key: &str) -> &'a [Value] {
    schema.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn is(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => true,
    }
}

fn title(name: &str) -> &str {
    match name {
        "boolean" => "true or false",
        "integer" => "a whole number",
        "number" => "a number",
        "string" => "text in quotes",
        "array" => "a list",
        "object" => "a table",
        other => other,
    }
}

/// What was found, what is expected, and an example when the schema has one.
fn explain(value: &Value, wrong: &str, property: &Value, root: &Value) -> String {
    let found = match value {
        Value::String(text) if text.len() <= 40 => format!("{value}"),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(_) => "this text".to_owned(),
        Value::Array(_) => "this list".to_owned(),
        _ => "this table".to_owned(),
    };
    format!("{found} doesn't fit; write {wrong}{}", such_as(property, root))
}

fn ask_for(property: &Value, root: &Value) -> String {
    let kind = fits(&Value::Null, property, root).err().unwrap_or_else(|| "a value".to_owned());
    format!("write {kind}{}", such_as(property, root))
}

/// The schema's own example, else the default.
fn such_as(property: &Value, root: &Value) -> String {
    let target = target(property, root).unwrap_or(&Value::Null);
    let example = list(property, "examples").first().or_else(|| list(target, "examples").first());
    let example = example.or_else(|| property.get("default")).filter(|example| !example.is_null());
    example.map(|example| format!(", such as {example}")).unwrap_or_default()
}

/// Where a reference leads; one out of this schema can't be followed.
fn target<'a>(schema: &Value, root: &'a Value) -> Option<&'a Value> {
    root.pointer(schema.get("$ref")?.as_str()?.strip_prefix('#')?)
}
