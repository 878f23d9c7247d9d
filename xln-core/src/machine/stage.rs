//! Stage, record, commit: the only way in and the only way out.

use alloc::vec::Vec;

use super::frame::{Frame, Replay, Signing};
use super::types::{Effects, Input, InputOutcome, Record};
use super::{Machine, RestoreError};
use crate::channel::{SignatureSource, StageError};
use crate::crypto::Signer;
use crate::types::UnixSeconds;

/// What a step is made with.
pub struct Context<'a> {
    /// The time.
    pub now: UnixSeconds,
    /// Signs for the machine's entity.
    pub signer: &'a dyn Signer,
}

/// Where records become durable.
pub trait Log {
    /// Why it did not work.
    type Error;

    /// Makes a record durable before it returns. It must refuse a record whose signed nonces are not greater than those
    /// it holds (`docs/protocol.md` section 5, the one invariant).
    ///
    /// # Errors
    /// Whatever the store says; the machine is in doubt then until it is restored.
    fn append(&mut self, record: &Record) -> Result<(), Self::Error>;
}

/// Proof that the record of a frame is durable, for stores that the caller awaits itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Durable {
    seq: u64,
}

impl Durable {
    /// Says that the record with this position is durable.
    #[must_use]
    pub const fn record(seq: u64) -> Self {
        Self { seq }
    }
}

/// The receipt is for another record.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("receipt is for record {found}, the frame is record {expected}")]
pub struct WrongReceipt {
    /// The frame's record.
    pub expected: u64,
    /// The receipt's.
    pub found: u64,
}

/// A step that is decided and not yet durable. Dropping it before anyone has seen its record undoes it.
#[must_use]
pub struct Staged<'m> {
    machine: &'m mut Machine,
    frame: Frame,
    record: Record,
}

impl Machine {
    /// Decides what many inputs do, as one record: two hundred channels that move share one write.
    ///
    /// # Errors
    /// [`StageError`] if the step cannot be made; the machine is as before. What a peer or caller did wrong is no error
    /// but an event or an outcome.
    pub fn stage(&mut self, cx: &Context<'_>, inputs: Vec<Input>) -> Result<Staged<'_>, StageError> {
        if self.in_doubt {
            return Err(StageError::InDoubt);
        }
        let inputs = inputs.into_iter().map(bounded).collect::<Vec<_>>();
        let mut signing = Signing::new(cx.signer);
        let frame = self.run(cx.now, &inputs, &mut signing)?;
        let record = Record {
            seq: frame.seq,
            now: cx.now,
            inputs,
            signatures: signing.into_given(),
            signed: frame.signed.clone(),
            effects_hash: frame.effects_hash()?,
        };
        Ok(Staged { machine: self, frame, record })
    }

    fn run(
        &mut self,
        now: UnixSeconds,
        inputs: &[Input],
        signer: &mut dyn SignatureSource,
    ) -> Result<Frame, StageError> {
        let mut frame = Frame::new(&self.state)?;
        frame.run(self, now, inputs, signer)?;
        Ok(frame)
    }

    pub(super) fn replay(&mut self, record: Record) -> Result<Effects, RestoreError> {
        let seq = record.seq;
        let mut signing = Replay::new(record.signatures);
        let frame =
            self.run(record.now, &record.inputs, &mut signing).map_err(|error| RestoreError::Stage { seq, error })?;
        if frame.effects_hash()? != record.effects_hash || frame.signed != record.signed || !signing.is_used_up() {
            return Err(RestoreError::Diverged { seq });
        }
        Ok(frame.merge(&mut self.state))
    }
}

/// Of a message that is too long, only so much enters the record as shows that it is.
fn bounded(input: Input) -> Input {
    match input {
        Input::Message { from, mut bytes } => {
            bytes.truncate(crate::codec::MAX_MESSAGE_BYTES.saturating_add(1));
            Input::Message { from, bytes }
        }
        other => other,
    }
}

impl Staged<'_> {
    /// What will become of each input: a caller that wants all or nothing drops the frame if a command is refused.
    #[must_use]
    pub fn outcomes(&self) -> &[InputOutcome] {
        self.frame.outcomes()
    }

    /// The record to store. From here on the machine is in doubt until the frame is released: the write may happen.
    pub fn record(&mut self) -> &Record {
        self.machine.in_doubt = true;
        &self.record
    }

    /// Makes the frame durable, and only then gives its effects.
    ///
    /// # Errors
    /// The log's error. The machine then refuses every further step until it is restored: a failed write may still have
    /// written.
    pub fn commit<L: Log>(self, log: &mut L) -> Result<Effects, L::Error> {
        self.machine.in_doubt = true;
        log.append(&self.record)?;
        Ok(self.finish())
    }

    /// Gives the effects of a frame whose record the caller has stored itself.
    ///
    /// # Errors
    /// [`WrongReceipt`] if the receipt is for another record; the machine stays in doubt.
    pub fn release(self, durable: Durable) -> Result<Effects, WrongReceipt> {
        if durable.seq != self.record.seq {
            return Err(WrongReceipt { expected: self.record.seq, found: durable.seq });
        }
        Ok(self.finish())
    }

    fn finish(self) -> Effects {
        self.machine.in_doubt = false;
        self.frame.merge(&mut self.machine.state)
    }
}
