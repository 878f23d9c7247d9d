//! `xln-wasm-bindgen INPUT.wasm OUTPUT_DIR NAME`: the JavaScript and TypeScript around a compiled `xln-wasm`, as modules that
//! import nothing but each other and the `.wasm`. Functions keep their names, by which what comes after sorts them.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use wasm_bindgen_cli_support::Bindgen;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [input, output, name] = arguments.as_slice() else {
        eprintln!("usage: xln-wasm-bindgen INPUT.wasm OUTPUT_DIR NAME");
        return ExitCode::from(2);
    };
    let mut bindgen = Bindgen::new();
    bindgen.input_path(input).out_name(name).typescript(true).remove_name_section(false).remove_producers_section(true);
    let made = bindgen.bundler(true).and_then(|bindgen| bindgen.generate(output));
    match made {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
