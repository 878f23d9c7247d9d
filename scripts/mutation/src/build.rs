//! Builds the copy with its switches. A mutant that does not compile is dropped, as cargo-mutants calls it: unviable.

#![expect(clippy::indexing_slicing, reason = "a JSON value that is not there is null")]

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::Options;
use crate::schema::{Made, Mutant, write};

/// What was built.
pub(crate) struct Built {
    /// Numbers of the mutants that are in it; the first mutant has number 1.
    pub(crate) viable: Vec<usize>,
    /// The test binaries, with their names.
    pub(crate) tests: Vec<(String, PathBuf)>,
}

const SWITCH: &str = r#"
#[doc(hidden)]
pub mod mutants {
    extern crate std as outside; // a rule of the core is that its text never names the environment
    static NUMBER: outside::sync::LazyLock<usize> =
        outside::sync::LazyLock::new(|| outside::env::var("XLN_MUTANT").ok().and_then(|n| n.parse().ok()).unwrap_or(0));
    #[inline]
    pub fn number() -> usize { *NUMBER }
    #[inline]
    pub fn on(n: usize) -> bool { number() == n }
}
"#;

pub(crate) fn build(options: &Options, mutants: &[Mutant]) -> Result<Built, Box<dyn Error>> {
    let mut files: BTreeMap<&str, (String, Vec<usize>)> = BTreeMap::new();
    for (index, mutant) in mutants.iter().enumerate() {
        let source = fs::read_to_string(options.copy.join(&mutant.file))?;
        files.entry(&mutant.file).or_insert((source, Vec::new())).1.push(index.saturating_add(1));
    }
    let root = options.copy.join(&options.package).join("src/lib.rs");
    let lib = fs::read_to_string(&root)?;
    fs::write(&root, lib + SWITCH)?;
    let mut dropped: BTreeSet<usize> = BTreeSet::new();
    for _ in 0..40 {
        let mut made: BTreeMap<&str, Made> = BTreeMap::new();
        for (file, (source, numbers)) in &files {
            let wanted: Vec<(usize, &Mutant)> = numbers
                .iter()
                .filter(|n| !dropped.contains(n))
                .filter_map(|n| mutants.get(n.saturating_sub(1)).map(|m| (*n, m)))
                .collect();
            let text = write(source, &wanted)?;
            fs::write(options.copy.join(file), &text.text)?;
            made.insert(file, text);
        }
        let before = dropped.len();
        let others = check(options, &made, &mut dropped)?;
        if dropped.len() == before {
            if let Some(other) = others.first() {
                return Err(format!("an error that no mutant explains:\n{other}").into());
            }
            let viable: BTreeSet<usize> =
                made.values().flat_map(|m| &m.written).flat_map(|w| w.mutants.clone()).collect();
            return Ok(Built { viable: viable.into_iter().collect(), tests: tests(options)? });
        }
    }
    Err("mutants that do not compile keep turning up".into())
}

fn cargo(options: &Options, arguments: &[&str]) -> Result<Vec<Value>, Box<dyn Error>> {
    let output = Command::new("cargo")
        .args(arguments)
        .args(["--offline", "--features", "std", "--message-format", "json", "-p", &options.package])
        .current_dir(&options.copy)
        .output()?;
    let lines = String::from_utf8_lossy(&output.stdout);
    let messages: Vec<Value> = lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    if messages.is_empty() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    Ok(messages)
}

/// Drops the mutants at whose text the compiler complains; gives complaints about anything else.
fn check(
    options: &Options,
    made: &BTreeMap<&str, Made>,
    dropped: &mut BTreeSet<usize>,
) -> Result<Vec<String>, Box<dyn Error>> {
    let mut others = Vec::new();
    for message in cargo(options, &["check", "--lib"])? {
        let message = &message["message"];
        if message["level"] != "error" {
            continue;
        }
        let spans = message["spans"].as_array().cloned().unwrap_or_default();
        let mut explained = spans.is_empty();
        for span in spans.iter().filter(|span| span["is_primary"] == true) {
            let file = span["file_name"].as_str().unwrap_or_default();
            let place = |name: &str| span[name].as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
            let (start, end) = (place("byte_start"), place("byte_end"));
            let Some(text) = made.get(file) else { continue };
            let around = text
                .written
                .iter()
                .filter(|w| w.at.start < end && start < w.at.end)
                .min_by_key(|w| w.at.end.saturating_sub(w.at.start));
            if let Some(written) = around {
                dropped.extend(&written.mutants);
                explained = true;
            }
        }
        if !explained {
            others.push(message["rendered"].as_str().unwrap_or_default().to_owned());
        }
    }
    Ok(others)
}

fn tests(options: &Options) -> Result<Vec<(String, PathBuf)>, Box<dyn Error>> {
    let mut found = Vec::new();
    for message in cargo(options, &["test", "--no-run"])? {
        if let (Some(path), Some(name)) = (message["executable"].as_str(), message["target"]["name"].as_str()) {
            found.push((name.to_owned(), PathBuf::from(path)));
        }
    }
    if found.is_empty() {
        return Err("no test binary was built".into());
    }
    let rank = |name: &str| options.first.iter().position(|first| first == name).unwrap_or(usize::MAX);
    if options.only_first {
        found.retain(|(name, _)| rank(name) != usize::MAX);
    }
    found.sort_by_key(|(name, _)| rank(name));
    Ok(found)
}
