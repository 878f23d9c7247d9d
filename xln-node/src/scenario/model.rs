//! Rules that hold after every step of every story: money is conserved, both sides agree, holds are what is held.

use std::collections::BTreeMap;

use alloy_primitives::{I256, U256};
use xln_core::channel::Channel;
use xln_core::state::{Pending, SettlementAction, Subchannel};
use xln_core::transition::settlement_holds;
use xln_core::types::{Side, TokenId};

use super::file::TokenKind;
use super::ground::now;
use super::refusal::RunError;
use super::world::World;

impl World {
    /// Checks all rules.
    ///
    /// # Errors
    /// [`RunError::Model`] names the one that does not hold.
    pub fn check_model(&mut self) -> Result<(), RunError> {
        self.check_shadow()?;
        for pair in self.pairs() {
            let mut tips = Vec::new();
            let mut busy = self.network.is_cut(&pair);
            for (_, name, peer) in self.ends(&pair) {
                let Some(channel) = self.view(&name, &peer) else { continue };
                busy |= channel.is_in_flight() || channel.is_recovering();
                channel.state().subchannels.values().try_for_each(check_holds)?;
                self.check_signatures(&name, channel)?;
                tips.push(channel.state().clone());
            }
            // An Ack may be on its way for ever: then one side is a block behind, and knows it.
            let parted = matches!(tips.as_slice(), [a, b] if !busy && a.height == b.height && a != b);
            if parted {
                let text = format!("{} and {} hold two states of one height", pair.left(), pair.right());
                return Err(RunError::Model(text));
            }
        }
        Ok(())
    }

    /// What a Depository holds is reserves and collateral, and nothing of it came from nowhere.
    pub(super) fn check_conserved(&self, chain: &str) -> Result<(), RunError> {
        let mut tokens = self.ground.tokens.iter().filter(|(_, token)| token.chain == chain);
        tokens.try_for_each(|(name, _)| self.check_conserved_token(name))
    }

    fn check_conserved_token(&self, name: &str) -> Result<(), RunError> {
        let token = self.ground.find(name)?;
        let client = &self.ground.place(&token.chain)?.client;
        let held = self.ground.external(token, client.deployment().depository)?;
        let (mut inside, mut outside) = (U256::ZERO, I256::ZERO);
        for party in self.parties.keys() {
            inside = inside.saturating_add(self.reserve(party, name)?);
            outside = outside.wrapping_add(self.external(party, name)?);
        }
        for pair in self.all_pairs() {
            for fact in now(client.collaterals(&pair, &token.ids))? {
                inside = inside.saturating_add(U256::from(fact.collateral));
            }
        }
        let sum = outside.wrapping_add(I256::from_raw(inside));
        let kept_by_transfers = token.kind == TokenKind::Erc20Fee && sum <= I256::ZERO;
        if held != inside {
            return Err(RunError::Model(format!("{name}: held {held}, reserves and collateral are {inside}")));
        }
        if sum != I256::ZERO && !kept_by_transfers {
            return Err(RunError::Model(format!("{name}: {sum} more inside than was taken from outside")));
        }
        Ok(())
    }

    pub(super) fn all_pairs(&self) -> Vec<xln_core::types::Pair> {
        let ids: Vec<_> = self.parties.values().map(|party| party.id).collect();
        let pairs = ids.iter().flat_map(|a| ids.iter().map(move |b| (*a, *b)));
        pairs.filter(|(a, b)| a < b).filter_map(|(a, b)| xln_core::types::Pair::new(a, b).ok()).collect()
    }

    /// Nothing was signed that is not in the store.
    fn check_signatures(&self, name: &str, channel: &Channel) -> Result<(), RunError> {
        let peer = channel.pair().entity(channel.side().other());
        let stored = self.party(name)?.node()?.signed_nonce(&peer)?.map_or(0, |(nonce, _)| nonce.0);
        let tip = channel.tip().signature(channel.side()).map_or(0, |_| channel.state().nonce.0);
        let taken_over = channel.tip().block.is_none();
        if stored < tip && !taken_over {
            return Err(RunError::Model(format!("{name} signed nonce {tip}, its store knows {stored}")));
        }
        Ok(())
    }
}

/// Holds are the sums of what is pending.
fn check_holds(subchannel: &Subchannel) -> Result<(), RunError> {
    let mut sums: BTreeMap<TokenId, (u128, u128)> = BTreeMap::new();
    let mut add = |token: TokenId, side: Side, amount: u128| {
        let (left, right) = sums.entry(token).or_default();
        let sum = if side.is_left() { left } else { right };
        *sum = sum.saturating_add(amount);
    };
    for pending in subchannel.pending.values() {
        match pending {
            Pending::Payment(p) => add(p.token, p.payer, p.amount),
            Pending::Swap(s) => add(s.give_token, s.maker, s.remaining),
            Pending::Subcontract(s) => {
                for (token, hold) in s.tokens.iter().zip(&s.holds) {
                    add(*token, Side::Left, hold.left);
                    add(*token, Side::Right, hold.right);
                }
            }
        }
    }
    if let Some(SettlementAction::Update(update)) = subchannel.settlement.as_ref().map(|s| &s.action) {
        for diff in &update.diffs {
            let (left, right) = settlement_holds(diff).unwrap_or_default();
            add(diff.token, Side::Left, left);
            add(diff.token, Side::Right, right);
        }
    }
    for (token, state) in &subchannel.tokens {
        let expected = sums.get(token).copied().unwrap_or_default();
        if expected != (state.left_hold, state.right_hold) {
            let found = (state.left_hold, state.right_hold);
            return Err(RunError::Model(format!("token {}: holds are {found:?}, pending are {expected:?}", token.0)));
        }
    }
    Ok(())
}
