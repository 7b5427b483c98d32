//! Matches a config with the plugins found: what each entry gets, or what is wrong with it and in which line.

use std::{io, path::Path, sync::Arc};

use plugin_api::{
    Event,
    call::{self, Serve},
    v1::Status,
};
use serde_json::{Value, json};

use crate::{
    config::{self, Config, Entry},
    error::{Error, Result},
    load::{self, Loaded},
    route::Role,
    scan::{Found, Info},
    show::Style,
};

/// An entry of the config and what became of it.
pub struct Match<'a> {
    /// The entry.
    pub entry: &'a Entry,
    /// The table it stands in.
    pub role: Role,
    /// Its library, or why it can't run.
    pub outcome: Result<(&'a Found, &'a Info)>,
}

/// Matches every enabled entry, in the order of the flow.
pub fn matches<'a>(config: &'a Config, found: &'a [Found]) -> Vec<Match<'a>> {
    let tables =
        [(Role::Source, &config.source), (Role::Detector, &config.detector), (Role::Sink, &config.sink)];
    let entries =
        tables.into_iter().flat_map(|(role, entries)| entries.iter().map(move |entry| (role, entry)));
    entries
        .filter(|(_, entry)| entry.enabled)
        .map(|(role, entry)| Match { entry, role, outcome: find(config, entry, role, found) })
        .collect()
}

/// An entry's config as its plugin gets it.
pub fn options(entry: &Entry) -> Value {
    Value::Object(entry.options.clone())
}

/// What is wrong with each entry of a config, as far as that can be told without running it.
fn checked<'a>(config: &'a Config, found: &'a [Found]) -> Vec<(&'a Entry, Role, Option<String>)> {
    let check = |Match { entry, role, outcome }: Match<'a>| {
        let problem = outcome.and_then(|(found, _)| create(config, entry, role, found)).err();
        (entry, role, problem.map(|error| error.to_string()))
    };
    matches(config, found).into_iter().map(check).collect()
}

/// All that is wrong with a config.
pub fn problems(config: &Config, found: &[Found]) -> Vec<String> {
    checked(config, found).into_iter().filter_map(|(_, _, problem)| problem).collect()
}

/// Checks a config as far as that goes without running it, and prints what is wrong; true when nothing is.
pub fn print(
    config: &Config,
    found: &[Found],
    style: Style,
    out: &mut impl io::Write,
) -> anyhow::Result<bool> {
    let lines = checked(config, found);
    let good = lines.iter().all(|(_, _, problem)| problem.is_none());
    let file = config.name();
    if style == Style::Json {
        let entries: Vec<Value> = lines
            .iter()
            .map(|(entry, role, problem)| {
                json!({"id": entry.id, "role": role, "plugin": entry.plugin, "line": entry.line, "problem": problem})
            })
            .collect();
        serde_json::to_writer_pretty(&mut *out, &json!({"file": file, "ok": good, "entries": entries}))?;
        writeln!(out)?;
        return Ok(good);
    }
    for (entry, role, problem) in &lines {
        match problem {
            None => writeln!(out, "ok    {} ({})", entry.id, role.name())?,
            Some(problem) => writeln!(out, "WRONG {problem}")?,
        }
    }
    writeln!(out, "{}: {}", file.display(), if good { "fine" } else { "see above" })?;
    Ok(good)
}

fn find<'a>(config: &Config, entry: &Entry, role: Role, found: &'a [Found]) -> Result<(&'a Found, &'a Info)> {
    let file = config.name();
    let Some(library) = found.iter().find(|found| found.name == entry.plugin) else {
        return Err(entry.error(&file, "plugin", &missing(config, entry, found)));
    };
    if let Some(error) = library.error() {
        return Err(error);
    }
    let Some(info) = library.info() else { return Err(entry.error(&file, "plugin", "can't be loaded")) };
    if !info.roles.iter().any(|known| known == role.name()) {
        let text =
            format!("{} is not a {}; it is a {}", entry.plugin, role.name(), info.roles.join(" and a "));
        return Err(entry.error(&file, "plugin", &text));
    }
    config::check_options(entry, &info.schema[role.name()], &file)?;
    Ok((library, info))
}

fn missing(config: &Config, entry: &Entry, found: &[Found]) -> String {
    let folders: Vec<String> =
        config.plugin_folders().iter().map(|folder| folder.display().to_string()).collect();
    let names: Vec<&str> = found.iter().map(|found| found.name.as_str()).collect();
    match (folders.is_empty(), names.is_empty()) {
        (true, _) => {
            format!("no plugin folder exists; set [plugins] paths to where candor_{} is", entry.plugin)
        }
        (_, true) => {
            format!(
                "no plugin at all in {}; put candor_{} there or set [plugins] paths",
                folders.join(", "),
                entry.plugin
            )
        }
        _ => format!(
            "no candor_{} in {}; {}",
            entry.plugin,
            folders.join(", "),
            config::suggest(&entry.plugin, names)
        ),
    }
}

/// Has the plugin look at its config; a sink isn't created, since that may make folders.
pub fn create(config: &Config, entry: &Entry, role: Role, found: &Found) -> Result<()> {
    let Loaded { plugin, .. } = load::open(&found.path)?;
    let options = options(entry);
    let result = match role {
        Role::Source => call::Source::new(plugin, Arc::new(Mute), &options).map(drop),
        Role::Detector => call::Detector::new(plugin, Arc::new(Mute), &options).map(drop),
        Role::Sink => Ok(()),
    };
    result.map_err(|failure| refused(&config.name(), entry, &failure.text))
}

/// An error about the key that a plugin's text names, or whose value it quotes; else about the whole entry.
fn refused(file: &Path, entry: &Entry, text: &str) -> Error {
    let named = |key: &&String| text.starts_with(*key) || text.contains(&format!("`{key}`"));
    let quoted = |key: &&String| text.contains(&entry.options[*key].to_string());
    let key = entry.options.keys().find(named).or_else(|| entry.options.keys().find(quoted));
    entry.error(file, key.map_or("", String::as_str), text)
}

/// A host that wants nothing stored.
struct Mute;

impl Serve for Mute {
    fn level(&self) -> u32 {
        0
    }
    fn log(&self, _: u32, _: &str, _: &str) {}
    fn emit(&self, _: &[Event<'_>]) -> Status {
        Status::OK
    }
    fn mono_ns(&self) -> u64 {
        1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugins_word_about_a_value_becomes_a_line_of_the_config() {
        let text = "[[detector]]\nplugin = \"activity\"\n\ninterval = \"abc\"\n";
        let config = Config::parse(text, None).unwrap();
        let cases = [("\"abc\" is not a duration", 4), ("`interval` is too short", 4), ("no", 1)];
        for (said, line) in cases {
            let error = refused(&config.name(), &config.detector[0], said).to_string();
            assert!(error.contains(&format!(":{line}: ")) && error.ends_with(said), "{error}");
        }
    }
}
