//! What is explored, and how far.

use super::laws::Mark;
use super::wishes::Wish;
use super::world::{Budget, Config};

/// All configurations, with small or full bounds.
pub(super) fn all(quick: bool) -> Vec<Config> {
    vec![agreement(quick), crash(quick), hold(quick), dispute(quick), epoch(quick)]
}

/// Both propose, and the network does what it wants.
fn agreement(quick: bool) -> Config {
    let budget = Budget { lose: 1, double: 1, reorder: 1, cuts: 1, ticks: 1, ..Budget::default() };
    let (left, right) = (vec![Wish::Pay(10), Wish::Unfair], vec![Wish::Pay(7), Wish::Lock(5, 5000)]);
    let wishes = if quick { [vec![Wish::Unfair], vec![Wish::Pay(7)]] } else { [left, right] };
    let budget = if quick { Budget { cuts: 0, reorder: 0, ticks: 0, ..budget } } else { budget };
    let marks = vec![Mark::Agreed, Mark::Collided, Mark::Refused];
    let depth = if quick { None } else { Some(12) };
    Config { name: "agreement", wishes, budget, depth, block_s: 0, probes: true, shown: 0, marks }
}

/// Processes die at every point and come back, from their log or from a backup.
fn crash(quick: bool) -> Config {
    let budget = Budget { lose: 1, crashes: 2, restores: 1, ..Budget::default() };
    let wishes =
        if quick { [vec![Wish::Pay(10)], vec![]] } else { [vec![Wish::Pay(10), Wish::Pay(20)], vec![Wish::Pay(7)]] };
    let budget = if quick { Budget { crashes: 1, lose: 0, restores: 1, ..budget } } else { budget };
    let marks = vec![Mark::Agreed, Mark::Collided, Mark::TakenOver, Mark::Recovered, Mark::Haunted];
    let depth = if quick { None } else { Some(10) };
    Config { name: "crash", wishes, budget, depth, block_s: 0, probes: false, shown: 0, marks }
}

/// Locks, settlements and closes with their signatures.
fn hold(quick: bool) -> Config {
    let budget = Budget { lose: 1, reorder: 1, cuts: 1, ..Budget::default() };
    let left = vec![Wish::Withdraw(20), Wish::Lock(5, 5000)];
    let right = vec![Wish::Pay(7), Wish::Settle];
    let budget = if quick { Budget { lose: 0, cuts: 0, ..budget } } else { budget };
    let wishes = if quick { [vec![Wish::Withdraw(20)], vec![Wish::Pay(7)]] } else { [left, right] };
    let marks = vec![Mark::Agreed, Mark::Collided, Mark::Signed, Mark::Executed];
    let depth = if quick { None } else { Some(15) };
    Config { name: "hold", wishes, budget, depth, block_s: 0, probes: false, shown: 0, marks }
}

/// Disputes at any time, with everything that was ever signed.
fn dispute(quick: bool) -> Config {
    let budget = Budget { attacks: 3, cuts: 1, ..Budget::default() };
    let left = vec![Wish::Pay(40), Wish::Grant(50), Wish::Dispute];
    let right = vec![Wish::Pay(7), Wish::Pay(80)];
    let budget = if quick { Budget { attacks: 1, cuts: 0, ..budget } } else { budget };
    let wishes = if quick { [vec![Wish::Pay(40), Wish::Grant(50)], vec![]] } else { [left, right] };
    let marks = vec![Mark::Agreed, Mark::StaleStart, Mark::Countered, Mark::Finalized, Mark::Debt];
    let depth = Some(if quick { 7 } else { 9 });
    Config { name: "dispute", wishes, budget, depth, block_s: 0, probes: false, shown: 1, marks }
}

/// What the chain brings is recorded: time, money, the end of an epoch, while both go on proposing.
fn epoch(quick: bool) -> Config {
    let budget = Budget { blocks: 2, cuts: 1, ..Budget::default() };
    let left = vec![Wish::Lock(5, 1000), Wish::Close, Wish::Grant(50)];
    let right = vec![Wish::Pay(7), Wish::Grant(30)];
    let budget = if quick { Budget { blocks: 1, cuts: 0, ..budget } } else { budget };
    let wishes = if quick { [vec![Wish::Lock(5, 1000), Wish::Close], vec![Wish::Pay(7)]] } else { [left, right] };
    let marks = vec![Mark::Agreed, Mark::Signed, Mark::WentBack];
    let depth = if quick { None } else { Some(11) };
    Config { name: "epoch", wishes, budget, depth, block_s: 2000, probes: true, shown: 0, marks }
}
