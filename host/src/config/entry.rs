//! A `[[source]]`, `[[detector]]` or `[[sink]]`: the host's own keys in it, before the plugin is known.

use serde_json::Value;

use super::read::{Reader, Table};
use super::{Entry, parse_size, schema};
use crate::error::Result;
use crate::upload::Limits;

/// Reserved keys that mean something in a later version. Ignoring them would promise what isn't kept.
const LATER: [&str; 2] = ["isolate", "grant"];
/// Records a sink can ask for by name; a third party's kind has a dot.
const RECORDS: [&str; 7] = ["activity", "device", "finding", "gap", "notice", "screenshot", "state"];
const SIGNALS: [&str; 7] = ["pointer", "button", "wheel", "key", "focus", "power", "session"];

impl Reader<'_> {
    /// Takes the reserved keys out of a table; the rest is the plugin's.
    pub fn entry(&self, mut table: Table, list: &str) -> Result<Entry> {
        let plugin = match table.values.remove("plugin") {
            Some(value) => self.word(value, &table, list, "plugin")?,
            None => {
                let near = table.values.keys().find(|key| strsim::jaro_winkler(key, "plugin") > 0.85);
                let text = match near {
                    Some(key) => {
                        return Err(self.fault(&table, list, key, "unknown key; did you mean `plugin`?"));
                    }
                    None => {
                        format!(
                            "{list}: names no plugin; add plugin = \"NAME\" with one that `candor plugins` lists"
                        )
                    }
                };
                return Err(self.error(table.line, text));
            }
        };
        let id = match table.values.remove("id") {
            Some(value) => self.word(value, &table, &plugin, "id")?,
            None => plugin.clone(),
        };
        let enabled = match table.values.remove("enabled") {
            Some(Value::Bool(enabled)) => enabled,
            Some(_) => return Err(self.fault(&table, &id, "enabled", "must be true or false")),
            None => true,
        };
        let kinds = match table.values.remove("kinds") {
            Some(value) => Some(self.kinds(value, &table, &id, list)?),
            None => None,
        };
        let keep = match table.values.remove("keep") {
            Some(value) => Some(self.keep(&value, &table, &id, list)?),
            None => None,
        };
        let limits = match table.values.remove("limits") {
            Some(value) => self.limits(value, &table, &id, list)?,
            None => Limits::default(),
        };
        if let Some(key) = LATER.iter().find(|key| table.values.contains_key(**key)) {
            return Err(self.fault(&table, &id, key, "not supported by this version; remove the line"));
        }
        let Table { line, values, lines } = table;
        Ok(Entry { plugin, id, enabled, kinds, keep, limits, options: values, line, lines })
    }

    /// A name that may become part of a file's name.
    fn word(&self, value: Value, table: &Table, owner: &str, key: &str) -> Result<String> {
        let fits = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_' || c == b'-';
        match value {
            Value::String(word) if (1..=64).contains(&word.len()) && word.bytes().all(fits) => Ok(word),
            Value::String(word) => {
                let text =
                    format!("{word:?} is no name; use a to z, 0 to 9, - and _ only, at most 64 of them");
                Err(self.fault(table, owner, key, &text))
            }
            _ => Err(self.fault(table, owner, key, "must be text; write a name in quotes")),
        }
    }

    fn limits(&self, value: Value, table: &Table, id: &str, list: &str) -> Result<Limits> {
        let fault = |text: &str| Err(self.fault(table, id, "limits", text));
        if list != "sink" {
            return fault(&format!("belongs to a sink; remove the line from this {list}"));
        }
        let Value::Object(limits) = value else {
            return fault("must be a table such as { parallel = 4, bandwidth = \"1MB\" }");
        };
        let mut found = Limits::default();
        for (key, value) in &limits {
            match (key.as_str(), value) {
                ("parallel", value) => match value.as_u64().filter(|count| (1..=64).contains(count)) {
                    Some(count) => found.parallel = count as usize,
                    None => return fault("parallel must be a number from 1 to 64"),
                },
                ("bandwidth", Value::String(text)) => match parse_size(text) {
                    Ok(bytes) if bytes > 0 => found.bandwidth = Some(bytes),
                    _ => return fault("bandwidth must be a size such as \"1MB\", which is sent in a second"),
                },
                ("bandwidth", _) => return fault("bandwidth must be a size such as \"1MB\", in quotes"),
                (key, _) => return fault(&format!("{key:?} is no limit; there are parallel and bandwidth")),
            }
        }
        Ok(found)
    }

    fn kinds(&self, value: Value, table: &Table, id: &str, list: &str) -> Result<Vec<String>> {
        let fault = |text: &str| Err(self.fault(table, id, "kinds", text));
        if list != "sink" {
            return fault(&format!(
                "belongs to a sink; a {list} declares its kinds itself, so remove the line"
            ));
        }
        let Ok(kinds) = serde_json::from_value::<Vec<String>>(value) else {
            return fault("must be a list of names, such as [\"activity\", \"finding\"]");
        };
        if kinds.is_empty() {
            return fault(
                "names none; remove the line to store all, or set enabled = false to store nothing",
            );
        }
        for kind in &kinds {
            if SIGNALS.contains(&kind.as_str()) {
                return fault(&format!("{kind:?} is a signal and is never stored; name kinds of records"));
            }
            if !RECORDS.contains(&kind.as_str()) && !kind.contains('.') {
                return fault(&format!("{kind:?} is no kind of record; {}", schema::suggest(kind, RECORDS)));
            }
        }
        Ok(kinds)
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn limits_are_a_sinks_and_bounded() {
        let cases = [
            ("sink", "4", "must be a table such as { parallel = 4, bandwidth = \"1MB\" }"),
            ("sink", "{ parallel = 0 }", "parallel must be a number from 1 to 64"),
            ("sink", "{ bandwidth = 100 }", "bandwidth must be a size such as \"1MB\", in quotes"),
            ("sink", "{ memory = 1 }", "\"memory\" is no limit; there are parallel and bandwidth"),
            ("source", "{ parallel = 1 }", "belongs to a sink; remove the line from this source"),
        ];
        for (list, limits, text) in cases {
            let config = format!("[[{list}]]\nplugin = \"x\"\nlimits = {limits}");
            let error = Config::parse(&config, None).unwrap_err().to_string();
            assert!(error.ends_with(&format!(":3: x.limits: {text}")), "{error}");
        }
        let text = "[[sink]]\nplugin = \"x\"\nlimits = { parallel = 2, bandwidth = \"1MB\" }";
        let limits = Config::parse(text, None).unwrap().sink[0].limits;
        assert_eq!((limits.parallel, limits.bandwidth), (2, Some(1_000_000)));
    }
}
