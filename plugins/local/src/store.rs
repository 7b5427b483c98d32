//! Reading back and removing (`store/1`).

use std::{
    fs::{self, File},
    io::{ErrorKind, Read},
    path::Path,
};

use plugin_api::{Error, Store};

use crate::{Local, fault, folder, put::PIECE};

impl Store for Local {
    fn list(&self, prefix: &str, each: &mut dyn FnMut(&str, u64)) -> Result<(), Error> {
        walk(&self.root, "", prefix, each)
    }

    fn get(&self, key: &str, each: &mut dyn FnMut(&[u8])) -> Result<(), Error> {
        let path = folder::place(&self.root, key)?;
        let mut file = File::open(&path).map_err(fault::on(&path))?;
        let mut buffer = vec![0; PIECE];
        loop {
            match file.read(&mut buffer).map_err(fault::on(&path))? {
                0 => return Ok(()),
                n => each(&buffer[..n]),
            }
        }
    }

    fn remove(&self, key: &str) -> Result<(), Error> {
        let path = folder::place(&self.root, key)?;
        match fs::remove_file(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(fault::at(&path, &error)),
            Ok(()) => folder::sync(path.parent().unwrap_or(&self.root)),
        }
    }
}

/// Lists what lies below a folder whose key is `above`, as far as keys can start with the prefix.
fn walk(folder: &Path, above: &str, prefix: &str, each: &mut dyn FnMut(&str, u64)) -> Result<(), Error> {
    for entry in fs::read_dir(folder).map_err(fault::on(folder))? {
        let entry = entry.map_err(fault::on(folder))?;
        // What can't be a key was not stored by this sink.
        let Some(name) = entry.file_name().to_str().filter(|name| !name.starts_with('.')).map(str::to_owned)
        else {
            continue;
        };
        let key = if above.is_empty() { name } else { format!("{above}/{name}") };
        let file_type = entry.file_type().map_err(fault::on(folder))?;
        if file_type.is_dir() {
            if key.starts_with(prefix) || prefix.starts_with(&format!("{key}/")) {
                walk(&entry.path(), &key, prefix, each)?;
            }
        } else if file_type.is_file() && key.starts_with(prefix) {
            match entry.metadata() {
                Ok(metadata) => each(&key, metadata.len()),
                // Removed meanwhile.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(fault::at(&entry.path(), &error)),
            }
        }
    }
    Ok(())
}
