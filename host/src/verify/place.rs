//! Where the store is: a folder, a configured sink, or a URL that a plugin opens.

use std::{
    fs::{self, File},
    io::{ErrorKind, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use plugin_api::{
    Event, Kind,
    call::{self, Failure, Serve},
    v1::Status,
};
use serde_json::{Map, Value};

use super::Store;
use crate::{
    agent, check,
    config::Config,
    disk::Doing,
    error::{Error, Result},
    load::{self, Loaded},
    log,
};

/// What to verify.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A folder with `v=1` in it.
    Folder(PathBuf),
    /// The store of a sink of the config.
    Sink(String),
    /// `scheme://bucket/prefix?option=value`, opened by the plugin that has this scheme.
    Url(String),
}

impl Place {
    /// What a person named.
    pub fn new(text: &str) -> Self {
        let is_scheme = |text: &str| text.len() > 1 && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        match text.split_once("://") {
            Some((scheme, _)) if is_scheme(scheme) => Self::Url(text.to_owned()),
            _ => Self::Folder(text.into()),
        }
    }
}

/// Opens a place with what the config says: its sinks, and where plugins are.
pub fn open(place: &Place, config: &Config) -> Result<Box<dyn Store>> {
    match place {
        Place::Folder(path) => folder(path),
        Place::Sink(id) => {
            let (loaded, options) = configured(id, config)?;
            sink(&loaded, &options, config)
        }
        Place::Url(url) => {
            let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
            for found in agent::found(config, None)?.iter().filter(|found| found.info().is_some()) {
                let loaded = load::open(&found.path)?;
                if call::schemes(loaded.plugin).iter().any(|known| known == scheme) {
                    return sink(&loaded, &options(url), config);
                }
            }
            wrong(format!(
                "{url}: no plugin opens {scheme}:// URLs; build or install it, or set [plugins] paths"
            ))
        }
    }
}

/// The library of a sink of the config, and its options.
fn configured(id: &str, config: &Config) -> Result<(Loaded, Value)> {
    let Some(entry) = config.sink.iter().find(|entry| entry.id == *id) else {
        let ids: Vec<&str> = config.sink.iter().map(|entry| entry.id.as_str()).collect();
        return wrong(format!("{}: no sink {id:?}; it has {}", config.name().display(), ids.join(", ")));
    };
    let found = agent::found(config, None)?;
    let Some(found) = found.iter().find(|found| found.name == entry.plugin) else {
        return wrong(format!("{id}: no plugin {}; `candor check` says more", entry.plugin));
    };
    Ok((load::open(&found.path)?, check::options(entry)))
}

/// A sink of the config, outside of the agent: it can be asked, and emits nothing.
pub fn instance(id: &str, config: &Config) -> Result<call::Sink> {
    let (loaded, options) = configured(id, config)?;
    create(&loaded, &options, config)
}

/// Opens a folder with `v=1` in it.
pub fn folder(path: &Path) -> Result<Box<dyn Store>> {
    Ok(Box::new(Folder { root: path.canonicalize().doing("open", path)? }))
}

fn wrong<T>(text: String) -> Result<T> {
    Err(Error::Store { text })
}

fn sink(loaded: &Loaded, options: &Value, config: &Config) -> Result<Box<dyn Store>> {
    Ok(Box::new(Sink { name: loaded.name.clone(), sink: create(loaded, options, config)? }))
}

fn create(loaded: &Loaded, options: &Value, config: &Config) -> Result<call::Sink> {
    let state = config.state()?.display().to_string();
    let name = loaded.name.clone();
    let failed = |failure: Failure| Error::Store { text: format!("{name}: {failure}") };
    call::Sink::new(loaded.plugin, Arc::new(Reader { name: loaded.name.clone(), state }), options)
        .map_err(failed)
}

/// What a URL says, as a config.
fn options(url: &str) -> Value {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (bucket, prefix) = path.split_once('/').unwrap_or((path, ""));
    let mut options = Map::new();
    options.insert("bucket".into(), bucket.into());
    options.insert("prefix".into(), prefix.into());
    for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        // Numbers and truths as such; all else, also what looks like JSON, is text.
        let plain =
            serde_json::from_str(value).ok().filter(|value: &Value| value.is_boolean() || value.is_number());
        options.insert(name.to_owned(), plain.unwrap_or_else(|| value.into()));
    }
    Value::Object(options)
}

