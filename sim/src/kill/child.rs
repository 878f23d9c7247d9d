//! The process that is killed: one node on a real store, driven over stdin, that says on stdout what is durable.

use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use xln_core::channel::{AcceptedDepository, ChannelConfig, Event};
use xln_core::crypto::{LocalSigner, Signer};
use xln_core::machine::{Effect, Effects, Input, InputOutcome};
use xln_core::subcontract::Instruments;
use xln_core::types::{Address, ChainId, EntityId, Hash, Nonce, Pair, SubchannelKey, TokenId, UnixSeconds};
use xln_node::driver::{Node, NodeError, NodeOptions, StoredNode};
use xln_storage::{Backend, Row, Storage, StorageError, WriteBatch, WriteOp};

use super::frames::{self, Ask, Durable, Open, Outcome, Said, Standing};

/// The time of every step: nothing here depends on it.
pub(crate) const NOW: UnixSeconds = UnixSeconds(1_800_000_000);
/// How a failure begins after which the node did not stop.
pub(crate) const WENT_ON: &str = "THE NODE WENT ON AFTER";
/// The token that is paid.
pub(crate) const USD: TokenId = TokenId(1);
/// The subchannel that it is paid in.
pub(crate) const KEY: SubchannelKey = SubchannelKey { chain: ChainId(31_337), depository: Address([0xd0; 20]) };
/// Its SubcontractProvider.
pub(crate) const PROVIDER: Address = Address([0xab; 20]);

type Store = Box<dyn Storage>;

/// The signer of a party.
pub(crate) fn signer(who: u8) -> Option<LocalSigner> {
    LocalSigner::new(&[who.saturating_add(1); 32]).ok()
}

/// A planted fault: says that a batch is written and writes it with the next call.
struct WriteBehind {
    store: Store,
    held: Mutex<WriteBatch>,
}

impl WriteBehind {
    fn catch_up(&self) -> Result<(), StorageError> {
        let mut held = self.held.lock().map_err(|_| StorageError::Dead)?;
        self.store.write(std::mem::take(&mut *held))
    }
}

impl Storage for WriteBehind {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        let held = self.held.lock().map_err(|_| StorageError::Dead)?;
        match held.ops().iter().rev().find(|op| op.key() == key) {
            Some(WriteOp::Put { value, .. }) => Ok(Some(value.clone())),
            Some(WriteOp::Delete { .. }) => Ok(None),
            None => self.store.get(key),
        }
    }

    fn scan(&self, prefix: &[u8], from: Option<&[u8]>, limit: usize) -> Result<Vec<Row>, StorageError> {
        self.catch_up()?;
        self.store.scan(prefix, from, limit)
    }

    fn write(&self, batch: WriteBatch) -> Result<(), StorageError> {
        self.catch_up()?;
        *self.held.lock().map_err(|_| StorageError::Dead)? = batch;
        Ok(())
    }
}

/// Runs until stdin ends or the node fails.
pub(crate) fn run() -> ExitCode {
    let (mut from, mut to) = (std::io::stdin().lock(), std::io::stdout().lock());
    let Some(Ask::Open(open)) = frames::read(&mut from) else { return ExitCode::from(2) };
    let failure = match Child::open(&open) {
        Err(error) => error,
        Ok((mut child, said)) => {
            if frames::write(&mut to, &said).is_err() {
                return ExitCode::SUCCESS;
            }
            loop {
                let said = match frames::read(&mut from) {
                    None => return ExitCode::SUCCESS,
                    Some(Ask::Step(inputs)) => child.step(inputs).map_err(|error| child.poisoned(error)),
                    Some(Ask::Stand) => Ok(child.stand()),
                    Some(Ask::Open(_)) => return ExitCode::from(2),
                };
                match said {
                    Ok(said) if frames::write(&mut to, &said).is_ok() => {}
                    Ok(_) => return ExitCode::SUCCESS,
                    Err(error) => break error,
                }
            }
        }
    };
    // The pipe may be gone, and nothing else can be told to anybody.
    let _ = frames::write(&mut to, &Said::Failed(failure));
    ExitCode::FAILURE
}

struct Child {
    node: Node<Store>,
    peer: EntityId,
}

