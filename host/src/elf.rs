//! Looks at a library's head before the system's loader does: it would say little, or map what isn't there.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

const MACHINES: &[(u16, &str)] = &[
    (3, "x86"),
    (8, "mips"),
    (20, "powerpc"),
    (21, "powerpc64"),
    (22, "s390x"),
    (40, "arm"),
    (62, "x86_64"),
    (183, "aarch64"),
    (243, "riscv64"),
    (258, "loongarch64"),
];

/// Why this machine can't load a file, and what to do; None when nothing speaks against it.
pub fn fault(path: &Path) -> io::Result<Option<String>> {
    let mut file = File::open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Ok(Some("not a file; put a library there".to_owned()));
    }
    let mut head = Vec::new();
    file.by_ref().take(64 << 10).read_to_end(&mut head)?;
    Ok(judge(&head, meta.len()))
}

fn judge(head: &[u8], len: u64) -> Option<String> {
    if len == 0 {
        return Some("empty; copy it again".to_owned());
    }
    if !head.starts_with(b"\x7fELF") {
        return foreign(head);
    }
    if !cfg!(any(target_os = "linux", target_os = "android", target_os = "freebsd")) {
        return Some(format!("built for Linux; get the build for {}", std::env::consts::OS));
    }
    let Some(elf) = Elf::read(head) else { return Some("truncated in its head; copy it again".to_owned()) };
    if elf.machine != std::env::consts::ARCH {
        let here = std::env::consts::ARCH;
        return Some(format!("built for {}; this machine is {here}; get the build for {here}", elf.machine));
    }
    if elf.kind != 3 {
        return Some(
            "not a shared library; build it with crate-type = [\"cdylib\"] or cc -shared".to_owned(),
        );
    }
    (elf.end > len).then(|| format!("truncated: {len} bytes of at least {}; copy it again", elf.end))
}

/// A file that isn't ELF.
fn foreign(head: &[u8]) -> Option<String> {
    let native = match std::env::consts::OS {
        "macos" => [&[0xcf, 0xfa, 0xed, 0xfe][..], &[0xca, 0xfe, 0xba, 0xbe]]
            .iter()
            .any(|magic| head.starts_with(magic)),
        "windows" => head.starts_with(b"MZ"),
        _ => false,
    };
    let text =
        !head.is_empty() && head.iter().take(512).all(|c| c.is_ascii_graphic() || c.is_ascii_whitespace());
    match (native, text) {
        (true, _) => None,
        (_, true) => Some("a text file, not a library; put the built library there".to_owned()),
        _ => Some(format!("not a library of {}; get the build for this system", std::env::consts::OS)),
    }
}

/// What its head says of a library.
struct Elf {
    machine: String,
    kind: u16,
    /// How long the file must be at least.
    end: u64,
}

impl Elf {
    fn read(head: &[u8]) -> Option<Self> {
        let wide = *head.get(4)? == 2;
        let little = *head.get(5)? == 1;
        let number = |at: usize, n: usize| -> Option<u64> {
            let bytes = head.get(at..at.checked_add(n)?)?;
            let fold = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
            Some(if little { bytes.iter().rev().fold(0, fold) } else { bytes.iter().fold(0, fold) })
        };
        // A word is as wide as an address.
        let word = |at: usize| number(at, if wide { 8 } else { 4 });
        let half = |at: usize| number(at, 2);
        let machine = half(18)? as u16;
        let machine = MACHINES
            .iter()
            .find(|(number, _)| *number == machine)
            .map_or_else(|| format!("machine {machine}"), |(_, name)| (*name).to_owned());
        let (programs, size, count) =
            if wide { (word(32)?, half(54)?, half(56)?) } else { (word(28)?, half(42)?, half(44)?) };
        // Sections aren't mapped, but their table ends most files; it is at 0 when it was stripped.
        let sections = if wide {
            word(40)?.checked_add(half(58)? * half(60)?)?
        } else {
            word(32)?.checked_add(half(46)? * half(48)?)?
        };
        let mut end = programs.checked_add(size * count)?.max(sections);
        for i in 0..count {
            let at = usize::try_from(programs + i * size).ok()?;
            let (offset, length) =
                if wide { (word(at + 8)?, word(at + 32)?) } else { (word(at + 4)?, word(at + 16)?) };
            end = end.max(offset.checked_add(length)?);
        }
        Some(Self { machine, kind: half(16)? as u16, end })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], len: u64, expect: Option<&str>) {
        match (judge(bytes, len), expect) {
            (None, None) => {}
            (Some(text), Some(expect)) => assert!(text.contains(expect), "{text}"),
            (found, _) => panic!("{found:?} instead of {expect:?}"),
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn every_head_is_judged_and_none_reads_past_its_end() {
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let len = own.len() as u64;
        let head = &own[..own.len().min(64 << 10)];
        check(head, len, None);
        check(head, 4096, Some("truncated: 4096 bytes of at least"));
        check(b"", 0, Some("empty"));
        check(b"#!/bin/sh\necho no\n", 18, Some("a text file"));
        check(b"MZ\x90\0", 4, Some("not a library of linux"));
        for n in 4..64 {
            check(&own[..n], n as u64, Some(""));
        }
        let mut other = head.to_vec();
        other[18..20].copy_from_slice(&if cfg!(target_arch = "aarch64") { [62, 0] } else { [183, 0] });
        check(&other, len, Some("built for"));
    }
}
