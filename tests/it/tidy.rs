//! Rules of the house that a compiler doesn't know.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use crate::{root, store};

/// Folders with everything that is written by hand.
const FOLDERS: [&str; 5] = ["config", "host", "plugin-api", "plugins", "tests"];

/// Files of some kind, as path below the root and text.
fn files(extension: &str) -> Vec<(String, String)> {
    let all = FOLDERS.iter().flat_map(|folder| store::files(&root().join(folder)));
    let wanted = |path: &PathBuf| {
        path.extension().is_some_and(|e| e == extension)
            && !path.iter().any(|part| part == "target" || part == "data")
    };
    let read = |path: PathBuf| {
        let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        (name, fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
    };
    let found: Vec<_> = all.filter(wanted).map(read).collect();
    assert!(!found.is_empty(), "no files end in {extension}");
    found
}

/// Lines of code with their numbers, without comments.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(text.lines()).filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// The part of a file that is not its tests.
fn shipped<'a>(name: &str, text: &'a str) -> &'a str {
    let is_test = name.contains("/tests") || name.starts_with("tests/") || name.contains("/examples/");
    if is_test {
        ""
    } else {
        text.split("#[cfg(test)]\nmod ").next().unwrap().split("#[cfg(all(test").next().unwrap()
    }
}

/// Fails with every line that breaks a rule.
#[track_caller]
fn none(rule: &str, broken: impl IntoIterator<Item = String>) {
    let broken: Vec<_> = broken.into_iter().collect();
    assert!(broken.is_empty(), "{rule}:\n{}", broken.join("\n"));
}

#[test]
fn files_stay_short() {
    // Each with its reason.
    let longer: [(&str, usize); 0] = [];
    let most = |name: &str| longer.iter().find(|(longer, _)| *longer == name).map_or(400, |(_, most)| *most);
    let long = files("rs").into_iter().map(|(name, text)| (text.lines().count(), name));
    none(
        "at most 400 lines",
        long.filter(|(lines, name)| *lines > most(name)).map(|(lines, name)| format!("{name}: {lines}")),
    );
}

