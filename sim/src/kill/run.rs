//! The parent: load, kill, restart, reconnect, audit, again.

use std::fmt;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use xln_core::crypto::Signer;
use xln_core::machine::{Action, Command, Input};
use xln_core::transition::Transition;
use xln_core::types::{EntityId, HashKind, Pair, Secret};
use xln_storage::Backend;

use super::child::{KEY, NOW, PROVIDER, USD, signer};
use super::frames::{Ask, Durable, Outcome, Said, Standing};
use super::ledger::{Ledger, Name};
use super::party::{Heard, Party, Under};

/// How long a living process may take for one answer before it counts as hung.
const PATIENCE: Duration = Duration::from_secs(60);
/// Limit on both sides: more than all payments of a run.
const LIMIT: u128 = 1 << 100;
/// Open locks of one side that the load leaves room for; the protocol allows 16.
const MAX_LOCKS: usize = 12;

/// What one engine goes through.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) backend: Backend,
    pub(crate) kills: u64,
    pub(crate) seed: u64,
    pub(crate) per_store: u64,
    pub(crate) dir: PathBuf,
    pub(crate) write_behind: bool,
    /// The stores are on a small file system of their own, to be filled up.
    pub(crate) fill: bool,
    /// Whether the stores of a finding are kept.
    pub(crate) keep: bool,
}

/// What a run came to.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    kills: u64,
    in_open: u64,
    both: u64,
    stores: u64,
    steps: u64,
    roots: u64,
    pub(super) mishaps: Vec<String>,
    unsaid: u64,
    blocks: u64,
    moves: u64,
    doubts_done: u64,
    doubts_gone: u64,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kills,
            in_open,
            both,
            stores,
            steps,
            roots,
            unsaid,
            blocks,
            moves,
            doubts_done,
            doubts_gone,
            mishaps,
        } = self;
        mishaps.iter().try_for_each(|mishap| writeln!(f, "{mishap}"))?;
        write!(
            f,
            "{kills} kills ({in_open} in an open, {both} of both at once) on {stores} stores; {steps} steps acknowledged, \
             {roots} roots compared, {unsaid} records were durable and unsaid; {blocks} blocks agreed, {moves} payments, locks \
             and settlements, of commands in doubt {doubts_done} done and {doubts_gone} not"
        )
    }
}

fn count(counter: &mut u64, by: u64) {
    *counter = counter.saturating_add(by);
}

impl Plan {
    /// Kills until the plan is fulfilled.
    ///
    /// # Errors
    /// The first finding.
    pub(crate) fn run(&self, tally: &mut Tally) -> Result<(), String> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        while tally.kills < self.kills {
            let folder =
                tempfile::Builder::new().prefix("xln-kill-").tempdir_in(&self.dir).map_err(|e| e.to_string())?;
            let until = tally.kills.saturating_add(self.per_store).min(self.kills);
            let mut world = World::new(self, &folder, &mut rng)?;
            let outcome = world.live(&mut rng, tally, until);
            count(&mut tally.blocks, world.ledger.audited_blocks);
            count(&mut tally.moves, world.ledger.moves);
            count(&mut tally.doubts_done, world.ledger.doubts_done);
            count(&mut tally.doubts_gone, world.ledger.doubts_gone);
            count(&mut tally.stores, 2);
            if let Err(finding) = outcome {
                drop(world);
                if !self.keep {
                    return Err(finding);
                }
                return Err(format!("{finding}; the stores are kept in {}", folder.keep().display()));
            }
        }
        Ok(())
    }
}

pub(super) struct World<'p> {
    pub(super) plan: &'p Plan,
    pub(super) parties: [Party; 2],
    ids: [EntityId; 2],
    pub(super) ledger: Ledger,
    pub(super) ear: Sender<Heard>,
    heard: Receiver<Heard>,
    /// Whether messages travel.
    linked: bool,
    standing: [Option<Standing>; 2],
    pub(super) snapshot_every: u64,
    next_amount: u128,
    /// The party that is to fail, and how it did.
    pub(super) to_fail: Option<usize>,
    pub(super) failure: Option<String>,
}

