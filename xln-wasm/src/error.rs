//! Errors as JavaScript sees them: a real `Error` of a class of the package, with a stable `code`.

use wasm_bindgen::prelude::*;

#[wasm_bindgen(raw_module = "../errors.js")]
extern "C" {
    /// The one class of errors that this package throws; written in TypeScript, shared by all entries.
    #[wasm_bindgen(js_name = XlnError)]
    pub type XlnError;

    #[wasm_bindgen(constructor, js_class = "XlnError")]
    fn new(code: &str, message: &str) -> XlnError;
}

/// What every function here may throw.
pub type Thrown<T> = Result<T, XlnError>;

/// An error with this code; the message is the error's own.
pub fn coded(code: &str, error: &dyn core::fmt::Display) -> XlnError {
    XlnError::new(code, &error.to_string())
}

/// The argument of this name is not what it should be.
pub fn invalid(name: &str, why: &dyn core::fmt::Display) -> XlnError {
    XlnError::new("invalid_argument", &format!("{name}: {why}"))
}
