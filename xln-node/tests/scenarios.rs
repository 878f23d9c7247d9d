//! Every file in `examples/scenarios` is a test, with the rules that always hold checked after every step.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use xln_node::scenario::Options;
use xln_node::scenario::report::{Show, run_file};

fn play(path: &Path) -> Result<(), Failed> {
    let show = Show { json: true, options: Options { trace: false, model: true, volatile: false } };
    let mut out = Vec::new();
    let report = run_file(path, show, &mut out).map_err(|error| error.to_string())?;
    report.error.map_or(Ok(()), |error| Err(error.into()))
}

fn main() -> ExitCode {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/scenarios");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the folder of scenarios")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    let trial = |path: PathBuf| {
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        Trial::test(name, move || play(&path))
    };
    libtest_mimic::run(&Arguments::from_args(), files.into_iter().map(trial).collect()).exit_code()
}
