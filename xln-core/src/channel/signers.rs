//! Signers that lapse: a board that was replaced, a delegation that was revoked or has expired (`docs/protocol.md` section
//! 2). Both sides sign anew at once; if the peer does not, this side disputes while its evidence is still good.

use alloc::vec::Vec;
use wincode::{SchemaRead, SchemaWrite};

use super::env::Purpose;
use super::{Arguments, Channel, Env, Event};
use crate::crypto::{COMPACT_SIGNATURE_BYTES, Signature, SignatureError};
use crate::entity::{Claim, OrganisationError, Permission, Reliance, Standing, earlier};
use crate::map::Set;
use crate::types::{Hash, Side, SubchannelKey, UnixSeconds};

/// What a channel does about signers that lapse.
#[derive(Clone, PartialEq, Eq, Debug, Default, SchemaRead, SchemaWrite)]
pub(super) struct Signers {
    /// A block is wanted, an empty one if need be, so that both sign anew.
    pub(super) must_renew: bool,
    /// When the last such block was made.
    renewed_at: Option<UnixSeconds>,
    /// The lapse that was reported.
    reported: Option<UnixSeconds>,
    /// Subchannels whose dispute was reported as due.
    due: Set<SubchannelKey>,
    /// Since when a board on which the last state relies is not known.
    unknown: Option<UnixSeconds>,
    /// When a dispute was last started for that reason.
    tried: Option<UnixSeconds>,
    /// When time alone will change something.
    wake: Option<UnixSeconds>,
    /// How often the peer has refused my signer on this parent, one more if the parent was agreed in vain; and until when it
    /// is not asked again.
    refusals: u64,
    paused_until: Option<UnixSeconds>,
}

impl Signers {
    /// A block was made: both sign with whoever signs now.
    pub(super) fn renewing(&mut self, now: UnixSeconds) {
        if core::mem::take(&mut self.must_renew) {
            self.renewed_at = Some(now);
        }
    }

    /// A state was agreed; if in vain, until when to wait. After a restore an honest peer may need one such state, to outrank
    /// what it has lost; a second one at once would only be the next round of a game without end.
    pub(super) fn agreed(&mut self, in_vain: Option<UnixSeconds>) {
        self.paused_until = in_vain.filter(|_| self.refusals > 0);
        self.refusals = u64::from(in_vain.is_some());
    }

    /// The peer knows that my signer has lapsed. The second refusal means that I do not: then there is no hurry.
    pub(super) fn refused(&mut self, now: UnixSeconds, patience_s: u64) {
        self.paused_until = (self.refusals > 0).then(|| now.plus(patience_s));
        self.refusals = self.refusals.saturating_add(1);
    }

    pub(super) fn deadline(&self) -> Option<UnixSeconds> {
        earlier(self.wake, self.paused_until)
    }
}

impl Channel {
    /// Whether the last state is signed by a board or an operator, which a chain may take back.
    pub(crate) fn relies_on_chains(&self) -> bool {
        let signatures = self.tip.left.iter().chain(&self.tip.right);
        signatures.into_iter().any(|signature| signature.as_bytes().len() != COMPACT_SIGNATURE_BYTES)
    }

    /// Whether nothing is proposed for now. A pause that is over ends here.
    pub(super) fn is_paused(&mut self, now: UnixSeconds) -> bool {
        self.signers.paused_until = self.signers.paused_until.filter(|until| *until > now);
        self.signers.paused_until.is_some()
    }

    /// What the signature of one side under the last state relies on.
    fn relied(&self, side: Side) -> Option<Reliance> {
        let signature = self.tip.signature(side)?;
        if signature.as_bytes().len() == COMPACT_SIGNATURE_BYTES {
            return None;
        }
        Reliance::of(&self.pair().entity(side), signature).ok().filter(|reliance| !reliance.is_empty())
    }

