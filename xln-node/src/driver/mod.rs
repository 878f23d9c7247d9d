//! The driver: one machine, its store and its signer. Everything that happens goes through [`Node::step`]; what comes out
//! is durable already, so nothing can be sent that is not in the store.
//!
//! ```no_run
//! # use xln_node::driver::{Node, NodeOptions};
//! # use xln_core::{crypto::LocalSigner, machine::{Action, Command}, types::*};
//! # fn demo(peer: EntityId, action: Action) -> Result<(), Box<dyn std::error::Error>> {
//! let signer = LocalSigner::new(&[7; 32])?;
//! let store = xln_storage::DefaultStore::open("node.store")?;
//! let (mut node, _effects) = Node::open(store, Box::new(signer), NodeOptions::default(), UnixSeconds(1_800_000_000))?;
//! let effects = node.command(UnixSeconds(1_800_000_001), Command { peer, action })?;
//! for event in effects.events() {
//!     println!("{event:?}");
//! }
//! # Ok(()) }
//! ```

pub(crate) mod backup;
pub(crate) mod bodies;
mod cross;
mod error;
pub(crate) mod log;
mod perform;
mod read;

use std::sync::Arc;

pub use backup::{import, owner};
pub use cross::{SwapOrder, SwapTerms};
pub use error::{BackupError, LogError, NodeError};
pub use log::{FORMAT_VERSION, StoreLog};
pub use perform::{Executor, Performed, is_overtaken};
pub use read::{StoredNode, agreed_evidence};

use xln_core::chain::ChainFact;
use xln_core::channel::{Arguments, Channel, ChannelConfig, CommandError};
use xln_core::commitment::Evidence;
use xln_core::crypto::Signer;
use xln_core::machine::{Action, Command, Context, Effect, EffectId, Effects, Input, InputOutcome, Machine};
use xln_core::map::Set;
use xln_core::subcontract::Instruments;
use xln_core::types::{EntityId, Hash, Pair, SubchannelKey, UnixSeconds};
use xln_storage::{Depository, Pinned, Pins, Storage};

use bodies::Bodies;

/// How a node is run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeOptions {
    /// What it promises and expects in its channels. The depositories are pinned in the store.
    pub config: ChannelConfig,
    /// After how many records a snapshot replaces them.
    pub snapshot_every: u64,
}

impl Default for NodeOptions {
    fn default() -> Self {
        Self { config: ChannelConfig::default(), snapshot_every: 1024 }
    }
}

/// One entity's machine with its store and its signer. It has one owner; reading never blocks.
pub struct Node<S: Storage> {
    machine: Machine,
    log: StoreLog<Pinned<S>>,
    signer: Box<dyn Signer>,
    snapshot_every: u64,
    gathered: Vec<Input>,
    bodies: Bodies,
}

impl<S: Storage> Node<S> {
    /// Opens a node on its store: a new one, one that was closed or killed, or one that was imported from a backup. The
    /// effects are those of the restart; what the outbox still holds is given by [`Node::pending_effects`].
    ///
    /// # Errors
    /// [`NodeError`] if the store belongs to another entity or other depositories, or its log does not replay.
    pub fn open(
        storage: S,
        signer: Box<dyn Signer>,
        options: NodeOptions,
        now: UnixSeconds,
    ) -> Result<(Self, Effects), NodeError> {
        Self::open_with_instruments(storage, signer, options, Arc::new(Instruments::built_in()), now)
    }

    /// [`Node::open`] with instruments of one's own: the same ones each time, or the log does not replay.
    ///
    /// # Errors
    /// As [`Node::open`].
    pub fn open_with_instruments(
        storage: S,
        signer: Box<dyn Signer>,
        options: NodeOptions,
        instruments: Arc<Instruments>,
        now: UnixSeconds,
    ) -> Result<(Self, Effects), NodeError> {
        let entity = signer.entity();
        let mut log = StoreLog::new(Pinned::open(storage, &pins(entity, &options.config))?, entity);
        let stored = log.load()?;
        let (fresh, from_backup) = (stored.snapshot.is_none() && stored.records.is_empty(), stored.from_backup);
        let mut missing = Vec::new();
        let (snapshot, records) = (stored.snapshot.as_ref(), stored.records);
        let machine = Machine::restore_with_instruments(entity, instruments, snapshot, records, |agreed| {
            missing.extend_from_slice(agreed);
        })?;
        log.layout().keep(&missing)?;
        let mut inputs = Vec::new();
        if !fresh {
            inputs.push(if from_backup { Input::RestoredFromBackup } else { Input::Restarted });
        }
        if fresh || *machine.config() != options.config {
            inputs.push(Input::Configure(options.config));
        }
        let (gathered, bodies) = (Vec::new(), Bodies::default());
        let mut node = Self { machine, log, signer, snapshot_every: options.snapshot_every.max(1), gathered, bodies };
        let effects = node.step(now, inputs)?;
        Ok((node, effects))
    }

