//! The machine and its store: what one step is, and how it becomes durable.

use std::sync::Arc;

use xln_core::codec;
use xln_core::commitment::Evidence;
use xln_core::machine::{Action, Command, Context, Durable, Effects, Input, InputOutcome, Machine, Record, Snapshot};
use xln_core::map::{self, Map};
use xln_core::types::{EntityId, Hash, Pair, SubchannelKey, UnixSeconds};
use xln_storage::{HEADER_KEY, MemoryStore, Pinned, Storage, StorageError, WriteBatch, WriteOp, rows};

use super::config::{WalletConfig, WalletHost, WalletSigner};
use super::error::WalletError;
use super::host::{BoxFuture, Clock, HostError, KvStore, Row};
use super::tools::StoredLog;
use crate::driver::bodies::Bodies;
use crate::driver::log::{LAST, Layout, NONCES, Stored, history_key, history_prefix, kept_key, unseal};
use crate::driver::{BackupError, LogError, backup, pins};

/// One machine with its store and its signer.
pub(super) struct Keeper {
    pub(super) machine: Machine,
    layout: Layout,
    /// The greatest nonces that were signed, as the store has them.
    nonces: Map<Vec<u8>, Vec<u8>>,
    store: Arc<dyn KvStore>,
    signer: WalletSigner,
    clock: Arc<dyn Clock>,
    snapshot_every: u64,
    bodies: Bodies,
}

/// Reads a keeper.
#[cfg(not(target_arch = "wasm32"))]
pub(super) type KeeperRead = Box<dyn FnOnce(&Keeper) + Send>;
/// Reads a keeper.
#[cfg(target_arch = "wasm32")]
pub(super) type KeeperRead = Box<dyn FnOnce(&Keeper)>;
/// Takes a keeper while it waits for the store, and gives it back.
#[cfg(not(target_arch = "wasm32"))]
pub(super) type KeeperWork = Box<dyn FnOnce(Box<Keeper>) -> BoxFuture<Box<Keeper>> + Send>;
/// Takes a keeper while it waits for the store, and gives it back.
#[cfg(target_arch = "wasm32")]
pub(super) type KeeperWork = Box<dyn FnOnce(Box<Keeper>) -> BoxFuture<Box<Keeper>>>;

/// What one step takes.
#[derive(Default)]
pub(super) struct Step {
    pub(super) inputs: Vec<Input>,
    /// Kept by name in the same write.
    pub(super) keep: Vec<(String, Vec<u8>)>,
    /// Nothing at all happens if one of the commands is refused.
    pub(super) whole: bool,
}

/// Why a step did not happen.
pub(super) enum StepError {
    /// The wallet is as before.
    Undone(WalletError),
    /// Whether it happened is not known.
    Fatal(WalletError),
}

impl<E: Into<WalletError>> From<E> for StepError {
    fn from(error: E) -> Self {
        Self::Undone(error.into())
    }
}

impl Keeper {
    /// Reads a store, and gives what the first step must be.
    pub(super) async fn open(config: WalletConfig, host: &WalletHost) -> Result<(Self, Step), WalletError> {
        let entity = xln_core::crypto::Signer::entity(&host.signer);
        let store = Arc::clone(&host.store);
        let image = read(&*store).await?;
        pin(&*store, &image, entity, &config).await?;
        let mut layout = Layout::new(entity);
        let Stored { snapshot, records, from_backup } = layout.load::<LogError>(
            |key| Ok(image.get(key)?),
            |prefix, from| Ok(rows(&image, prefix, Some(from), usize::MAX).collect::<Result<_, _>>()?),
        )?;
        let fresh = snapshot.is_none() && records.is_empty();
        let mut missing = Vec::new();
        let instruments = Arc::clone(&host.instruments);
        let seen = |agreed: &[(EntityId, Evidence)]| missing.extend_from_slice(agreed);
        let machine = Machine::restore_with_instruments(entity, instruments, snapshot.as_ref(), records, seen)?;
        layout.keep(&missing)?;
        let mut first = Step::default();
        if !fresh {
            first.inputs.push(if from_backup { Input::RestoredFromBackup } else { Input::Restarted });
        }
        if fresh || *machine.config() != config.channels {
            first.inputs.push(Input::Configure(config.channels));
        }
        let nonces = rows(&image, NONCES, None, usize::MAX).collect::<Result<_, _>>().map_err(LogError::from)?;
        let (signer, clock) = (host.signer.clone(), Arc::clone(&host.clock));
        let snapshot_every = config.snapshot_every.max(1);
        let bodies = Bodies::default();
        Ok((Self { machine, layout, nonces, store, signer, clock, snapshot_every, bodies }, first))
    }

