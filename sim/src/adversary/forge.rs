//! What the adversary makes by hand, with its own key and the honest code's types.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use xln_core::block::{Block, apply_block};
use xln_core::commitment::{Commitment, Evidence};
use xln_core::crypto::{LocalSigner, Signature};
use xln_core::limits::{MAX_BLOCK_TRANSITIONS, MAX_HEIGHT_GAP, MAX_LOCK_S};
use xln_core::proof::{SettlementUpdate, TokenDiff, channel_state_digest};
use xln_core::state::ChannelState;
use xln_core::transition::Transition;
use xln_core::types::{
    ChainPoint, Hash, HashKind, Nonce, Secret, Side, SubchannelFacts, SubchannelKey, TokenFact, TokenId, UnixSeconds,
};
use xln_core::wire::{Message, Part, Reject, RejectReason};

use super::deviation::Deviation;
use super::world::{Finding, key};

/// The channel as both know it, and the adversary's part in it.
pub(super) struct Ground<'a> {
    /// The last state that both signed.
    pub(super) tip: &'a ChannelState,
    /// The adversary's side.
    pub(super) me: Side,
    /// The adversary's key.
    pub(super) signer: &'a LocalSigner,
    /// Where.
    pub(super) key: SubchannelKey,
    /// The token.
    pub(super) token: TokenId,
    /// The time.
    pub(super) now: UnixSeconds,
    /// States that both signed once.
    pub(super) old: &'a [(ChannelState, Signature, Signature)],
}

