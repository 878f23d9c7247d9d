//! What the packages around the library must keep to: one version, and no more code than a wrapper needs.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(clippy::arithmetic_side_effects, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .flat_map(|path| if path.is_dir() { rust_files(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|ending| ending == "rs"))
        .collect()
}

/// Lines that are neither empty nor comments.
fn code_lines(folders: &[&str]) -> usize {
    let files = folders.iter().flat_map(|folder| rust_files(&root().join(folder)));
    files.map(|file| fs::read_to_string(file).unwrap().lines().filter(|line| is_code(line)).count()).sum()
}

fn is_code(line: &str) -> bool {
    let line = line.trim();
    !line.is_empty() && !line.starts_with("//")
}

#[test]
fn packages_have_the_workspace_s_version() {
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(xln_ffi::keys::version(), version);
    let gradle = fs::read_to_string(root().join("xln-ffi/kotlin/build.gradle.kts")).unwrap();
    let stated = gradle.lines().find_map(|line| line.strip_prefix("version = \"")?.split('"').next());
    assert_eq!(stated, Some(version), "build.gradle.kts");
}

#[test]
fn the_wrapper_is_a_small_part_of_what_it_wraps() {
    let wrapper = code_lines(&["xln-ffi/src"]);
    let wrapped = code_lines(&[
        "xln-core/src",
        "xln-merkle/src",
        "xln-storage/src",
        "xln-node/src/driver",
        "xln-node/src/wallet",
    ]);
    assert!(wrapper * 100 < wrapped * 15, "{wrapper} lines wrap {wrapped}");
}

#[test]
fn the_wrapper_never_panics_by_itself() {
    for file in rust_files(&root().join("xln-ffi/src")) {
        let text = fs::read_to_string(&file).unwrap();
        for call in [".unwrap()", ".expect(\"", "panic!", "unreachable!", "todo!"] {
            assert!(!text.contains(call), "{} has {call}", file.display());
        }
    }
}

/// Nothing of an EVM, a command line or a network stack is in what phones load.
#[test]
fn the_library_is_lean() {
    let tree = std::process::Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--package", "xln-ffi", "--edges", "normal", "--prefix", "none"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8(tree.stdout).unwrap();
    assert!(tree.lines().any(|line| line.starts_with("xln-core ")));
    for heavy in ["revm", "alloy-provider", "clap", "reqwest", "tokio", "hyper", "uniffi_bindgen", "rand"] {
        assert!(!tree.lines().any(|line| line.split(' ').next() == Some(heavy)), "{heavy} is in it");
    }
}
