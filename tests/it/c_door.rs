//! The C door: the header says what `v1.rs` says, and a detector in C works like any other.

use std::{mem::offset_of, process::Command};

use host::load;
use plugin_api::{
    Event, Fault, KeyClass, Origin,
    testing::{Harness, assert_conformance},
    v1,
};
use serde_json::json;

use crate::{Folder, cc, root};

#[test]
fn a_detector_in_c_is_compiled_loaded_driven_and_conforms() {
    let folder = Folder::new();
    let path = folder.c("c_detector", "tests/plugins/c_detector/detector.c", &["-pedantic"]);
    let loaded = load::open(&path).unwrap();
    assert_eq!(
        (loaded.name.as_str(), loaded.roles[0].as_str(), loaded.reads[0].as_str()),
        ("c_detector", "detector", "key")
    );

    let mut harness = Harness::loaded_detector(loaded.plugin, json!({"limit": 3})).unwrap();
    let key = |ns, pressed| Event::key_class(ns, Origin::Physical, 0, KeyClass::Letter, pressed);
    harness.feed(&[key(1, true), key(2, false), key(3, true)]).unwrap();
    assert!(harness.records().is_empty());
    harness.feed(&[key(4, true), key(5, true)]).unwrap();
    let records = harness.records();
    assert_eq!((records.len(), records[0].mono_ns), (1, 4));
    assert_eq!(records[0].body["evidence"]["keys"], 3);
    harness.instance.configure(&json!({"limit": 5})).unwrap();
    harness.feed(&[key(6, true)]).unwrap();
    assert_eq!(harness.records()[1].body["evidence"]["keys"], 5);

    let failure = Harness::loaded_detector(loaded.plugin, json!({"limits": 3})).err().unwrap();
    assert_eq!(failure.fault, Fault::Config);
    assert!(failure.text.contains("limits"), "{failure}");
    assert_conformance(loaded.plugin, &json!({"detector": {"limit": 1}}));
}

#[test]
fn the_header_compiles_alone_for_64_and_32_bit_and_as_cpp() {
    let header = root().join("plugin-api/include/candor.h");
    let header = header.to_str().unwrap();
    cc(&["-fsyntax-only", "-x", "c", header], &["-pedantic"]);
    // Nothing of a 32-bit system is needed to lay structs out.
    if cfg!(target_arch = "x86_64") {
        cc(&["-fsyntax-only", "-x", "c", header], &["-m32", "-ffreestanding"]);
    }
    let cpp = Command::new("c++")
        .args(["-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-x", "c++", header])
        .output();
    match cpp {
        Ok(out) => assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr)),
        Err(error) => println!("c++: {error}: not tried"),
    }
}

/// Lists each struct's fields once, for C and for Rust; the pattern makes a forgotten field an error.
macro_rules! structs {
    ($($c:ident = $rust:ident $(<$life:lifetime>)? { $($field:ident),+ $(,)? })+) => {
        /// What Rust says, a line a field.
        fn rust() -> Vec<String> {
            fn size<T, F>(_: fn(&T) -> &F) -> usize {
                size_of::<F>()
            }
            let mut lines = Vec::new();
            $({
                type Struct = v1::$rust $(<$life>)?;
                #[allow(dead_code)]
                fn all(v1::$rust { $($field: _),+ }: &Struct) {}
                lines.push(format!("{} {}", stringify!($c), size_of::<Struct>()));
                $(lines.push(format!(
                    "{}.{} {} {}", stringify!($c), stringify!($field),
                    offset_of!(Struct, $field), size(|value: &Struct| &value.$field)
                ));)+
            })+
            lines
        }

        /// A program by which C says it.
        fn c() -> String {
            let mut text = String::from("#include \"candor.h\"\n#include <stdio.h>\nint main(void) {\n");
            $(
                text += concat!("printf(\"%s %zu\\n\", \"", stringify!($c), "\", sizeof(", stringify!($c), "));\n");
                $(text += concat!(
                    "printf(\"%s %zu %zu\\n\", \"", stringify!($c), ".", stringify!($field), "\", offsetof(",
                    stringify!($c), ", ", stringify!($field), "), sizeof(((", stringify!($c), " *)0)->",
                    stringify!($field), "));\n"
                );)+
            )+
            text + "return 0;\n}\n"
        }
    };
}