    /// Takes many inputs as one durable record, and gives what must be done.
    ///
    /// # Errors
    /// [`NodeError::Stage`] leaves the node as it was. After [`NodeError::Log`] it must be opened anew.
    pub fn step(&mut self, now: UnixSeconds, inputs: Vec<Input>) -> Result<Effects, NodeError> {
        let inputs = self.supply(inputs)?;
        let effects = match self.machine.stage(&Context { now, signer: &*self.signer }, inputs) {
            Ok(staged) => staged.commit(&mut self.log)?,
            Err(error) => {
                self.log.layout().drop_kept();
                return Err(error.into());
            }
        };
        self.after(effects)
    }

    /// As [`Node::step`], but nothing happens at all if one of the commands is refused. Settle payments by [`Node::step`]
    /// instead: a refused settlement still leaves its secret with the node, which may have to reveal it on chain.
    ///
    /// # Errors
    /// As [`Node::step`]. `Ok(Err(_))` is the first refusal.
    pub fn step_whole(
        &mut self,
        now: UnixSeconds,
        inputs: Vec<Input>,
    ) -> Result<Result<Effects, CommandError>, NodeError> {
        let inputs = self.supply(inputs)?;
        let staged = self.machine.stage(&Context { now, signer: &*self.signer }, inputs);
        let staged = staged.inspect_err(|_| self.log.layout().drop_kept())?;
        let refused = staged.outcomes().iter().find_map(|outcome| match outcome {
            InputOutcome::Refused(error) => Some(*error),
            _ => None,
        });
        if let Some(error) = refused {
            self.log.layout().drop_kept();
            return Ok(Err(error));
        }
        let effects = staged.commit(&mut self.log)?;
        self.after(effects).map(Ok)
    }

    fn after(&mut self, effects: Effects) -> Result<Effects, NodeError> {
        self.bodies.take(&effects);
        self.log.layout().keep(effects.agreed())?;
        let layout = self.log.layout();
        if layout.unsnapped() >= self.snapshot_every {
            layout.keep_snapshot(&self.machine.snapshot()?);
        }
        Ok(effects)
    }

    /// Keeps an input for the next [`Node::flush`]: that is how two hundred channels share one write.
    pub fn gather(&mut self, input: Input) {
        self.gathered.push(input);
    }

    /// Takes all that was gathered as one record; `None` if there is nothing.
    ///
    /// # Errors
    /// As [`Node::step`].
    pub fn flush(&mut self, now: UnixSeconds) -> Result<Option<Effects>, NodeError> {
        let inputs = std::mem::take(&mut self.gathered);
        if inputs.is_empty() { Ok(None) } else { self.step(now, inputs).map(Some) }
    }

    /// Keeps bytes of the application under a name, in the same write as the next record: a watcher's cursor is kept before
    /// the facts are handed over that it has passed. If that step fails, nothing is kept.
    pub fn keep(&mut self, name: &str, bytes: &[u8]) {
        self.log.layout().keep_bytes(name, bytes);
    }

    /// What was kept last under a name.
    ///
    /// # Errors
    /// What the store reports.
    pub fn kept(&self, name: &str) -> Result<Option<Vec<u8>>, NodeError> {
        Ok(self.log.kept(name)?)
    }

    /// Asks for something in one channel; [`Effects::outcomes`] says whether it was accepted.
    ///
    /// # Errors
    /// As [`Node::step`].
    pub fn command(&mut self, now: UnixSeconds, command: Command) -> Result<Effects, NodeError> {
        self.step(now, vec![Input::Command(command)])
    }

    /// Takes bytes from a peer, whose name the transport vouches for. Bad bytes become an event, never an error.
    ///
    /// # Errors
    /// As [`Node::step`].
    pub fn handle_message(&mut self, now: UnixSeconds, from: EntityId, bytes: Vec<u8>) -> Result<Effects, NodeError> {
        self.step(now, vec![Input::Message { from, bytes }])
    }

    /// Takes facts of a chain, in order.
    ///
    /// # Errors
    /// As [`Node::step`].
    pub fn handle_facts(&mut self, now: UnixSeconds, facts: Vec<ChainFact>) -> Result<Effects, NodeError> {
        self.step(now, facts.into_iter().map(Input::Chain).collect())
    }

