//! What the program prints.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A headline.
pub fn chapter(text: &str) {
    println!("\n== {text}");
}

/// One line about a transaction.
pub fn gas(what: &str, gas: u64) {
    println!("   {what:<58} {gas:>9} gas");
}

/// How many per second.
pub fn rate(what: &str, count: u64, took: Duration) {
    let micros = took.as_micros().max(1);
    let per_second = u128::from(count) * 1_000_000 / micros;
    println!("   {what:<58} {per_second:>9} /s  ({} ms, both sides, durable)", took.as_millis());
}

/// A bar that shows itself only if the work takes long enough to be seen.
pub fn progress(what: &str, steps: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("   {msg} [{bar:30}] {pos}/{len}").map(|s| s.progress_chars("=> "));
    let bar = ProgressBar::new(steps).with_message(what.to_owned());
    if let Ok(style) = style { bar.with_style(style) } else { bar }
}