/// A folder on this machine.
struct Folder {
    root: PathBuf,
}

impl Store for Folder {
    fn list(&self, prefix: &str, each: &mut (dyn FnMut(&str, u64) + Send)) -> Result<()> {
        walk(&self.root, "", prefix, each)
    }

    fn get(&self, key: &str, each: &mut (dyn FnMut(&[u8]) + Send)) -> Result<()> {
        let path = self.root.join(key);
        let mut file = File::open(&path).doing("open", &path)?;
        let mut buffer = vec![0; 64 << 10];
        loop {
            match file.read(&mut buffer).doing("read", &path)? {
                0 => return Ok(()),
                n => each(&buffer[..n]),
            }
        }
    }
}

/// Lists what lies below a folder whose key is `above`, as far as keys can start with the prefix.
fn walk(folder: &Path, above: &str, prefix: &str, each: &mut (dyn FnMut(&str, u64) + Send)) -> Result<()> {
    for entry in fs::read_dir(folder).doing("list", folder)? {
        let entry = entry.doing("list", folder)?;
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else { continue };
        let key = if above.is_empty() { name.to_owned() } else { format!("{above}/{name}") };
        let kind = entry.file_type().doing("look at", &entry.path())?;
        if kind.is_dir() {
            if key.starts_with(prefix) || prefix.starts_with(&format!("{key}/")) {
                walk(&entry.path(), &key, prefix, each)?;
            }
        } else if key.starts_with(prefix) {
            match entry.metadata() {
                Ok(file) => each(&key, file.len()),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error).doing("look at", &entry.path()),
            }
        }
    }
    Ok(())
}

/// What a plugin can read back.
struct Sink {
    name: String,
    sink: call::Sink,
}

impl Sink {
    fn failed(&self, failure: &Failure) -> Error {
        Error::Store { text: format!("{}: {failure}", self.name) }
    }
}

impl Store for Sink {
    fn list(&self, prefix: &str, each: &mut (dyn FnMut(&str, u64) + Send)) -> Result<()> {
        self.sink.list(prefix, each).map_err(|failure| self.failed(&failure))
    }

    fn get(&self, key: &str, each: &mut (dyn FnMut(&[u8]) + Send)) -> Result<()> {
        self.sink.get(key, each).map_err(|failure| self.failed(&failure))
    }
}

/// The host of a sink that is only read.
struct Reader {
    name: String,
    state: String,
}

impl Serve for Reader {
    fn level(&self) -> u32 {
        log::number()
    }

    fn log(&self, level: u32, module: &str, text: &str) {
        log::plugin_line(&self.name, level, module, text);
    }

    fn kind(&self, _: &str) -> Kind {
        Kind(0)
    }

    fn emit(&self, _: &[Event<'_>]) -> Status {
        Status::OK
    }

    fn emit_blob(&self, _: &Event<'_>, _: &str, _: &[u8]) -> Status {
        Status::OK
    }

    fn state_folder(&self) -> Option<&str> {
        Some(&self.state)
    }

    fn mono_ns(&self) -> u64 {
        1
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn url_becomes_the_options_of_a_sink() {
        let url = "s3://activity/a/b?region=eu-1&path_style=true&endpoint=http://127.0.0.1:8333";
        let expect = json!({
            "bucket": "activity", "prefix": "a/b", "region": "eu-1", "path_style": true, "endpoint": "http://127.0.0.1:8333"
        });
        assert_eq!(options(url), expect);
        assert_eq!(Place::new(url), Place::Url(url.to_owned()));
        for folder in ["/srv/records", "records", "C:\\records", "c://x"] {
            assert_eq!(Place::new(folder), Place::Folder(folder.into()), "{folder}");
        }
    }
}
