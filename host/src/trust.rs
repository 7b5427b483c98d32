//! Who may have written a library: owner, mode, links, allow-list.
//!
//! Loading a library runs its code with all the agent can see, so this comes before any `dlopen`. Nobody but root
//! and the running user may be able to change the file or to put another one in its place; with that, what was
//! checked here is still what is loaded a moment later. That goes for every folder above too, since whoever can rename
//! one can put another in its place; but not for those the program itself is in, with which it could be replaced as well.
//!
//! On Windows owner and access lists are not looked at, which takes calls outside the standard library. There the
//! default folder under `%ProgramFiles%` is guarded by the system; for others use `[plugins] allow`.

use std::fs::{File, Metadata};
use std::path::{Path, PathBuf};
use std::{fmt, io};

use sha2::{Digest, Sha256};

use crate::config::Plugins;
use crate::error::{Error, Result};

/// A library that may be loaded.
#[derive(Debug)]
pub struct Trusted {
    /// The library, links resolved.
    pub path: PathBuf,
    /// What speaks against it, when `allow_unsafe` lets it pass; to be logged at every start.
    pub doubts: Vec<Doubt>,
}

/// What speaks against a library.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Doubt {
    /// Others can change it.
    #[error("{}: writable by others; run chmod go-w {}", path.display(), Quoted(path))]
    Writable {
        /// The library, its folder, or one above.
        path: PathBuf,
    },
    /// Somebody else owns it.
    #[error(
        "{}: owned by user {owner}, not by root or the running user; copy it as one of them, or run chown root {}",
        path.display(), Quoted(path)
    )]
    Foreign {
        /// The library, its folder, or one above.
        path: PathBuf,
        /// The owner's number.
        owner: u32,
    },
    /// It leads out of its folder.
    #[error("{}: a link to {}, out of its folder; copy the library there instead", path.display(), target.display())]
    Link {
        /// The link.
        path: PathBuf,
        /// Where it leads.
        target: PathBuf,
    },
}

/// Checks a library. A doubt refuses it unless `allow_unsafe` is set; the allow-list refuses it in any case.
pub fn check(plugin: &str, library: &Path, rules: &Plugins) -> Result<Trusted> {
    let refuse = |what: String| Error::Untrusted { plugin: plugin.to_owned(), what };
    let unreadable = |source: io::Error| {
        refuse(format!("{}: {source}; check that it exists and can be read", library.display()))
    };
    let path = library.canonicalize().map_err(unreadable)?;
    if !path.metadata().map_err(unreadable)?.is_file() {
        return Err(refuse(format!("{}: not a file; name a plugin library", library.display())));
    }
    let doubts = doubts(library, &path, me()).map_err(unreadable)?;
    if !rules.allow_unsafe
        && let Some(doubt) = doubts.first()
    {
        return Err(refuse(doubt.to_string()));
    }
    if !rules.allow.is_empty() {
        let sum = sha256(&path).map_err(unreadable)?;
        if !rules.allow.contains(&sum) {
            let name = library.display();
            let fix = format!("if you trust it, add \"{sum}\" there");
            return Err(refuse(format!("{name}: its sha256 is not in [plugins] allow; {fix}")));
        }
    }
    Ok(Trusted { path, doubts })
}

/// The sha256 of a file, in small letters.
pub fn sha256(path: &Path) -> io::Result<String> {
    let mut sum = Sha256::new();
    io::copy(&mut File::open(path)?, &mut Writer(&mut sum))?;
    Ok(sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn doubts(library: &Path, path: &Path, me: u32) -> io::Result<Vec<Doubt>> {
    let folder = match library.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.canonicalize()?,
        _ => Path::new(".").canonicalize()?,
    };
    let mut doubts = Vec::new();
    if path.parent() != Some(&folder) {
        doubts.push(Doubt::Link { path: library.to_owned(), target: path.to_owned() });
    }
    for path in [path, &folder] {
        doubts.extend(doubt(path, &path.metadata()?, me, Place::Here));
    }
    let program = std::env::current_exe().and_then(|program| program.canonicalize()).unwrap_or_default();
    for above in folder.ancestors().skip(1).take_while(|above| !program.starts_with(above)) {
        doubts.extend(doubt(above, &above.metadata()?, me, Place::Above));
    }
    Ok(doubts)
}

/// What is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The library or its folder.
    Here,
    /// A folder above.
    Above,
}

#[cfg(unix)]
fn doubt(path: &Path, metadata: &Metadata, me: u32, place: Place) -> Option<Doubt> {
    use std::os::unix::fs::MetadataExt;

    let path = path.to_owned();
    let owner = metadata.uid();
    if owner != 0 && owner != me {
        return Some(Doubt::Foreign { path, owner });
    }
    // In a sticky folder, such as /tmp, only its owner and that of an entry can rename the entry.
    let guarded = place == Place::Above && metadata.mode() & 0o1000 != 0;
    // An access list that lets others write shows in the group's bits.
    (metadata.mode() & 0o022 != 0 && !guarded).then_some(Doubt::Writable { path })
}

#[cfg(unix)]
fn me() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[cfg(not(unix))]
fn doubt(_: &Path, _: &Metadata, _: u32, _: Place) -> Option<Doubt> {
    None
}

#[cfg(not(unix))]
fn me() -> u32 {
    0
}

/// A path as a shell takes it.
struct Quoted<'a>(&'a Path);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string_lossy();
        if text.chars().all(|c| c.is_alphanumeric() || "/._-+".contains(c)) {
            return f.write_str(&text);
        }
        write!(f, "'{}'", text.replace('\'', r"'\''"))
    }
}

struct Writer<'a>(&'a mut Sha256);

