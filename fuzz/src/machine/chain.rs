//! What stands in place of the contracts, and the blocks that all see.

use std::collections::BTreeSet;

use xln_core::chain::{ChainAction, ChainCall, ChainChange, ChainFact, ChangeKind};
use xln_core::commitment::Evidence;
use xln_core::entity::{Claim, Permission};
use xln_core::machine::Input;
use xln_core::proof::{Body, TokenDiff, body_hash, channel_state_digest, fills_hash, subchannel_leaf};
use xln_core::state::Pending;
use xln_core::subcontract::fact_key;
use xln_core::types::{
    ChainPoint, DisputeFact, Hash, HashKind, Pair, RecordedFact, Reveal, Secret, Side, TokenFact, UnixSeconds,
};

use super::world::World;
use super::{Choices, KEY, N, PROVIDER, TOKENS, WINDOW_S};

/// What the contract knows of one channel: no signatures, no money, only the order of things.
#[derive(Clone, Default)]
pub(super) struct Contract {
    pub(super) epoch: u32,
    pub(super) settlement_nonce: u32,
    pub(super) dispute: Option<DisputeFact>,
    pub(super) fact: (u128, i128),
    pub(super) executed: BTreeSet<Vec<u8>>,
}

impl World {
    /// One of the transactions that were asked for gets into a block, or fails there.
    pub(super) fn act(&mut self, which: usize) {
        if self.actions.is_empty() {
            return;
        }
        let (i, effect, action) = self.actions.remove(which % self.actions.len());
        let p = usize::from(action.pair != self.pair(0));
        self.now += 1;
        let done = self.execute(p, &action);
        let success = done.is_some();
        if let Some((changes, reveals, facts)) = done {
            self.confirm(p, changes, reveals, facts, i);
        }
        self.stage(i, vec![Input::Completed { effect, success }]);
    }

    pub(super) fn pair(&self, p: usize) -> Pair {
        Pair::new(self.id(p), self.id(p + 1)).expect("two")
    }

    #[allow(clippy::type_complexity, reason = "what a block has")]
    fn execute(&mut self, p: usize, action: &ChainAction) -> Option<(Vec<ChangeKind>, Vec<Reveal>, Vec<RecordedFact>)> {
        let (pair, at) = (action.pair, UnixSeconds(self.now));
        if let ChainCall::StartDispute { starter, evidence, .. } = &action.call {
            self.expect_good(&pair, starter.other(), evidence);
        }
        if let ChainCall::CounterDispute { dispute, evidence, .. } = &action.call {
            self.expect_good(&pair, dispute.starter, evidence);
        }
        let contract = &mut self.contracts[p];
        let epoch = contract.epoch;
        let current = contract.dispute;
        let mut disputed = |dispute: DisputeFact, fills: &Vec<u8>, body| {
            contract.dispute = Some(dispute);
            Some((vec![ChangeKind::Dispute { epoch, dispute, fills: fills.clone(), body }], vec![], vec![]))
        };
        let started = |starter, nonce, body_hash, fills: &[u8]| DisputeFact {
            nonce,
            started_at: at,
            starter,
            answered: false,
            answered_at: UnixSeconds(0),
            body_hash,
            starter_fills_hash: fills_hash(fills),
            answerer_fills_hash: Hash::ZERO,
        };
        let answered = |dispute: &DisputeFact, fills: &[u8]| DisputeFact {
            answered: true,
            answered_at: at,
            answerer_fills_hash: fills_hash(fills),
            ..*dispute
        };
        let open = |dispute: &DisputeFact| !dispute.answered && at <= dispute.started_at.plus(WINDOW_S);
        match &action.call {
            ChainCall::StartDispute { starter, evidence, fills } => {
                let fits = current.is_none() && evidence.epoch == epoch;
                let dispute = started(*starter, evidence.nonce.0, evidence.body_hash(), fills);
                if fits { disputed(dispute, fills, vec![]) } else { None }
            }
            ChainCall::StartEmptyDispute { starter, tokens } => {
                let tokens = tokens.iter().map(|token| (*token, 0)).collect();
                let body = Body { tokens, clauses: Vec::new() }.encode().expect("within the limits");
                let dispute = started(*starter, 0, body_hash(&body), &[]);
                if current.is_none() { disputed(dispute, &vec![], body) } else { None }
            }
            ChainCall::AcceptDispute { dispute, fills } => {
                let fits = current == Some(*dispute) && open(dispute);
                if fits { disputed(answered(dispute, fills), fills, vec![]) } else { None }
            }
            ChainCall::CounterDispute { dispute, evidence, fills, .. } => {
                let newer = evidence.nonce.0 > dispute.nonce && evidence.epoch == epoch;
                let (nonce, body_hash) = (evidence.nonce.0, evidence.body_hash());
                let after = DisputeFact { nonce, body_hash, ..answered(dispute, fills) };
                let fits = current == Some(*dispute) && open(dispute) && newer;
                if fits { disputed(after, fills, vec![]) } else { None }
            }
            ChainCall::FinalizeDispute { dispute, body, .. } => {
                let over = dispute.answered || at > dispute.started_at.plus(WINDOW_S);
                if contract.dispute != Some(*dispute) || !over {
                    return None;
                }
                assert_eq!(body_hash(body), dispute.body_hash, "a finalize with another body");
                Some((contract.close(), vec![], vec![]))
            }
            ChainCall::CooperativeUpdate { expiry, update, left, .. } => {
                if contract.dispute.is_some() || at > *expiry || !contract.executed.insert(left.as_bytes().to_vec()) {
                    return None;
                }
                let diff = update.diffs.iter().find(|diff| diff.token == TOKENS[0]);
                let (mut collateral, mut ondelta) = contract.fact;
                if let Some(TokenDiff { left, right, ondelta: moved, .. }) = diff {
                    let less = left.checked_add(*right)?;
                    collateral = collateral.checked_add_signed(less.checked_neg()?)?;
                    ondelta = ondelta.checked_add(*moved)?;
                }
                contract.fact = (collateral, ondelta);
                contract.settlement_nonce += 1;
                let settled = ChangeKind::Settled { epoch, settlement_nonce: contract.settlement_nonce };
                Some((vec![contract.collateral(), settled], vec![], vec![]))
            }
            ChainCall::CooperativeClose { expiry, left, .. } => {
                let fits = contract.dispute.is_none() && at <= *expiry;
                let fits = fits && contract.executed.insert(left.as_bytes().to_vec());
                fits.then(|| (contract.close(), vec![], vec![]))
            }
            ChainCall::Reveal { provider, kind, secret } => {
                Some((vec![], vec![Reveal { provider: *provider, kind: *kind, secret: *secret, at }], vec![]))
            }
            ChainCall::Record { provider, instrument, not_before, question } => {
                let key = fact_key(*instrument, *not_before, question)?;
                let fact = RecordedFact { provider: *provider, key, at, value: 1 };
                (at >= *not_before).then(|| (vec![], vec![], vec![fact]))
            }
        }
    }

