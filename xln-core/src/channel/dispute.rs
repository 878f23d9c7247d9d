//! What to show on chain, and when (`docs/protocol.md` section 7).

use alloc::vec::Vec;

use super::{Channel, CommandError, Env, SignedState};
use crate::chain::{ChainAction, ChainCall};
use crate::commitment::Evidence;
use crate::map;
use crate::types::{DisputeFact, Hash, Nonce, SubchannelKey, TokenId};

/// What a party gives with its start or answer: the encoded fills of the peer's swap offers, or nothing.
#[derive(Clone, PartialEq, Eq, Debug, Default, wincode::SchemaRead, wincode::SchemaWrite)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "camelCase", deny_unknown_fields, default)
)]
pub struct Arguments {
    /// A state to show instead of the latest one.
    pub evidence: Option<Evidence>,
    /// Encoded fills, at most `MAX_FILLS`.
    #[cfg_attr(feature = "serde", serde(with = "crate::serde_text::bytes"))]
    pub fills: Vec<u8>,
    /// The body to reveal, if this node does not hold it.
    #[cfg_attr(feature = "serde", serde(with = "crate::serde_text::maybe_bytes"))]
    pub body: Option<Vec<u8>>,
}

impl Channel {
    /// The newest state with the peer's signature that has a leaf of this epoch.
    #[must_use]
    pub fn best_evidence(&self, key: &SubchannelKey) -> Option<Evidence> {
        let epoch = self.chain_epoch(key);
        let current = self.tip.evidence(key).filter(|e| e.epoch == epoch && e.signature(self.peer()).is_some());
        current.or_else(|| self.retained.get(key).filter(|e| e.epoch == epoch).cloned())
    }

    /// Its nonce.
    #[must_use]
    pub fn best_nonce(&self, key: &SubchannelKey) -> Option<Nonce> {
        self.best_evidence(key).map(|e| e.nonce)
    }

    fn chain_epoch(&self, key: &SubchannelKey) -> u32 {
        let recorded = self.tip.state.subchannels.get(key).map_or(0, |s| s.epoch);
        self.watches.get(key).and_then(|w| w.facts()).map_or(recorded, |f| f.epoch.max(recorded))
    }

    /// Starts a dispute with the latest or a given state. From here on this node treats the subchannel as frozen.
    pub(crate) fn start_dispute(
        &mut self,
        env: &mut Env<'_>,
        key: &SubchannelKey,
        arguments: Arguments,
    ) -> Result<(), CommandError> {
        let evidence = arguments.evidence.or_else(|| self.best_evidence(key)).ok_or(CommandError::NothingToShow)?;
        self.set_own_start(key, Some(evidence.epoch));
        let (starter, fills) = (self.me, arguments.fills);
        self.act(env, key, ChainCall::StartDispute { starter, evidence, fills });
        Ok(())
    }

    /// Starts a dispute with the empty state: the way out without any signature of the peer.
    pub(crate) fn start_empty(
        &mut self,
        env: &mut Env<'_>,
        key: &SubchannelKey,
        tokens: Vec<TokenId>,
    ) -> Result<(), CommandError> {
        let tokens = map::ascending(tokens);
        let epoch = self.chain_epoch(key);
        self.set_own_start(key, Some(epoch));
        self.act(env, key, ChainCall::StartEmptyDispute { starter: self.me, tokens });
        Ok(())
    }

    /// Shows a newer state: as the non-starter with the peer's signature, as the starter only with both.
    pub(crate) fn counter(
        &mut self,
        env: &mut Env<'_>,
        key: &SubchannelKey,
        arguments: Arguments,
    ) -> Result<(), CommandError> {
        let dispute = self.shown_dispute(key)?;
        let chosen = arguments.evidence.is_some();
        let evidence = arguments.evidence.or_else(|| self.best_evidence(key)).ok_or(CommandError::NothingToShow)?;
        // A later state that says the same of this subchannel changes nothing: a SyncChain that records the dispute is one.
        if !chosen && (evidence.nonce.0 <= dispute.nonce || evidence.body_hash() == dispute.body_hash) {
            return Err(CommandError::NotNewer);
        }
        let (fills, both) = (arguments.fills, dispute.starter == self.me);
        self.act(env, key, ChainCall::CounterDispute { dispute, evidence, fills, both });
        Ok(())
    }

