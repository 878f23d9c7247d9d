//! Runs the tests that come by a mutant, until one fails. Each verdict is written down at once: an interrupted run goes on
//! where it stopped, and after new tests `--again` tries only what was not red.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use wait_timeout::ChildExt;

use crate::Options;
use crate::build::{Built, Test};
use crate::schema::Mutant;

/// Signals that the limit of processor time sends.
const OUT_OF_TIME: [i32; 2] = [9, 24];

#[derive(Clone, PartialEq, Eq)]
enum Verdict {
    /// The tests that failed.
    Red(String),
    /// The tests that did not end, ten times beyond what they take without a mutant.
    Endless(String),
    Survived,
}

impl Verdict {
    fn line(&self, name: &str) -> String {
        match self {
            Self::Red(by) => format!("red\t{by}\t{name}"),
            Self::Endless(by) => format!("endless\t{by}\t{name}"),
            Self::Survived => format!("survived\t-\t{name}"),
        }
    }

    fn read(line: &str) -> Option<(String, Self)> {
        let mut parts = line.splitn(3, '\t');
        let (kind, by, name) = (parts.next()?, parts.next()?.to_owned(), parts.next()?.to_owned());
        let verdict = match kind {
            "red" => Self::Red(by),
            "endless" => Self::Endless(by),
            "survived" => Self::Survived,
            _ => return None,
        };
        Some((name, verdict))
    }
}

/// One test, and how long it took without a mutant.
struct Case<'a> {
    test: &'a Test,
    name: String,
    took: Duration,
}

/// Whether every mutant was noticed or is explained.
pub(crate) fn run(options: &Options, mutants: &[Mutant], built: &Built) -> Result<bool, Box<dyn Error>> {
    let results = options.copy.join("results.tsv");
    let known = known(options, &results, &built.fingerprint)?;
    let (cases, reached) = survey(options, mutants.len(), built)?;
    let total: Duration = cases.iter().map(|case| case.took).sum();
    println!("{} tests are green without a mutant, {} s", cases.len(), total.as_secs());

    let mut todo: Vec<usize> = built
        .viable
        .iter()
        .copied()
        .filter(|number| mutants.get(number.saturating_sub(1)).is_some_and(|m| !known.contains_key(&m.name)))
        .collect();
    // What is explained passes all tests, which takes longest: last.
    let explained = explained(&options.explained)?;
    let is_explained =
        |n: &usize| mutants.get(n.saturating_sub(1)).is_some_and(|m| explained.contains_key(&m.stable_name));
    todo.sort_by_key(is_explained);
    println!("{} mutants, {} viable, {} to try", mutants.len(), built.viable.len(), todo.len());
    let (next, verdicts) = (AtomicUsize::new(0), Mutex::new(known));
    let (failure, log) = (Mutex::new(None), OpenOptions::new().create(true).append(true).open(&results)?);
    let log = Mutex::new(log);
    std::thread::scope(|scope| {
        for _ in 0..options.jobs.max(1) {
            scope.spawn(|| {
                while let Some(number) = todo.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let Some(mutant) = mutants.get(number.saturating_sub(1)) else { continue };
                    let outcome = verdict(options, &cases, reached.get(number).map_or(&[][..], Vec::as_slice), *number)
                        .and_then(|verdict| {
                            let line = verdict.line(&mutant.name);
                            println!("{line}");
                            writeln!(log.lock().unwrap_or_else(|e| e.into_inner()), "{line}")?;
                            verdicts.lock().unwrap_or_else(|e| e.into_inner()).insert(mutant.name.clone(), verdict);
                            Ok(())
                        });
                    if let Err(error) = outcome {
                        *failure.lock().unwrap_or_else(|e| e.into_inner()) = Some(error.to_string());
                    }
                }
            });
        }
    });
    if let Some(error) = failure.into_inner().unwrap_or_else(|e| e.into_inner()) {
        return Err(error.into());
    }
    report(options, mutants, built, &verdicts.into_inner().unwrap_or_else(|e| e.into_inner()))
}