    /// Does what time has brought. Call it when [`Node::poll_timeout`] says so.
    ///
    /// # Errors
    /// As [`Node::step`].
    pub fn tick(&mut self, now: UnixSeconds) -> Result<Effects, NodeError> {
        self.step(now, vec![Input::Tick])
    }

    /// When to call [`Node::tick`] at the latest; in the past if the next step is to hand over a body from the store.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<UnixSeconds> {
        if self.is_due() { Some(UnixSeconds(0)) } else { self.machine.poll_timeout() }
    }

    /// Whether the next step is to hand over a body from the store: it need not wait for anything else.
    pub(crate) fn is_due(&self) -> bool {
        !self.bodies.due().is_empty()
    }

    /// What the outbox still holds: run it again after a restart, under the same names.
    pub fn pending_effects(&self) -> impl Iterator<Item = (EffectId, &Effect)> {
        self.machine.pending_effects()
    }

    /// Whose node it is.
    #[must_use]
    pub const fn entity(&self) -> EntityId {
        self.machine.entity()
    }

    /// The channel with one peer.
    #[must_use]
    pub fn channel(&self, peer: &EntityId) -> Option<&Channel> {
        self.machine.channel(peer)
    }

    /// The machine, to be read.
    #[must_use]
    pub const fn machine(&self) -> &Machine {
        &self.machine
    }

    /// The store, to be read.
    pub const fn storage(&self) -> &Pinned<S> {
        self.log.storage()
    }

    /// The evidence of any state that was ever agreed, by the hash of its body.
    ///
    /// # Errors
    /// What the store reports.
    pub fn evidence(&self, peer: &EntityId, key: &SubchannelKey, body: &Hash) -> Result<Option<Evidence>, NodeError> {
        let Ok(pair) = Pair::new(self.entity(), *peer) else { return Ok(None) };
        Ok(self.log.evidence(&pair.channel_key(), key, body)?)
    }

    /// The greatest nonce that the store has seen signed for a channel, with its digest.
    ///
    /// # Errors
    /// What the store reports.
    pub fn signed_nonce(&self, peer: &EntityId) -> Result<Option<(xln_core::types::Nonce, Hash)>, NodeError> {
        let Ok(pair) = Pair::new(self.entity(), *peer) else { return Ok(None) };
        Ok(self.log.signed(&pair.channel_key())?)
    }

    /// The whole store as bytes, for [`import`].
    ///
    /// # Errors
    /// What the store reports.
    pub fn backup(&self) -> Result<Vec<u8>, NodeError> {
        backup::export(self.log.storage(), self.entity())
    }

    /// Drops everything in memory and gives the store back.
    pub fn close(self) -> S {
        self.log.into_storage().into_storage()
    }

    /// A finalize needs the body that the chain recorded, which may be older than what the machine keeps. What the machine has
    /// asked for comes last, so that the outcomes of the caller's inputs stay where they are.
    fn supply(&mut self, mut inputs: Vec<Input>) -> Result<Vec<Input>, NodeError> {
        for input in &mut inputs {
            let Input::Command(Command { peer, action: Action::FinalizeDispute { key, arguments } }) = input else {
                continue;
            };
            if arguments.body.is_none() {
                arguments.body = self.shown_body(peer, key)?;
            }
        }
        for wanted in self.bodies.due().to_vec() {
            let found = self.evidence(&wanted.peer, &wanted.key, &wanted.body_hash)?;
            inputs.extend(self.bodies.answer(wanted, found));
        }
        Ok(inputs)
    }

    fn shown_body(&self, peer: &EntityId, key: &SubchannelKey) -> Result<Option<Vec<u8>>, NodeError> {
        let Some(channel) = self.channel(peer) else { return Ok(None) };
        let Some((_, dispute)) = channel.watch(key).and_then(|watch| watch.dispute()) else { return Ok(None) };
        if channel.body(key, &dispute.body_hash).is_some() {
            return Ok(None);
        }
        Ok(self.evidence(peer, key, &dispute.body_hash)?.map(|evidence| evidence.body))
    }
}

/// What is finalized with no arguments of one's own.
#[must_use]
pub fn finalize(peer: EntityId, key: SubchannelKey) -> Command {
    Command { peer, action: Action::FinalizeDispute { key, arguments: Arguments::default() } }
}

pub(crate) fn pins(entity: EntityId, config: &ChannelConfig) -> Pins {
    let depositories: Set<Depository> = config
        .depositories
        .iter()
        .map(|d| Depository { chain_id: d.key.chain.0, address: d.key.depository.0 })
        .collect();
    Pins { format_version: FORMAT_VERSION, entity: *entity.as_bytes(), depositories }
}
