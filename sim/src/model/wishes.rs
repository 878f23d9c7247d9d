//! What the two applications want: commands that each side gives in order, at any time.

use xln_core::channel::{Arguments, Channel};
use xln_core::machine::{Action, Command, Input};
use xln_core::proof::{SettlementUpdate, TokenDiff};
use xln_core::state::Pending;
use xln_core::transition::Transition;
use xln_core::types::{EntityId, HashKind, Secret, UnixSeconds};

use super::{KEY, USD, signed};

/// A command.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub(super) enum Wish {
    /// A payment to the other side.
    Pay(u128),
    /// A payment under a hashlock that ends this many seconds ahead.
    Lock(u128, u64),
    /// The first lock to this side is taken with its secret.
    Settle,
    /// Credit for the other side.
    Grant(u128),
    /// A settlement that takes from the other side, who has not consented: its policy refuses.
    Unfair,
    /// This side takes its own money out of the channel.
    Withdraw(u128),
    /// A close by agreement.
    Close,
    /// A dispute with the best state.
    Dispute,
}

/// The secret of all locks.
pub(super) const SECRET: Secret = Secret([0x5e; 32]);
const KIND: HashKind = HashKind::Keccak256;

impl Wish {
    /// The input, if it can be said now.
    pub(super) fn input(self, channel: &Channel, peer: EntityId, now: UnixSeconds) -> Option<Input> {
        let me = channel.side();
        let incoming = || {
            let pending = &channel.state().subchannels.get(&KEY)?.pending;
            pending.iter().find(|(_, p)| matches!(p, Pending::Payment(p) if p.payer != me)).map(|(id, _)| *id)
        };
        let (transition, submit) = match self {
            Self::Pay(amount) => (Transition::DirectPayment { key: KEY, token: USD, amount }, false),
            Self::Lock(amount, seconds) => {
                let (hash, expiry) = (SECRET.hash(KIND), now.plus(seconds));
                let onion = Vec::new();
                (Transition::AddPayment { key: KEY, token: USD, amount, kind: KIND, hash, expiry, onion }, false)
            }
            Self::Settle => (Transition::SettlePayment { key: KEY, id: incoming()?, secret: SECRET }, false),
            Self::Grant(limit) => (Transition::SetCreditLimit { key: KEY, token: USD, limit }, false),
            Self::Unfair => {
                // Ten of the collateral go to this side's reserve and count as the other side's.
                let (left, right, ondelta) = if me.is_left() { (10, 0, 0) } else { (0, 10, -10) };
                (settlement(left, right, ondelta, now), false)
            }
            Self::Withdraw(amount) => {
                let amount = signed(amount);
                let (left, right, ondelta) = if me.is_left() { (amount, 0, -amount) } else { (0, amount, 0) };
                (settlement(left, right, ondelta, now), true)
            }
            Self::Close => (Transition::ProposeClose { key: KEY, expiry: now.plus(20_000) }, true),
            Self::Dispute => {
                let action = Action::StartDispute { key: KEY, arguments: Arguments::default() };
                return Some(Input::Command(Command { peer, action }));
            }
        };
        Some(Input::Command(Command { peer, action: Action::Propose { transition, submit } }))
    }
}

fn settlement(left: i128, right: i128, ondelta: i128, now: UnixSeconds) -> Transition {
    let diffs = vec![TokenDiff { token: USD, left, right, ondelta }];
    let update = SettlementUpdate { diffs, forgiven: Vec::new() };
    Transition::ProposeSettlement { key: KEY, update, expiry: now.plus(20_000) }
}
