//! What a run says: one JSON line per step and one at the end, or tables for people.

use std::io::Write;
use std::path::Path;

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use serde_json::{Value, json};
use xln_core::delta::bar;
use xln_core::types::Side;

use super::play::{Play, StepReport};
use super::records::write_records;
use super::world::World;
use super::{Options, read};

/// Columns of a channel's bar.
const BAR_COLUMNS: usize = 54;

/// How a run is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Show {
    /// JSON lines instead of tables.
    pub json: bool,
    /// How it is played.
    pub options: Options,
}

/// How one file ended.
#[derive(Clone, Debug)]
pub struct FileReport {
    /// Whether everything holds.
    pub ok: bool,
    /// Steps that were played.
    pub steps: usize,
    /// The first thing that does not hold.
    pub error: Option<String>,
}

/// Plays one file and writes what happens.
///
/// # Errors
/// If it cannot be written.
pub fn run_file(path: &Path, show: Show, out: &mut impl Write) -> std::io::Result<FileReport> {
    run_recorded(path, show, None, out)
}

/// [`run_file`], and keeps the entities' logs in a folder if everything holds: [`write_records`].
///
/// # Errors
/// As [`run_file`].
pub fn run_recorded(
    path: &Path,
    show: Show,
    records: Option<&Path>,
    out: &mut impl Write,
) -> std::io::Result<FileReport> {
    let mut report = FileReport { ok: true, steps: 0, error: None };
    let (mut name, mut gas) = (String::new(), 0_u64);
    let mut table = Table::new();
    table.load_preset(NOTHING).set_header(["step", "do", "", "gas", "heights"]);
    match read(path).and_then(|scenario| {
        name.clone_from(&scenario.name);
        Play::new(scenario, show.options)
    }) {
        Ok(mut play) => {
            while let Some(step) = play.next_step() {
                (report.steps, gas) = (step.step, gas.saturating_add(step.gas));
                if show.json {
                    write_step(out, &step)?;
                } else {
                    add_row(&mut table, &step);
                }
                if !step.ok {
                    report.ok = false;
                    report.error =
                        Some(format!("step {} ({}): {}", step.step, step.name, step.error.unwrap_or_default()));
                    break;
                }
            }
            if let (true, Some(dir)) = (report.ok, records) {
                let stem = path.file_stem().map(|stem| stem.to_string_lossy()).unwrap_or_default();
                if let Err(error) = write_records(&play.world, &stem, dir) {
                    (report.ok, report.error) = (false, Some(error.to_string()));
                }
            }
            if !show.json {
                writeln!(out, "{}: {name}\n{table}\n{}", path.display(), bars(&play.world))?;
            }
        }
        Err(error) => (report.ok, report.error) = (false, Some(error.to_string())),
    }
    if show.json {
        let (file, ok, steps) = (path.display().to_string(), report.ok, report.steps);
        writeln!(
            out,
            "{}",
            json!({ "scenario": name, "file": file, "ok": ok, "steps": steps, "gas": gas, "error": report.error })
        )?;
    } else {
        let verdict = report.error.as_ref().map_or_else(|| "ok".to_owned(), |error| format!("FAILED: {error}"));
        writeln!(out, "{}: {} steps, {gas} gas, {verdict}", path.display(), report.steps)?;
    }
    Ok(report)
}

fn write_step(out: &mut impl Write, step: &StepReport) -> std::io::Result<()> {
    for entry in &step.trace {
        writeln!(out, "{}", with_step(entry, step.step))?;
    }
    let StepReport { step, name, ok, error, gas, heights, .. } = step;
    writeln!(out, "{}", json!({ "step": step, "do": name, "ok": ok, "error": error, "gas": gas, "heights": heights }))
}

fn with_step(entry: &Value, step: usize) -> Value {
    let mut entry = entry.clone();
    if let Some(fields) = entry.as_object_mut() {
        fields.insert("at_step".to_owned(), json!(step));
    }
    entry
}

fn add_row(table: &mut Table, step: &StepReport) {
    for entry in &step.trace {
        table.add_row([String::new(), String::new(), entry.to_string()]);
    }
    let heights: Vec<String> = step.heights.iter().map(|(pair, height)| format!("{pair} {height}")).collect();
    let end = match (&step.error, step.ok) {
        (None, _) => "ok".to_owned(),
        (Some(error), true) => format!("refused: {error}"),
        (Some(error), false) => format!("FAILED: {error}"),
    };
    table.add_row([step.step.to_string(), step.name.clone(), end, step.gas.to_string(), heights.join(", ")]);
}

/// Every token of every channel as its left side sees it.
fn bars(world: &World) -> String {
    let mut lines = Vec::new();
    for pair in world.pairs() {
        let (left, right) = (world.name(&pair.left()), world.name(&pair.right()));
        let Some(channel) = world.view(&left, &right) else { continue };
        for (name, token) in &world.ground.tokens {
            let Ok(key) = world.ground.key(name) else { continue };
            for state in token.ids.iter().filter_map(|id| channel.state().token(&key, *id)) {
                if let Ok(bar) = bar(&state.to_delta(), Side::Left, BAR_COLUMNS) {
                    lines.push(format!("{left} {name} {right}\n{bar}"));
                }
            }
        }
    }
    lines.join("\n")
}