    /// What a machine shows was signed by the other side.
    fn expect_good(&mut self, pair: &Pair, signer: Side, evidence: &Evidence) {
        let leaf = subchannel_leaf(&evidence.key, evidence.epoch, &evidence.body_hash());
        assert!(xln_core::proof::verify_path(&leaf, &evidence.path, &evidence.root), "a path to nowhere");
        let digest = &channel_state_digest(&pair.channel_key(), evidence.nonce, &evidence.root);
        let signature = evidence.signature(signer).expect("the other side's signature");
        let entity = &pair.entity(signer);
        let claim = Claim { entity, digest, signature, permission: Permission::States };
        self.verifier.verify(&claim).expect("the other side's signature");
    }

    /// Everything that something pending waits for, as if it had just been recorded.
    fn awaited(&self, p: usize, at: UnixSeconds) -> Vec<RecordedFact> {
        let pending = self.state(p, p + 1).subchannels.get(&KEY).into_iter().flat_map(|s| s.pending.values());
        let asks = pending.filter_map(|p| if let Pending::Subcontract(s) = p { Some(&s.asks) } else { None });
        let open = asks.flatten().filter(|ask| ask.answer.is_none());
        open.map(|ask| RecordedFact { provider: PROVIDER, key: ask.key, at, value: 1 }).collect()
    }

    /// A confirmed block that all see, with what strangers may have done in it.
    pub(super) fn chain(&mut self, c: &mut Choices<'_>) {
        let p = usize::from(c.below(2));
        self.now += u64::from(c.byte() % 16);
        let at = UnixSeconds(self.now);
        let facts = if c.below(4) == 0 { self.awaited(p, at) } else { Vec::new() };
        let (mut reveals, mut kinds) = (Vec::new(), Vec::new());
        match c.below(4) {
            0 => {
                let contract = &mut self.contracts[p];
                contract.fact.0 += u128::from(c.byte());
                contract.fact.1 += i128::from(c.byte()) - 100;
                kinds.push(contract.collateral());
            }
            1 => {
                let kind = if c.below(2) == 0 { HashKind::Keccak256 } else { HashKind::Sha256 };
                reveals.push(Reveal { provider: PROVIDER, kind, secret: Secret([c.below(6); 32]), at });
            }
            _ => {}
        }
        self.confirm(p, kinds, reveals, facts, usize::from(c.below(3)));
    }

    pub(super) fn confirm(
        &mut self,
        p: usize,
        kinds: Vec<ChangeKind>,
        reveals: Vec<Reveal>,
        facts: Vec<RecordedFact>,
        first: usize,
    ) {
        self.block += 1;
        let mut hash = [7; 32];
        hash[..8].copy_from_slice(&self.block.to_be_bytes());
        let timestamp = UnixSeconds(self.now);
        let point = ChainPoint { chain: KEY.chain, number: self.block, hash: Hash(hash), timestamp };
        let pair = self.pair(p);
        let changes: Vec<ChainChange> = kinds.into_iter().map(|kind| ChainChange { key: KEY, pair, kind }).collect();
        for i in [first, (first + 1) % N, (first + 2) % N] {
            // A watcher only reports what concerns its entity.
            let changes = if i == p || i == p + 1 { changes.clone() } else { Vec::new() };
            let (reveals, facts) = (reveals.clone(), facts.clone());
            self.stage(
                i,
                vec![Input::Chain(ChainFact::Block { point, changes, reveals, facts, entities: Vec::new() })],
            );
        }
    }
}

impl Contract {
    pub(super) fn collateral(&self) -> ChangeKind {
        let (collateral, ondelta) = self.fact;
        ChangeKind::Collateral(TokenFact { token: TOKENS[0], collateral, ondelta })
    }

    /// The epoch ends, by a finalize or by both.
    pub(super) fn close(&mut self) -> Vec<ChangeKind> {
        self.epoch += 1;
        self.dispute = None;
        self.fact = (0, 0);
        let closed = ChangeKind::Closed { epoch: self.epoch, settlement_nonce: self.settlement_nonce };
        vec![self.collateral(), closed]
    }
}
