//! Trust comes before any look: what others could have written is never opened, not even in a child.

use std::{fs, os::unix::fs::symlink};

use host::{
    config::Plugins,
    scan::{self, Found, Outcome, Scan},
    trust,
};

use crate::{Folder, candor, mode};

fn look(folder: &Folder, rules: &Plugins) -> Found {
    let folders = [folder.path().to_owned()];
    let mut found = scan::find(&Scan { folders: &folders, rules, state: None, program: candor() });
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

#[test]
fn a_library_that_others_can_write_is_not_even_opened() {
    let folder = Folder::new();
    // Would hang for five seconds, and be blocked.
    let path = folder.fault("hangs", &["-DFAULT_HANG"]);
    for (bits, of) in [(0o775, &path), (0o757, &path), (0o777, &folder.path().to_owned())] {
        mode(of, bits);
        let found = look(&folder, &Plugins::default());
        let text = found.error().unwrap().to_string();
        assert!(matches!(found.outcome, Outcome::Untrusted(_)), "{found:?}");
        assert!(text.starts_with("hangs: ") && text.contains("chmod go-w"), "{text}");
        mode(of, 0o755);
    }
}

#[test]
fn a_folder_above_that_others_could_swap_is_refused_and_a_sticky_one_is_not() {
    let outer = tempfile::tempdir().unwrap();
    let inner = outer.path().join("a/plugins");
    fs::create_dir_all(&inner).unwrap();
    let library = crate::library("faulty");
    let path = inner.join(library.file_name().unwrap());
    fs::copy(library, &path).unwrap();
    let above = outer.path().join("a");
    for folder in [outer.path(), &above, &inner] {
        mode(folder, 0o755);
    }
    mode(&path, 0o755);
    let verdict = || trust::check("faulty", &path, &Plugins::default());
    assert!(verdict().is_ok());
    for folder in [outer.path(), &above] {
        for bits in [0o775, 0o757, 0o777] {
            mode(folder, bits);
            let text = verdict().unwrap_err().to_string();
            assert!(
                text.contains("chmod go-w") && text.contains(folder.to_str().unwrap()),
                "{bits:o}: {text}"
            );
        }
        // As /tmp is: others may add to it, but rename nothing of ours.
        mode(folder, 0o1777);
        assert!(verdict().is_ok(), "{folder:?}");
        mode(folder, 0o755);
    }
    // In the folder itself others may not even add something, sticky or not.
    mode(&inner, 0o1777);
    assert!(verdict().is_err());
}

#[test]
fn a_link_out_of_the_folder_is_refused() {
    let (folder, other) = (Folder::new(), Folder::new());
    let target = other.plugin("faulty");
    symlink(&target, folder.path().join(target.file_name().unwrap())).unwrap();
    let text = look(&folder, &Plugins::default()).error().unwrap().to_string();
    assert!(text.contains("out of its folder"), "{text}");
}

#[test]
fn allow_unsafe_loads_it_and_keeps_saying_so() {
    let folder = Folder::new();
    mode(&folder.plugin("faulty"), 0o775);
    let rules = Plugins { allow_unsafe: true, ..Plugins::default() };
    let found = look(&folder, &rules);
    assert!(found.info().is_some() && found.doubts.len() == 1, "{found:?}");
    assert!(found.doubts[0].contains("writable by others"), "{:?}", found.doubts);
}

#[test]
fn an_allow_list_lets_in_what_it_names_and_nothing_else() {
    let folder = Folder::new();
    let path = folder.plugin("faulty");
    let rules = Plugins { allow: vec![trust::sha256(&path).unwrap()], ..Plugins::default() };
    assert!(look(&folder, &rules).info().is_some());
    // A byte at the end changes nothing but the sum.
    let mut bytes = fs::read(&path).unwrap();
    bytes.push(0);
    fs::write(&path, bytes).unwrap();
    let found = look(&folder, &rules);
    assert!(
        matches!(&found.outcome, Outcome::Untrusted(text) if text.contains("[plugins] allow")),
        "{found:?}"
    );
}
