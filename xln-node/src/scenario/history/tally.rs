//! What histories met, so that they cannot become a test of nothing.

use std::collections::BTreeMap;
use std::fmt;

use xln_core::state::Pending;
use xln_core::types::Hash;

use crate::scenario::play::Play;
use crate::scenario::refusal::Refusal;
use crate::scenario::step::Act;
use crate::scenario::world::World;

/// Counts.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// By step: worked, refused.
    pub steps: BTreeMap<String, (u64, u64)>,
    /// Refusals by step and name.
    pub refusals: BTreeMap<String, u64>,
    /// By what it is, see [`Tally::NOTABLE`].
    pub notable: BTreeMap<&'static str, u64>,
}

impl Tally {
    /// Things that many histories together must have met.
    pub const NOTABLE: [&'static str; 30] = [
        "refusals that the rules foretold",
        "wealth compared",
        "epochs that ended",
        "ends with a stale state",
        "ends with payments",
        "ends with fills",
        "ends with a cds",
        "ends with a schedule",
        "ends with a condition",
        "ends with facts recorded in time",
        "ends with facts recorded too late",
        "ends with facts that nobody recorded",
        "cds settled off chain",
        "schedule settled off chain",
        "condition settled off chain",
        "disputes started by an account",
        "disputes started by a counterfactual board",
        "disputes started by a registered board",
        "disputes against an account",
        "disputes against a counterfactual board",
        "disputes against a registered board",
        "nested boards",
        "boards replaced",
        "delegations revoked",
        "ends in debt",
        "debts queued",
        "entities with debts",
        "two chains",
        "nfts",
        "fee tokens",
    ];

    /// Adds another one.
    pub fn add(&mut self, other: &Self) {
        for (name, (worked, refused)) in &other.steps {
            let sum = self.steps.entry(name.clone()).or_default();
            (sum.0, sum.1) = (sum.0.saturating_add(*worked), sum.1.saturating_add(*refused));
        }
        for (name, count) in &other.refusals {
            let sum = self.refusals.entry(name.clone()).or_default();
            *sum = sum.saturating_add(*count);
        }
        for (name, count) in &other.notable {
            self.met(name, *count);
        }
    }

    fn met(&mut self, name: &'static str, count: u64) {
        let sum = self.notable.entry(name).or_default();
        *sum = sum.saturating_add(count);
    }

    pub(super) fn step(&mut self, name: &str, refusal: Option<&Refusal>) {
        let refused = refusal.is_some();
        if let Some(refusal) = refusal {
            let sum = self.refusals.entry(format!("{name}: {}", refusal.name())).or_default();
            *sum = sum.saturating_add(1);
        }
        let sum = self.steps.entry(name.to_owned()).or_default();
        let count = if refused { &mut sum.1 } else { &mut sum.0 };
        *count = count.saturating_add(1);
    }

    /// Counts what a step has met, now that it worked.
    pub(super) fn confirm(&mut self, noticed: Vec<&'static str>) {
        for name in noticed {
            self.met(name, 1);
        }
    }

