//! Writes the interface whose events are laid out otherwise: the real one with one field changed.

use std::{env, error::Error, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    // Names are part of the layout: to the compiler this is the interface's own crate.
    println!("cargo::rustc-env=CARGO_PKG_NAME=candor-plugin-api");
    println!("cargo::rustc-env=CARGO_PKG_VERSION=1.0.0");
    let real = "../../../plugin-api/src/v1.rs";
    println!("cargo::rerun-if-changed={real}");
    let text = fs::read_to_string(real)?;
    let other = text.replacen("pub args: [i32; 4]", "pub args: [i64; 4]", 1);
    assert_ne!(text, other, "the field to change isn't there any more");
    // What is included may not have docs of its own.
    let lines: Vec<&str> = other.lines().filter(|line| !line.starts_with("//!")).collect();
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("v1.rs"), lines.join("\n"))?;
    Ok(())
}
