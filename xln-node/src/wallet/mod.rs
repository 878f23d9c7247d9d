//! The wallet: one entity's channels as an object that an app holds. Every call is asynchronous and needs no particular
//! runtime; whoever awaits something of a wallet also drives what is under way, so that there is no task to be started.
//!
//! - Calls from many tasks are taken one after another. What was begun is finished by the next call if its own future is
//!   dropped: nothing is lost and nothing happens twice.
//! - Nothing leaves the wallet before the record that explains it is durable in the [`KvStore`]. A store that fails poisons
//!   the wallet: it must be opened anew, since the write may have happened.
//! - Rules are not here but in `xln_core`; a store written by [`Node`](crate::driver::Node) opens as a wallet and the other
//!   way round.
//!
//! An app tells the wallet of connections, messages, chain facts and time ([`Wallet::connected`], [`Wallet::receive`],
//! [`Wallet::handle_facts`], [`Wallet::tick`]), and is told what happened by [`WalletEvent`]s.

mod code;
mod commands;
mod config;
mod engine;
mod error;
mod event;
mod host;
mod info;
mod keeper;
mod memory;
mod outside;
mod query;
mod tools;
mod waiters;

use std::sync::Arc;

pub use commands::{LockTerms, OfferTerms};
pub use config::{SharedSigner, WalletConfig, WalletHost, WalletSigner};
pub use error::WalletError;
pub use event::{Agreed, CallRequest, WalletEvent};
#[cfg(not(target_arch = "wasm32"))]
pub use host::SystemClock;
pub use host::{
    Clock, EventListener, HostError, KvStore, KvWrite, MaybeSend, MessageSink, Movable, RemoteSigner, Row, SignRequest,
};
pub use info::{
    ChannelInfo, Deadline, DeadlineKind, DisputeInfo, HistoryEntry, PendingEffect, PendingInfo, SubchannelInfo,
    TokenInfo,
};
pub use memory::{BlockingKv, MemoryKv};
pub use query::View;
pub use tools::{PeerRoot, Replayed, StateDigests, StoredLog, call_of, parse_signature, replay, state_digests};

use xln_core::chain::ChainFact;
use xln_core::channel::{ChannelConfig, CommandId};
use xln_core::machine::{Command, EffectId, Input, InputOutcome};
use xln_core::route::ExpectedPayment;
use xln_core::types::{EntityId, SubchannelKey};

use engine::Shared;
use keeper::{Keeper, Step};
use outside::{Fate, Outside};

/// One entity's wallet. A handle: clones are the same wallet.
#[derive(Clone)]
pub struct Wallet {
    shared: Arc<Shared>,
}

impl Wallet {
    /// Opens a wallet on its store: a new one, one that was closed or killed, or one that was restored from a backup.
    /// Effects that are not done are told again.
    ///
    /// # Errors
    /// [`WalletError`] if the store belongs to another entity or other depositories, fails, or does not replay.
    pub async fn open(config: WalletConfig, host: WalletHost) -> Result<Self, WalletError> {
        let (keeper, first) = Keeper::open(config.clone(), &host).await?;
        let remote = match &host.signer {
            WalletSigner::Remote(remote) => Some(Arc::clone(remote)),
            WalletSigner::Local(_) | WalletSigner::Shared(_) => None,
        };
        let mut outside = Outside::new(host.sink, remote, host.listener, config.event_queue);
        outside.resume(&keeper);
        let shared = Shared::new(keeper.machine.entity(), keeper, outside);
        shared.step(first).await?;
        Ok(Self { shared })
    }

    /// Fills an empty store from a backup of `entity`'s wallet or node, for [`Wallet::open`] with the same depositories.
    ///
    /// # Errors
    /// [`WalletError::Backup`] for damaged bytes, another entity's backup, or a store that is not empty; [`WalletError`].
    pub async fn restore_backup(
        store: &dyn KvStore,
        entity: EntityId,
        config: &ChannelConfig,
        backup: &[u8],
    ) -> Result<(), WalletError> {
        keeper::restore_backup(store, entity, config, backup).await
    }

    /// The whole store as bytes. It is older than what is signed after it: whoever restores one waits for each peer's answer.
    ///
    /// # Errors
    /// [`WalletError`].
    pub async fn backup(&self) -> Result<Vec<u8>, WalletError> {
        self.shared
            .work(|reply| {
                Box::new(move |keeper| {
                    Box::pin(async move {
                        reply.give(keeper.backup().await);
                        keeper
                    })
                })
            })
            .await
    }

    /// Whose wallet it is.
    #[must_use]
    pub fn entity(&self) -> EntityId {
        self.shared.entity()
    }

    /// The transport has a connection to a peer.
    ///
    /// # Errors
    /// [`WalletError`] if the wallet does not work.
    pub async fn connected(&self, peer: EntityId) -> Result<(), WalletError> {
        self.input(Input::Connected { peer }).await
    }

    /// The transport lost it.
    ///
    /// # Errors
    /// As [`Wallet::connected`].
    pub async fn disconnected(&self, peer: EntityId) -> Result<(), WalletError> {
        self.input(Input::Disconnected { peer }).await
    }

    /// Takes bytes from a peer, whose name the transport vouches for. Bad bytes become an event, never an error.
    ///
    /// # Errors
    /// As [`Wallet::connected`].
    pub async fn receive(&self, from: EntityId, bytes: Vec<u8>) -> Result<(), WalletError> {
        self.input(Input::Message { from, bytes }).await
    }

