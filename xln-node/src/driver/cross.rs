//! A cross-chain swap as one call on each side (`docs/protocol.md` section 9). The machine locks, settles, reveals and takes
//! back by itself; how it ended is an event: `CrossSwapDone`, `CrossSwapUnwound`, or `CrossSwapTorn`.

use xln_core::channel::{CommandError, CrossLeg, CrossSum, CrossSwapConsent, CrossSwapOffer};
use xln_core::machine::{Action, Command, Effects, Input};
use xln_core::types::{EntityId, Hash, HashKind, Secret, UnixSeconds};
use xln_storage::Storage;

use super::{Node, NodeError};

/// What the initiator wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SwapOrder {
    /// What it gives.
    pub give: CrossSum,
    /// What it wants for it, in another subchannel.
    pub want: CrossSum,
    /// Which hash function locks both.
    pub kind: HashKind,
    /// 32 random bytes that were never used before. Whoever knows them can take the other side's leg.
    pub secret: Secret,
    /// For how long the responder's lock is good, in seconds. The initiator's is good for the configured gap longer.
    pub lifetime_s: u64,
}

/// What the responder lets its peer begin, once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SwapTerms {
    /// What the peer gives.
    pub receive: CrossSum,
    /// What this side gives for it, in another subchannel.
    pub pay: CrossSum,
    /// For how long the consent is good, in seconds.
    pub valid_s: u64,
    /// The longest time that its own lock may be open, in seconds: until then the peer may choose whether to take it.
    pub lifetime_s: u64,
}

impl<S: Storage> Node<S> {
    /// Begins a cross-chain swap. Gives the hash that names it in events, and the effects of the step.
    ///
    /// # Errors
    /// As [`Node::step`]. `Ok(Err(_))` is the machine's refusal; nothing happened then.
    pub fn cross_swap(
        &mut self,
        now: UnixSeconds,
        peer: EntityId,
        order: &SwapOrder,
    ) -> Result<Result<(Hash, Effects), CommandError>, NodeError> {
        let SwapOrder { give, want, kind, secret, lifetime_s } = *order;
        let want = CrossLeg { sum: want, expiry: now.plus(lifetime_s) };
        let give = CrossLeg { sum: give, expiry: want.expiry.plus(self.machine().config().cross_gap()) };
        let action = Action::CrossSwap(CrossSwapOffer { give, want, kind, secret });
        let effects = self.step_whole(now, vec![Input::Command(Command { peer, action })])?;
        Ok(effects.map(|effects| (secret.hash(kind), effects)))
    }

    /// Lets the peer begin one cross-chain swap on exactly these terms; this side's lock follows by itself.
    ///
    /// # Errors
    /// As [`Node::cross_swap`].
    pub fn accept_cross_swap(
        &mut self,
        now: UnixSeconds,
        peer: EntityId,
        terms: &SwapTerms,
    ) -> Result<Result<Effects, CommandError>, NodeError> {
        let SwapTerms { receive, pay, valid_s, lifetime_s } = *terms;
        let until = now.plus(valid_s);
        let consent = CrossSwapConsent { receive, pay, until, pay_expiry: until.plus(lifetime_s) };
        self.step_whole(now, vec![Input::Command(Command { peer, action: Action::AcceptCrossSwap(consent) })])
    }
}
