//! Every behaviour of two parties, one network and one chain up to a bound, by a model checker. What is stepped is the real
//! machine with its real log; what is modelled is the world around it: messages that are lost, doubled, reordered and damaged,
//! processes that die at every point, backups that are restored, operators that dispute with everything they ever held.
#![allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    reason = "a check that is itself wrong must stop at once; nothing here is given to users"
)]

mod calm;
mod chain;
mod configs;
mod laws;
mod node;
mod trace;
mod wishes;
mod world;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use stateright::{Checker, HasDiscoveries, Model, Path, Property};
use xln_core::channel::{AcceptedDepository, ChannelConfig};
use xln_core::crypto::{LocalSigner, Signer};
use xln_core::machine::{Action, Command, Input};
use xln_core::transition::Transition;
use xln_core::types::{Address, ChainId, Pair, Side, SubchannelKey, TokenId, UnixSeconds};

use calm::Calm;
use chain::Chain;
use laws::Law;
use node::{Fate, Steps};
use world::{Act, Config, State};

const KEY: SubchannelKey = SubchannelKey { chain: ChainId(1), depository: Address([0xd0; 20]) };
const PROVIDER: Address = Address([0x5c; 20]);
const ENTITIES: Address = Address([0xee; 20]);
const USD: TokenId = TokenId(1);
const WINDOW_S: u64 = 3600;
const GRACE_S: u64 = 3 * 3600;
const T0: UnixSeconds = UnixSeconds(1_000_000);
/// Collateral at the beginning, and left's share of it.
const COLLATERAL: (u128, u128) = (60, 30);
/// What each side lends the other.
const CREDIT: u128 = 100;

const fn index(side: Side) -> usize {
    match side {
        Side::Left => 0,
        Side::Right => 1,
    }
}

fn signed(amount: u128) -> i128 {
    i128::try_from(amount).expect("small amounts")
}

/// What to explore.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Small bounds: some seconds.
    #[arg(long)]
    quick: bool,
    /// Only this configuration.
    #[arg(long)]
    only: Option<String>,
    /// Threads; more than one does not promise the shortest counterexample.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Stops each configuration after this time, before its bound is reached; the result says so.
    #[arg(long)]
    seconds: Option<u64>,
}

