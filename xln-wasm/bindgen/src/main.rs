//! What is made of a compiled `xln-wasm`:
//!
//! - `xln-wasm-bindgen bindings INPUT.wasm OUTPUT_DIR NAME`: the JavaScript and TypeScript around it, as modules that import
//!   nothing but each other and the `.wasm`.
//! - `xln-wasm-bindgen names INPUT.wasm OUTPUT.wasm`: the same module, but functions are named by the places at which gzip
//!   makes most of them. `wasm-opt --reorder-functions-by-name` puts them there.
#![forbid(unsafe_code)]

mod name;
mod order;

use std::process::ExitCode;

use wasm_bindgen_cli_support::Bindgen;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let made = match arguments.as_slice() {
        ["bindings", input, output, name] => {
            let mut bindgen = Bindgen::new();
            bindgen.input_path(input).out_name(name).typescript(true).remove_producers_section(true);
            let made = bindgen.bundler(true).and_then(|bindgen| bindgen.generate(output));
            made.map_err(|error| format!("{error:#}"))
        }
        ["names", input, output] => std::fs::read(input)
            .map_err(|error| format!("{input}: {error}"))
            .and_then(|module| name::by_likeness(&module).map_err(|error| format!("{input}: {error}")))
            .and_then(|module| std::fs::write(output, module).map_err(|error| format!("{output}: {error}"))),
        _ => {
            eprintln!("usage: xln-wasm-bindgen bindings INPUT.wasm OUTPUT_DIR NAME | names INPUT.wasm OUTPUT.wasm");
            return ExitCode::from(2);
        }
    };
    match made {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