fn report(
    options: &Options,
    mutants: &[Mutant],
    built: &Built,
    verdicts: &BTreeMap<String, Verdict>,
) -> Result<bool, Box<dyn Error>> {
    let explained = explained(&options.explained)?;
    let viable: Vec<&Mutant> = built.viable.iter().filter_map(|n| mutants.get(n.saturating_sub(1))).collect();
    let of = |wanted: fn(&Verdict) -> bool| {
        viable.iter().filter(|m| verdicts.get(&m.name).is_some_and(wanted)).copied().collect::<Vec<_>>()
    };
    let survivors = of(|v| *v == Verdict::Survived);
    let unexplained: Vec<_> = survivors.iter().filter(|m| !explained.contains_key(&m.stable_name)).collect();
    println!(
        "{} mutants, {} do not compile, {} red, {} endless, {} survived, {} of them without an explanation",
        mutants.len(),
        mutants.len().saturating_sub(viable.len()),
        of(|v| matches!(v, Verdict::Red(_))).len(),
        of(|v| matches!(v, Verdict::Endless(_))).len(),
        survivors.len(),
        unexplained.len()
    );
    for mutant in &unexplained {
        println!("unexplained: {}   ({})", mutant.stable_name, mutant.name);
    }
    // An explanation of a mutant that is noticed, or is no more, misleads.
    let mut stale = 0_usize;
    if options.every == 1 && !options.only_first {
        for name in explained.keys().filter(|name| !survivors.iter().any(|m| m.stable_name == **name)) {
            if mutants.iter().any(|m| m.stable_name == *name) || options.whole {
                println!("explained, but not a survivor: {name}");
                stale = stale.saturating_add(1);
            }
        }
    }
    Ok(unexplained.is_empty() && stale == 0)
}

type Reached = BTreeMap<usize, Vec<usize>>;

/// Runs every test by itself without a mutant: which mutants it comes by, and how long it takes. A test that does not come by
/// a mutant cannot notice it. For each mutant the tests, the quickest first.
fn survey<'b>(options: &Options, mutants: usize, built: &'b Built) -> Result<(Vec<Case<'b>>, Reached), Box<dyn Error>> {
    let (path, key) = (options.copy.join("survey.tsv"), format!("{} {mutants}", built.fingerprint));
    let text = fs::read_to_string(&path).unwrap_or_default();
    let mut done: Vec<(Case<'_>, Vec<usize>)> = Vec::new();
    if text.lines().next() == Some(&key) {
        done.extend(text.lines().skip(1).filter_map(|line| read_case(built, line)));
    }
    if done.is_empty() {
        done = survey_now(options, built)?;
        let line = |(case, numbers): &(Case<'_>, Vec<usize>)| {
            let numbers: Vec<String> = numbers.iter().map(usize::to_string).collect();
            format!("{}\t{}\t{}\t{}\n", case.took.as_millis(), case.test.name, case.name, numbers.join(" "))
        };
        fs::write(path, format!("{key}\n{}", done.iter().map(line).collect::<String>()))?;
    }
    done.sort_by_key(|(case, _)| case.took);
    let mut reached = Reached::new();
    for (index, (_, numbers)) in done.iter().enumerate() {
        for number in numbers {
            reached.entry(*number).or_default().push(index);
        }
    }
    Ok((done.into_iter().map(|(case, _)| case).collect(), reached))
}

fn read_case<'b>(built: &'b Built, line: &str) -> Option<(Case<'b>, Vec<usize>)> {
    let mut parts = line.split('\t');
    let took = Duration::from_millis(parts.next()?.parse().ok()?);
    let (binary, name) = (parts.next()?, parts.next()?.to_owned());
    let test = built.tests.iter().find(|test| test.name == binary)?;
    Some((Case { test, name, took }, parts.next()?.split_whitespace().filter_map(|n| n.parse().ok()).collect()))
}

fn survey_now<'b>(options: &Options, built: &'b Built) -> Result<Vec<(Case<'b>, Vec<usize>)>, Box<dyn Error>> {
    let mut all = Vec::new();
    for test in &built.tests {
        let output = Command::new(&test.path).args(["--list", "--format", "terse"]).output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        all.extend(text.lines().filter_map(|line| line.strip_suffix(": test")).map(|name| (test, name.to_owned())));
    }
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let failure = Mutex::new(None);
    std::thread::scope(|scope| {
        for job in 0..options.jobs.max(1) {
            let (all, next, done, failure) = (&all, &next, &done, &failure);
            scope.spawn(move || {
                let file = options.copy.join(format!("reached.{job}"));
                while let Some((test, name)) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let _ = fs::remove_file(&file);
                    let start = Instant::now();
                    let outcome = attempt(test, name, Asked::Reached(&file), options.timeout);
                    let took = start.elapsed();
                    match outcome {
                        Ok(Some(status)) if status.success() => {
                            let text = fs::read_to_string(&file).unwrap_or_default();
                            let numbers: Vec<usize> = text.lines().filter_map(|line| line.parse().ok()).collect();
                            let case = Case { test, name: name.clone(), took };
                            done.lock().unwrap_or_else(|e| e.into_inner()).push((case, numbers));
                        }
                        _ => {
                            let text = format!("{} {name} is not green without any mutant", test.name);
                            *failure.lock().unwrap_or_else(|e| e.into_inner()) = Some(text);
                        }
                    }
                }
            });
        }
    });
    if let Some(error) = failure.into_inner().unwrap_or_else(|e| e.into_inner()) {
        return Err(error.into());
    }
    Ok(done.into_inner().unwrap_or_else(|e| e.into_inner()))
}

