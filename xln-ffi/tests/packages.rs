//! What the packages around the libraries must keep to: one version, and no more code than a wrapper needs.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(clippy::arithmetic_side_effects, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Source files, without what generators have put among them.
fn sources(folder: &Path) -> Vec<PathBuf> {
    const GENERATED: [&str; 1] = ["Xln.swift"];
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|ending| ["rs", "kt", "swift", "ts"].iter().any(|e| ending == *e)))
        .filter(|path| GENERATED.iter().all(|name| !path.ends_with(name)))
        .collect()
}

/// Lines that are neither empty nor comments.
fn code_lines(folders: &[&str]) -> usize {
    let files = folders.iter().flat_map(|folder| sources(&root().join(folder)));
    files.map(|file| fs::read_to_string(file).unwrap().lines().filter(|line| is_code(line)).count()).sum()
}

fn is_code(line: &str) -> bool {
    let line = line.trim();
    !line.is_empty() && !["//", "/*", "* ", "*/"].iter().any(|comment| line.starts_with(comment))
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
fn wrappers_are_a_small_part_of_what_they_wrap() {
    let wrapped = code_lines(&[
        "xln-core/src",
        "xln-merkle/src",
        "xln-storage/src",
        "xln-node/src/driver",
        "xln-node/src/wallet",
    ]);
    assert!(wrapped > 10_000, "{wrapped} lines are not all");
    let phones = ["xln-ffi/src", "xln-ffi/kotlin/src/main", "xln-ffi/swift/Sources/Xln"];
    for wrapper in [&phones[..], &["xln-wasm/src", "xln-wasm/npm/src"]] {
        let lines = code_lines(wrapper);
        assert!(lines > 1000 && lines * 100 < wrapped * 15, "{wrapper:?}: {lines} lines wrap {wrapped}");
    }
}

#[test]
fn wrappers_never_panic_by_themselves() {
    for file in ["xln-ffi/src", "xln-wasm/src"].iter().flat_map(|folder| sources(&root().join(folder))) {
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