    /// Does what time has brought, and asks remote signers again that failed. Call it when [`Wallet::next_deadline`] says
    /// so, and every minute or so.
    ///
    /// # Errors
    /// As [`Wallet::connected`].
    pub async fn tick(&self) -> Result<(), WalletError> {
        self.input(Input::Tick).await
    }

    /// Takes facts of a chain, in order, and bytes to be kept under a name in the same write: a watcher's cursor.
    ///
    /// # Errors
    /// As [`Wallet::connected`].
    pub async fn handle_facts(
        &self,
        facts: Vec<ChainFact>,
        keep: Option<(String, Vec<u8>)>,
    ) -> Result<(), WalletError> {
        let (inputs, keep) = (facts.into_iter().map(Input::Chain).collect(), keep.into_iter().collect());
        self.shared.step(Step { inputs, keep, whole: false }).await.map(drop)
    }

    /// What was kept last under a name.
    ///
    /// # Errors
    /// As [`Wallet::connected`].
    pub async fn kept(&self, name: &str) -> Result<Option<Vec<u8>>, WalletError> {
        let name = name.to_owned();
        self.shared
            .work(|reply| {
                Box::new(move |keeper| {
                    Box::pin(async move {
                        reply.give(keeper.kept(&name).await);
                        keeper
                    })
                })
            })
            .await
    }

    /// An action on chain came to its end: done, or failed for good.
    ///
    /// # Errors
    /// [`WalletError::UnknownEffect`] if none of this name is pending; as [`Wallet::connected`].
    pub async fn completed(&self, effect: EffectId, success: bool) -> Result<(), WalletError> {
        let known = move |keeper: &Keeper| Ok(keeper.machine.pending_effects().any(|(id, _)| id == effect));
        if !self.shared.read(known).await? {
            return Err(WalletError::UnknownEffect(effect));
        }
        self.input(Input::Completed { effect, success }).await
    }

    /// Someone has looked at an alarm: the facts as they are now hold.
    ///
    /// # Errors
    /// As [`Wallet::connected`].
    pub async fn clear_alarm(&self, peer: EntityId, key: SubchannelKey) -> Result<(), WalletError> {
        self.input(Input::ClearAlarm { peer, key }).await
    }

    /// A routed payment will come that this wallet settles by itself.
    ///
    /// # Errors
    /// As [`Wallet::connected`].
    pub async fn expect(&self, payment: ExpectedPayment) -> Result<(), WalletError> {
        self.input(Input::Expect(payment)).await
    }

    async fn input(&self, input: Input) -> Result<(), WalletError> {
        self.shared.step(Step { inputs: vec![input], ..Step::default() }).await.map(drop)
    }

    /// Asks for something, durably, and gives its name at once. [`Wallet::agreed`] waits for its end.
    ///
    /// # Errors
    /// [`WalletError::Refused`] with nothing changed; as [`Wallet::connected`].
    pub async fn queue(&self, command: Command) -> Result<CommandId, WalletError> {
        match self.shared.step(Step { inputs: vec![Input::Command(command)], ..Step::default() }).await?.as_slice() {
            [InputOutcome::Accepted(id)] => Ok(*id),
            [InputOutcome::Refused(error)] => Err((*error).into()),
            _ => Err(WalletError::UnknownCommand),
        }
    }

    /// Asks for all of these in one write, or for none of them. Settle payments one by one instead: a refused settlement
    /// still leaves its secret with the wallet, which may have to reveal it on chain.
    ///
    /// # Errors
    /// The first refusal; as [`Wallet::connected`].
    pub async fn queue_all(&self, commands: Vec<Command>) -> Result<Vec<CommandId>, WalletError> {
        let inputs = commands.into_iter().map(Input::Command).collect();
        let outcomes = self.shared.step(Step { inputs, whole: true, ..Step::default() }).await?;
        let accepted = |outcome: &InputOutcome| match outcome {
            InputOutcome::Accepted(id) => Some(*id),
            _ => None,
        };
        outcomes.iter().map(|outcome| accepted(outcome).ok_or(WalletError::UnknownCommand)).collect()
    }

    /// Waits until a proposed transition stands in an agreed block, or never will. The last few thousand ends are known.
    ///
    /// # Errors
    /// [`WalletError::Refused`] if it failed, [`WalletError::UnknownCommand`], or as [`Wallet::connected`].
    pub async fn agreed(&self, command: CommandId) -> Result<Agreed, WalletError> {
        let shared = &self.shared;
        let end = || match shared.look(|outside| outside.fate(command)) {
            Fate::Ended(verdict) => Some(verdict.map_err(WalletError::from)),
            Fate::Waits => shared.ended().map(Err),
            Fate::Unknown => Some(Err(shared.ended().unwrap_or(WalletError::UnknownCommand))),
        };
        shared.wait(end).await
    }

    /// The next event that nobody has taken; `None` once the wallet is closed. Keeps driving the wallet while it waits.
    pub async fn next_event(&self) -> Option<WalletEvent> {
        let shared = &self.shared;
        let next = || match shared.look(Outside::next_event) {
            Some(event) => Some(Some(event)),
            None => shared.ended().map(|_| None),
        };
        shared.wait(next).await
    }

    /// Drives what is under way until the wallet is closed: for apps that want a task of its own for slow transports and
    /// signers. Not needed otherwise.
    pub async fn run(&self) {
        let _ = self.shared.wait(|| self.shared.ended()).await;
    }

    /// Finishes what was begun and ends the wallet: every later call, and every one that still waits, gives
    /// [`WalletError::Closed`]. The store may then be opened again.
    ///
    /// # Errors
    /// [`WalletError`] if the store fails.
    pub async fn close(&self) -> Result<(), WalletError> {
        self.shared.close().await
    }
}