    /// Sees to it that both sides sign anew when a signer lapses, and that nothing is lost if the peer does not.
    pub(crate) fn watch_signers(&mut self, env: &mut Env<'_>) {
        let (own, theirs) = (self.relied(self.me), self.relied(self.peer()));
        if own.is_none() && theirs.is_none() {
            let Signers { refusals, paused_until, .. } = self.signers;
            self.signers = Signers { refusals, paused_until, ..Signers::default() };
            return;
        }
        // A board that was known once and is not any more was replaced too often, or never was: until when a chain takes it
        // nobody can say, so it counts as lapsing now.
        let mut unknown = false;
        let since = self.signers.unknown.unwrap_or(env.now);
        let of = |reliance: &Reliance| match env.standing(reliance, &self.tip.state) {
            Ok(standing) => standing,
            Err(_) => {
                unknown = true;
                Standing { lapses: Some(since), expires: None }
            }
        };
        let standing = own.iter().chain(&theirs).map(of).fold(Standing::default(), Standing::and);
        self.signers.unknown = unknown.then_some(since);
        let Some(until) = standing.lapses else {
            let wake = standing.expires.map(|expiry| expiry.plus(1));
            let Signers { refusals, paused_until, .. } = self.signers;
            self.signers = Signers { refusals, paused_until, wake, ..Signers::default() };
            return;
        };
        let peer = self.pair().entity(self.peer());
        if self.signers.reported != Some(until) {
            self.signers.reported = Some(until);
            env.out.events.push(Event::SignerLapsing { peer, until });
        }
        let again = self.signers.renewed_at.map(|at| at.plus(env.config.peer_timeout_s));
        let wait = again.filter(|at| *at > env.now);
        self.signers.must_renew = wait.is_none();
        self.signers.wake = earlier(wait, standing.expires.map(|expiry| expiry.plus(1)));
        if let Some(reliance) = theirs {
            self.guard(env, &reliance);
        }
    }

    /// When a third of the grace is left, what the peer signed is shown while the chain takes it; at once if that is not known.
    fn guard(&mut self, env: &mut Env<'_>, reliance: &Reliance) {
        let subchannels = self.tip.state.subchannels.iter();
        let keys: Vec<SubchannelKey> = subchannels.filter(|(_, s)| !s.tokens.is_empty()).map(|(key, _)| *key).collect();
        // A chain that does not know the board either is not asked without a pause.
        let again = self.signers.tried.map_or(env.now, |at| at.plus(env.config.peer_timeout_s));
        for key in keys {
            let Some((place, grace_s)) = env.config.place(&key) else { continue };
            let standing = env.directory.standing_at(reliance, &[(place, grace_s)], env.now);
            let (at, until) = match standing.map(|s| s.lapses) {
                Ok(None) => continue,
                Ok(Some(until)) => (until.minus(grace_s.wrapping_div(3)), until),
                // No grace that has begun before is longer.
                Err(_) => (again, self.signers.unknown.unwrap_or(env.now).plus(grace_s)),
            };
            if env.now < at {
                self.signers.wake = earlier(self.signers.wake, Some(at));
            } else if env.config.vigilant {
                if env.now <= until && self.frozen(&key).is_none() {
                    self.signers.tried = Some(env.now);
                    // Without anything to show there is nothing to lose.
                    let _ = self.start_dispute(env, &key, Arguments::default());
                }
            } else if self.signers.due.insert(key) {
                let peer = self.pair().entity(self.peer());
                env.out.events.push(Event::DisputeDue { peer, key, until });
            }
        }
    }

    /// Checks a remote signer's answer as the peer and the chain will. What nothing waits for any more only has to be by
    /// this entity.
    pub(crate) fn verify_own(
        &self,
        env: &mut Env<'_>,
        purpose: &Purpose,
        digest: &Hash,
        signature: &Signature,
    ) -> Result<(), SignatureError> {
        let entity = &self.pair().entity(self.me);
        let state = match purpose {
            Purpose::Settlement { key, id } if self.settlement(key).is_some_and(|open| open.id == *id) => {
                return env.verify_settlement(entity, digest, signature, key);
            }
            Purpose::Settlement { .. } => {
                let claim = Claim { entity, digest, signature, permission: Permission::Withdraw };
                return env.verifier.verify(&claim).map(|_| ());
            }
            Purpose::Proposal => self.own.as_ref().map(|own| &own.signed),
            Purpose::Ack => self.waiting.as_ref().and_then(|waiting| waiting.signing.as_ref()),
            Purpose::Reject { .. } => Some(&*self.tip),
        };
        let awaited =
            state.filter(|signed| matches!(purpose, Purpose::Reject { .. }) || signed.commitment.digest == *digest);
        let Some(awaited) = awaited.map(|signed| &signed.state) else {
            let claim = Claim { entity, digest, signature, permission: Permission::States };
            return env.verifier.verify(&claim).map(|_| ());
        };
        Self::refuse_lapsed(env.verify_state(entity, digest, signature, awaited)?)
    }

    fn refuse_lapsed(standing: Standing) -> Result<(), SignatureError> {
        if standing.lapses.is_some() { Err(OrganisationError::Lapsed.into()) } else { Ok(()) }
    }
}
