//! Runs the tests once for each mutant, until one fails.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use wait_timeout::ChildExt;

use crate::Options;
use crate::build::Built;
use crate::schema::Mutant;

/// Whether every mutant was caught or is explained.
pub(crate) fn run(options: &Options, mutants: &[Mutant], built: &Built) -> Result<bool, Box<dyn Error>> {
    if let Some(name) = caught(options, built, 0)? {
        return Err(format!("{name} is not green without any mutant").into());
    }
    let explained = explained(&options.explained)?;
    let (next, survivors) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let failure = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..options.jobs.max(1) {
            scope.spawn(|| {
                while let Some(number) = built.viable.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let Some(mutant) = mutants.get(number.saturating_sub(1)) else { continue };
                    match caught(options, built, *number) {
                        Ok(Some(by)) => println!("red       {} ({by})", mutant.name),
                        Ok(None) => {
                            println!("SURVIVED  {}", mutant.name);
                            survivors.lock().unwrap_or_else(|e| e.into_inner()).push(mutant);
                        }
                        Err(error) => *failure.lock().unwrap_or_else(|e| e.into_inner()) = Some(error.to_string()),
                    }
                }
            });
        }
    });
    if let Some(error) = failure.into_inner().unwrap_or_else(|e| e.into_inner()) {
        return Err(error.into());
    }
    let survivors = survivors.into_inner().unwrap_or_else(|e| e.into_inner());
    let unexplained: Vec<_> = survivors.iter().filter(|m| !explained.contains_key(&m.stable_name())).collect();
    println!(
        "{} mutants, {} viable, {} red, {} survived, {} of them without an explanation",
        mutants.len(),
        built.viable.len(),
        built.viable.len().saturating_sub(survivors.len()),
        survivors.len(),
        unexplained.len()
    );
    for mutant in &unexplained {
        println!("unexplained: {}", mutant.name);
    }
    Ok(unexplained.is_empty())
}

/// The first test binary that fails, or does not end.
fn caught<'b>(options: &Options, built: &'b Built, number: usize) -> Result<Option<&'b str>, Box<dyn Error>> {
    for (name, path) in &built.tests {
        let mut child = Command::new(path)
            .args(["--quiet", "--test-threads", "1"])
            .current_dir(options.copy.join(&options.package))
            .env("CARGO_MANIFEST_DIR", options.copy.join(&options.package))
            .env("XLN_MUTANT", number.to_string())
            .env("RUST_BACKTRACE", "0")
            .env("PROPTEST_FAILURE_PERSISTENCE", "off")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        match child.wait_timeout(Duration::from_secs(options.timeout))? {
            Some(status) if status.success() => {}
            Some(_) => return Ok(Some(name)),
            None => {
                child.kill()?;
                child.wait()?;
                return Ok(Some(name));
            }
        }
    }
    Ok(None)
}

fn explained(path: &Path) -> Result<BTreeMap<String, String>, Box<dyn Error>> {
    let text = fs::read_to_string(path)?;
    let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    Ok(lines.filter_map(|line| line.split_once(" — ")).map(|(n, r)| (n.trim().to_owned(), r.to_owned())).collect())
}
