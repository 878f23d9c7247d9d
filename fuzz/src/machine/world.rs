//! The machines, what is between them, and what each wrote.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use xln_core::chain::ChainAction;
use xln_core::channel::{AcceptedDepository, Channel, ChannelConfig};
use xln_core::crypto::Signer;
use xln_core::entity::Verifier;
use xln_core::machine::{Action, Command, Context, Effect, EffectId, Input, Log, Machine, Record, Snapshot};
use xln_core::route::RoutingPolicy;
use xln_core::state::ChannelState;
use xln_core::transition::Transition;
use xln_core::types::{EntityId, Hash, Nonce, UnixSeconds};

use super::chain::Contract;
use super::signers::{onion_key, signers};
use super::{ENTITIES, KEY, N, PROVIDER, TOKENS, WINDOW_S};

#[derive(Clone, Default)]
struct Records {
    records: Vec<Vec<u8>>,
    nonces: BTreeMap<Hash, (Nonce, Hash)>,
}

impl Log for Records {
    type Error = String;
    fn append(&mut self, record: &Record) -> Result<(), String> {
        for signed in &record.signed {
            if let Some((nonce, digest)) = self.nonces.get(&signed.channel)
                && signed.nonce <= *nonce
                && signed.digest != *digest
            {
                return Err(format!("{:?} after {nonce:?}", signed.nonce));
            }
            self.nonces.insert(signed.channel, (signed.nonce, signed.digest));
        }
        self.records.push(record.encode().expect("a record has an encoding"));
        Ok(())
    }
}

#[derive(Clone)]
pub(super) struct World {
    pub(super) signers: Rc<[Box<dyn Signer>; N]>,
    pub(super) machines: [Machine; N],
    logs: [Records; N],
    pub(super) snapshots: [Option<Snapshot>; N],
    pub(super) wire: VecDeque<(usize, usize, Vec<u8>)>,
    pub(super) actions: Vec<(usize, EffectId, ChainAction)>,
    pub(super) contracts: [Contract; N - 1],
    pub(super) verifier: Verifier,
    pub(super) now: u64,
    pub(super) block: u64,
}

impl World {
    /// Two open channels with credit, made once for each thread.
    pub(super) fn opened() -> Self {
        thread_local! {
            static OPENED: World = World::new();
        }
        OPENED.with(Self::clone)
    }

    fn new() -> Self {
        let signers = Rc::new(signers());
        let machines = [0, 1, 2].map(|i: usize| Machine::new(signers[i].entity()));
        let mut world = Self {
            signers,
            machines,
            logs: Default::default(),
            snapshots: Default::default(),
            wire: VecDeque::new(),
            actions: Vec::new(),
            contracts: Default::default(),
            verifier: Verifier::default(),
            now: 1_000_000,
            block: 0,
        };
        let depositories = vec![AcceptedDepository::new(KEY, WINDOW_S, vec![PROVIDER], ENTITIES, 10_800)];
        for i in 0..N {
            let (onion_key, equivalent) = (onion_key(i), Vec::new());
            let routing =
                RoutingPolicy { onion_key, forwards: true, fee_ppm: 1_000, gap_s: 600, reveal_s: 0, equivalent };
            let (depositories, vigilant) = (depositories.clone(), i == 0);
            let config = ChannelConfig { depositories, vigilant, routing: Some(routing), ..ChannelConfig::default() };
            world.stage(i, vec![Input::Configure(config)]);
        }
        for i in [0, 1] {
            world.open(i, i + 1);
        }
        world
    }

    pub(super) fn id(&self, i: usize) -> EntityId {
        self.signers[i].entity()
    }

    pub(super) fn channel(&self, i: usize, j: usize) -> &Channel {
        self.machines[i].channel(&self.id(j)).expect("opened")
    }

    pub(super) fn state(&self, i: usize, j: usize) -> &ChannelState {
        self.channel(i, j).state()
    }

