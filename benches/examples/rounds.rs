//! `rounds SIZE COUNT`: blocks of SIZE payments, COUNT of them, through both sides in memory: what an instruction counter
//! is pointed at. The difference between two counts is free of set-up.
#![allow(clippy::print_stdout, reason = "a program")]

use xln_benches::{EncodeOnly, Failure, Party, open, pay, round};

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1).filter_map(|a| a.parse::<u64>().ok());
    let (size, count) = (arguments.next().unwrap_or(1000), arguments.next().unwrap_or(10));
    let (mut a, mut b) = (Party::new(1, EncodeOnly::default())?, Party::new(2, EncodeOnly::default())?);
    open(&mut a, &mut b)?;
    for _ in 0..count {
        round(&mut a, &mut b, (0..size).map(|_| pay(1)).collect())?;
    }
    println!(
        "{count} blocks of {size}: height {}",
        a.machine.channels().map(|(_, c)| c.state().height).max().unwrap_or(0)
    );
    Ok(())
}