impl<'p> World<'p> {
    fn new(plan: &'p Plan, folder: &tempfile::TempDir, rng: &mut ChaCha8Rng) -> Result<Self, String> {
        let id = |who| signer(who).map(|s| s.entity()).ok_or("no such party");
        let ids = [id(0)?, id(1)?];
        let pair = Pair::new(ids[0], ids[1]).map_err(|e| e.to_string())?;
        let party = |who: usize, id: &EntityId| {
            let side = pair.side(id).ok_or("no such side")?;
            Ok::<_, String>(Party::new(who, side, folder.path().join(who.to_string())))
        };
        let (ear, heard) = channel();
        Ok(Self {
            plan,
            parties: [party(0, &ids[0])?, party(1, &ids[1])?],
            ids,
            ledger: Ledger::new(),
            ear,
            heard,
            linked: false,
            standing: [None, None],
            // Rare snapshots make long replays, frequent ones make writes with many deletions.
            snapshot_every: 4_u64.saturating_pow(rng.random_range(1..=3)),
            next_amount: 1,
            to_fail: None,
            failure: None,
        })
    }

    fn live(&mut self, rng: &mut ChaCha8Rng, tally: &mut Tally, until: u64) -> Result<(), String> {
        self.restart(&[0, 1], rng, tally)?;
        self.set_up(tally)?;
        if tally.stores == 0 {
            self.mishaps(rng, tally)?;
        }
        while tally.kills < until {
            self.load(rng);
            self.strike(rng, tally)?;
        }
        Ok(())
    }

    fn set_up(&mut self, tally: &mut Tally) -> Result<(), String> {
        let open = Transition::OpenSubchannel { key: KEY, providers: vec![PROVIDER], settle_margin_s: 0 };
        self.command(0, vec![(open, None), (Transition::AddToken { key: KEY, token: USD }, None)]);
        self.settle_down(tally)?;
        for who in [0, 1] {
            self.command(who, vec![(Transition::SetCreditLimit { key: KEY, token: USD, limit: LIMIT }, None)]);
            self.settle_down(tally)?;
        }
        Ok(())
    }

    /// Gives some commands to both, without waiting for anything.
    fn load(&mut self, rng: &mut ChaCha8Rng) {
        for _ in 0..rng.random_range(1..=8) {
            let who = rng.random_range(0..2);
            let batch = (0..rng.random_range(1..=3)).filter_map(|_| self.wish(who, rng)).collect();
            self.command(who, batch);
        }
    }

    /// A payment of `who`, whatever happens to it.
    pub(super) fn pay(&mut self, who: usize) {
        let amount = self.next_amount;
        self.next_amount = amount.saturating_add(1);
        let Some(side) = self.parties.get(who).map(|p| p.side) else { return };
        let name = Name::Amount(amount);
        self.ledger.given(side, name);
        self.command(who, vec![(Transition::DirectPayment { key: KEY, token: USD, amount }, Some(name))]);
    }

    fn wish(&mut self, who: usize, rng: &mut ChaCha8Rng) -> Option<(Transition, Option<Name>)> {
        let side = self.parties.get(who)?.side;
        let settleable = self.ledger.settleable(side);
        let open = settleable.into_iter().find(|(id, _)| !self.ledger.is_given(side, Name::Settle(*id)));
        if let Some((id, amount)) = open.filter(|_| rng.random_bool(0.5)) {
            let name = Name::Settle(id);
            self.ledger.given(side, name);
            return Some((Transition::SettlePayment { key: KEY, id, secret: secret(amount) }, Some(name)));
        }
        let amount = self.next_amount;
        self.next_amount = amount.saturating_add(1);
        let name = Name::Amount(amount);
        self.ledger.given(side, name);
        let transition = if rng.random_bool(0.3) && self.ledger.paying(side) < MAX_LOCKS {
            let (kind, expiry) = (HashKind::Sha256, NOW.plus(100_000));
            let hash = secret(amount).hash(kind);
            Transition::AddPayment { key: KEY, token: USD, amount, kind, hash, expiry, onion: Vec::new() }
        } else {
            Transition::DirectPayment { key: KEY, token: USD, amount }
        };
        Some((transition, Some(name)))
    }

    pub(super) fn command(&mut self, who: usize, wishes: Vec<(Transition, Option<Name>)>) {
        let Some(peer) = self.ids.get(1_usize.saturating_sub(who)).copied() else { return };
        let (mut inputs, mut names) = (Vec::new(), Vec::new());
        for (transition, name) in wishes {
            inputs.push(Input::Command(Command { peer, action: Action::Propose { transition, submit: false } }));
            names.extend(name);
        }
        if let Some(party) = self.parties.get_mut(who).filter(|_| !inputs.is_empty()) {
            party.ask(&Ask::Step(inputs), names);
        }
    }

