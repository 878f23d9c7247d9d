//! Everything that a scenario plays with, and how one finds it by name.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::Value;
use xln_core::chain::ChainAction;
use xln_core::channel::CommandId;
use xln_core::channel::{AcceptedDepository, ChannelConfig};
use xln_core::commitment::Evidence;
use xln_core::crypto::LocalSigner;
use xln_core::entity::Board;
use xln_core::machine::EffectId;
use xln_core::types::{EntityId, HashKind, Pair, Secret, Side, SubchannelKey, UnixSeconds};
use xln_merkle::keccak256;

use super::boards;
use super::file::Scenario;
use super::ground::{GENESIS, Ground};
use super::party::{Party, Shelf};
use super::play::Options;
use super::refusal::{Refusal, RunError};
use super::route::SentRoute;
use super::shadow::Shadow;
use crate::transport::memory::MemoryNetwork;

/// A lock or an offer by its name.
#[derive(Clone, Debug)]
pub struct Named {
    /// Who made it.
    pub by: String,
    /// With whom.
    pub peer: String,
    /// Where.
    pub key: SubchannelKey,
    /// The secret of a lock, and how it is hashed.
    pub secret: Option<(Secret, HashKind)>,
    /// What a clause waits for in the registry.
    pub asked: Option<Asked>,
    /// Its number, once it stands in an agreed block.
    pub id: Option<u64>,
}

/// A question for the registry of facts.
#[derive(Clone, Debug)]
pub struct Asked {
    /// By which instrument.
    pub instrument: u16,
    /// Chain time from which the fact counts.
    pub not_before: UnixSeconds,
    /// What is asked.
    pub question: Vec<u8>,
}

/// A command that was accepted.
#[derive(Clone, Debug, Default)]
pub struct Issued {
    /// The lock or offer that it makes.
    pub named: Option<String>,
    /// The inner step of the present step that it belongs to.
    pub part: Option<usize>,
}

/// An action that waits to be executed on chain.
#[derive(Clone, Debug)]
pub struct Submission {
    /// In whose name.
    pub by: EntityId,
    /// Its name in the outbox.
    pub effect: EffectId,
    /// What.
    pub action: ChainAction,
    /// Whether the present step asked for it itself.
    pub direct: bool,
}

/// The world of one scenario.
pub struct World {
    /// The file.
    pub scenario: Scenario,
    /// The time, of chains and nodes alike.
    pub now: UnixSeconds,
    /// Chains and tokens.
    pub ground: Ground,
    /// Entities by name.
    pub parties: BTreeMap<String, Party>,
    /// Names by id.
    pub names: BTreeMap<EntityId, String>,
    /// Boards of entities that have members, as they are now.
    pub boards: BTreeMap<EntityId, Board>,
    /// Delegations made so far.
    pub serial: u32,
    /// Connections.
    pub network: MemoryNetwork,
    /// Pairs that have told each other where they stand.
    pub linked: BTreeSet<Pair>,
    /// Locks and offers.
    pub named: BTreeMap<String, Named>,
    /// States kept by `remember`, for each subchannel.
    pub remembered: BTreeMap<String, Vec<Evidence>>,
    /// Accepted commands.
    pub issued: BTreeMap<(EntityId, CommandId), Issued>,
    /// Actions for the chains.
    pub submissions: VecDeque<Submission>,
    /// Ends of actions that are told with the next block.
    pub deferred: Vec<(String, xln_core::machine::Input)>,
    /// What was refused after it was accepted, in the present step, by inner step.
    pub failures: Vec<(Option<usize>, Refusal)>,
    /// Routes that were made so far: each has a secret of its own.
    pub routes_made: std::cell::Cell<u64>,
    /// Routes that the present step has sent.
    pub sent_routes: Vec<SentRoute>,
    /// What became of the inner steps of the present one.
    pub parts: Vec<Option<Refusal>>,
    /// Whether the present step changed a chain.
    pub touched: bool,
    /// Gas that the present step used.
    pub gas: u64,
    /// What the chains must say.
    pub shadow: Shadow,
    /// Messages and effects, if they are wanted.
    pub trace: Option<Vec<Value>>,
    /// Removed with the world.
    _folder: Option<tempfile::TempDir>,
}

