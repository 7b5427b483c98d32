//! Testing the way to the folder, step by step.

use std::io::{ErrorKind, Write};

use plugin_api::prelude::*;

use crate::{
    Local, fault, folder,
    put::{Partial, link},
};

/// Reports each step until one fails.
pub fn steps(local: &Local, report: &mut dyn FnMut(Value)) -> Result<(), Error> {
    type Step = fn(&Local) -> Result<String, Error>;
    let steps: [(&str, Step); 3] = [("folder", exists), ("private", private), ("write", write)];
    for (step, run) in steps {
        let result = run(local);
        let text = result.as_ref().map_or_else(|error| error.text.clone(), Clone::clone);
        report(json!({"step": step, "ok": result.is_ok(), "text": text}));
        result?;
    }
    Ok(())
}

fn exists(local: &Local) -> Result<String, Error> {
    folder::make(&local.root)?;
    folder::make(&local.root.join(folder::PARTIAL))?;
    Ok(local.root.display().to_string())
}

#[cfg(unix)]
fn private(local: &Local) -> Result<String, Error> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(&local.root).map_err(fault::on(&local.root))?.permissions().mode() & 0o777;
    let root = local.root.display();
    Ok(match mode & 0o077 {
        0 => "only you can read it".to_owned(),
        // Somebody may want it so, hence not a failure.
        _ => format!("others may get in (mode {mode:o}); if they should not, run chmod 700 {root}"),
    })
}

#[cfg(not(unix))]
fn private(_: &Local) -> Result<String, Error> {
    Ok("as private as the folder it is in".to_owned())
}

/// Writes a file as `put` does, and removes it.
fn write(local: &Local) -> Result<String, Error> {
    let partial = Partial::new(local);
    let target = Partial(partial.0.with_extension("probe.part"));
    let mut file = folder::create(&partial.0).map_err(fault::on(&partial.0))?;
    file.write_all(b"candor").and_then(|()| file.sync_all()).map_err(fault::on(&partial.0))?;
    link(&partial.0, &target.0).map_err(fault::on(&target.0))?;
    match link(&partial.0, &target.0) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            Ok("a file can be written and made durable".to_owned())
        }
        // After a rename (no hard links) there is nothing to link again.
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Ok("a file can be written, by renaming".to_owned())
        }
        Err(error) => Err(fault::at(&target.0, &error)),
        Ok(()) => Err(Error::new(
            Fault::Other,
            "local: this file system lets a file be overwritten unseen; use another `path`",
        )),
    }
}