#[test]
fn unsafe_stays_where_it_is_looked_for() {
    let may = |name: &str| {
        let folders = ["plugin-api/src/call/", "plugin-api/src/shim/", "tests/plugins/"];
        let files = ["call", "door", "export", "shim", "v1"].map(|file| format!("plugin-api/src/{file}.rs"));
        folders.iter().any(|folder| name.starts_with(folder))
            || files.iter().any(|file| file == name)
            || ["host/src/load.rs", "tests/benches/boundary.rs", "tests/it/tidy.rs"].contains(&name)
            || name.ends_with("/sys.rs")
    };
    // `unsafe_code` and `allow_unsafe` are other words.
    let is_unsafe = |line: &str| {
        ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern", "[unsafe("]
            .iter()
            .any(|word| line.contains(word))
    };
    let broken = files("rs").into_iter().filter(|(name, _)| !may(name)).flat_map(|(name, text)| {
        let lines = code(&text).filter(|(_, line)| is_unsafe(line));
        lines.map(|(number, line)| format!("{name}:{number}: {line}")).collect::<Vec<_>>()
    });
    none("unsafe", broken);
}

#[test]
fn shipped_code_does_not_unwrap() {
    let broken = files("rs").into_iter().flat_map(|(name, text)| {
        let lines = code(shipped(&name, &text)).filter(|(_, line)| line.contains(".unwrap()"));
        lines.map(|(number, line)| format!("{name}:{number}: {line}")).collect::<Vec<_>>()
    });
    none("unwrap outside tests", broken);
}

#[test]
fn nothing_is_left_for_later() {
    let words =
        [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("todo", "!("), concat!("unimpl", "emented!(")];
    let broken = ["rs", "toml", "sh", "md", "c", "h"].iter().flat_map(|extension| {
        files(extension).into_iter().flat_map(|(name, text)| {
            let lines =
                (1..).zip(text.lines()).filter(|(_, line)| words.iter().any(|word| line.contains(word)));
            lines.map(|(number, line)| format!("{name}:{number}: {line}")).collect::<Vec<_>>()
        })
    });
    none("left for later", broken.collect::<Vec<_>>());
}

#[test]
fn tests_wait_for_conditions_and_never_for_a_time() {
    // `wait.rs` is how the others wait; fixtures are slow on purpose.
    let may = |name: &str| {
        name == "tests/it/wait.rs" || name.starts_with("tests/plugins/") || name.starts_with("tests/benches/")
    };
    let word = concat!("thread::", "sleep");
    let broken = files("rs").into_iter().filter(|(name, _)| !may(name)).flat_map(|(name, text)| {
        let tests = if shipped(&name, &text).is_empty() {
            text.as_str()
        } else {
            &text[shipped(&name, &text).len()..]
        };
        let is_example = name.contains("/examples/");
        let lines = code(tests).filter(|(_, line)| !is_example && line.contains(word));
        lines.map(|(_, line)| format!("{name}: {line}")).collect::<Vec<_>>()
    });
    none("sleeps", broken);
}

#[test]
fn no_test_is_ignored() {
    let word = concat!("#[ign", "ore");
    none("ignored", files("rs").into_iter().filter(|(_, text)| text.contains(word)).map(|(name, _)| name));
}

#[test]
fn every_file_says_first_what_it_is() {
    let broken = files("rs").into_iter().filter(|(_, text)| !text.starts_with("//! "));
    none("no //! on the first line", broken.map(|(name, _)| name));
}

#[test]
fn nothing_names_the_machine_it_was_written_on() {
    let words = [concat!("/wo", "rk/"), concat!("/ro", "ot/")];
    let broken = ["rs", "toml", "sh", "md"].iter().flat_map(|extension| {
        files(extension)
            .into_iter()
            .filter(|(_, text)| words.iter().any(|word| text.contains(word)))
            .map(|(name, _)| name)
    });
    none("paths of a machine", broken.collect::<Vec<_>>());
}

/// The way of a record from what a seal is to the journal that makes them.
const WAY: [&str; 6] = ["seal", "spool", "outbox", "upload", "retain", "journal"];

/// What of the crate a file uses.
fn uses(text: &str) -> BTreeSet<&str> {
    let end = |c: char| !c.is_alphanumeric() && c != '_';
    let mut found: BTreeSet<_> =
        text.split("crate::").skip(1).filter_map(|rest| rest.split(end).next()).collect();
    for rest in text.split("use crate::{").skip(1) {
        let mut depth = 0;
        for part in rest.split("};\n").next().unwrap().split_inclusive(['{', '}', ',']) {
            if depth == 0 {
                found.extend(part.trim().split(end).next());
            }
            depth += i32::from(part.ends_with('{')) - i32::from(part.ends_with('}'));
        }
    }
    found
}

#[test]
fn what_delivers_is_built_in_one_direction() {
    let mut broken = Vec::new();
    // Commands stand above all.
    for (name, text) in files("rs").into_iter().filter(|(name, _)| !name.ends_with("/command.rs")) {
        let Some(rest) = name.strip_prefix("host/src/") else { continue };
        let own = rest.split(['/', '.']).next().unwrap();
        let Some(place) = WAY.iter().position(|step| *step == own) else { continue };
        let shipped: Vec<_> = code(shipped(&name, &text)).map(|(_, line)| line).collect();
        let text = shipped.join("\n");
        let used = uses(&text);
        broken.extend(
            WAY[place + 1..]
                .iter()
                .filter(|later| used.contains(*later))
                .map(|later| format!("{name}: {later}")),
        );
    }
    none("uses what is built on it", broken);
}

/// The tables of dependencies of a manifest: their lines, without comments.
fn dependencies(text: &str) -> Vec<Vec<&str>> {
    let mut tables = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        if line.starts_with('[') {
            inside = line.ends_with("dependencies]");
            tables.push(Vec::new());
        } else if inside && line.starts_with(|c: char| c.is_ascii_alphabetic()) {
            tables.last_mut().unwrap().push(line);
        }
    }
    tables
}

/// The name at the start of such a line.
fn dependency(line: &str) -> &str {
    line.split(['.', ' ', '=']).next().unwrap()
}

#[test]
fn dependencies_stand_in_order_and_are_said_once() {
    let root_manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let manifests = files("toml").into_iter().filter(|(name, _)| name.ends_with("Cargo.toml"));
    let mut broken = Vec::new();
    for (name, text) in manifests.chain([("Cargo.toml".to_owned(), root_manifest)]) {
        for table in dependencies(&text) {
            if !table.is_sorted_by_key(|line| dependency(line)) {
                broken.push(format!("{name}: not in order: {table:#?}"));
            }
            let own = |line: &&&str| !line.contains("workspace = true") && !line.contains("path = ");
            // What is built against another version of the interface has its own, and so has a workspace of its own.
            let foreign = name == "Cargo.toml"
                || ["tests/plugins/api", "tests/fuzz/"].iter().any(|own| name.starts_with(own));
            broken
                .extend(table.iter().filter(own).filter(|_| !foreign).map(|line| format!("{name}: {line}")));
        }
    }
    none("dependencies", broken);
}

#[test]
fn each_dependency_has_its_reason_in_the_architecture_page() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let page = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next());
    let said: BTreeSet<&str> =
        rows.flat_map(|row| row.split(", ")).map(|name| name.trim_matches('`')).collect();
    let names =
        dependencies(&manifest).concat().into_iter().map(|line| line.split(['.', ' ', '=']).next().unwrap());
    let own = |name: &&str| name.starts_with("candor-");
    none("without a reason", names.filter(|name| !own(name) && !said.contains(name)).map(str::to_owned));
}

#[test]
fn only_the_doors_depend_on_the_life_of_abi_stable() {
    // Its slices and texts are plain structs; what checks and loads is in these.
    let may = ["host/src/load.rs", "plugin-api/src/door.rs", "plugin-api/src/v1.rs"];
    let broken = files("rs")
        .into_iter()
        .filter(|(name, _)| !may.contains(&name.as_str()) && !name.starts_with("tests/"));
    let broken = broken.flat_map(|(name, text)| {
        let uses = |line: &str| line.contains("abi_stable") && !line.contains("abi_stable::std_types");
        let lines = code(&text).filter(|(_, line)| uses(line));
        lines.map(|(number, line)| format!("{name}:{number}: {line}")).collect::<Vec<_>>()
    });
    none("abi_stable", broken);
}

#[test]
fn the_interface_is_frozen() {
    // Until the first release a commit that says why may change both; after it, growth goes through extensions.
    let frozen = "6006671182fda0eeb29e0405dc711755a3821c85fa8e5e97c300bb350d0c2e52";
    let bytes = fs::read(root().join(Path::new("plugin-api/src/v1.rs"))).unwrap();
    let hash: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hash, frozen, "plugin-api/src/v1.rs changed; plugins that are out there would break");
}