    /// Before a step: what it is about to begin or to end.
    pub(super) fn notice(world: &World, act: &Act) -> Vec<&'static str> {
        match act {
            Act::Finalize(_) => noticed_ends(world),
            Act::Dispute { by, peer, .. } => {
                let started = match kind(world, by) {
                    Kind::Account => "disputes started by an account",
                    Kind::Counterfactual => "disputes started by a counterfactual board",
                    Kind::Registered => "disputes started by a registered board",
                };
                let against = match kind(world, peer) {
                    Kind::Account => "disputes against an account",
                    Kind::Counterfactual => "disputes against a counterfactual board",
                    Kind::Registered => "disputes against a registered board",
                };
                vec![started, against]
            }
            Act::Exercise { clause, .. } => {
                let asked = world.named.get(clause).map(|made| made.asked.as_ref().map(|asked| asked.instrument));
                let settled = |asked| match asked {
                    Some(3) => "cds settled off chain",
                    None => "schedule settled off chain",
                    Some(_) => "condition settled off chain",
                };
                asked.map(settled).into_iter().collect()
            }
            Act::Board { revoke: Some(_), .. } => vec!["delegations revoked"],
            Act::Board { members, .. } if !members.is_empty() => vec!["boards replaced"],
            _ => Vec::new(),
        }
    }

    pub(super) fn finish(&mut self, play: &Play) {
        let world = &play.world;
        self.met("refusals that the rules foretold", world.shadow.refused);
        self.met("wealth compared", play.compared());
        self.met("two chains", u64::from(world.ground.places.len() > 1));
        for chain in world.ground.places.keys() {
            let Some(ledger) = world.shadow.ledger(chain) else { continue };
            let epochs = ledger.lines.values().map(|line| u64::from(line.epoch)).sum();
            self.met("epochs that ended", epochs);
            let owing = ledger.books.queues().filter(|(_, queue)| queue.ever() > 0).count();
            self.met("ends in debt", u64::try_from(owing).unwrap_or(u64::MAX));
            self.met("debts queued", ledger.books.queues().map(|(_, queue)| queue.ever()).sum());
            let open = ledger.books.queues().filter(|(_, queue)| queue.open().next().is_some()).count();
            self.met("entities with debts", u64::try_from(open).unwrap_or(u64::MAX));
        }
        let specs = &world.scenario.entities;
        let is_board = |name: &String| specs.get(name).is_some_and(|spec| !spec.members.is_empty());
        let nested = specs.values().filter(|spec| spec.members.iter().any(|(member, _)| is_board(member))).count();
        self.met("nested boards", u64::try_from(nested).unwrap_or(u64::MAX));
        for token in world.scenario.tokens.values() {
            match token.kind {
                crate::scenario::TokenKind::Erc721 => self.met("nfts", 1),
                crate::scenario::TokenKind::Erc20Fee => self.met("fee tokens", 1),
                _ => {}
            }
        }
    }
}

enum Kind {
    Account,
    Counterfactual,
    Registered,
}

fn kind(world: &World, name: &str) -> Kind {
    match world.scenario.entities.get(name) {
        Some(spec) if spec.registered => Kind::Registered,
        Some(spec) if !spec.members.is_empty() => Kind::Counterfactual,
        _ => Kind::Account,
    }
}

fn noticed_ends(world: &World) -> Vec<&'static str> {
    let mut noticed = Vec::new();
    for (chain, place) in &world.ground.places {
        let Some(ledger) = world.shadow.ledger(chain) else { continue };
        let key = place.client.deployment().key();
        for (pair, line) in &ledger.lines {
            let Some(dispute) = line.dispute else { continue };
            let (left, right) = (world.name(&pair.left()), world.name(&pair.right()));
            let channel = world.view(&left, &right);
            let newest = channel.and_then(|c| c.tip().commitment.subchannels.iter().find(|s| s.key == key));
            if newest.is_some_and(|s| s.body_hash != dispute.body_hash) {
                noticed.push("ends with a stale state");
                continue;
            }
            if dispute.starter_fills_hash != Hash::ZERO || dispute.answerer_fills_hash != Hash::ZERO {
                noticed.push("ends with fills");
            }
            let deadline = dispute.started_at.plus(ledger.window());
            for pending in channel.and_then(|c| c.state().subchannels.get(&key)).iter().flat_map(|s| s.pending.values())
            {
                let clause = match pending {
                    Pending::Payment(_) => {
                        noticed.push("ends with payments");
                        continue;
                    }
                    Pending::Swap(_) => continue,
                    Pending::Subcontract(clause) => clause,
                };
                noticed.push(match clause.instrument {
                    3 => "ends with a cds",
                    4 => "ends with a schedule",
                    _ => "ends with a condition",
                });
                for ask in &clause.asks {
                    noticed.push(match ledger.facts.get(&ask.key) {
                        Some(at) if *at <= deadline.min(ask.until) => "ends with facts recorded in time",
                        Some(_) => "ends with facts recorded too late",
                        None => "ends with facts that nobody recorded",
                    });
                }
            }
        }
    }
    noticed
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<36}{:>10}{:>10}", "step", "worked", "refused")?;
        for (name, (worked, refused)) in &self.steps {
            writeln!(f, "{name:<36}{worked:>10}{refused:>10}")?;
        }
        for (name, count) in self.refusals.iter().map(|(name, count)| (name.as_str(), count)) {
            writeln!(f, "{name:<46}{count:>10}")?;
        }
        for (name, count) in &self.notable {
            writeln!(f, "{name:<36}{count:>10}")?;
        }
        Ok(())
    }
}