    /// Makes one step durable and gives what it wants done.
    pub(super) async fn step(&mut self, step: Step) -> Result<Effects, StepError> {
        let Step { mut inputs, keep, whole } = step;
        self.supply(&mut inputs).await?;
        let Self { machine, layout, nonces, store, signer, clock, bodies, .. } = self;
        let mut staged = machine.stage(&Context { now: UnixSeconds(clock.now_s()), signer }, inputs)?;
        if whole
            && let Some(error) = staged.outcomes().iter().find_map(|outcome| match outcome {
                InputOutcome::Refused(error) => Some(*error),
                _ => None,
            })
        {
            return Err(StepError::Undone(error.into()));
        }
        for (name, bytes) in &keep {
            layout.keep_bytes(name, bytes);
        }
        let record = staged.record();
        let seq = record.seq;
        let batch = layout.batch(record, |row| Ok(nonces.get(row).cloned()));
        let batch = batch.map_err(|error| StepError::Fatal(error.into()))?.into_ops();
        let signed: Vec<Row> = batch.iter().filter_map(nonce_row).collect();
        store.commit(batch).await.map_err(|error| StepError::Fatal(WalletError::Store(error)))?;
        nonces.extend(signed);
        layout.stored(seq);
        // The receipt is for the record above, so that it fits.
        let effects = staged.release(Durable::record(seq)).map_err(|_| StepError::Fatal(WalletError::StaleNonce))?;
        bodies.take(&effects);
        layout.keep(effects.agreed()).map_err(|error| StepError::Fatal(error.into()))?;
        if layout.unsnapped() >= self.snapshot_every {
            layout.keep_snapshot(&machine.snapshot().map_err(|error| StepError::Fatal(error.into()))?);
        }
        Ok(effects)
    }

    /// Whether the next step is to hand over a body from the store: it need not wait for anything else.
    pub(super) fn is_due(&self) -> bool {
        !self.bodies.due().is_empty()
    }

    /// A finalize needs the body that the chain recorded, which may be older than what the machine keeps. What the machine has
    /// asked for comes last, so that the outcomes of the callers' inputs stay where they are.
    async fn supply(&mut self, inputs: &mut Vec<Input>) -> Result<(), WalletError> {
        for input in &mut *inputs {
            let Input::Command(Command { peer, action: Action::FinalizeDispute { key, arguments } }) = input else {
                continue;
            };
            if arguments.body.is_none()
                && let Some((channel, body)) = self.missing_body(peer, key)
            {
                let evidence = self.evidence(&channel, key, &body).await?;
                arguments.body = evidence.map(|evidence| evidence.body);
            }
        }
        for wanted in self.bodies.due().to_vec() {
            let found = match Pair::new(self.machine.entity(), wanted.peer) {
                Ok(pair) => self.evidence(&pair.channel_key(), &wanted.key, &wanted.body_hash).await?,
                Err(_) => None,
            };
            inputs.extend(self.bodies.answer(wanted, found));
        }
        Ok(())
    }

    async fn evidence(
        &self,
        channel: &Hash,
        key: &SubchannelKey,
        body: &Hash,
    ) -> Result<Option<Evidence>, WalletError> {
        let row = self.row(history_key(channel, key, body)).await?;
        Ok(row.map(|row| codec::decode_trusted_length(&row)).transpose()?)
    }

    fn missing_body(&self, peer: &EntityId, key: &SubchannelKey) -> Option<(Hash, Hash)> {
        let channel = self.machine.channel(peer)?;
        let (_, dispute) = channel.watch(key)?.dispute()?;
        let held = channel.body(key, &dispute.body_hash).is_some();
        (!held).then(|| (channel.pair().channel_key(), dispute.body_hash))
    }

    /// A row as it will be after the next record.
    pub(super) async fn row(&self, key: Vec<u8>) -> Result<Option<Vec<u8>>, WalletError> {
        let sealed = match self.layout.riding(&key) {
            Some(riding) => Some(riding.clone()),
            None => self.store.get(key.clone()).await.map_err(WalletError::Store)?,
        };
        Ok(sealed.map(|sealed| unseal(&key, sealed)).transpose()?)
    }

    /// What was kept last under a name.
    pub(super) async fn kept(&self, name: &str) -> Result<Option<Vec<u8>>, WalletError> {
        self.row(kept_key(name)).await
    }

    /// Every agreed state of a channel, by subchannel and nonce.
    pub(super) async fn history(&self, peer: &EntityId) -> Result<Vec<Evidence>, WalletError> {
        let Ok(pair) = Pair::new(self.machine.entity(), *peer) else { return Ok(Vec::new()) };
        let prefix = history_prefix(&pair.channel_key());
        let mut found: Map<Vec<u8>, Vec<u8>> =
            self.store.scan(prefix.clone()).await.map_err(WalletError::Store)?.into_iter().collect();
        found.extend(self.layout.riding_under(&prefix).map(|(key, value)| (key.clone(), value.clone())));
        let mut history = Map::new();
        for (number, (key, row)) in found.into_iter().enumerate() {
            let evidence: Evidence = codec::decode_trusted_length(&unseal(&key, row)?)?;
            history.insert((evidence.key, evidence.nonce, number), evidence);
        }
        Ok(history.into_values().collect())
    }