    /// Kills one or both at a random moment of the load, starts what died, and audits.
    fn strike(&mut self, rng: &mut ChaCha8Rng, tally: &mut Tally) -> Result<(), String> {
        let victims: &[usize] = match rng.random_range(0..5) {
            0 | 1 => &[0],
            2 | 3 => &[1],
            _ => &[0, 1],
        };
        if rng.random_bool(0.5) {
            // After so many answers of the first victim: right behind a write, with others in the pipe.
            let first = victims.first().copied().unwrap_or(0);
            let enough = self.said(first).saturating_add(rng.random_range(1..=12));
            while self.said(first) < enough && !self.is_quiet() {
                self.hear(PATIENCE, tally)?;
            }
        } else {
            let (begun, delay) = (Instant::now(), Duration::from_micros(rng.random_range(0..8_000)));
            loop {
                let left = delay.saturating_sub(begun.elapsed());
                if left.is_zero() || !self.hear(left, tally)? {
                    break;
                }
            }
        }
        if victims.len() > 1 {
            count(&mut tally.both, 1);
        }
        // Whether what a victim has sent before it died still arrives is the network's choice.
        self.linked = rng.random_bool(0.5);
        for who in victims {
            self.kill(*who, tally)?;
        }
        self.linked = false;
        self.restart(victims, rng, tally)?;
        self.settle_down(tally)
    }

    fn said(&self, who: usize) -> u64 {
        self.parties.get(who).and_then(|p| p.running.as_ref()).map_or(0, |running| running.said)
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.parties.iter().all(Party::is_idle)
    }

    /// SIGKILL, then everything that its pipe still holds: that was said.
    pub(super) fn kill(&mut self, who: usize, tally: &mut Tally) -> Result<(), String> {
        let Some(party) = self.parties.get_mut(who).filter(|party| party.running.is_some()) else { return Ok(()) };
        count(&mut tally.kills, 1);
        party.kill()?;
        while self.parties.get(who).is_some_and(|p| p.running.is_some()) {
            self.hear_from(Some(who), PATIENCE, tally)?;
        }
        Ok(())
    }

    /// Starts the processes of these parties, some of which die again while they open, and connects all.
    pub(super) fn restart(&mut self, dead: &[usize], rng: &mut ChaCha8Rng, tally: &mut Tally) -> Result<(), String> {
        for who in dead.iter().copied() {
            let how = (self.plan.backend, self.snapshot_every, self.plan.write_behind);
            while let Some(party) = self.parties.get_mut(who) {
                party.start(how, Under::Nothing, &self.ear)?;
                let fresh = party.acknowledged.now.is_none();
                if fresh || tally.kills >= self.plan.kills || !rng.random_bool(0.2) {
                    break;
                }
                std::thread::sleep(Duration::from_micros(rng.random_range(0..30_000)));
                count(&mut tally.in_open, 1);
                self.kill(who, tally)?;
            }
        }
        let alive = [0, 1].into_iter().filter(|who| !dead.contains(who));
        for who in alive {
            self.tell(who, |peer| Input::Disconnected { peer });
        }
        while !self.is_quiet() {
            self.hear(PATIENCE, tally)?;
        }
        self.linked = true;
        for who in [0, 1] {
            self.tell(who, |peer| Input::Connected { peer });
        }
        Ok(())
    }

    pub(super) fn set_linked(&mut self, linked: bool) {
        self.linked = linked;
    }

    pub(super) fn tell(&mut self, who: usize, input: impl Fn(EntityId) -> Input) {
        let peer = self.ids.get(1_usize.saturating_sub(who)).copied();
        if let (Some(party), Some(peer)) = (self.parties.get_mut(who), peer) {
            party.ask(&Ask::Step(vec![input(peer)]), Vec::new());
        }
    }

    /// Lets every message arrive, then compares.
    pub(super) fn settle_down(&mut self, tally: &mut Tally) -> Result<(), String> {
        while !self.is_quiet() {
            self.hear(PATIENCE, tally)?;
        }
        self.standing = [None, None];
        for party in &mut self.parties {
            party.ask(&Ask::Stand, Vec::new());
        }
        while !self.is_quiet() {
            self.hear(PATIENCE, tally)?;
        }
        match &self.standing {
            [Some(a), Some(b)] => self.ledger.audit(a, b),
            _ => Err("a node did not say where it stands".into()),
        }
    }

    /// Handles the next thing that anybody said; false if nobody said anything for `patience`.
    pub(super) fn hear(&mut self, patience: Duration, tally: &mut Tally) -> Result<bool, String> {
        self.hear_from(None, patience, tally)
    }

