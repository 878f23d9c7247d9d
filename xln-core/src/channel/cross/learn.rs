//! Secrets that become known elsewhere: in a block of the peer, even one that is refused, or in the registry of any chain.
//! A preimage proves itself, so it needs nobody's signature. It is kept before anything else is done with it.

use alloc::vec::Vec;

use crate::block::Block;
use crate::channel::{Channel, Env, StageError};
use crate::state::Pending;
use crate::transition::Transition;
use crate::types::{Hash, HashKind, Secret, SubchannelKey};

/// A lock in my favour whose secret I do not know.
struct Incoming {
    key: SubchannelKey,
    id: u64,
    kind: HashKind,
    hash: Hash,
}

impl Channel {
    fn incoming(&self) -> impl Iterator<Item = Incoming> {
        let all =
            self.tip.state.subchannels.iter().flat_map(|(key, s)| s.pending.iter().map(move |(id, p)| (*key, *id, p)));
        all.filter_map(|(key, id, pending)| match pending {
            Pending::Payment(p) if p.payer != self.me && !self.secrets.contains_key(&(key, id)) => {
                Some(Incoming { key, id, kind: p.kind, hash: p.hash })
            }
            _ => None,
        })
    }

    /// Whether a reveal on any chain could matter.
    pub(crate) fn awaits_secret(&self) -> bool {
        !self.crosses.is_empty() || self.incoming().next().is_some()
    }

    /// What a block of the peer shows, whatever becomes of the block.
    pub(in crate::channel) fn learn_from_block(&mut self, env: &mut Env<'_>, block: &Block) -> Result<(), StageError> {
        if !env.config.vigilant || self.incoming().next().is_none() {
            return Ok(());
        }
        for transition in &block.transitions {
            let Transition::SettlePayment { secret, .. } = transition else { continue };
            for kind in [HashKind::Keccak256, HashKind::Sha256] {
                let hash = secret.hash(kind);
                let opened: Vec<Incoming> = self.incoming().filter(|i| i.kind == kind && i.hash == hash).collect();
                self.take_secret(env, opened, *secret)?;
            }
        }
        Ok(())
    }

    /// What the registries show. That of the lock's own chain is the vigil's business: there the entry itself counts.
    pub(super) fn learn_from_chains(&mut self, env: &mut Env<'_>) -> Result<(), StageError> {
        let open: Vec<Incoming> = self.incoming().collect();
        for lock in open {
            let accepted = env.config.depositories.iter();
            let accepted = accepted.flat_map(|d| d.providers.iter().map(move |p| (d.key.chain, p)));
            let used =
                self.tip.state.subchannels.iter().flat_map(|(k, s)| s.providers.iter().map(move |p| (k.chain, p)));
            let mut registries = accepted.chain(used).filter(|(chain, _)| *chain != lock.key.chain);
            let shown = registries.find_map(|(chain, p)| env.chains.get(&chain)?.secret(p, lock.kind, &lock.hash));
            if let Some(secret) = shown.map(|reveal| reveal.secret) {
                self.take_secret(env, alloc::vec![lock], secret)?;
            }
        }
        Ok(())
    }

    /// Keeps a secret for the locks that it opens and claims them once. If that is refused or not answered, the vigil
    /// reveals it on the lock's own chain before it is too late.
    fn take_secret(&mut self, env: &mut Env<'_>, opened: Vec<Incoming>, secret: Secret) -> Result<(), StageError> {
        for Incoming { key, id, .. } in opened {
            self.secrets.insert((key, id), secret);
            if !self.is_queued(&key, id) {
                self.enqueue_own(env, Transition::SettlePayment { key, id, secret })?;
            }
        }
        Ok(())
    }
}