impl World {
    /// Sets everything up.
    ///
    /// # Errors
    /// [`RunError`] if the file contradicts itself or a store or chain cannot be made.
    pub fn new(scenario: Scenario, options: Options) -> Result<Self, RunError> {
        let folder =
            if options.volatile { None } else { Some(tempfile::Builder::new().prefix("xln-scenario-").tempdir()?) };
        let wallets = boards::wallets(&scenario)?;
        let owners: Vec<LocalSigner> = wallets.values().cloned().collect();
        let ground = Ground::new(&scenario, &owners)?;
        let (ids, boards) = boards::entities(&scenario, &wallets, Some(&ground))?;
        let config = ChannelConfig {
            depositories: ground.places.values().map(|place| accepted(place, &scenario)).collect(),
            vigilant: scenario.auto,
            // Windows of a minute are for stories.
            min_window_s: 0,
            ..ChannelConfig::default()
        };
        let (mut parties, mut names) = (BTreeMap::new(), BTreeMap::new());
        for (number, (name, wallet)) in wallets.into_iter().enumerate() {
            let id = *ids.get(&name).ok_or(RunError::Value("id"))?;
            let config = ChannelConfig { routing: Some(super::route::policy(&name, &scenario)?), ..config.clone() };
            let shelf = match &folder {
                None => Shelf::Memory(Vec::new()),
                Some(folder) => {
                    let path = folder.path().join(format!("entity-{number}"));
                    std::fs::create_dir(&path)?;
                    Shelf::Folder(path)
                }
            };
            let party = Party::new((&name, id), wallet, config, &ground, shelf, GENESIS)?;
            names.insert(party.id, name.clone());
            parties.insert(name, party);
        }
        let shadow = Shadow::new(&scenario, &ground, &parties, &boards);
        let mut world = Self {
            scenario,
            now: GENESIS,
            ground,
            parties,
            names,
            boards,
            serial: 0,
            network: MemoryNetwork::default(),
            linked: BTreeSet::new(),
            named: BTreeMap::new(),
            remembered: BTreeMap::new(),
            issued: BTreeMap::new(),
            submissions: VecDeque::new(),
            deferred: Vec::new(),
            failures: Vec::new(),
            routes_made: std::cell::Cell::new(0),
            sent_routes: Vec::new(),
            parts: Vec::new(),
            touched: false,
            gas: 0,
            shadow,
            trace: options.trace.then(Vec::new),
            _folder: folder,
        };
        world.observe()?;
        Ok(world)
    }

    /// A party by name.
    ///
    /// # Errors
    /// [`RunError::Unknown`].
    pub fn party(&self, name: &str) -> Result<&Party, RunError> {
        self.parties.get(name).ok_or_else(|| RunError::Unknown { kind: "entity", name: name.to_owned() })
    }

    /// A party by name, to be driven.
    ///
    /// # Errors
    /// As [`World::party`].
    pub fn party_mut(&mut self, name: &str) -> Result<&mut Party, RunError> {
        self.parties.get_mut(name).ok_or_else(|| RunError::Unknown { kind: "entity", name: name.to_owned() })
    }

    /// An id by name.
    ///
    /// # Errors
    /// As [`World::party`].
    pub fn id(&self, name: &str) -> Result<EntityId, RunError> {
        Ok(self.party(name)?.id)
    }

    /// A name by id, or the id itself.
    #[must_use]
    pub fn name(&self, id: &EntityId) -> String {
        self.names.get(id).cloned().unwrap_or_else(|| id.to_string())
    }

    /// The pair of two names; `None` if they are the same.
    ///
    /// # Errors
    /// As [`World::party`].
    pub fn pair(&self, a: &str, b: &str) -> Result<Option<Pair>, RunError> {
        Ok(Pair::new(self.id(a)?, self.id(b)?).ok())
    }

    /// The two names in `"a-b"` or `"a->b"`, split where both are known.
    ///
    /// # Errors
    /// [`RunError::Unknown`].
    pub fn split<'n>(&self, text: &'n str, by: &str) -> Result<(&'n str, &'n str), RunError> {
        let splits = text.match_indices(by).filter_map(|(at, _)| {
            let (a, b) = text.split_at_checked(at)?;
            Some((a.trim(), b.strip_prefix(by)?.trim()))
        });
        let mut known = splits.filter(|(a, b)| self.parties.contains_key(*a) && self.parties.contains_key(*b));
        known.next().ok_or_else(|| RunError::Unknown { kind: "pair", name: text.to_owned() })
    }

    /// The names of a pair's left and right.
    #[must_use]
    pub fn ends(&self, pair: &Pair) -> [(Side, String, String); 2] {
        let (left, right) = (self.name(&pair.left()), self.name(&pair.right()));
        [(Side::Left, left.clone(), right.clone()), (Side::Right, right, left)]
    }

    /// Pairs that have a channel on either side.
    #[must_use]
    pub fn pairs(&self) -> BTreeSet<Pair> {
        let nodes = self.parties.values().filter_map(|party| party.node().ok());
        nodes.flat_map(|node| node.machine().channels().map(|(_, channel)| channel.pair())).collect()
    }

    /// A lock or an offer by name.
    ///
    /// # Errors
    /// [`RunError::Unknown`].
    pub fn named(&self, kind: &'static str, name: &str) -> Result<Named, RunError> {
        self.named.get(name).cloned().ok_or_else(|| RunError::Unknown { kind, name: name.to_owned() })
    }

    /// Adds to the trace.
    pub fn note(&mut self, entry: impl FnOnce() -> Value) {
        if let Some(trace) = &mut self.trace {
            trace.push(entry());
        }
    }
}

/// A Depository as everyone accepts it, with the story's own margin.
fn accepted(place: &super::ground::Place, scenario: &Scenario) -> AcceptedDepository {
    let usual = place.client.deployment().accepted();
    AcceptedDepository { max_settle_margin_s: usual.max_settle_margin_s.max(scenario.settle_margin_s), ..usual }
}

pub(super) fn key(name: &str, salt: u64) -> Result<LocalSigner, RunError> {
    let seed = keccak256(&[b"xln scenario key".as_slice(), name.as_bytes(), &[0], &salt.to_be_bytes()].concat());
    LocalSigner::new(&seed).map_err(|_| RunError::Value("a key is out of range"))
}

/// The secret of a lock by its name.
#[must_use]
pub(super) fn secret(name: &str) -> Secret {
    Secret(keccak256(&[b"xln scenario secret".as_slice(), name.as_bytes()].concat()))
}