/// A step's error with its causes.
fn text(error: impl Into<NodeError>) -> String {
    let error: NodeError = error.into();
    let mut text = error.to_string();
    let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(&error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

impl Child {
    fn open(open: &Open) -> Result<(Self, Said), String> {
        let backend = Backend::by_name(&open.backend).ok_or("no such engine")?;
        let mut store = backend.open(Path::new(&open.dir)).map_err(text)?;
        if open.write_behind {
            store = Box::new(WriteBehind { store, held: Mutex::default() });
        }
        let me = signer(open.who).ok_or("no such party")?;
        let peer = signer(1_u8.saturating_sub(open.who)).ok_or("no such party")?.entity();
        let channel = Pair::new(me.entity(), peer).map_err(|e| e.to_string())?.channel_key();
        let (mut held, mut root, mut signed) = (0, None, None);
        if let Some(stored) = StoredNode::read(&store).map_err(text)? {
            held = stored.seq();
            signed = stored.signed.get(&channel).copied();
            if stored.snapshot.as_ref().is_none_or(|s| s.seq <= open.acknowledged) {
                let machine = stored.machine_at(open.acknowledged, Arc::new(Instruments::built_in())).map_err(text)?;
                root = Some(machine.root().map_err(text)?);
            }
        }
        let depositories = vec![AcceptedDepository::new(KEY, 3600, vec![PROVIDER], Address([0xee; 20]), 10_800)];
        let config = ChannelConfig { depositories, ..ChannelConfig::default() };
        let options = NodeOptions { config, snapshot_every: open.snapshot_every };
        let (node, _) = Node::open(store, Box::new(me), options, NOW).map_err(text)?;
        let child = Self { node, peer };
        let has_agreed = match &open.agreed {
            Some(body) => child.node.evidence(&peer, &KEY, body).map_err(text)?.is_some(),
            None => true,
        };
        let now = child.durable()?;
        Ok((child, Said::Opened { held, root, signed, has_agreed, now }))
    }

    fn durable(&self) -> Result<Durable, String> {
        let machine = self.node.machine();
        let signed: Option<(Nonce, Hash)> = self.node.signed_nonce(&self.peer).map_err(text)?;
        Ok(Durable { seq: machine.seq(), root: machine.root().map_err(text)?, signed })
    }

    fn step(&mut self, inputs: Vec<Input>) -> Result<Said, String> {
        let effects = self.node.step(NOW, inputs).map_err(text)?;
        Ok(Said::Stepped {
            now: self.durable()?,
            outcomes: effects.outcomes().iter().map(outcome).collect(),
            sends: sends(&effects),
            troubles: effects.events().iter().filter_map(trouble).collect(),
            agreed: effects.agreed().iter().map(|(_, evidence)| evidence.body_hash()).collect(),
        })
    }

    /// After a failure nothing goes on until the node is opened anew, whatever the store says by then.
    fn poisoned(&mut self, error: String) -> String {
        match self.node.step(NOW, vec![Input::Tick]) {
            Ok(_) => format!("{WENT_ON} {error}"),
            Err(_) => error,
        }
    }

    fn stand(&self) -> Said {
        let entity = self.node.entity();
        let Some(channel) = self.node.channel(&self.peer) else {
            let (block, state) = (Hash::ZERO, Hash::ZERO);
            return Said::Stands(Standing { entity, block, state, unsettled: 0, offdelta: 0, pending: Vec::new() });
        };
        let state = channel.state();
        let queued = u64::try_from(channel.queued()).unwrap_or(u64::MAX);
        Said::Stands(Standing {
            entity,
            block: state.block_hash,
            state: channel.tip().commitment.state_hash,
            unsettled: queued.saturating_add(u64::from(channel.is_in_flight())),
            offdelta: state.token(&KEY, USD).map_or(0, |token| token.offdelta),
            pending: state.subchannels.get(&KEY).map(|s| s.pending.keys().copied().collect()).unwrap_or_default(),
        })
    }
}

fn outcome(outcome: &InputOutcome) -> Outcome {
    match outcome {
        InputOutcome::Taken => Outcome::Taken,
        InputOutcome::Accepted(id) => Outcome::Accepted(id.0),
        InputOutcome::Refused(error) => Outcome::Refused(error.to_string()),
    }
}

fn sends(effects: &Effects) -> Vec<Vec<u8>> {
    let sends = effects.effects().iter().filter_map(|(_, effect)| match effect {
        Effect::Send { bytes, .. } => Some(bytes.clone()),
        _ => None,
    });
    sends.collect()
}

/// Two honest parties without a clock never refuse, fail or lose anything of each other.
fn trouble(event: &Event) -> Option<String> {
    match event {
        Event::CommandFailed { .. } | Event::Refused { .. } | Event::Unresponsive { .. } | Event::Rejected { .. } => {
            Some(format!("{event:?}"))
        }
        _ => None,
    }
}
