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
    if is_kotlin {
        catch_everything(&Path::new(out).join("org/xln/xln.kt"))
    } else {
        pass_cancellation_on(&Path::new(out).join("Xln.swift"))
    }
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

/// The generated Swift waits for Rust although its task is cancelled. Here a cancelled task cancels the Rust future, which the
/// library supports, and the call throws `CancellationError`.
fn pass_cancellation_on(file: &Path) -> Result<(), Box<dyn Error>> {
    const POLL: &str = "pollFunc: ffi_xln_ffi_rust_future_poll_";
    const CHANGES: [(&str, &str); 5] = [
        ("fatalError(\"Cancellation not supported yet\")", "throw CancellationError()"),
        (
            "    pollFunc: (UInt64, @escaping UniffiRustFutureContinuationCallback, UInt64) -> (),\n",
            "    pollFunc: @escaping (UInt64, @escaping UniffiRustFutureContinuationCallback, UInt64) -> (),\n    \
             cancelFunc: @escaping (UInt64) -> (),\n",
        ),
        (
            "    defer {\n        freeFunc(rustFuture)\n",
            "    let cancellation = UniffiCancellation { cancelFunc(rustFuture) }\n    \
             defer {\n        cancellation.end()\n        freeFunc(rustFuture)\n",
        ),
        (
            "        pollResult = await withUnsafeContinuation {\n",
            "        pollResult = await withTaskCancellationHandler { await withUnsafeContinuation {\n",
        ),
        (
            "            )\n        }\n    } while pollResult",
            "            )\n        } } onCancel: { cancellation.cancel() }\n    } while pollResult",
        ),
    ];
    let mut code = fs::read_to_string(file)?;
    let calls = code.matches(POLL).count();
    for (from, to) in CHANGES {
        if code.matches(from).count() != 1 || calls == 0 {
            return Err(format!("{}: the generator changed, look at pass_cancellation_on again", file.display()).into());
        }
        code = code.replace(from, to);
    }
    let mut changed = String::new();
    for line in code.lines() {
        changed.push_str(line);
        changed.push('\n');
        if let Some(rest) = line.trim_start().strip_prefix(POLL) {
            let kind = rest.trim_end_matches(',');
            changed.push_str(&format!("            cancelFunc: ffi_xln_ffi_rust_future_cancel_{kind},\n"));
        }
    }
    changed.push_str(CANCELLATION);
    fs::write(file, changed)?;
    Ok(())
}

/// Cancels at most until the future is freed.
const CANCELLATION: &str = "
private final class UniffiCancellation: @unchecked Sendable {
    private let lock = NSLock()
    private var action: (() -> ())?

    init(_ action: @escaping () -> ()) { self.action = action }

    func cancel() {
        lock.lock()
        defer { lock.unlock() }
        action?()
    }

    func end() {
        lock.lock()
        defer { lock.unlock() }
        action = nil
    }
}
";
