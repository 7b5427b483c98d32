//! What is sealed for somebody else can be read by nobody here.

use std::{
    fs,
    path::{Path, PathBuf},
};

use age::secrecy::ExposeSecret;
use host::{
    clock::Clock,
    journal::{Blob, Journal, Options, Record},
    seal::{Cipher, cipher},
};

use super::audit;

const TEXT: &str = "the plain text of a record";
const PIXELS: &[u8] = b"the plain pixels of a screenshot";

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.path() {
            path if path.is_dir() => found.extend(files(&path)),
            path => found.push(path),
        }
    }
    found
}

/// Where some bytes stand, as they are or unpacked.
fn grep(folder: &Path, needle: &[u8]) -> Vec<PathBuf> {
    let has = |bytes: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
    let found = |file: &PathBuf| {
        let bytes = fs::read(file).expect("bytes");
        has(&bytes) || zstd::decode_all(&bytes[..]).is_ok_and(|text| has(&text))
    };
    files(folder).into_iter().filter(found).collect()
}

fn open(state: &Path, cipher: Option<Cipher>) -> Journal {
    Journal::open(Options { cipher, ..Options::new(state, Clock::system()) }).expect("opened").0
}

fn append(journal: &Journal) {
    for kind in ["activity", "screenshot"] {
        let mut record = Record::new(kind, "test", format!("{{\"text\":\"{TEXT}\"}}"));
        if kind == "screenshot" {
            record.blob = Some(Blob { media_type: "image/jpeg".into(), bytes: PIXELS.to_vec() });
        }
        journal.append(record).expect("taken");
    }
    journal.seal().expect("sealed");
    // The next seal lists what was released, and forgets it where it waited.
    journal.seal().expect("sealed");
}

fn key() -> (tempfile::NamedTempFile, String) {
    let identity = age::x25519::Identity::generate();
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), format!("# a key\n{}\n", identity.to_string().expose_secret())).expect("written");
    (file, identity.to_public().to_string())
}

fn decrypt(file: &Path, key: &Path) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    cipher::decrypt(file, key, &mut out).map_err(|error| error.to_string())?;
    Ok(out)
}

#[test]
fn nothing_sealed_is_in_clear_and_the_key_opens_it() {
    let state = tempfile::tempdir().expect("a folder");
    let ((file, recipient), (other, _)) = (key(), key());
    let journal = open(state.path(), Some(Cipher::new(&[recipient], None).expect("a recipient")));
    append(&journal);
    drop(journal);
    let spool = state.path().join("spool");
    assert!(grep(&spool, TEXT.as_bytes()).is_empty());
    assert!(grep(&spool, PIXELS).is_empty());
    let sealed: Vec<_> =
        files(&spool).into_iter().filter(|file| file.extension().is_some_and(|e| e == "age")).collect();
    let of = |text: &str| sealed.iter().find(|file| file.to_string_lossy().contains(text)).expect("one");
    let text = decrypt(of("kind=activity"), file.path()).expect("opened");
    assert!(String::from_utf8(text).expect("text").contains(TEXT), "unpacked");
    assert_eq!(decrypt(of("_blob"), file.path()).expect("opened"), PIXELS);
    assert!(decrypt(of("_blob"), other.path()).is_err(), "another key");
    let report = host::verify::folder(&spool).and_then(|store| {
        host::verify::verify(&*store, &host::verify::Options::default(), &indicatif::ProgressBar::hidden())
    });
    assert!(
        report.expect("readable").iter().all(host::verify::Report::is_complete),
        "verified without the key"
    );
}

#[test]
fn only_the_kinds_that_were_said_are_encrypted() {
    let state = tempfile::tempdir().expect("a folder");
    let (_file, recipient) = key();
    let kinds = ["screenshot".to_owned()];
    let journal = open(state.path(), Some(Cipher::new(&[recipient], Some(&kinds)).expect("a recipient")));
    append(&journal);
    drop(journal);
    let spool = state.path().join("spool");
    assert!(grep(&spool, PIXELS).is_empty());
    let clear = grep(&spool, TEXT.as_bytes());
    assert!(clear.len() == 1 && clear[0].to_string_lossy().contains("kind=activity"), "{clear:?}");
}

#[test]
fn seal_that_came_to_nothing_leaves_no_encrypted_copy_behind() {
    let state = tempfile::tempdir().expect("a folder");
    let journal = open(state.path(), None);
    append(&journal);
    let before = files(&state.path().join("spool")).len();
    let (device, _) = journal.spool().sealed();
    drop(journal);
    // A crash between the blob's file and its manifest.
    let mut record = Record::new("screenshot", "test", "{}");
    record.blob = Some(Blob { media_type: "image/jpeg".into(), bytes: PIXELS.to_vec() });
    let journal = open(state.path(), None);
    journal.append(record).expect("taken");
    let seq = journal.sync().expect("durable");
    drop(journal);
    let outbox = files(&state.path().join("outbox"));
    assert!(outbox.iter().any(|file| file.extension().is_some_and(|e| e == "jpg")), "{outbox:?}");
    let record = host::show::records(state.path(), None).expect("records").last().expect("one");
    let left = state.path().join("spool").join(format!("{}.age", record["blob"].as_str().expect("a key")));
    host::disk::write(&left, b"half").expect("written");
    assert!(left.to_string_lossy().contains(&device) && seq > 0);
    drop(open(state.path(), None));
    assert_eq!(files(&state.path().join("spool")).len(), before, "gone again");
    audit::settle(state.path());
}