fn verdict(options: &Options, cases: &[Case<'_>], of: &[usize], number: usize) -> Result<Verdict, Box<dyn Error>> {
    let brief = options.below.map(Duration::from_millis);
    let cases = of.iter().filter_map(|index| cases.get(*index));
    for case in cases.filter(|case| brief.is_none_or(|brief| case.took < brief)) {
        // Processor time, which no other load on the machine uses up.
        let seconds = case.took.as_secs().saturating_mul(10).saturating_add(20).min(options.timeout);
        let by = || format!("{} {}", case.test.name, case.name);
        match attempt(case.test, &case.name, Asked::Mutant(number), seconds)? {
            Some(status) if status.success() => {}
            Some(status) if status.signal().is_some_and(|s| OUT_OF_TIME.contains(&s)) => {
                return Ok(Verdict::Endless(by()));
            }
            Some(_) => return Ok(Verdict::Red(by())),
            None => return Ok(Verdict::Endless(by())),
        }
    }
    Ok(Verdict::Survived)
}

enum Asked<'a> {
    Mutant(usize),
    /// Which mutants are come by, to be written here.
    Reached(&'a Path),
}

/// One test under limits of processor time and memory; none if it waits without end.
fn attempt(test: &Test, name: &str, asked: Asked<'_>, seconds: u64) -> Result<Option<ExitStatus>, Box<dyn Error>> {
    let limited = format!("ulimit -t {seconds}; ulimit -v 8000000; ulimit -c 0; exec \"$0\" \"$@\"");
    let mut command = Command::new("sh");
    command
        .args(["-c", &limited])
        .arg(&test.path)
        .args(["--quiet", "--test-threads", "1", "--exact", name])
        .current_dir(&test.folder)
        .env("CARGO_MANIFEST_DIR", &test.folder)
        .env("RUST_BACKTRACE", "0")
        .env("PROPTEST_FAILURE_PERSISTENCE", "off")
        .env("PROPTEST_MAX_SHRINK_ITERS", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    match asked {
        Asked::Mutant(number) => command.env("XLN_MUTANT", number.to_string()),
        Asked::Reached(path) => command.env("XLN_REACHED", path),
    };
    let mut child = command.spawn()?;
    let status = child.wait_timeout(Duration::from_secs(seconds.saturating_mul(10)))?;
    if status.is_none() {
        child.kill()?;
        child.wait()?;
    }
    Ok(status)
}

/// Verdicts of an earlier run: all of them if nothing has changed since, with `--again` those that were red.
fn known(options: &Options, results: &Path, fingerprint: &str) -> Result<BTreeMap<String, Verdict>, Box<dyn Error>> {
    let text = fs::read_to_string(results).unwrap_or_default();
    let same = text.lines().next() == Some(fingerprint);
    let mut known: BTreeMap<String, Verdict> = text.lines().filter_map(Verdict::read).collect();
    if !same && !options.again {
        known.clear();
    }
    if options.again {
        known.retain(|_, verdict| *verdict != Verdict::Survived);
    }
    let lines: String = known.iter().map(|(name, verdict)| verdict.line(name) + "\n").collect();
    fs::write(results, format!("{fingerprint}\n{lines}"))?;
    Ok(known)
}

fn explained(path: &Path) -> Result<BTreeMap<String, String>, Box<dyn Error>> {
    let text = fs::read_to_string(path)?;
    let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    Ok(lines.filter_map(|line| line.split_once(" — ")).map(|(n, r)| (n.trim().to_owned(), r.to_owned())).collect())
}