impl Options {
    pub(crate) fn run(self) -> ExitCode {
        let configs: Vec<Config> = configs::all(self.quick)
            .into_iter()
            .filter(|c| self.only.as_deref().is_none_or(|only| only == c.name))
            .collect();
        if configs.is_empty() {
            let names: Vec<_> = configs::all(self.quick).iter().map(|c| c.name).collect();
            eprintln!("no such configuration; there are {}", names.join(", "));
            return ExitCode::from(2);
        }
        let (mut states, mut seconds, mut findings) = (0, 0, 0);
        for config in configs {
            let result = explore(config, self.threads, self.seconds);
            println!("{}", result.line);
            result.findings.iter().for_each(|finding| println!("{finding}"));
            states += result.states;
            seconds += result.seconds;
            findings += result.findings.len();
        }
        println!("model: {states} unique states in {seconds} s, {findings} findings");
        if findings == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// The model of one configuration.
struct World {
    config: Config,
    steps: Steps,
    calm: Calm,
    initial: State,
}

impl World {
    fn new(config: Config) -> Self {
        let key = |seed| LocalSigner::new(&[seed; 32]).expect("a small number is a key");
        let mut keys = [key(1), key(2)];
        keys.sort_by_key(Signer::entity);
        let pair = Pair::new(keys[0].entity(), keys[1].entity()).expect("two different accounts");
        let steps = Steps::new(keys, pair);
        let mut initial = set_up(&steps);
        initial.begin(config.budget, config.shown);
        Self { config, steps, calm: Calm::new(), initial }
    }
}

/// An open channel with one token, credit both ways and collateral.
fn set_up(steps: &Steps) -> State {
    let nodes = [steps.newborn(Side::Left), steps.newborn(Side::Right)];
    let mut state = State::new(nodes, Chain::new(steps.pair), T0);
    let depositories = vec![AcceptedDepository::new(KEY, WINDOW_S, vec![PROVIDER], ENTITIES, GRACE_S)];
    let config = ChannelConfig { depositories, vigilant: true, ..ChannelConfig::default() };
    for side in [Side::Left, Side::Right] {
        let inputs = || vec![Input::Configure(config.clone())];
        state.step(steps, side, Fate::Lives, node::short((20, index(side))), inputs);
    }
    let limit = CREDIT;
    let commands = [
        (Side::Left, Transition::OpenSubchannel { key: KEY, providers: vec![PROVIDER], settle_margin_s: 0 }),
        (Side::Left, Transition::AddToken { key: KEY, token: USD }),
        (Side::Left, Transition::SetCreditLimit { key: KEY, token: USD, limit }),
        (Side::Right, Transition::SetCreditLimit { key: KEY, token: USD, limit }),
    ];
    for (number, (side, transition)) in commands.into_iter().enumerate() {
        // Before its first command a side has no channel to ask about.
        if number > 0 {
            state.flow(steps);
        }
        let peer = state.node(side.other()).machine.entity();
        let command = Command { peer, action: Action::Propose { transition, submit: false } };
        let inputs = || vec![Input::Command(command)];
        state.step(steps, side, Fate::Lives, node::short((21, number)), inputs);
    }
    state.flow(steps);
    let chain = Arc::make_mut(&mut state.chain);
    chain.deposit(T0, COLLATERAL.0, COLLATERAL.1);
    // A block that brings nothing: the last recorded one is older than the last known one.
    chain.mine(T0, Vec::new(), Vec::new());
    state.flow(steps);
    state
}

impl State {
    fn flow(&mut self, steps: &Steps) {
        if let Err(fault) = self.settle(steps) {
            eprintln!("the beginning breaks a law: {}", fault.text);
            self.fault = Some(fault);
        }
    }
}

macro_rules! property {
    ($law:ident) => {
        Property::<World>::always(Law::$law.name(), |_, state: &State| {
            state.fault.as_ref().is_none_or(|fault| fault.law != Law::$law)
        })
    };
}

impl Model for World {
    type State = State;
    type Action = Act;

    fn init_states(&self) -> Vec<State> {
        vec![self.initial.clone()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Act>) {
        world::acts(&self.config, state, actions);
    }

    fn next_state(&self, state: &State, act: Act) -> Option<State> {
        let mut next = world::apply(&self.config, &self.steps, state, &act)?;
        if next.fault.is_none() {
            next.fault = self.calm.judge(&self.steps, &next);
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            property!(Agreement),
            property!(Signing),
            property!(Outcome),
            property!(Completion),
            property!(Hold),
            property!(Sound),
            property!(Blank),
            property!(Forward),
            property!(Reports),
            property!(Authentic),
            property!(Role),
        ]
    }
}

/// What an exploration has shown.
struct Explored {
    line: String,
    states: usize,
    seconds: u64,
    findings: Vec<String>,
}

fn explore(config: Config, threads: usize, seconds: Option<u64>) -> Explored {
    let begin = Instant::now();
    let (name, marks, depth) = (config.name, config.marks.clone(), config.depth);
    let builder = World::new(config).checker().threads(threads).finish_when(HasDiscoveries::AnyFailures);
    let builder = match seconds {
        Some(seconds) => builder.timeout(Duration::from_secs(seconds)),
        None => builder,
    };
    // The checker counts states, and does not look beyond one at the bound.
    let builder = match depth {
        Some(depth) => builder.target_max_depth(depth + 2),
        None => builder,
    };
    let checker = builder.spawn_bfs().join();
    let found = checker.discoveries();
    let mut findings: Vec<String> =
        Law::ALL.into_iter().filter_map(|law| Some(trace::tell(law, found.get(law.name())?.clone()))).collect();
    let model = checker.model();
    let cut = seconds.is_some_and(|seconds| begin.elapsed().as_secs() >= seconds);
    if findings.is_empty() && !cut {
        let missing: Vec<_> = marks.into_iter().filter(|mark| !model.steps.has(*mark)).collect();
        if !missing.is_empty() {
            findings.push(format!("{name} has shown nothing: these never happened: {missing:?}"));
        }
    }
    let (states, depth, made) = (checker.unique_state_count(), checker.max_depth(), model.steps.made());
    let time = begin.elapsed();
    let line = format!(
        "{name}: {states} unique states, depth {depth}, {made} steps of a machine, {}.{} s{}",
        time.as_secs(),
        time.subsec_millis() / 100,
        if cut { ", stopped by the clock" } else { "" }
    );
    Explored { line, states, seconds: time.as_secs(), findings }
}

type Trace = Path<State, Act>;

#[cfg(test)]
mod tests {
    use super::{configs, explore};

    #[test]
    fn model_within_small_bounds() {
        for config in configs::all(true) {
            let explored = explore(config, 2, None);
            println!("{}", explored.line);
            assert!(explored.findings.is_empty(), "{}", explored.findings.join("\n"));
        }
    }
}
