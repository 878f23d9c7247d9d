//! What an operator of the peer may pay away (`docs/protocol.md` section 2): the limits of its delegation, counted in this
//! channel over the delegation's whole life. The chain counts what leaves reserves; nobody but the peer can count this.

use wincode::{SchemaRead, SchemaWrite};

use super::{Channel, Env, SignedState};
use crate::block::{Block, next_base};
use crate::crypto::Signature;
use crate::entity::{Delegation, OrganisationSignature};
use crate::map::Map;
use crate::state::{ChannelState, TokenState};
use crate::transition::Applier;
use crate::types::{Hash, Side, SubchannelKey, TokenId, UnixSeconds};

/// Delegations of one peer by which something has left, and which have not expired, that are counted at a time: another one
/// may not pay, or a stranger could make a channel grow without end.
const MAX_COUNTED: usize = 64;

/// What has left by one delegation, per token of each subchannel, in the token's base unit.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub(super) struct Spent {
    expiry: UnixSeconds,
    amounts: Map<(SubchannelKey, TokenId), u128>,
}

impl Channel {
    /// The transition of a block of the peer with which its operator pays more than it may, if there is one.
    pub(super) fn passes_limit(
        &self,
        env: &Env<'_>,
        signature: &Signature,
        block: &Block,
        after: &ChannelState,
    ) -> Option<u32> {
        let delegation = limited(signature)?;
        if !self.passes(&delegation, after, env.now) {
            return None;
        }
        let mut state = next_base(&self.tip.state);
        let mut applier = Applier::with_instruments(&mut state, block.proposer, block.timestamp, env.instruments);
        let blamed = block.transitions.iter().position(|transition| {
            let _ = applier.apply(transition);
            self.passes(&delegation, applier.state(), env.now)
        });
        Some(u32::try_from(blamed.unwrap_or_default()).unwrap_or(u32::MAX))
    }

    fn passes(&self, delegation: &Delegation, after: &ChannelState, now: UnixSeconds) -> bool {
        let spent = self.spent.get(&delegation.hash());
        let counted = || self.spent.values().filter(|spent| spent.expiry >= now).count();
        let full = spent.is_none() && counted() >= MAX_COUNTED;
        outflows(&self.tip.state, after, self.peer()).any(|(key, token, amount)| {
            let before = spent.and_then(|spent| spent.amounts.get(&(key, token))).copied().unwrap_or(0);
            let passes = |limit| before.saturating_add(amount) > limit;
            amount > 0 && (full || delegation.limit(&key, token).is_some_and(passes))
        })
    }

    /// Counts what left with a block that is agreed and which the peer's operator signed, whoever proposed it.
    pub(super) fn count_outflow(&mut self, next: &SignedState, now: UnixSeconds) {
        self.spent.retain(|_, spent| spent.expiry >= now);
        let Some(delegation) = next.signature(self.peer()).and_then(limited) else { return };
        let mut left = outflows(&self.tip.state, &next.state, self.me.other()).filter(|(_, _, amount)| *amount > 0);
        let Some(first) = left.next() else { return };
        let spent = Spent { expiry: delegation.expiry(), amounts: Map::new() };
        let spent = self.spent.entry(delegation.hash()).or_insert(spent);
        for (key, token, amount) in core::iter::once(first).chain(left) {
            let sum = spent.amounts.entry((key, token)).or_default();
            *sum = sum.saturating_add(amount);
        }
    }
}

/// The delegation, if an operator with limits signed.
fn limited(signature: &Signature) -> Option<Delegation> {
    match OrganisationSignature::parse(signature.as_bytes()) {
        Ok(OrganisationSignature::Operator { delegation, .. }) if !delegation.limits().is_empty() => Some(delegation),
        _ => None,
    }
}

/// By how much a block lowers `side`'s position: what it paid, and what it holds more for what is pending. Settling what was
/// held costs nothing again. What an epoch ended is the chain's business.
fn outflows<'a>(
    before: &'a ChannelState,
    after: &'a ChannelState,
    side: Side,
) -> impl Iterator<Item = (SubchannelKey, TokenId, u128)> + 'a {
    let subchannels = after
        .subchannels
        .iter()
        .filter(|(key, subchannel)| before.subchannels.get(*key).is_none_or(|known| known.epoch == subchannel.epoch));
    subchannels.flat_map(move |(key, subchannel)| {
        subchannel.tokens.iter().map(move |(token, state)| {
            let known = before.subchannels.get(key).and_then(|s| s.tokens.get(token));
            let (was, is) = (known.map_or(0, |known| position(known, side)), position(state, side));
            (*key, *token, u128::try_from(was.saturating_sub(is)).unwrap_or(0))
        })
    })
}

/// Off-chain balance less holds. Both are below `2^127`, so a saturated difference is only met by limits beyond all amounts.
fn position(token: &TokenState, side: Side) -> i128 {
    let (balance, hold) = match side {
        Side::Left => (token.offdelta, token.left_hold),
        Side::Right => (token.offdelta.saturating_neg(), token.right_hold),
    };
    balance.saturating_sub(i128::try_from(hold).unwrap_or(i128::MAX))
}

/// What was counted, by hash of the delegation.
pub(super) type SpentBy = Map<Hash, Spent>;
