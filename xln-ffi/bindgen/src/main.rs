//! `xln-bindgen kotlin|swift LIBRARY UNIFFI_TOML OUT`: writes the code of one language that calls the built library. It sits
//! on uniffi's generator directly, so that this crate, and not what happens to be installed, says which version runs.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use uniffi_bindgen::bindings::{GenerateOptions, TargetLanguage, generate};

/// The name of the wrapped crate in the library's metadata.
const CRATE: &str = "xln_ffi";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [language, library, config, out] = arguments.as_slice() else {
        eprintln!("usage: xln-bindgen kotlin|swift LIBRARY UNIFFI_TOML OUT");
        return ExitCode::from(2);
    };
    match run(language, library, config, out) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xln-bindgen: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(language: &str, library: &str, config: &str, out: &str) -> Result<(), Box<dyn Error>> {
    let language = match language {
        "kotlin" => TargetLanguage::Kotlin,
        "swift" => TargetLanguage::Swift,
        other => return Err(format!("no generator for {other}").into()),
    };
    if !Path::new(config).is_file() {
        return Err(format!("no file {config}").into());
    }
    let is_kotlin = matches!(language, TargetLanguage::Kotlin);
    generate(GenerateOptions {
        languages: vec![language],
        source: library.into(),
        out_dir: out.into(),
        config_override: Some(config.into()),
        crate_filter: Some(CRATE.into()),
        ..GenerateOptions::default()
    })?;
    if is_kotlin { catch_everything(&Path::new(out).join("org/xln/xln.kt")) } else { Ok(()) }
}

/// The generated code answers Rust when a foreign method throws an `Exception`, and leaves it waiting for ever on any other
/// `Throwable`: a failed assertion, a `TODO()`, an exhausted heap. A wallet that waits for its store holds up every caller,
/// so all of them are caught.
fn catch_everything(file: &Path) -> Result<(), Box<dyn Error>> {
    const NARROW: &str = "catch(e: kotlin.Exception)";
    let code = fs::read_to_string(file)?;
    if !code.contains(NARROW) {
        return Err(format!("{}: the generator changed, look at catch_everything again", file.display()).into());
    }
    fs::write(file, code.replace(NARROW, "catch(e: kotlin.Throwable)"))?;
    Ok(())
}