    /// Takes the shown state as it is.
    pub(crate) fn accept_dispute(
        &mut self,
        env: &mut Env<'_>,
        key: &SubchannelKey,
        arguments: Arguments,
    ) -> Result<(), CommandError> {
        let dispute = self.shown_dispute(key)?;
        self.act(env, key, ChainCall::AcceptDispute { dispute, fills: arguments.fills });
        Ok(())
    }

    /// Reveals the shown body and ends the dispute.
    pub(crate) fn finalize(
        &mut self,
        env: &mut Env<'_>,
        key: &SubchannelKey,
        arguments: Arguments,
    ) -> Result<(), CommandError> {
        let dispute = self.shown_dispute(key)?;
        let body = self.body(key, &dispute.body_hash).or(arguments.body).ok_or(CommandError::NothingToShow)?;
        let starter_fills = self.fills(key, &dispute.starter_fills_hash)?;
        let answerer_fills = match self.fills(key, &dispute.answerer_fills_hash)? {
            given if dispute.answered || dispute.starter == self.me => given,
            // An early finalize of the non-starter is its answer, and may carry its fills.
            _ => arguments.fills,
        };
        self.act(env, key, ChainCall::FinalizeDispute { dispute, body, starter_fills, answerer_fills });
        Ok(())
    }

    fn shown_dispute(&self, key: &SubchannelKey) -> Result<DisputeFact, CommandError> {
        let dispute = self.watches.get(key).and_then(|w| w.dispute());
        dispute.map(|(_, dispute)| *dispute).ok_or(CommandError::NothingToShow)
    }

    fn fills(&self, key: &SubchannelKey, hash: &Hash) -> Result<Vec<u8>, CommandError> {
        if *hash == Hash::ZERO {
            return Ok(Vec::new());
        }
        self.watches.get(key).and_then(|w| w.shown(hash)).cloned().ok_or(CommandError::NothingToShow)
    }

    /// The body with this hash, from any state that this node still holds, live ones of its own included.
    #[must_use]
    pub fn body(&self, key: &SubchannelKey, hash: &Hash) -> Option<Vec<u8>> {
        let of = |signed: &SignedState| {
            let found = signed.commitment.subchannels.iter().find(|s| s.key == *key && s.body_hash == *hash);
            found.map(|s| s.body.clone())
        };
        let live = self.own.iter().map(|o| &o.signed).chain(self.abandoned.iter().map(|a| &a.signed));
        core::iter::once(&*self.tip)
            .chain(live)
            .find_map(of)
            .or_else(|| self.retained.get(key).filter(|e| e.body_hash() == *hash).map(|e| e.body.clone()))
            .or_else(|| self.watches.get(key).and_then(|w| w.shown(hash)).cloned())
    }

    pub(super) fn act(&self, env: &mut Env<'_>, key: &SubchannelKey, call: ChainCall) {
        env.out.actions.push(ChainAction { key: *key, pair: self.pair(), call });
    }

    /// An action on chain failed for good: a start of mine freezes no longer.
    pub(crate) fn action_failed(&mut self, action: &ChainAction) {
        match &action.call {
            ChainCall::StartDispute { .. } | ChainCall::StartEmptyDispute { .. } => {
                self.set_own_start(&action.key, None)
            }
            ChainCall::Reveal { secret, .. } => {
                let secrets = &self.secrets;
                self.revealing.retain(|payment| secrets.get(payment) != Some(secret));
            }
            ChainCall::CounterDispute { .. } | ChainCall::FinalizeDispute { .. } => {
                if let Some(watch) = self.watches.get_mut(&action.key) {
                    watch.reacted = None;
                }
            }
            _ => {}
        }
    }
}
