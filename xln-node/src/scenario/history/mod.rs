//! Random histories: stories that nobody wrote, played on core and bytecode and held against the reckonings beside them
//! after every step. A difference is made small and kept as a scenario file.

mod home;
mod people;
mod random;
mod shrink;
mod stage;
mod steps;
mod tally;
mod teller;
#[cfg(test)]
mod tests;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

pub use stage::Difference;
pub use tally::Tally;
pub use teller::step_names;

use stage::Stage;
use teller::Teller;

/// A story without a file: its head (tokens, entities, window) and its steps.
#[derive(Clone, Debug)]
pub struct Tale {
    /// Everything but the steps.
    pub head: Value,
    /// The steps; refusals as they came.
    pub steps: Vec<Value>,
}

impl Tale {
    /// As a scenario file.
    #[must_use]
    pub fn file(&self) -> Value {
        let mut file = self.head.clone();
        if let Some(fields) = file.as_object_mut() {
            fields.insert("steps".to_owned(), Value::Array(self.steps.clone()));
        }
        file
    }
}

/// A history in which core, bytecode and the reckonings are not of one mind.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Its seed.
    pub seed: u64,
    /// What differs.
    pub difference: Difference,
    /// The story as it was told, up to the difference.
    pub tale: Tale,
}

/// Plays the history of a seed.
///
/// # Errors
/// What differs, with the story.
pub fn play(seed: u64) -> Result<Tally, Box<Finding>> {
    let mut teller = Teller::new(seed);
    let head = teller.head();
    let mut told = Vec::new();
    let mut tally = Tally::default();
    let played = guarded(|| tell(&mut teller, &head, &mut told, &mut tally));
    match played {
        Ok(()) => Ok(tally),
        Err(difference) => Err(Box::new(Finding { seed, difference, tale: Tale { head, steps: told } })),
    }
}

fn tell(teller: &mut Teller, head: &Value, told: &mut Vec<Value>, tally: &mut Tally) -> Result<(), Difference> {
    let mut stage = Stage::new(head)?;
    while let Some(step) = teller.next(&stage.play.world) {
        // Kept before it is played, for one that never ends or panics.
        told.push(step.clone());
        let outcome = stage.step(&step)?;
        told.pop();
        teller.hear(&step, &outcome);
        told.extend(outcome.told);
    }
    stage.check_home()?;
    stage.count(tally);
    Ok(())
}

/// The story of a seed as it is told, up to a difference.
#[must_use]
pub fn tale(seed: u64) -> Tale {
    let mut teller = Teller::new(seed);
    let (head, mut told) = (teller.head(), Vec::new());
    let _ = guarded(|| tell(&mut teller, &head, &mut told, &mut Tally::default()));
    Tale { head, steps: told }
}

/// Plays a story again: what differs, if anything does.
#[must_use]
pub fn replay(tale: &Tale) -> Option<(Difference, Tale)> {
    let mut told = Vec::new();
    let played = guarded(|| {
        let mut stage = Stage::new(&tale.head)?;
        for step in &tale.steps {
            told.push(step.clone());
            let outcome = stage.step(step)?;
            told.pop();
            told.extend(outcome.told);
        }
        stage.check_home_if_done()
    });
    played.err().map(|difference| (difference, Tale { head: tale.head.clone(), steps: told }))
}

/// A panic is a difference too.
fn guarded(run: impl FnOnce() -> Result<(), Difference>) -> Result<(), Difference> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|cause| {
        let text = cause.downcast_ref::<String>().cloned();
        let text = text.or_else(|| cause.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(Difference::panic(text.as_deref().unwrap_or("of unknown cause")))
    })
}

/// What many histories came to.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Histories that were played.
    pub histories: u64,
    /// What they met.
    pub tally: Tally,
    /// The first difference, by seed.
    pub finding: Option<Finding>,
}

/// Plays `count` histories, the seeds `seed`, `seed + 1`, … on as many threads as there are processors, until one differs.
#[must_use]
pub fn play_many(seed: u64, count: u64, progress: &(dyn Fn() + Sync)) -> Outcome {
    let next = AtomicU64::new(0);
    let outcome = Mutex::new(Outcome::default());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            // Long stories in builds without optimisation need more than two megabytes of stack.
            let worker = std::thread::Builder::new().stack_size(16 << 20);
            let _ = worker.spawn_scoped(scope, || {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return;
                    }
                    let played = play(seed.wrapping_add(number));
                    let Ok(mut outcome) = outcome.lock() else { return };
                    outcome.histories = outcome.histories.saturating_add(1);
                    match played {
                        Ok(tally) => outcome.tally.add(&tally),
                        Err(finding) => {
                            next.store(count, Ordering::Relaxed);
                            if outcome.finding.as_ref().is_none_or(|found| finding.seed < found.seed) {
                                outcome.finding = Some(*finding);
                            }
                        }
                    }
                    progress();
                }
            });
        }
    });
    outcome.into_inner().unwrap_or_default()
}

/// Makes a story small that still differs in the same way.
#[must_use]
pub fn shrink(finding: &Finding) -> Finding {
    shrink::shrink(finding)
}

/// Writes a finding as a scenario file.
///
/// # Errors
/// If it cannot be written.
pub fn keep(finding: &Finding, folder: &Path) -> std::io::Result<PathBuf> {
    std::fs::create_dir_all(folder)?;
    let path = folder.join(format!("history_{}.json", finding.seed));
    let mut file = finding.tale.file();
    if let (Some(steps), Some(step)) =
        (file.get_mut("steps").and_then(Value::as_array_mut), &finding.difference.shown_by)
    {
        steps.push(step.clone());
    }
    if let Some(fields) = file.as_object_mut() {
        fields.insert("name".to_owned(), json!(format!("history {}", finding.seed)));
        fields.insert("about".to_owned(), json!(format!("Play it with --model. {}", finding.difference.text)));
    }
    std::fs::write(&path, format!("{file:#}\n"))?;
    Ok(path)
}