    /// The log that the store holds, as [`replay`](super::replay) takes it.
    pub(super) async fn log(&self) -> Result<StoredLog, WalletError> {
        let Stored { snapshot, records, .. } = stored(&read(&*self.store).await?)?;
        let snapshot = snapshot.map(|Snapshot { seq, bytes }| [seq.to_be_bytes().as_slice(), &bytes].concat());
        let records = records.iter().map(Record::encode).collect::<Result<_, _>>()?;
        Ok(StoredLog { snapshot, records })
    }

    /// The whole store as bytes.
    pub(super) async fn backup(&self) -> Result<Vec<u8>, WalletError> {
        let mut all = self.store.scan(Vec::new()).await.map_err(WalletError::Store)?;
        all.retain(|(key, _)| key != HEADER_KEY);
        let all = map::ascending(all);
        Ok(backup::pack(&all, self.machine.entity())?)
    }
}

fn nonce_row(op: &WriteOp) -> Option<Row> {
    match op {
        WriteOp::Put { key, value } if key.starts_with(NONCES) => Some((key.clone(), value.clone())),
        _ => None,
    }
}

/// The log in an image of a store, checked row by row.
fn stored(image: &MemoryStore) -> Result<Stored, WalletError> {
    Ok(Stored::load::<LogError>(
        |key| Ok(image.get(key)?),
        |prefix, from| Ok(rows(image, prefix, Some(from), usize::MAX).collect::<Result<_, _>>()?),
    )?)
}

/// Everything that opening needs, without the history.
async fn read(store: &dyn KvStore) -> Result<MemoryStore, WalletError> {
    let mut all = WriteBatch::new();
    for prefix in [HEADER_KEY, b"s", b"b", LAST, b"r", NONCES] {
        for (key, value) in store.scan(prefix.to_vec()).await.map_err(WalletError::Store)? {
            all.put(key, value);
        }
    }
    if all.is_empty() {
        // Rows without a header are somebody else's.
        for (key, value) in store.scan(Vec::new()).await.map_err(WalletError::Store)? {
            all.put(key, value);
        }
    }
    let image = MemoryStore::new();
    image.write(all).map_err(LogError::from)?;
    Ok(image)
}

/// Checks whose store it is; an empty one is pinned now.
async fn pin(
    store: &dyn KvStore,
    image: &MemoryStore,
    entity: EntityId,
    config: &WalletConfig,
) -> Result<(), WalletError> {
    let known = image.get(HEADER_KEY).map_err(LogError::from)?;
    Pinned::open(image, &pins(entity, &config.channels)).map_err(LogError::from)?;
    match (known, image.get(HEADER_KEY).map_err(LogError::from)?) {
        (None, Some(value)) => {
            let header = WriteOp::Put { key: HEADER_KEY.to_vec(), value };
            store.commit(vec![header]).await.map_err(WalletError::Store)
        }
        _ => Ok(()),
    }
}

/// Fills an empty store from a backup.
pub(super) async fn restore_backup(
    store: &dyn KvStore,
    entity: EntityId,
    config: &xln_core::channel::ChannelConfig,
    bytes: &[u8],
) -> Result<(), WalletError> {
    let batch = backup::unpack(bytes, entity).map_err(|error| match error {
        backup::UnpackError::Backup(error) => WalletError::Backup(error),
        backup::UnpackError::Codec(error) => WalletError::Codec(error),
    })?;
    if !store.scan(Vec::new()).await.map_err(WalletError::Store)?.is_empty() {
        return Err(BackupError::StoreNotEmpty.into());
    }
    // Header and rows in one write: half a backup is never there.
    let image = MemoryStore::new();
    let pinned = Pinned::open(&image, &pins(entity, config)).map_err(LogError::from)?;
    pinned.write(batch).map_err(LogError::from)?;
    let rows = rows(&image, &[], None, usize::MAX).collect::<Result<Vec<_>, _>>().map_err(LogError::from)?;
    let all = rows.into_iter().map(|(key, value)| WriteOp::Put { key, value }).collect();
    store.commit(all).await.map_err(WalletError::Store)
}

impl From<LogError> for WalletError {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Storage(error @ (StorageError::PinMismatch { .. } | StorageError::Unpinned)) => {
                Self::WrongStore(error.to_string())
            }
            LogError::Storage(error) => Self::Store(HostError::new(error)),
            LogError::Damaged { .. } | LogError::Incomplete { .. } => Self::Store(HostError::new(error)),
            LogError::Codec(error) => Self::Codec(error),
            LogError::StaleNonce { .. } => Self::StaleNonce,
        }
    }
}