impl io::Write for Writer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use tempfile::TempDir;

    use super::*;

    const SUM: &str = "2bf9d0abe5b3b4fcbd4b4cee8ac9ea4d5ca95b0e2c0e8f1d0ef3e0a4a6d7e4f1";

    /// A folder with a library, both as they should be.
    fn library() -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap().join("libcandor_p.so");
        fs::write(&path, "code").unwrap();
        mode(&path, 0o644);
        mode(folder.path(), 0o755);
        (folder, path)
    }

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn refused(path: &Path, rules: &Plugins) -> String {
        check("p", path, rules).unwrap_err().to_string()
    }

    #[test]
    fn a_library_only_root_and_the_user_can_write_is_trusted() {
        let (_folder, path) = library();
        for bits in [0o644, 0o755, 0o600, 0o444] {
            mode(&path, bits);
            let trusted = check("p", &path, &Plugins::default()).unwrap();
            assert_eq!((trusted.path, trusted.doubts), (path.clone(), vec![]));
        }
    }

    #[test]
    fn a_library_or_folder_others_can_write_is_refused() {
        let (folder, path) = library();
        for bits in [0o664, 0o646, 0o777] {
            mode(&path, bits);
            let name = path.display();
            let expected = format!("p: {name}: writable by others; run chmod go-w {name}");
            assert_eq!(refused(&path, &Plugins::default()), expected);
        }
        mode(&path, 0o644);
        // The sticky bit keeps others from replacing a file, not from adding a library.
        for bits in [0o775, 0o757, 0o1777] {
            mode(folder.path(), bits);
            let name = path.parent().unwrap().display();
            let expected = format!("p: {name}: writable by others; run chmod go-w {name}");
            assert_eq!(refused(&path, &Plugins::default()), expected);
        }
    }

    #[test]
    fn allow_unsafe_lets_a_library_pass_and_says_what_speaks_against_it() {
        let (folder, path) = library();
        mode(&path, 0o666);
        mode(folder.path(), 0o777);
        let rules = Plugins { allow_unsafe: true, ..Plugins::default() };
        let folder = path.parent().unwrap().to_owned();
        let expected = [Doubt::Writable { path: path.clone() }, Doubt::Writable { path: folder }];
        assert_eq!(check("p", &path, &rules).unwrap().doubts, expected);
    }

    #[test]
    fn a_library_somebody_else_owns_is_doubted() {
        let (_folder, path) = library();
        // Only root can give a file away; anybody can ask as another user would.
        let asking = if me() == 0 { 0 } else { me() + 1 };
        let owner = if me() == 0 { 4242 } else { me() };
        if me() == 0 {
            chown(&path, Some(owner), None).unwrap();
        }
        let found = doubts(&path, &path, asking).unwrap();
        assert_eq!(found[0], Doubt::Foreign { path: path.clone(), owner });
        let name = path.display();
        let expected = format!(
            "{name}: owned by user {owner}, not by root or the running user; copy it as one of them, or run chown root {name}"
        );
        assert_eq!(found[0].to_string(), expected);
    }

    #[test]
    fn a_link_out_of_the_folder_is_refused_and_one_inside_is_not() {
        let (folder, path) = library();
        let inside = folder.path().join("libcandor_q.so");
        symlink("libcandor_p.so", &inside).unwrap();
        assert_eq!(check("q", &inside, &Plugins::default()).unwrap().path, path);

        let (_other, target) = library();
        let outside = folder.path().join("libcandor_r.so");
        symlink(&target, &outside).unwrap();
        let expected = format!(
            "r: {}: a link to {}, out of its folder; copy the library there instead",
            outside.display(),
            target.display()
        );
        assert_eq!(check("r", &outside, &Plugins::default()).unwrap_err().to_string(), expected);
    }

    #[test]
    fn a_linked_folder_is_judged_by_where_it_leads() {
        let (folder, path) = library();
        let links = tempfile::tempdir().unwrap();
        let link = links.path().join("plugins");
        symlink(folder.path(), &link).unwrap();
        let library = link.join("libcandor_p.so");
        assert_eq!(check("p", &library, &Plugins::default()).unwrap().path, path);
        mode(folder.path(), 0o777);
        assert!(refused(&library, &Plugins::default()).contains("writable by others"));
    }

    #[test]
    fn the_allow_list_holds_even_with_allow_unsafe() {
        let (_folder, path) = library();
        let sum = sha256(&path).unwrap();
        assert_eq!(sum, "5694d08a2e53ffcae0c3103e5ad6f6076abd960eb1f8a56577040bc1028f702b");
        let rules = Plugins { allow_unsafe: true, allow: vec![SUM.to_owned()], paths: None };
        let name = path.display();
        let expected =
            format!("p: {name}: its sha256 is not in [plugins] allow; if you trust it, add \"{sum}\" there");
        assert_eq!(refused(&path, &rules), expected);
        check("p", &path, &Plugins { allow: vec![SUM.to_owned(), sum], ..rules }).unwrap();
    }

    #[test]
    fn what_is_no_library_is_told() {
        let (folder, path) = library();
        assert!(refused(folder.path(), &Plugins::default()).ends_with("not a file; name a plugin library"));
        fs::remove_file(&path).unwrap();
        assert!(refused(&path, &Plugins::default()).ends_with("check that it exists and can be read"));
    }

    #[test]
    fn the_command_to_run_survives_a_blank_in_the_path() {
        let doubt = Doubt::Writable { path: "/home/a b/it's".into() };
        assert_eq!(
            doubt.to_string(),
            r"/home/a b/it's: writable by others; run chmod go-w '/home/a b/it'\''s'"
        );
    }
}