    /// As [`World::hear`]; `dying` was killed, so that its end is no surprise.
    fn hear_from(&mut self, dying: Option<usize>, patience: Duration, tally: &mut Tally) -> Result<bool, String> {
        let heard = match self.heard.recv_timeout(patience) {
            Ok(heard) => heard,
            Err(RecvTimeoutError::Timeout) if patience < PATIENCE => return Ok(false),
            Err(error) => return Err(format!("a process hangs: {error}")),
        };
        let who = heard.who;
        let Some(party) = self.parties.get_mut(who).filter(|party| party.is_current(&heard)) else { return Ok(true) };
        let Some(said) = heard.said else {
            party.running = None;
            if dying == Some(who) || self.to_fail == Some(who) && self.failure.is_some() {
                return Ok(true);
            }
            return Err(format!("process {who} ended by itself"));
        };
        let mut commands = Vec::new();
        if let Some(running) = &mut party.running {
            running.said = running.said.saturating_add(1);
            commands = running.asked.pop_front().unwrap_or_default();
        }
        match said {
            Said::Failed(error) if self.to_fail == Some(who) => self.failure = Some(error),
            Said::Failed(error) => return Err(format!("party {who}: {error}")),
            Said::Stands(standing) => *self.standing.get_mut(who).ok_or("no such party")? = Some(standing),
            Said::Opened { held, root, signed, has_agreed, now } => {
                let before = self.parties.get(who).map(|p| p.acknowledged).unwrap_or_default();
                let (seq, known) = before.now.unwrap_or_default();
                if held < seq {
                    return Err(format!("party {who} acknowledged record {seq}, its store ends at {held}"));
                }
                if let Some(root) = root.filter(|_| before.now.is_some()) {
                    if root != known {
                        return Err(format!("party {who}: record {seq} gave root {known}, its replay {root}"));
                    }
                    count(&mut tally.roots, 1);
                }
                let side = self.parties.get(who).map(|p| p.side).ok_or("no such party")?;
                if signed.map_or(0, |(nonce, _)| nonce.0) < self.ledger.newest(side).0 {
                    return Err(format!("party {who}: the guard holds {signed:?}, more was sent"));
                }
                if !has_agreed {
                    return Err(format!("party {who}: the history lacks an acknowledged agreed state"));
                }
                count(&mut tally.unsaid, held.saturating_sub(seq));
                self.acknowledge(who, &now, &[], tally)?;
            }
            Said::Stepped { now, outcomes, sends, troubles, agreed } => {
                if let Some(trouble) = troubles.first() {
                    return Err(format!("party {who}: {trouble}"));
                }
                self.acknowledge(who, &now, &agreed, tally)?;
                let side = self.parties.get(who).map(|p| p.side).ok_or("no such party")?;
                for (name, outcome) in commands.iter().zip(&outcomes) {
                    if let Outcome::Refused(error) = outcome {
                        // A lock may find all places taken by locks that were on their way.
                        if !error.contains("half of the limit is used up") {
                            return Err(format!("party {who}: {name:?} was refused: {error}"));
                        }
                    }
                    self.ledger.answered(side, *name, matches!(outcome, Outcome::Accepted(_)));
                }
                self.carry(who, &sends)?;
            }
        }
        Ok(true)
    }

    fn acknowledge(
        &mut self,
        who: usize,
        now: &Durable,
        agreed: &[xln_core::types::Hash],
        tally: &mut Tally,
    ) -> Result<(), String> {
        count(&mut tally.steps, 1);
        self.parties.get_mut(who).ok_or("no such party")?.acknowledge(now, agreed)
    }

    fn carry(&mut self, from: usize, sends: &[Vec<u8>]) -> Result<(), String> {
        let to = 1_usize.saturating_sub(from);
        let (Some(sender), Some(name)) = (self.parties.get(from), self.ids.get(from).copied()) else { return Ok(()) };
        let side = sender.side;
        for bytes in sends {
            self.ledger.sent(side, bytes)?;
            if let Some(receiver) = self.parties.get_mut(to).filter(|_| self.linked) {
                receiver.ask(&Ask::Step(vec![Input::Message { from: name, bytes: bytes.clone() }]), Vec::new());
            }
        }
        Ok(())
    }
}

/// The secret of a lock, from its amount.
fn secret(amount: u128) -> Secret {
    Secret(xln_merkle::keccak256(&amount.to_be_bytes()))
}
