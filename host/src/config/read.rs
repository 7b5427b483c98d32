//! From TOML text to a [`Config`], with the line of every key kept for messages.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Agent, Config, Entry, Journal, Outbox, Plugins, Retain, Seal, Spool, place, schema, units};
use crate::error::{Error, Result};
use crate::journal;

const TABLES: [&str; 7] = ["agent", "plugins", "journal", "seal", "outbox", "retain", "spool"];
const LISTS: [&str; 3] = ["source", "detector", "sink"];
/// How a key ends that holds a secret.
const SECRETS: [&str; 10] = [
    "access_key",
    "access_key_id",
    "api_key",
    "passphrase",
    "passwd",
    "password",
    "private_key",
    "secret",
    "secret_key",
    "token",
];
const SEAL_EVERY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(24 * 60 * 60));
const SEAL_SIZE: (u64, u64) = (4_000, 1_000_000_000);
const LARGEST: u64 = 1_000_000;

/// A table of the file as JSON, with the line of each key.
pub struct Table {
    pub line: usize,
    pub values: Map<String, Value>,
    pub lines: BTreeMap<String, usize>,
}

/// The text, and what messages and relative paths start from.
pub struct Reader<'a> {
    text: &'a str,
    name: PathBuf,
    base: PathBuf,
}

/// Reads a config file.
pub fn file(file: &Path) -> Result<Config> {
    let unreadable = |source| Error::Unreadable { file: file.to_owned(), source };
    let size = std::fs::metadata(file).map_err(unreadable)?.len();
    if size > LARGEST {
        return Err(Error::Config {
            file: file.to_owned(),
            line: 1,
            text: format!("{size} bytes: no config is that long; name the right file"),
        });
    }
    let bytes = std::fs::read(file).map_err(unreadable)?;
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        let line = line(&bytes, error.valid_up_to());
        Error::Config { file: file.to_owned(), line, text: "not UTF-8; save the file as UTF-8".to_owned() }
    })?;
    self::text(text, Some(file))
}

/// Reads a config from text.
pub fn text(text: &str, file: Option<&Path>) -> Result<Config> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let base = file.and_then(Path::parent).map(Path::to_owned).unwrap_or_default();
    let reader = Reader { text, name: name(file), base };
    let mut config = reader.config()?;
    config.file = file.map(Path::to_owned);
    Ok(config)
}

/// What messages call the config.
pub fn name(file: Option<&Path>) -> PathBuf {
    file.map_or_else(|| "built-in agent.toml".into(), Path::to_owned)
}

