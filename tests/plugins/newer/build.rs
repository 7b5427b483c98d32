//! Takes the interface's name.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Names are part of the layout: to the compiler this is another version of the interface's own crate.
    println!("cargo::rustc-env=CARGO_PKG_NAME=candor-plugin-api");
    println!("cargo::rustc-env=CARGO_PKG_VERSION=1.1.0");
}
