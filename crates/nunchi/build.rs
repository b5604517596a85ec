//! Has the linker keep one copy of functions that are alike, where it is the one that rustc brings: a tenth of the binary.

use std::env;
use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if env::var("PROFILE").is_ok_and(|profile| profile == "release") && links_with_rust_lld() {
        println!("cargo:rustc-link-arg-bins=-Wl,--icf=all");
    }
}

/// Whether nobody has chosen another linker than the one that stands beside this compiler; others may not know the option.
fn links_with_rust_lld() -> bool {
    let var = |name: &str| env::var(name).unwrap_or_default();
    let target = var("TARGET");
    let chosen = env::var_os("RUSTC_LINKER").is_some() || var("CARGO_ENCODED_RUSTFLAGS").contains("link");
    // The targets for which rustc uses it unasked.
    if target != "x86_64-unknown-linux-gnu" || target != var("HOST") || chosen {
        return false;
    }
    let sysroot = Command::new(var("RUSTC")).args(["--print", "sysroot"]).output();
    let sysroot = sysroot.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    sysroot.is_ok_and(|root| {
        Path::new(&root).join("lib/rustlib").join(target).join("bin/gcc-ld/ld.lld").exists()
    })
}
