//! Errors as JavaScript sees them: a real `Error` of a class of the package, with a stable `code`.

use core::fmt::{self, Display, Formatter};

use serde::de::{self, Expected, Unexpected};
use serde::ser;
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

/// Why a value cannot be read or written. In a box, since every part of a value that is read may be one.
#[derive(Debug)]
pub struct Unconverted(Box<Why>);

#[derive(Debug)]
struct Why {
    /// The names and indices that lead to the value.
    place: String,
    due: String,
}

impl Unconverted {
    /// What is due.
    #[cold]
    #[inline(never)]
    pub fn new(due: &dyn Display) -> Self {
        Self(Box::new(Why { place: String::new(), due: due.to_string() }))
    }

    /// The same in a place of a larger value.
    #[cold]
    #[inline(never)]
    #[must_use]
    pub fn within(mut self, place: &dyn Display) -> Self {
        self.0.place = format!("{place}: {}", self.0.place);
        self
    }
}

impl Display for Unconverted {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.place)?;
        f.write_str(&self.0.due)
    }
}

impl core::error::Error for Unconverted {}

impl de::Error for Unconverted {
    fn custom<T: Display>(why: T) -> Self {
        Self::new(&why)
    }

    fn invalid_type(_: Unexpected<'_>, _: &dyn Expected) -> Self {
        Self::new(&"something else is due")
    }

    fn invalid_value(_: Unexpected<'_>, _: &dyn Expected) -> Self {
        Self::new(&"is out of range")
    }

    // What a struct says if it is not given a field that it needs.
    fn invalid_length(_: usize, _: &dyn Expected) -> Self {
        Self::new(&"is missing")
    }
}

impl ser::Error for Unconverted {
    fn custom<T: Display>(why: T) -> Self {
        Self::new(&why)
    }
}

impl From<JsValue> for Unconverted {
    fn from(_: JsValue) -> Self {
        Self::new(&"it throws")
    }
}
