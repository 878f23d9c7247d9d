//! One token of one subchannel in numbers.

use alloy_primitives::{I256, U256};
use serde::Serialize;
use xln_core::channel::{Channel, SignedState};
use xln_core::state::{Pending, Subchannel, TokenState};
use xln_core::types::{Side, SubchannelKey, TokenFact, TokenId};

/// A token as the store's owner sees it; numbers are decimal text in the token's base unit.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct TokenReport {
    /// The token.
    pub token: u32,
    /// Locked on chain, confirmed.
    pub collateral: String,
    /// Left's recorded share, confirmed.
    pub ondelta: String,
    /// The off-chain shift; 0 if the chain has closed the epoch of the agreed state.
    pub offdelta: String,
    /// `ondelta + offdelta`: left's allocation.
    pub delta: String,
    /// How far this side may owe, granted by the peer.
    pub own_limit: String,
    /// How far the peer may owe, granted by this side.
    pub peer_limit: String,
    /// The most by which what is pending may lower this side's position.
    pub own_hold: String,
    /// The most by which it may lower the peer's.
    pub peer_hold: String,
    /// The most that this side can receive now.
    pub in_capacity: String,
    /// The most that it can pay now.
    pub out_capacity: String,
    /// This side's share, negative if it owes.
    pub position: String,
    /// What of it the collateral pays.
    pub secured: String,
    /// What this side owes beyond the collateral.
    pub owes: String,
    /// What the peer owes beyond the collateral: the exposure now.
    pub exposure: String,
    /// The exposure if the peer drew all that was granted.
    pub exposure_at_limit: String,
    /// Payments to this side whose secret is known.
    pub claimable: String,
    /// What is lost if the peer vanishes now and has no reserve.
    pub loss: String,
    /// The least that a dispute brings out of the collateral.
    pub guaranteed: String,
    /// The most that this side can come to owe by what it has signed.
    pub may_owe: String,
}

fn wide(value: u128) -> I256 {
    I256::from_raw(U256::from(value))
}

fn signed(value: i128) -> I256 {
    let magnitude = wide(value.unsigned_abs());
    if value < 0 { magnitude.saturating_neg() } else { magnitude }
}

/// The share of `side` in a collateral, given left's.
fn share(side: Side, collateral: I256, delta: I256) -> I256 {
    match side {
        Side::Left => delta,
        Side::Right => collateral.saturating_sub(delta),
    }
}

/// The tokens of one subchannel: those of the agreed state and those that only the chain knows.
pub(super) fn tokens(channel: &Channel, key: &SubchannelKey) -> Vec<TokenReport> {
    let agreed = channel.state().subchannels.get(key);
    let facts = channel.watch(key).and_then(|watch| watch.facts());
    let mut ids: Vec<TokenId> = agreed.iter().flat_map(|s| s.tokens.keys().copied()).collect();
    ids.extend(facts.iter().flat_map(|f| f.tokens.iter().map(|t| t.token)));
    ids.sort_unstable();
    ids.dedup();
    // A state of an epoch that the chain has closed enforces nothing any more.
    let closed = agreed.is_some_and(|s| facts.is_some_and(|f| f.epoch > s.epoch));
    let live = agreed.filter(|_| !closed);
    let report = |token: TokenId| {
        let confirmed = facts.and_then(|f| f.tokens.iter().find(|t| t.token == token).copied());
        one(channel, key, live, confirmed, token)
    };
    ids.into_iter().map(report).collect()
}

fn one(
    channel: &Channel,
    key: &SubchannelKey,
    live: Option<&Subchannel>,
    confirmed: Option<TokenFact>,
    token: TokenId,
) -> TokenReport {
    let me = channel.side();
    let agreed = live.and_then(|s| s.tokens.get(&token));
    let recorded = agreed.map(|t| TokenFact { token, collateral: t.collateral, ondelta: t.ondelta });
    let fact = confirmed.or(recorded).unwrap_or(TokenFact { token, collateral: 0, ondelta: 0 });
    let empty = TokenState::new(me, &fact);
    let state = agreed.unwrap_or(&empty);
    let collateral = wide(fact.collateral);
    let delta = signed(fact.ondelta).saturating_add(signed(state.offdelta));
    let position = share(me, collateral, delta);
    let claimable = claimable(channel, key, live, token);
    let claim = position.saturating_add(wide(claimable));
    // The worst of all that this side has signed and that the peer can still show.
    let worst = channel.live().filter_map(|signed_state| worst_of(signed_state, me, key, &fact)).min();
    let worst = worst.unwrap_or(position);
    let (limits, holds) = ((state.left_limit, state.right_limit), (state.left_hold, state.right_hold));
    let ((own_limit, peer_limit), (own_hold, peer_hold)) = match me {
        Side::Left => (limits, holds),
        Side::Right => ((limits.1, limits.0), (holds.1, holds.0)),
    };
    let view = state.derive(me).ok();
    let beyond = |value: I256| value.saturating_sub(collateral).max(I256::ZERO);
    TokenReport {
        token: token.0,
        collateral: fact.collateral.to_string(),
        ondelta: fact.ondelta.to_string(),
        offdelta: state.offdelta.to_string(),
        delta: delta.to_string(),
        own_limit: own_limit.to_string(),
        peer_limit: peer_limit.to_string(),
        own_hold: own_hold.to_string(),
        peer_hold: peer_hold.to_string(),
        in_capacity: view.as_ref().map_or_else(String::new, |v| v.in_capacity.to_string()),
        out_capacity: view.as_ref().map_or_else(String::new, |v| v.out_capacity.to_string()),
        position: position.to_string(),
        secured: position.clamp(I256::ZERO, collateral).to_string(),
        owes: position.saturating_neg().max(I256::ZERO).to_string(),
        exposure: beyond(position).to_string(),
        exposure_at_limit: beyond(position).max(wide(peer_limit)).to_string(),
        claimable: claimable.to_string(),
        loss: beyond(claim).to_string(),
        guaranteed: worst.clamp(I256::ZERO, collateral).to_string(),
        may_owe: worst.saturating_neg().max(I256::ZERO).to_string(),
    }
}

/// This side's share by one state that it has signed, if everything pending in it goes to the peer.
fn worst_of(signed_state: &SignedState, me: Side, key: &SubchannelKey, fact: &TokenFact) -> Option<I256> {
    let state = signed_state.state.token(key, fact.token)?;
    let delta = signed(fact.ondelta).saturating_add(signed(state.offdelta));
    Some(share(me, wide(fact.collateral), delta).saturating_sub(wide(state.hold(me))))
}

fn claimable(channel: &Channel, key: &SubchannelKey, live: Option<&Subchannel>, token: TokenId) -> u128 {
    let pending = live.iter().flat_map(|s| &s.pending);
    let known = pending.filter_map(|(id, pending)| match pending {
        Pending::Payment(p) if p.payer != channel.side() && p.token == token => {
            (channel.secret(key, *id).is_some() || p.revealed_at.is_some()).then_some(p.amount)
        }
        _ => None,
    });
    known.fold(0, u128::saturating_add)
}
