//! Money through everything that xln has, on an EVM inside this process: deposits, collateral, credit, payments one by one
//! and a thousand in a block, a conditional payment, a restart from disk, a settlement on chain, a co-signed close, a cheat
//! that is caught, a debt that is enforced. It ends with a check that no unit was created or lost.
#![allow(clippy::print_stdout, unreachable_pub, reason = "a program that shows something")]
#![allow(
    clippy::arithmetic_side_effects,
    reason = "the amounts of a story are small, and a debug build would stop at an overflow"
)]

mod party;
mod show;
mod world;

use std::time::Instant;

use clap::Parser;
use party::Failure;
use world::{ALICE, BOB, CAROL, ETH, USD, World};
use xln_core::machine::Action;
use xln_core::proof::{SettlementUpdate, TokenDiff};
use xln_core::transition::Transition;
use xln_core::types::{HashKind, Secret};

/// One dollar, in the token's base unit.
const DOLLAR: u128 = 1_000_000;

#[derive(Parser)]
#[command(about = "Moves money through payment channels, from deposit to dispute, on an embedded EVM")]
struct Options {
    /// Where the three stores are kept; a temporary folder unless given.
    #[arg(long)]
    dir: Option<std::path::PathBuf>,
    /// Payments that go into one block.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u16).range(1..=1024))]
    batch: u16,
}

fn main() -> Result<(), Failure> {
    let options = Options::parse();
    let temporary = tempfile::tempdir()?;
    let dir = options.dir.as_deref().unwrap_or(temporary.path());
    let mut world = World::new(dir)?;
    deposits(&mut world)?;
    pay_and_settle(&mut world, options.batch)?;
    cheat(&mut world)?;
    debt(&mut world)?;
    world.check_conservation()?;
    world.totals();
    Ok(())
}

fn deposits(world: &mut World) -> Result<(), Failure> {
    show::chapter("Three entities deposit ETH and dollars");
    for who in [ALICE, BOB, CAROL] {
        world.deposit(who, ETH, 5_000_000_000_000_000_000)?;
        world.deposit(who, USD, 1000 * DOLLAR)?;
    }
    world.expect_reserve(ALICE, USD, 1000 * DOLLAR)
}

fn pay_and_settle(world: &mut World, batch: u16) -> Result<(), Failure> {
    show::chapter("Alice and Bob: collateral, credit, payments");
    world.open(ALICE, BOB)?;
    world.collateral(ALICE, BOB, 300 * DOLLAR)?;
    world.grant(BOB, ALICE, 200 * DOLLAR)?;
    world.bar(ALICE, BOB, "Alice locked 300, Bob trusts her with 200 more")?;

    world.one_by_one(ALICE, BOB, 100, DOLLAR / 10)?;
    let block = Instant::now();
    let payments = vec![world.pay(DOLLAR / 100); usize::from(batch)];
    world.propose(ALICE, BOB, payments)?;
    show::rate(&format!("{batch} payments in one block"), u64::from(batch), block.elapsed());
    world.bar(ALICE, BOB, "after paying one by one and in one block")?;

    let (secret, kind) = (Secret([42; 32]), HashKind::Sha256);
    let expiry = world.now().plus(3600);
    let lock = world.lock(50 * DOLLAR, kind, secret.hash(kind), expiry);
    let id = world.propose_one(ALICE, BOB, lock)?;
    world.bar(ALICE, BOB, "a conditional payment of 50 is held")?;
    let key = world.key();
    world.propose(BOB, ALICE, vec![Transition::SettlePayment { key, id, secret }])?;
    world.bar(ALICE, BOB, "Bob showed the secret")?;

    world.restart(BOB)?;
    world.propose(BOB, ALICE, vec![world.pay(5 * DOLLAR)])?;
    world.bar(ALICE, BOB, "Bob was restarted from disk, and pays 5 back")?;

    let amount = i128::try_from(40 * DOLLAR)?;
    let diff = TokenDiff { token: USD, left: 0, right: 0, ondelta: 0 };
    let diff = match world.is_left(BOB, ALICE) {
        true => TokenDiff { left: amount, ondelta: -amount, ..diff },
        false => TokenDiff { right: amount, ..diff },
    };
    let update = SettlementUpdate { diffs: vec![diff], forgiven: Vec::new() };
    world.settle_on_chain(BOB, ALICE, update)?;
    world.bar(ALICE, BOB, "Bob took 40 to his reserve; the channel stays open")?;

    world.close(ALICE, BOB)?;
    world.bar(ALICE, BOB, "closed by agreement")
}

fn cheat(world: &mut World) -> Result<(), Failure> {
    show::chapter("Bob cheats Carol, and is caught");
    world.open(BOB, CAROL)?;
    world.collateral(BOB, CAROL, 400 * DOLLAR)?;
    let stale = world.evidence(BOB, CAROL)?;
    world.propose(BOB, CAROL, vec![world.pay(250 * DOLLAR)])?;
    world.bar(BOB, CAROL, "Bob paid 250, and kept the state from before")?;
    let before = world.reserve(CAROL, USD)?;
    world.dispute(BOB, CAROL, Some(stale))?;
    // Nobody tells Carol to do anything: her node sees the start, knows better, answers and ends it.
    world.finalize(CAROL, BOB)?;
    world.expect_reserve(CAROL, USD, before + 250 * DOLLAR)?;
    world.bar(BOB, CAROL, "Carol's node countered: she has her 250")
}

fn debt(world: &mut World) -> Result<(), Failure> {
    show::chapter("Alice owes Carol more than she has");
    world.open(ALICE, CAROL)?;
    world.grant(CAROL, ALICE, 2000 * DOLLAR)?;
    world.propose(ALICE, CAROL, vec![world.pay(1500 * DOLLAR)])?;
    world.bar(ALICE, CAROL, "1500 paid on credit alone")?;
    let (alice, carol) = (world.reserve(ALICE, USD)?, world.reserve(CAROL, USD)?);
    world.dispute(CAROL, ALICE, None)?;
    world.advance(3601)?;
    world.finalize(CAROL, ALICE)?;
    let owed = 1500 * DOLLAR - alice;
    world.expect_debt(ALICE, USD, owed)?;
    world.expect_reserve(CAROL, USD, carol + alice)?;
    world.deposit(ALICE, USD, 500 * DOLLAR)?;
    world.enforce(ALICE, USD)?;
    world.expect_debt(ALICE, USD, owed - 500 * DOLLAR)?;
    world.expect_reserve(CAROL, USD, carol + alice + 500 * DOLLAR)
}

/// What a command that only this program gives looks like.
fn propose(transition: Transition, submit: bool) -> Action {
    Action::Propose { transition, submit }
}