impl Ground<'_> {
    /// A block on the tip that is as it should be.
    pub(super) fn block(&self, transitions: Vec<Transition>) -> Result<Block, Finding> {
        Ok(Block {
            height: self.tip.height.saturating_add(1),
            prev_block_hash: self.tip.block_hash,
            prev_state_hash: self.tip.hash().map_err(Finding::ground)?,
            proposer: self.me,
            timestamp: self.now.max(self.tip.timestamp),
            transitions,
        })
    }

    /// What a signature over the state after a block covers; something of this channel if the block has no such state.
    fn committed(&self, block: &Block) -> Result<(Nonce, Commitment), Finding> {
        let parent_hash = self.tip.hash().map_err(Finding::ground)?;
        let state = apply_block(self.tip, &parent_hash, block).unwrap_or_else(|_| self.tip.clone());
        Ok((state.nonce, Commitment::of(&state).map_err(Finding::ground)?))
    }

    fn sign(&self, digest: &Hash) -> Result<Signature, Finding> {
        self.signer.sign_digest(digest).map_err(Finding::ground)
    }

    /// A block with a true signature over the state that it gives.
    pub(super) fn proposal(&self, block: Block) -> Result<Part, Finding> {
        let signature = self.sign(&self.committed(&block)?.1.digest)?;
        Ok(Part::Proposal { block: block.into(), signature })
    }

    /// The evidence that a block of the adversary's gives once the other side has acknowledged it.
    pub(super) fn evidence(&self, block: &Block) -> Result<Option<Evidence>, Finding> {
        let parent_hash = self.tip.hash().map_err(Finding::ground)?;
        let Ok(state) = apply_block(self.tip, &parent_hash, block) else { return Ok(None) };
        let commitment = Commitment::of(&state).map_err(Finding::ground)?;
        let Some(mut evidence) = commitment.evidence(&self.key, state.nonce) else { return Ok(None) };
        let mine = Some(self.sign(&commitment.digest)?);
        match self.me {
            Side::Left => evidence.left = mine,
            Side::Right => evidence.right = mine,
        }
        Ok(Some(evidence))
    }

    /// A message of these parts.
    pub(super) fn message(&self, parts: Vec<Part>) -> Result<Vec<u8>, Finding> {
        Message { channel: self.tip.pair.channel_key(), parts }.encode().map_err(Finding::ground)
    }

    /// A refusal that is truly signed.
    pub(super) fn reject(
        &self,
        (height, block_hash): (u64, Hash),
        reason: RejectReason,
        min_height: u64,
    ) -> Result<Part, Finding> {
        let channel = self.tip.pair.channel_key();
        let digest = Reject::digest(&channel, height, &block_hash, &reason, min_height).map_err(Finding::ground)?;
        Ok(Part::Reject(Reject { height, block_hash, reason, min_height, signature: self.sign(&digest)? }))
    }

    fn pay(&self, amount: u128) -> Transition {
        Transition::DirectPayment { key: self.key, token: self.token, amount }
    }

    fn lock(&self, expiry: UnixSeconds, secret: u8) -> Transition {
        let kind = HashKind::Keccak256;
        let hash = Secret([secret; 32]).hash(kind);
        Transition::AddPayment { key: self.key, token: self.token, amount: 3, kind, hash, expiry, onion: Vec::new() }
    }

    /// What one deviation sends. `None` if it is more than messages.
    pub(super) fn messages(&self, which: Deviation, random: &mut ChaCha8Rng) -> Result<Vec<Vec<u8>>, Finding> {
        use Deviation as D;
        let pay = || vec![self.pay(1)];
        let far = random.random_range(MAX_HEIGHT_GAP.saturating_add(1)..MAX_HEIGHT_GAP.saturating_mul(1_000));
        let part = match which {
            D::WrongNonce | D::WrongRoot => {
                let block = self.block(pay())?;
                let (nonce, commitment) = self.committed(&block)?;
                let (nonce, root) = match which {
                    D::WrongNonce => (Nonce(nonce.0.saturating_add(random.random_range(1..9))), commitment.root),
                    _ => (nonce, Hash(random.random())),
                };
                let signature = self.sign(&channel_state_digest(&self.tip.pair.channel_key(), nonce, &root))?;
                Part::Proposal { block: block.into(), signature }
            }
            D::WrongHeight => {
                let mut block = self.block(pay())?;
                block.height = match random.random_range(0..4) {
                    0 => self.tip.height,
                    1 => 0,
                    2 => u64::MAX,
                    _ => self.tip.height.saturating_add(far.saturating_add(MAX_HEIGHT_GAP)),
                };
                self.proposal(block)?
            }
            D::WrongParent => self.proposal(Block { prev_block_hash: Hash(random.random()), ..self.block(pay())? })?,
            D::WrongStateHash => {
                self.proposal(Block { prev_state_hash: Hash(random.random()), ..self.block(pay())? })?
            }
            D::WrongSide => self.proposal(Block { proposer: self.me.other(), ..self.block(pay())? })?,
            D::BadSignature => {
                let bytes: [u8; 64] = if random.random() { [0; 64] } else { std::array::from_fn(|_| random.random()) };
                Part::Proposal { block: self.block(pay())?.into(), signature: Signature::compact(bytes) }
            }
            D::ForeignSignature => {
                let block = self.block(pay())?;
                let digest = self.committed(&block)?.1.digest;
                let signature =
                    key(random.random_range(9_000..9_999))?.sign_digest(&digest).map_err(Finding::ground)?;
                Part::Proposal { block: block.into(), signature }
            }
            D::ReplayedSignature => {
                let Some((_, left, right)) = self.old.last() else { return Ok(Vec::new()) };
                let signature = if self.me.is_left() { left } else { right }.clone();
                Part::Proposal { block: self.block(pay())?.into(), signature }
            }
            D::ReusedId => {
                let id = random.random_range(0..=self.tip.next_id.saturating_add(5));
                let secret = Secret([random.random_range(200..255); 32]);
                let transition = match random.random_range(0..4) {
                    0 => Transition::SettlePayment { key: self.key, id, secret },
                    1 => Transition::FillSwap { key: self.key, id, fill: 1 },
                    2 => Transition::SettleSubcontract { key: self.key, id },
                    _ => Transition::CancelSwap { key: self.key, id },
                };
                self.proposal(self.block(vec![transition])?)?
            }
            D::ExpiredLock => {
                let expiry = self.tip.timestamp.minus(random.random_range(1..1_000));
                self.proposal(self.block(vec![self.lock(expiry, 201)])?)?
            }
            D::EndlessLock => {
                let expiry = self.now.plus(MAX_LOCK_S.saturating_add(random.random_range(60..u64::from(u32::MAX))));
                self.proposal(self.block(vec![self.lock(expiry, 202)])?)?
            }
            D::Late => {
                let timestamp = self.tip.timestamp.minus(random.random_range(1..1_000_000));
                self.proposal(Block { timestamp, ..self.block(pay())? })?
            }
            D::Early => {
                let timestamp = self.now.plus(random.random_range(3_600..1_000_000));
                self.proposal(Block { timestamp, ..self.block(pay())? })?
            }
            D::Oversized => return self.oversized(random),
            D::Nonsense => return self.nonsense(random),
            D::Theft => self.proposal(self.block(vec![self.theft(random)])?)?,
            D::FalseFacts => self.proposal(self.block(vec![self.false_facts(random)])?)?,
            D::ClaimsAhead => Part::Reestablish {
                height: self.tip.height.saturating_add(far),
                block_hash: Hash(random.random()),
                state_hash: Hash(random.random()),
                reply: random.random(),
            },
            D::ForgedState => self.forged_state(random)?,
            D::OldState => {
                let Some(at) = self.old.len().checked_sub(1).map(|last| random.random_range(0..=last)) else {
                    return Ok(Vec::new());
                };
                let Some((state, left, right)) = self.old.get(at).cloned() else { return Ok(Vec::new()) };
                Part::StateReply { state, left, right }
            }
            D::WrongAck => {
                let signature = self.sign(&Hash(random.random()))?;
                let height = self.tip.height.saturating_add(random.random_range(0..3));
                let block_hash = if random.random() { self.tip.block_hash } else { Hash(random.random()) };
                Part::Ack { height, block_hash, signature }
            }
            D::RejectsAcknowledged => {
                let at = (self.tip.height, self.tip.block_hash);
                let reason = RejectReason::Policy { index: random.random_range(0..3) };
                self.reject(at, reason, self.tip.height.saturating_add(random.random_range(0..40)))?
            }
            D::SettlementOutOfTurn => {
                let id = random.random_range(0..=self.tip.next_id.saturating_add(3));
                Part::SettlementSignature { key: self.key, id, signature: self.sign(&Hash(random.random()))? }
            }
            _ => return Ok(Vec::new()),
        };
        Ok(vec![self.message(vec![part])?])
    }

    fn oversized(&self, random: &mut ChaCha8Rng) -> Result<Vec<Vec<u8>>, Finding> {
        let memo = |length| Transition::Memo { data: vec![7; length] };
        Ok(match random.random_range(0..4) {
            0 => vec![vec![1; (1 << 20) + 1]],
            1 => {
                let count = MAX_BLOCK_TRANSITIONS.saturating_add(1);
                vec![self.message(vec![self.proposal(self.block(vec![memo(0); count])?)?])?]
            }
            2 => vec![self.message(vec![self.proposal(self.block(vec![memo(100_000)])?)?])?],
            _ => {
                let part = Part::StateRequest;
                let mut bytes = self.message(vec![part.clone(); 64])?;
                bytes.extend(std::iter::repeat_n(4_u8, 4_096));
                vec![bytes]
            }
        })
    }

    fn nonsense(&self, random: &mut ChaCha8Rng) -> Result<Vec<Vec<u8>>, Finding> {
        let foreign =
            Message { channel: Hash(random.random()), parts: vec![self.proposal(self.block(vec![self.pay(1)])?)?] };
        let mut damaged = self.message(vec![self.proposal(self.block(vec![self.pay(1)])?)?])?;
        let at = random.random_range(0..damaged.len());
        if let Some(byte) = damaged.get_mut(at) {
            *byte ^= random.random_range(1..=255_u8);
        }
        let length = random.random_range(0..300);
        let noise = (0..length).map(|_| random.random()).collect();
        Ok(vec![foreign.encode().map_err(Finding::ground)?, damaged, noise])
    }

    /// What only the other side may propose or must have consented to.
    fn theft(&self, random: &mut ChaCha8Rng) -> Transition {
        let (key, token) = (self.key, self.token);
        let expiry = self.now.plus(900);
        match random.random_range(0..5) {
            0 => self.pay(1 << 120),
            1 => Transition::SetCreditLimit { key, token, limit: u128::MAX },
            2 | 3 => {
                let (gain, loss) = (random.random_range(1..50_i128), random.random_range(-50..0_i128));
                let (left, right) = if self.me.is_left() { (gain, loss) } else { (loss, gain) };
                let diffs = vec![TokenDiff { token, left, right, ondelta: loss }];
                Transition::ProposeSettlement { key, update: SettlementUpdate { diffs, forgiven: Vec::new() }, expiry }
            }
            _ => Transition::RemoveToken { key, token },
        }
    }

    fn false_facts(&self, random: &mut ChaCha8Rng) -> Transition {
        let number = random.random_range(0..1_000_000);
        let point = ChainPoint { chain: self.key.chain, number, hash: Hash(random.random()), timestamp: self.now };
        let tokens = vec![TokenFact { token: self.token, collateral: 1 << 90, ondelta: 1 << 80 }];
        let facts = SubchannelFacts { epoch: random.random_range(0..3), settlement_nonce: 0, dispute: None, tokens };
        Transition::SyncChain { key: self.key, point, facts, reveals: Vec::new(), recorded: Vec::new() }
    }

    /// A later state in which everything is the adversary's, with the other side's signature over an old one.
    fn forged_state(&self, random: &mut ChaCha8Rng) -> Result<Part, Finding> {
        let mut state = self.tip.clone();
        state.height = state.height.saturating_add(random.random_range(1..9));
        state.nonce = Nonce::of(state.height, self.me).unwrap_or(state.nonce);
        let shift = if self.me.is_left() { 1_000 } else { -1_000 };
        let token = state.subchannels.get_mut(&self.key).and_then(|s| s.tokens.get_mut(&self.token));
        if let Some(token) = token {
            token.offdelta = token.offdelta.saturating_add(shift);
        }
        let mine = self.sign(&Commitment::of(&state).map_err(Finding::ground)?.digest)?;
        let theirs = self.old.last().map(|(_, left, right)| if self.me.is_left() { right } else { left }.clone());
        let theirs = theirs.unwrap_or_else(|| Signature::compact([5; 64]));
        let (left, right) = if self.me.is_left() { (mine, theirs) } else { (theirs, mine) };
        Ok(Part::StateReply { state, left, right })
    }
}
