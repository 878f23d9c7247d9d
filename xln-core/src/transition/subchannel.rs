//! Opening and closing subchannels, tokens, credit limits.

use super::{Applier, TransitionError};
use crate::limits::{MAX_LOCK_S, MAX_PROVIDERS, MAX_SUBCHANNELS, MAX_TOKENS};
use crate::map::Map;
use crate::state::{Subchannel, TokenState};
use crate::types::{AMOUNT_BOUND, Address, Side, SubchannelKey, TokenFact, TokenId};

impl Applier<'_> {
    pub(super) fn open_subchannel(
        &mut self,
        key: &SubchannelKey,
        providers: &[Address],
        settle_margin_s: u64,
    ) -> Result<(), TransitionError> {
        let author = self.author;
        let pair = self.state.pair;
        if !pair.left().may_use(key.chain) || !pair.right().may_use(key.chain) {
            return Err(TransitionError::ForeignChain);
        }
        if self.state.subchannels.contains_key(key) {
            return Err(TransitionError::SubchannelExists);
        }
        if self.state.subchannels.values().filter(|s| s.opened_by == author).count() >= MAX_SUBCHANNELS / 2 {
            return Err(TransitionError::LimitReached);
        }
        let repeated =
            providers.iter().enumerate().any(|(i, p)| providers.iter().skip(i.saturating_add(1)).any(|q| q == p));
        if providers.is_empty() || providers.len() > MAX_PROVIDERS || repeated || settle_margin_s > MAX_LOCK_S {
            return Err(TransitionError::InvalidProviders);
        }
        self.state.subchannels.insert(
            *key,
            Subchannel {
                opened_by: author,
                providers: providers.to_vec(),
                settle_margin_s,
                closed: false,
                epoch: 0,
                settlement_nonce: 0,
                point: None,
                dispute: None,
                tokens: Map::new(),
                pending: Map::new(),
                settlement: None,
            },
        );
        Ok(())
    }

    pub(super) fn close_subchannel(&mut self, key: &SubchannelKey) -> Result<(), TransitionError> {
        let subchannel = self.subchannel(key)?;
        let busy = !subchannel.pending.is_empty() || subchannel.settlement.is_some();
        if busy || subchannel.tokens.values().any(|t| !t.is_empty()) {
            return Err(TransitionError::NotEmpty);
        }
        subchannel.tokens.clear();
        subchannel.closed = true;
        Ok(())
    }

    pub(super) fn add_token(&mut self, key: &SubchannelKey, token: TokenId) -> Result<(), TransitionError> {
        let author = self.author;
        let subchannel = self.subchannel(key)?;
        if subchannel.tokens.contains_key(&token) {
            return Err(TransitionError::TokenExists);
        }
        if subchannel.tokens.values().filter(|t| t.added_by == author).count() >= MAX_TOKENS / 2 {
            return Err(TransitionError::LimitReached);
        }
        let nothing = TokenFact { token, collateral: 0, ondelta: 0 };
        subchannel.tokens.insert(token, TokenState::new(author, &nothing));
        Ok(())
    }

    pub(super) fn remove_token(&mut self, key: &SubchannelKey, token: TokenId) -> Result<(), TransitionError> {
        let subchannel = self.subchannel(key)?;
        let state = subchannel.tokens.get(&token).ok_or(TransitionError::UnknownToken)?;
        let wanted = subchannel.pending.values().any(|p| match p {
            crate::state::Pending::Payment(p) => p.token == token,
            crate::state::Pending::Swap(s) => s.give_token == token || s.want_token == token,
            crate::state::Pending::Subcontract(s) => s.tokens.contains(&token),
        });
        if wanted || !state.is_empty() || subchannel.settlement.is_some() {
            return Err(TransitionError::NotEmpty);
        }
        subchannel.tokens.remove(&token);
        Ok(())
    }

    pub(super) fn set_credit_limit(
        &mut self,
        key: &SubchannelKey,
        token: TokenId,
        limit: u128,
    ) -> Result<(), TransitionError> {
        let author = self.author;
        if limit >= AMOUNT_BOUND {
            return Err(TransitionError::AmountOutOfRange);
        }
        let state = self.token(key, token)?;
        // The creditor grants: the author sets how far the other side may owe it.
        match author {
            Side::Left => state.right_limit = limit,
            Side::Right => state.left_limit = limit,
        }
        Ok(())
    }

    pub(super) fn token(&mut self, key: &SubchannelKey, token: TokenId) -> Result<&mut TokenState, TransitionError> {
        self.subchannel(key)?.tokens.get_mut(&token).ok_or(TransitionError::UnknownToken)
    }
}
