//! Two real machines joined by memory, for measuring: what leaves one is handed to the other as bytes.

use xln_core::channel::{AcceptedDepository, ChannelConfig};
use xln_core::crypto::{LocalSigner, Signer};
use xln_core::machine::{Action, Command, Context, Effect, Effects, Input, Log, Machine, Record};
use xln_core::transition::Transition;
use xln_core::types::{Address, ChainId, EntityId, SubchannelKey, TokenId, UnixSeconds};

/// The subchannel that all payments use.
pub const KEY: SubchannelKey = SubchannelKey { chain: ChainId(1), depository: Address([0xd0; 20]) };
/// The token that all payments use.
pub const TOKEN: TokenId = TokenId(1);

/// A log that forgets: what it would have stored is encoded, so that recording is part of what is measured.
#[derive(Default)]
pub struct EncodeOnly(pub Vec<u8>);

impl Log for EncodeOnly {
    type Error = xln_core::codec::CodecError;
    fn append(&mut self, record: &Record) -> Result<(), Self::Error> {
        self.0 = record.encode()?;
        Ok(())
    }
}

/// A log on a durable store: one row and one sync per record.
pub struct Stored<S> {
    /// The store.
    pub store: S,
    /// Every record as bytes, for replaying.
    pub records: Vec<Vec<u8>>,
}

/// Why a record was not stored.
#[derive(Debug)]
pub struct NotStored(pub String);

impl std::fmt::Display for NotStored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NotStored {}

impl<S: xln_storage::Storage> Log for Stored<S> {
    type Error = NotStored;
    fn append(&mut self, record: &Record) -> Result<(), NotStored> {
        let bytes = record.encode().map_err(|e| NotStored(e.to_string()))?;
        self.store.put(&record.seq.to_be_bytes(), &bytes).map_err(|e| NotStored(e.to_string()))?;
        self.records.push(bytes);
        Ok(())
    }
}

/// One machine and what it needs.
pub struct Party<L> {
    /// The machine.
    pub machine: Machine,
    /// Its key.
    pub signer: LocalSigner,
    /// Its log.
    pub log: L,
}

/// A failure of the set-up; benches stop at it.
pub type Failure = Box<dyn std::error::Error>;

impl<L: Log> Party<L>
where
    Failure: From<L::Error>,
{
    /// A machine with the key made of one repeated byte.
    ///
    /// # Errors
    /// The log's.
    pub fn new(byte: u8, log: L) -> Result<Self, Failure> {
        let signer = LocalSigner::new(&[byte; 32])?;
        let mut party = Self { machine: Machine::new(signer.entity()), signer, log };
        let depositories =
            vec![AcceptedDepository::new(KEY, 3600, vec![Address([0x5c; 20])], Address([0xee; 20]), 10_800)];
        let config = ChannelConfig { depositories, ..ChannelConfig::default() };
        let _ = party.step(vec![Input::Configure(config)])?;
        Ok(party)
    }

    /// Stages and commits inputs as one record.
    ///
    /// # Errors
    /// The machine's or the log's.
    pub fn step(&mut self, inputs: Vec<Input>) -> Result<Effects, Failure> {
        let cx = Context { now: UnixSeconds(1_000_000), signer: &self.signer };
        Ok(self.machine.stage(&cx, inputs)?.commit(&mut self.log)?)
    }

    /// The party's entity.
    pub const fn entity(&self) -> EntityId {
        self.machine.entity()
    }
}

/// Messages among effects, as inputs for their receiver.
pub fn messages(from: EntityId, effects: &Effects) -> Vec<(EntityId, Input)> {
    let sends = effects.effects().iter().filter_map(|(_, effect)| match effect {
        Effect::Send { to, bytes } => Some((*to, Input::Message { from, bytes: bytes.clone() })),
        _ => None,
    });
    sends.collect()
}

/// Commands of one side, as one record, and everything that follows until both rest.
///
/// # Errors
/// Those of the machines and logs.
pub fn round<L: Log>(a: &mut Party<L>, b: &mut Party<L>, transitions: Vec<Transition>) -> Result<(), Failure>
where
    Failure: From<L::Error>,
{
    let peer = b.entity();
    let propose = |transition| Input::Command(Command { peer, action: Action::Propose { transition, submit: false } });
    let mut for_b = messages(a.entity(), &a.step(transitions.into_iter().map(propose).collect())?);
    loop {
        let for_a = answers(b, for_b)?;
        if for_a.is_empty() {
            return Ok(());
        }
        for_b = answers(a, for_a)?;
        if for_b.is_empty() {
            return Ok(());
        }
    }
}

fn answers<L: Log>(to: &mut Party<L>, inputs: Vec<(EntityId, Input)>) -> Result<Vec<(EntityId, Input)>, Failure>
where
    Failure: From<L::Error>,
{
    if inputs.is_empty() {
        return Ok(Vec::new());
    }
    let from = to.entity();
    let effects = to.step(inputs.into_iter().map(|(_, input)| input).collect())?;
    Ok(messages(from, &effects))
}

/// A payment of one unit.
#[must_use]
pub const fn pay(amount: u128) -> Transition {
    Transition::DirectPayment { key: KEY, token: TOKEN, amount }
}

/// Opens the channel of two parties and grants credit both ways.
///
/// # Errors
/// Those of the machines and logs.
pub fn open<L: Log>(a: &mut Party<L>, b: &mut Party<L>) -> Result<(), Failure>
where
    Failure: From<L::Error>,
{
    let providers = vec![Address([0x5c; 20])];
    round(a, b, vec![Transition::OpenSubchannel { key: KEY, providers, settle_margin_s: 600 }])?;
    round(a, b, vec![Transition::AddToken { key: KEY, token: TOKEN }])?;
    let limit = 1 << 100;
    round(a, b, vec![Transition::SetCreditLimit { key: KEY, token: TOKEN, limit }])?;
    round(b, a, vec![Transition::SetCreditLimit { key: KEY, token: TOKEN, limit }])
}
