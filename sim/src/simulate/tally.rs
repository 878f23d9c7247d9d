//! What has happened, counted: a simulation that does nothing finds nothing.

use std::collections::BTreeMap;

use xln_core::chain::ChainCall;
use xln_core::channel::{CommandError, End, Event};

use super::step::Kind;

/// Counts of one world, or of many.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// Steps of the script that did something, by kind.
    pub(crate) steps: BTreeMap<Kind, u64>,
    /// Steps of the script for which there was no occasion.
    pub(crate) idle: u64,
    /// What the scheduler did: deliveries, blocks, looks at blocks, ticks, returns.
    pub(crate) events: BTreeMap<&'static str, u64>,
    /// What nodes asked of chains.
    pub(crate) calls: BTreeMap<&'static str, u64>,
    /// What nodes reported.
    pub(crate) reports: BTreeMap<&'static str, u64>,
    pub(crate) inputs: u64,
    pub(crate) refused: u64,
    pub(crate) deaths: u64,
    pub(crate) blocks: u64,
    pub(crate) worlds: u64,
}

fn add<K: Ord>(counts: &mut BTreeMap<K, u64>, name: K) {
    *counts.entry(name).or_default() += 1;
}

impl Tally {
    /// Something that the scheduler did.
    pub(crate) fn event(&mut self, name: &'static str) {
        add(&mut self.events, name);
    }

    /// A step of the script.
    pub(crate) fn step(&mut self, kind: Kind, did_something: bool) {
        if did_something {
            add(&mut self.steps, kind);
        } else {
            self.idle += 1;
        }
    }

    pub(crate) fn call(&mut self, call: &ChainCall) {
        let name = match call {
            ChainCall::CooperativeUpdate { .. } => "settlement",
            ChainCall::CooperativeClose { .. } => "co-signed close",
            ChainCall::StartDispute { .. } => "start",
            ChainCall::StartEmptyDispute { .. } => "empty start",
            ChainCall::AcceptDispute { .. } => "accept",
            ChainCall::CounterDispute { both: true, .. } => "counter with both signatures",
            ChainCall::CounterDispute { .. } => "counter",
            ChainCall::FinalizeDispute { .. } => "finalize",
            ChainCall::Reveal { .. } => "reveal",
            ChainCall::Record { .. } => "record",
        };
        add(&mut self.calls, name);
    }

    pub(crate) fn hear(&mut self, event: &Event) {
        let name = match event {
            Event::CommandDone { .. } => "command done",
            Event::CommandFailed { error: CommandError::FateUnknown, .. } => "fate unknown",
            Event::CommandFailed { .. } => "command failed",
            Event::Rejected { .. } => "rejected",
            Event::Refused { .. } => "refused by the peer",
            Event::Unresponsive { .. } => "unresponsive",
            Event::DisputeSeen { .. } => "dispute seen",
            Event::SettlementReady { .. } => "settlement ready",
            Event::PaymentEnded { payment, .. } => match payment.end {
                End::Settled(_) => "payment settled",
                End::Failed(_) => "payment failed",
                End::TakenBack => "payment taken back",
            },
            _ => return,
        };
        add(&mut self.reports, name);
    }

    /// Steps: what the scheduler did, and what the script did besides letting it.
    pub(crate) fn total(&self) -> u64 {
        let script = self.steps.iter().filter(|(kind, _)| !matches!(kind, Kind::Deliver | Kind::Flush | Kind::Wait));
        self.events.values().chain(script.map(|(_, count)| count)).sum()
    }

    pub(crate) fn merge(&mut self, other: Self) {
        let merge = |into: &mut BTreeMap<&'static str, u64>, from: BTreeMap<&'static str, u64>| {
            from.into_iter().for_each(|(name, count)| *into.entry(name).or_default() += count);
        };
        merge(&mut self.events, other.events);
        merge(&mut self.calls, other.calls);
        merge(&mut self.reports, other.reports);
        other.steps.into_iter().for_each(|(kind, count)| *self.steps.entry(kind).or_default() += count);
        self.idle += other.idle;
        self.inputs += other.inputs;
        self.refused += other.refused;
        self.deaths += other.deaths;
        self.blocks += other.blocks;
        self.worlds += other.worlds;
    }
}
