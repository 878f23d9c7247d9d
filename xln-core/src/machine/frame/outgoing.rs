//! What a step gives: what channels want is collected, packed into messages, and becomes the machine's.

use alloc::vec::Vec;

use super::super::MachineState;
use super::super::types::{Effect, EffectId, Effects, InputOutcome, WantedBody};
use super::Frame;
use crate::channel::{Output, StageError};
use crate::codec::{self, CodecError};
use crate::state::hash_tagged;
use crate::types::{EntityId, Hash};
use crate::wire::{MAX_PARTS, Message, Part};

impl Frame {
    pub(super) fn collect(&mut self, peer: EntityId, out: Output) -> Result<(), StageError> {
        let parts = self.parts.entry(peer).or_default();
        for part in out.parts {
            if !parts.contains(&part) {
                parts.push(part);
            }
        }
        self.events.extend(out.events);
        self.routes.ended.extend(out.ended.into_iter().map(|ended| (peer, ended)));
        self.routes.inherit(peer, out.inherited);
        self.signed.extend(out.signed);
        self.agreed.extend(out.agreed.into_iter().map(|evidence| (peer, evidence)));
        for (key, body_hash) in out.wanted {
            let wanted = WantedBody { peer, key, body_hash };
            if !self.wanted.contains(&wanted) {
                self.wanted.push(wanted);
            }
        }
        for action in out.actions {
            self.effect(Effect::Submit(action))?;
        }
        for (purpose, digest) in out.requests {
            self.effect(Effect::Sign { peer, purpose, digest })?;
        }
        Ok(())
    }

    fn effect(&mut self, effect: Effect) -> Result<(), StageError> {
        let id = EffectId(self.next_effect);
        self.next_effect = id.0.checked_add(1).ok_or(StageError::Exhausted)?;
        self.effects.push((id, effect));
        Ok(())
    }

    /// One message per peer, unless it would be too long.
    pub(super) fn pack_messages(&mut self, state: &MachineState) -> Result<(), StageError> {
        for (to, parts) in core::mem::take(&mut self.parts) {
            let Some((pair, _)) = state.pair(&to).filter(|_| !parts.is_empty()) else { continue };
            let channel = pair.channel_key();
            if parts.len() <= MAX_PARTS {
                let message = Message { channel, parts };
                match message.encode() {
                    Ok(bytes) => self.effect(Effect::Send { to, bytes })?,
                    Err(_) => self.send_apart(to, channel, message.parts)?,
                }
            } else {
                self.send_apart(to, channel, parts)?;
            }
        }
        Ok(())
    }

    fn send_apart(&mut self, to: EntityId, channel: Hash, parts: Vec<Part>) -> Result<(), StageError> {
        for part in parts {
            let bytes = Message { channel, parts: alloc::vec![part] }.encode()?;
            self.effect(Effect::Send { to, bytes })?;
        }
        Ok(())
    }

    pub(in crate::machine) fn outcomes(&self) -> &[InputOutcome] {
        &self.outcomes
    }

    pub(in crate::machine) fn effects_hash(&self) -> Result<Hash, CodecError> {
        let mut all = Vec::new();
        for (id, effect) in &self.effects {
            all.append(&mut codec::encode(&(*id, hash_effect(effect)?))?);
        }
        Ok(hash_tagged(b"xln effects 1", &all))
    }

    /// Makes the step's changes the machine's.
    pub(in crate::machine) fn merge(self, state: &mut MachineState) -> Effects {
        state.seq = self.seq;
        state.channels.extend(self.channels);
        if let Some(chains) = self.chains {
            state.chains = chains;
        }
        if let Some(directory) = self.directory {
            state.directory = directory;
        }
        if let Some(config) = self.config {
            state.config = config;
        }
        for id in &self.done {
            state.outbox.remove(id);
        }
        let lasting = self.effects.iter().filter(|(_, effect)| !matches!(effect, Effect::Send { .. }));
        state.outbox.extend(lasting.cloned());
        self.routes.merge(&mut state.routing);
        state.next_command = self.next_command;
        state.next_effect = self.next_effect;
        Effects {
            seq: self.seq,
            effects: self.effects,
            events: self.events,
            outcomes: self.outcomes,
            agreed: self.agreed,
            wanted: self.wanted,
        }
    }
}

/// Of a long message its length and its end stand for it: it ends with a signature that covers the rest.
fn hash_effect(effect: &Effect) -> Result<Hash, CodecError> {
    match effect {
        Effect::Send { to, bytes } => {
            let mut hasher = xln_merkle::Keccak256::new();
            hasher.update(b"xln send 1");
            hasher.update(to.as_bytes());
            hasher.update(&u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
            hasher.update(bytes.rchunks(256).next().unwrap_or_default());
            Ok(Hash(hasher.finalize()))
        }
        other => Ok(hash_tagged(b"xln effect 1", &codec::encode(other)?)),
    }
}
