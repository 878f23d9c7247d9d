//! Builds the copy with its switches. A mutant that does not compile is dropped, as cargo-mutants calls it: unviable.

#![expect(clippy::indexing_slicing, reason = "a JSON value that is not there is null")]

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::Options;
use crate::schema::{Made, Mutant, write};

/// What was built.
pub(crate) struct Built {
    /// Numbers of the mutants that are in it; the first mutant has number 1.
    pub(crate) viable: Vec<usize>,
    /// The test binaries.
    pub(crate) tests: Vec<Test>,
    /// Changes with any source or test.
    pub(crate) fingerprint: String,
}

/// One test binary.
pub(crate) struct Test {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    /// Where it runs: the folder of its package.
    pub(crate) folder: PathBuf,
}

const SWITCH: &str = r#"
#[doc(hidden)]
pub mod mutants {
    extern crate std as outside; // a rule of the core is that its text never names the environment
    use outside::sync::{LazyLock, Mutex, atomic::{AtomicBool, Ordering}};
    static NUMBER: LazyLock<usize> = LazyLock::new(|| outside::env::var("XLN_MUTANT").ok().and_then(|n| n.parse().ok()).unwrap_or(0));
    static REACHED: LazyLock<Option<Mutex<outside::fs::File>>> = LazyLock::new(|| {
        let path = outside::env::var_os("XLN_REACHED")?;
        outside::fs::OpenOptions::new().create(true).append(true).open(path).ok().map(Mutex::new)
    });
    static SEEN: [AtomicBool; MANY] = [const { AtomicBool::new(false) }; MANY];
    const MANY: usize = 16384;
    /// The mutant that is switched on; these could be.
    #[inline]
    pub fn of(numbers: &[usize]) -> usize {
        if let Some(file) = &*REACHED { numbers.iter().for_each(|n| tell(file, *n)); }
        *NUMBER
    }
    #[inline]
    pub fn on(n: usize) -> bool { of(&[n]) == n }
    #[cold]
    fn tell(file: &Mutex<outside::fs::File>, n: usize) {
        use outside::io::Write;
        if !SEEN[n].swap(true, Ordering::Relaxed) {
            let mut line = outside::string::ToString::to_string(&n);
            line.push('\n');
            let _ = file.lock().unwrap().write_all(line.as_bytes());
        }
    }
}
"#;

pub(crate) fn build(options: &Options, mutants: &[Mutant]) -> Result<Built, Box<dyn Error>> {
    let mut files: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, mutant) in mutants.iter().enumerate() {
        files.entry(&mutant.file).or_default().push(index.saturating_add(1));
    }
    let lib = format!("{}/src/lib.rs", options.package);
    for part in &options.parts {
        copy(options, Path::new(part), &|file| file == lib || files.contains_key(file))?;
    }
    write_changed(&options.copy.join(&lib), &(fs::read_to_string(options.root.join(&lib))? + SWITCH))?;

    // What did not compile last time does not compile now, if this is the same source: the files stay as they are.
    let source = fingerprint(&options.root, files.keys().map(PathBuf::from).collect())?;
    let list = options.copy.join("unviable.txt");
    let last = fs::read_to_string(&list).unwrap_or_default();
    let last: BTreeSet<&str> =
        if last.lines().next() == Some(&source) { last.lines().collect() } else { BTreeSet::new() };
    let numbers = 1_usize..;
    let mut dropped: BTreeSet<usize> =
        numbers.zip(mutants).filter(|(_, m)| last.contains(m.name.as_str())).map(|(n, _)| n).collect();
    for _ in 0..40 {
        let mut made: BTreeMap<&str, Made> = BTreeMap::new();
        for (file, numbers) in &files {
            let wanted: Vec<(usize, &Mutant)> = numbers
                .iter()
                .filter(|n| !dropped.contains(n))
                .filter_map(|n| mutants.get(n.saturating_sub(1)).map(|m| (*n, m)))
                .collect();
            let text = write(&fs::read_to_string(options.root.join(file))?, &wanted)?;
            if let Some(mutant) = text.unwritten.first().and_then(|n| mutants.get(n.saturating_sub(1))) {
                return Err(format!("no way is known to write {}", mutant.name).into());
            }
            write_changed(&options.copy.join(file), &text.text)?;
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
            let numbers = 1_usize..;
            let names = numbers.zip(mutants).filter(|(n, _)| !viable.contains(n)).map(|(_, m)| m.name.clone() + "\n");
            fs::write(list, source + "\n" + &names.collect::<String>())?;
            let all = options.parts.iter().map(PathBuf::from).collect();
            let fingerprint = fingerprint(&options.root, all)?;
            return Ok(Built { viable: viable.into_iter().collect(), tests: tests(options)?, fingerprint });
        }
    }
    Err("mutants that do not compile keep turning up".into())
}

/// Copies what has changed, so that cargo builds nothing twice. `skip` says what is written otherwise.
fn copy(options: &Options, part: &Path, skip: &dyn Fn(&str) -> bool) -> Result<(), Box<dyn Error>> {
    let (from, to) = (options.root.join(part), options.copy.join(part));
    if from.is_dir() {
        fs::create_dir_all(&to)?;
        for entry in fs::read_dir(&to)? {
            let entry = entry?;
            if !from.join(entry.file_name()).exists() {
                if entry.path().is_dir() { fs::remove_dir_all(entry.path())? } else { fs::remove_file(entry.path())? }
            }
        }
        for entry in fs::read_dir(&from)? {
            copy(options, &part.join(entry?.file_name()), skip)?;
        }
    } else if !part.to_str().is_some_and(skip) {
        let bytes = fs::read(&from)?;
        if !fs::read(&to).is_ok_and(|old| old == bytes) {
            if let Some(folder) = to.parent() {
                fs::create_dir_all(folder)?;
            }
            fs::write(to, bytes)?;
        }
    }
    Ok(())
}

fn write_changed(path: &Path, text: &str) -> std::io::Result<()> {
    if fs::read_to_string(path).is_ok_and(|old| old == text) { Ok(()) } else { fs::write(path, text) }
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

fn tests(options: &Options) -> Result<Vec<Test>, Box<dyn Error>> {
    let mut found = Vec::new();
    for message in cargo(options, &["test", "--no-run"])? {
        if let (Some(path), Some(name)) = (message["executable"].as_str(), message["target"]["name"].as_str()) {
            let folder = options.copy.join(&options.package);
            found.push(Test { name: name.to_owned(), path: PathBuf::from(path), folder });
        }
    }
    if found.is_empty() {
        return Err("no test binary was built".into());
    }
    if options.only_first {
        found.retain(|test| options.first.contains(&test.name));
    }
    Ok(found)
}

/// Changes with any of these files.
fn fingerprint(root: &Path, mut parts: Vec<PathBuf>) -> Result<String, Box<dyn Error>> {
    let mut files = BTreeSet::new();
    while let Some(part) = parts.pop() {
        if root.join(&part).is_dir() {
            for entry in fs::read_dir(root.join(&part))? {
                parts.push(part.join(entry?.file_name()));
            }
        } else {
            files.insert(part);
        }
    }
    let mut hasher = DefaultHasher::new();
    for file in files {
        hasher.write(file.as_os_str().as_encoded_bytes());
        hasher.write(&fs::read(root.join(file))?);
    }
    Ok(format!("{:016x}", hasher.finish()))
}