impl Reader<'_> {
    fn config(&self) -> Result<Config> {
        let (root, errors) = DeTable::parse_recoverable(self.text);
        let start = |error: &toml::de::Error| error.span().map_or(0, |span| span.start);
        // Of several, the first one in the file is the cause.
        if let Some(error) = errors.iter().min_by_key(|error| start(error)) {
            let text = format!("not TOML: {}", error.message().replace('\n', ", ").trim_end());
            return Err(self.error(self.line(start(error)), text));
        }
        for (key, _) in root.get_ref() {
            if !TABLES.contains(&key.get_ref().as_ref()) && !LISTS.contains(&key.get_ref().as_ref()) {
                return Err(self.stray(key));
            }
        }
        let agent = self.agent(self.section::<Agent>(&root, "agent")?)?;
        let plugins = self.plugins(self.section::<Plugins>(&root, "plugins")?)?;
        let journal = self.journal(self.section::<Journal>(&root, "journal")?)?;
        let seal = self.seal(self.section::<Seal>(&root, "seal")?)?;
        let outbox = self.outbox(self.section::<Outbox>(&root, "outbox")?)?;
        let retain = self.retain(self.section::<Retain>(&root, "retain")?)?;
        let spool = self.spool(self.section::<Spool>(&root, "spool")?)?;
        let [source, detector, sink] = LISTS.map(|list| self.entries(&root, list));
        let config = Config {
            file: None,
            agent,
            plugins,
            journal,
            seal,
            outbox,
            retain,
            spool,
            source: source?,
            detector: detector?,
            sink: sink?,
        };
        self.check_ids(&config)?;
        Ok(config)
    }

    /// A key at the top level that isn't a table of ours.
    fn stray(&self, key: &Spanned<std::borrow::Cow<'_, str>>) -> Error {
        let line = self.line(key.span().start);
        let name = key.get_ref().as_ref();
        let homes = [
            ("agent", keys::<Agent>()),
            ("plugins", keys::<Plugins>()),
            ("journal", keys::<Journal>()),
            ("seal", keys::<Seal>()),
            ("outbox", keys::<Outbox>()),
            ("retain", keys::<Retain>()),
            ("spool", keys::<Spool>()),
        ];
        let home = homes.iter().find(|(_, keys)| keys.iter().any(|key| key == name));
        let text = match home {
            Some((table, _)) => format!("{name}: belongs under [{table}]; move it below that line"),
            None => {
                let known = TABLES.iter().chain(&LISTS).copied();
                format!("{name}: unknown table; {}", schema::suggest(name, known))
            }
        };
        self.error(line, text)
    }

    /// One of the host's own tables, still to be checked for what a type can't say.
    fn section<T>(&self, root: &Spanned<DeTable<'_>>, name: &str) -> Result<(T, Table)>
    where
        T: Default + DeserializeOwned + JsonSchema,
    {
        let Some((key, value)) = root.get_ref().get_key_value(name) else {
            return Ok((T::default(), Table { line: 1, values: Map::new(), lines: BTreeMap::new() }));
        };
        let line = self.line(key.span().start);
        let DeValue::Table(table) = value.get_ref() else {
            return Err(self.error(line, format!("{name}: not a table; write [{name}]")));
        };
        let table = self.table(table, line, name)?;
        let schema = schemars::schema_for!(T).to_value();
        schema::check(&table.values, &schema, &[])
            .map_err(|fault| self.fault(&table, name, &fault.key, &fault.text))?;
        // A type's own error doesn't tell its key, so each is tried alone.
        for (key, value) in &table.values {
            let alone = Value::Object([(key.clone(), value.clone())].into_iter().collect());
            serde_json::from_value::<T>(alone)
                .map_err(|error| self.fault(&table, name, key, &error.to_string()))?;
        }
        let whole = Value::Object(table.values.clone());
        let section =
            serde_json::from_value(whole).map_err(|error| self.error(line, format!("{name}: {error}")))?;
        Ok((section, table))
    }

    fn agent(&self, (mut agent, table): (Agent, Table)) -> Result<Agent> {
        if let Some(state) = &agent.state {
            agent.state = Some(self.path(state, &table, "agent", "state")?);
        }
        let bad = |label: &String| {
            label.is_empty() || label.chars().count() > 64 || label.contains(char::is_control)
        };
        if agent.label.as_ref().is_some_and(bad) {
            return Err(self.fault(
                &table,
                "agent",
                "label",
                "must be 1 to 64 printable characters on one line",
            ));
        }
        Ok(agent)
    }

    fn plugins(&self, (mut plugins, table): (Plugins, Table)) -> Result<Plugins> {
        if let Some(paths) = &mut plugins.paths {
            for path in paths.iter_mut() {
                *path = self.path(path, &table, "plugins", "paths")?;
            }
            if paths.is_empty() {
                let text = "names no folder; remove the line for the default ones";
                return Err(self.fault(&table, "plugins", "paths", text));
            }
        }
        for sum in &mut plugins.allow {
            *sum = sum.to_ascii_lowercase();
            if sum.len() != 64 || !sum.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                let text =
                    format!("{sum:?} is not a sha256 sum; write the 64 digits that `sha256sum FILE` prints");
                return Err(self.fault(&table, "plugins", "allow", &text));
            }
        }
        Ok(plugins)
    }

    fn journal(&self, (journal, table): (Journal, Table)) -> Result<Journal> {
        let fault = |key, value: String, low: String, high: String| {
            let text = format!("{value} is out of range; allowed is \"{low}\" to \"{high}\"");
            Err(self.fault(&table, "journal", key, &text))
        };
        let (low, high) = SEAL_EVERY;
        if journal.seal_every < low || journal.seal_every > high {
            let show = units::show_duration;
            return fault("seal_every", show(journal.seal_every), show(low), show(high));
        }
        let (low, high) = SEAL_SIZE;
        if journal.seal_size < low || journal.seal_size > high {
            let show = units::show_size;
            return fault("seal_size", show(journal.seal_size), show(low), show(high));
        }
        Ok(journal)
    }

    fn entries(&self, root: &Spanned<DeTable<'_>>, list: &str) -> Result<Vec<Entry>> {
        let Some((key, value)) = root.get_ref().get_key_value(list) else { return Ok(Vec::new()) };
        let line = self.line(key.span().start);
        let brackets =
            || self.error(line, format!("{list}: not a list; write [[{list}]], with two brackets"));
        let DeValue::Array(items) = value.get_ref() else { return Err(brackets()) };
        let entry = |item: &Spanned<DeValue<'_>>| match item.get_ref() {
            DeValue::Table(table) => self.entry(self.table(table, self.line(item.span().start), list)?, list),
            _ => Err(brackets()),
        };
        items.iter().map(entry).collect()
    }

    fn check_ids(&self, config: &Config) -> Result<()> {
        let mut seen = BTreeMap::new();
        for entry in config.entries() {
            if entry.id == journal::INSTANCE {
                let text = "candor: the agent's own records are named so; give this one another id";
                return Err(self.error(entry.line_of("id"), text.to_owned()));
            }
            if let Some(first) = seen.insert(&entry.id, entry.line) {
                let line = if entry.lines.contains_key("id") { entry.line_of("id") } else { entry.line };
                let text =
                    format!("{}: id already used at line {first}; give this one an id of its own", entry.id);
                return Err(self.error(line, text));
            }
        }
        Ok(())
    }

    pub fn path(&self, path: &Path, table: &Table, owner: &str, key: &str) -> Result<PathBuf> {
        if path.as_os_str().is_empty() {
            return Err(self.fault(
                table,
                owner,
                key,
                "is empty; write a folder, or remove the line for the default",
            ));
        }
        place::resolve(path, &self.base, &place::environment)
    }

    fn table(&self, table: &DeTable<'_>, line: usize, owner: &str) -> Result<Table> {
        let mut values = Map::new();
        let mut lines = BTreeMap::new();
        for (key, value) in table {
            let (name, line) = (key.get_ref().to_string(), self.line(key.span().start));
            lines.insert(name.clone(), line);
            let value = self.value(value, line, &format!("{owner}.{name}"), &name)?;
            values.insert(name, value);
        }
        Ok(Table { line, values, lines })
    }

    fn value(&self, value: &Spanned<DeValue<'_>>, line: usize, path: &str, key: &str) -> Result<Value> {
        if secret(key) {
            let text = format!(
                "{path}: secrets don't belong in this file; remove it and keep it where the plugin looks for \
                 it (a profile, the environment, or a file only this user can read)"
            );
            return Err(self.error(line, text));
        }
        let range = || self.error(line, format!("{path}: number out of range; write a smaller one"));
        Ok(match value.get_ref() {
            DeValue::String(text) => Value::from(text.as_ref()),
            DeValue::Boolean(truth) => Value::from(*truth),
            DeValue::Integer(number) => {
                Value::from(i64::from_str_radix(number.as_str(), number.radix()).map_err(|_| range())?)
            }
            DeValue::Float(number) => {
                let number = number.as_str().parse().ok().and_then(serde_json::Number::from_f64);
                Value::Number(number.ok_or_else(range)?)
            }
            DeValue::Datetime(time) => Value::from(time.to_string()),
            DeValue::Array(items) => {
                let item =
                    |item: &Spanned<DeValue<'_>>| self.value(item, self.line(item.span().start), path, key);
                items.iter().map(item).collect::<Result<_>>()?
            }
            DeValue::Table(table) => Value::Object(self.table(table, line, path)?.values),
        })
    }

    fn line(&self, at: usize) -> usize {
        line(self.text.as_bytes(), at)
    }

    /// An error about one key of a table.
    pub fn fault(&self, table: &Table, owner: &str, key: &str, text: &str) -> Error {
        let line = table.lines.get(key).copied().unwrap_or(table.line);
        self.error(line, format!("{owner}.{key}: {text}"))
    }

    /// An error at a line.
    pub fn error(&self, line: usize, text: String) -> Error {
        Error::Config { file: self.name.clone(), line, text }
    }
}

fn line(text: &[u8], at: usize) -> usize {
    1 + text[..at.min(text.len())].iter().filter(|byte| **byte == b'\n').count()
}

fn keys<T: JsonSchema>() -> Vec<String> {
    let schema = schemars::schema_for!(T).to_value();
    schema["properties"].as_object().map(|keys| keys.keys().cloned().collect()).unwrap_or_default()
}

/// Whether a key, in `snake_case`, `kebab-case` or `camelCase`, ends like one that holds a secret.
fn secret(key: &str) -> bool {
    let mut words = String::new();
    let mut last = '_';
    for c in key.chars() {
        if c.is_uppercase() && last.is_lowercase() {
            words.push('_');
        }
        words.extend(if c == '-' { '_' } else { c }.to_lowercase());
        last = c;
    }
    SECRETS
        .iter()
        .any(|secret| words.strip_suffix(secret).is_some_and(|rest| rest.is_empty() || rest.ends_with('_')))
}