    pub(super) fn stage(&mut self, i: usize, inputs: Vec<Input>) {
        let cx = Context { now: UnixSeconds(self.now), signer: &*self.signers[i] };
        let staged = self.machines[i].stage(&cx, inputs).expect("no input stops a machine");
        let effects = staged.commit(&mut self.logs[i]).expect("nonces only rise");
        for (id, effect) in effects.effects() {
            match effect {
                Effect::Send { to, bytes } => {
                    if let Some(to) = (0..N).find(|j| self.id(*j) == *to) {
                        self.wire.push_back((i, to, bytes.clone()));
                    }
                }
                Effect::Submit(action) => self.actions.push((i, *id, action.clone())),
                _ => {}
            }
        }
    }

    pub(super) fn command(&mut self, i: usize, j: usize, action: Action) {
        let peer = self.id(j);
        self.stage(i, vec![Input::Command(Command { peer, action })]);
    }

    pub(super) fn propose(&mut self, i: usize, j: usize, transition: Transition) {
        self.command(i, j, Action::Propose { transition, submit: false });
    }

    pub(super) fn deliver(&mut self) -> bool {
        let Some((from, to, bytes)) = self.wire.pop_front() else { return false };
        let from = self.id(from);
        self.stage(to, vec![Input::Message { from, bytes }]);
        true
    }

    pub(super) fn settle(&mut self) {
        let mut budget = 5_000;
        while let Some((from, to, bytes)) = self.wire.front() {
            budget -= 1;
            let parts = xln_core::wire::Message::decode(bytes).map(|message| message.parts);
            assert!(budget > 0, "they never come to rest: {from} to {to} {parts:?}");
            self.deliver();
        }
    }

    pub(super) fn connect(&mut self) {
        for (i, j) in [(0, 1), (1, 0), (1, 2), (2, 1)] {
            let peer = self.id(j);
            self.stage(i, vec![Input::Disconnected { peer }, Input::Connected { peer }]);
        }
    }

    pub(super) fn open(&mut self, i: usize, j: usize) {
        self.propose(i, j, Transition::OpenSubchannel { key: KEY, providers: vec![PROVIDER], settle_margin_s: 0 });
        self.settle();
        for token in TOKENS {
            self.propose(i, j, Transition::AddToken { key: KEY, token });
            for (a, b) in [(i, j), (j, i)] {
                self.settle();
                self.propose(a, b, Transition::SetCreditLimit { key: KEY, token, limit: 100 });
            }
        }
        self.settle();
    }

    /// From the log alone, or from a snapshot and the records after it: the same machine.
    pub(super) fn restart(&mut self, i: usize) {
        let before = self.machines[i].root().expect("a machine has a root");
        let decode = |bytes: &Vec<u8>| Record::decode(bytes).expect("a stored record");
        let records = self.logs[i].records.iter().map(decode);
        let entity = self.id(i);
        let restored = match &self.snapshots[i] {
            Some(snapshot) => Machine::restore(entity, Some(snapshot), records.filter(|r| r.seq > snapshot.seq)),
            None => Machine::restore(entity, None, records),
        };
        self.machines[i] = restored.expect("a log that this machine wrote");
        assert_eq!(self.machines[i].root().expect("a machine has a root"), before);
        self.stage(i, vec![Input::Restarted]);
        self.wire.clear();
        self.connect();
    }

    pub(super) fn end(&mut self) {
        self.wire.clear();
        // Until every deferral and every deadline is over.
        for round in 0..12 {
            self.connect();
            self.settle();
            self.now += 700;
            for _ in 0..self.actions.len() {
                self.act(0);
            }
            for p in 0..N - 1 {
                let open = self.contracts[p].dispute;
                let over = open.is_some_and(|dispute| UnixSeconds(self.now) > dispute.started_at.plus(WINDOW_S));
                // Anyone may finalize.
                let kinds = if over { self.contracts[p].close() } else { Vec::new() };
                self.confirm(p, kinds, Vec::new(), Vec::new(), round % N);
            }
            for i in 0..N {
                self.stage(i, vec![Input::Tick]);
            }
            self.settle();
        }
        for (i, j) in [(0, 1), (1, 2)] {
            assert_eq!(self.state(i, j), self.state(j, i), "both agree");
            for (a, b) in [(i, j), (j, i)] {
                let channel = self.channel(a, b);
                let (in_flight, queued) = (channel.is_in_flight(), channel.queued());
                assert!(!in_flight && queued == 0, "what can complete completes: {a} to {b}, {in_flight}, {queued}");
            }
        }
    }
}