structs! {
    CandorEvent = Event<'static> { seq, mono_ns, unix_ns, kind, flags, source, args, body }
    CandorHost = Host { abi, size, ctx, level, log, kind, emit, emit_blob, fail, extension }
    CandorReport = Report { ctx, write }
    CandorObject = Object<'static> { key, len, sha256, media_type, metadata, ctx, read_at }
    CandorSourceVtable = SourceVtable { create, configure, run, pause, resume, stop, destroy }
    CandorDetectorVtable = DetectorVtable { reads, create, configure, on_batch, tick, finish, destroy }
    CandorSinkVtable = SinkVtable { create, configure, probe, put, stop, destroy }
    CandorStoreVtable = StoreVtable { schemes, list, get, remove }
    CandorRequestVtable = RequestVtable { knows, ask }
    CandorFolderVtable = FolderVtable { state }
    CandorClockVtable = ClockVtable { mono_ns }
    CandorMetricsVtable = MetricsVtable { gauge }
    CandorCauseVtable = CauseVtable { name }
    CandorRetryVtable = RetryVtable { now }
    CandorPlugin = Plugin { magic, abi, size, name, version, schema, source, detector, sink, extension }
}

fn run_c(text: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let (source, program) = (folder.path().join("layout.c"), folder.path().join("layout"));
    std::fs::write(&source, text).unwrap();
    cc(&[source.to_str().unwrap(), "-o", program.to_str().unwrap()], &[]);
    let out = Command::new(program).output().unwrap();
    String::from_utf8(out.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn every_field_is_where_rust_has_it() {
    assert_eq!(run_c(&c()), rust());
}

#[test]
fn every_constant_is_what_rust_has() {
    use plugin_api::{
        event,
        v1::{Status, fault},
    };
    let status = |status: Status| i64::from(status.0);
    let mut all: Vec<(String, i64)> = vec![
        ("CANDOR_MAGIC".into(), v1::MAGIC as i64),
        ("CANDOR_ABI".into(), v1::ABI.into()),
        ("CANDOR_UNKNOWN_POSITION".into(), v1::UNKNOWN_POSITION.into()),
        ("CANDOR_OK".into(), status(Status::OK)),
        ("CANDOR_RETRY".into(), status(Status::RETRY)),
        ("CANDOR_FATAL".into(), status(Status::FATAL)),
        ("CANDOR_PANIC".into(), status(Status::PANIC)),
        ("CANDOR_DROPPED".into(), status(Status::DROPPED)),
        ("CANDOR_RECREATE".into(), status(Status::RECREATE)),
        ("CANDOR_FAULT_OTHER".into(), fault::OTHER.into()),
        ("CANDOR_FAULT_CONFIG".into(), fault::CONFIG.into()),
        ("CANDOR_FAULT_PERMISSION".into(), fault::PERMISSION.into()),
        ("CANDOR_FAULT_MISSING".into(), fault::MISSING.into()),
        ("CANDOR_FAULT_CREDENTIALS".into(), fault::CREDENTIALS.into()),
        ("CANDOR_FAULT_NETWORK".into(), fault::NETWORK.into()),
        ("CANDOR_FAULT_BUSY".into(), fault::BUSY.into()),
        ("CANDOR_FAULT_FULL".into(), fault::FULL.into()),
        ("CANDOR_FAULT_CONFLICT".into(), fault::CONFLICT.into()),
        ("CANDOR_FAULT_MALFORMED".into(), fault::MALFORMED.into()),
    ];
    for (kind, name) in event::SIGNALS {
        all.push((format!("CANDOR_{}", name.to_uppercase()), kind.0.into()));
    }
    for (kind, name) in event::RECORDS {
        // The signal has the shorter name.
        let suffix = if *kind == event::DEVICE_RECORD { "_RECORD" } else { "" };
        all.push((format!("CANDOR_{}{suffix}", name.to_uppercase()), kind.0.into()));
    }
    for origin in Origin::ALL {
        all.push((format!("CANDOR_ORIGIN_{}", origin.name().to_uppercase()), origin as i64));
    }
    for class in KeyClass::ALL {
        all.push((format!("CANDOR_KEY_{}", class.name().to_uppercase()), class as i64));
    }
    let mut text = String::from("#include \"candor.h\"\n#include <stdio.h>\nint main(void) {\n");
    for (name, _) in &all {
        text += &format!("printf(\"%s %lld\\n\", \"{name}\", (long long){name});\n");
    }
    let expect: Vec<String> = all.iter().map(|(name, value)| format!("{name} {value}")).collect();
    assert_eq!(run_c(&(text + "return 0;\n}\n")), expect);
}
