//! From a step to what its node is told: transitions, and what is shown on chain in its name.

use xln_core::channel::{Arguments as Shown, balanced};
use xln_core::machine::{Action, Command};
use xln_core::proof::{Fills, Forgiven};
use xln_core::transition::Transition;
use xln_core::types::{HashKind, Pair, Secret, Side, SubchannelKey, TokenId, UnixSeconds};

use super::amount::Amount;
use super::ground::now;
use super::refusal::{Refusal, RunError, Verdict};
use super::route::{RoutePlan, RouteStep};
use super::step::{Act, Arguments, Diff, Hashing};
use super::world::{Named, World, secret};

/// A day, in seconds.
pub(super) const DAY_S: u64 = 86_400;

/// What a step tells a node.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Whose node.
    pub by: String,
    /// What.
    pub commands: Vec<Command>,
    /// The lock or offer that it makes.
    pub named: Option<(String, Named)>,
    /// What the others must know first, if it is a route.
    pub route: Option<RoutePlan>,
}

/// A plan, or why there can be none.
pub(super) type Planned = Result<Plan, Refusal>;

pub(super) fn out_of_range(amount: Amount) -> Refusal {
    Refusal::named("AmountOutOfRange", format!("amount {amount} is out of range"))
}

impl World {
    /// What a step tells a node; `None` for steps that are no commands.
    ///
    /// # Errors
    /// [`RunError`] for names that do not exist.
    pub fn plan(&self, act: &Act) -> Result<Option<Planned>, RunError> {
        let planned = match act {
            Act::Credit { by, peer, token, amount } => {
                let (key, token) = (self.ground.key(token)?, self.channel_token(token, peer, by)?);
                amount.unsigned().map_or_else(
                    || Ok(Err(out_of_range(*amount))),
                    |limit| self.propose(by, peer, Transition::SetCreditLimit { key, token, limit }),
                )?
            }
            Act::Pay { by, peer, token, amount, times } => {
                let (key, token) = (self.ground.key(token)?, self.channel_token(token, by, peer)?);
                let Some(amount) = amount.unsigned() else { return Ok(Some(Err(out_of_range(*amount)))) };
                let times = times.map_or(1, |times| usize::try_from(times.0).unwrap_or(usize::MAX));
                self.propose(by, peer, Transition::DirectPayment { key, token, amount })?.map(|plan| {
                    let commands = plan.commands.into_iter().cycle().take(times).collect();
                    Plan { commands, ..plan }
                })
            }
            Act::Lock { name, by, peer, token, amount, expires_in_s, hash } => {
                self.plan_lock(name, (by, peer), (token, *amount), *expires_in_s, *hash)?
            }
            Act::Route { by, via, to, token, amount, fee_ppm, expires_in_s, hash } => self.plan_route(&RouteStep {
                by,
                via,
                to,
                token,
                amount: *amount,
                fee_ppm: *fee_ppm,
                expires_in_s: *expires_in_s,
                hash: *hash,
            })?,
            Act::Settle { payment, by, secret } => self.plan_settle(payment, by.as_deref(), secret.as_deref())?,
            Act::Cancel { payment, by } => {
                let lock = self.named("payment", payment)?;
                let by = by.clone().unwrap_or_else(|| lock.peer.clone());
                self.on_named(&lock, &by, |key, id| Transition::CancelPayment { key, id })?
            }
            Act::Offer { name, by, peer, give, want, expires_in_s, min_fill } => {
                self.plan_offer(name, (by, peer), (give, want), *expires_in_s, *min_fill)?
            }
            Act::Fill { swap, give, by } => {
                let offer = self.named("swap", swap)?;
                let by = by.clone().unwrap_or_else(|| offer.peer.clone());
                let Some(fill) = give.unsigned() else { return Ok(Some(Err(out_of_range(*give)))) };
                self.on_named(&offer, &by, |key, id| Transition::FillSwap { key, id, fill })?
            }
            Act::Unoffer { swap, by } => {
                let offer = self.named("swap", swap)?;
                let by = by.clone().unwrap_or_else(|| offer.by.clone());
                self.on_named(&offer, &by, |key, id| Transition::CancelSwap { key, id })?
            }
            Act::Settlement { by, peer, diffs, forgive, submit, expires_in_s } => {
                self.plan_settlement((by, peer), diffs, forgive, *submit, *expires_in_s)?
            }
            Act::Close { by, peer, submit, expires_in_s, chain } => {
                let expiry = self.in_s(expires_in_s.unwrap_or(DAY_S));
                let keys = self.keys(by, peer, chain.as_deref())?;
                let propose =
                    |key| Action::Propose { transition: Transition::ProposeClose { key, expiry }, submit: *submit };
                self.actions(by, peer, keys.into_iter().map(propose).collect())?
            }
            Act::Submit { by, peer, chain } => {
                let mut keys = self.keys(by, peer, chain.as_deref())?;
                let open = |key: &SubchannelKey| self.view(by, peer).is_some_and(|c| c.settlement(key).is_some());
                if keys.iter().any(open) {
                    keys.retain(open);
                }
                self.actions(by, peer, keys.into_iter().map(|key| Action::SubmitSettlement { key }).collect())?
            }
            act => return self.plan_on_clause(act),
        };
        Ok(Some(planned))
    }

    pub(super) fn propose(&self, by: &str, peer: &str, transition: Transition) -> Result<Planned, RunError> {
        self.actions(by, peer, vec![Action::Propose { transition, submit: false }])
    }

    pub(super) fn actions(&self, by: &str, peer: &str, actions: Vec<Action>) -> Result<Planned, RunError> {
        self.id(by)?;
        let peer = self.id(peer)?;
        let commands = actions.into_iter().map(|action| Command { peer, action }).collect();
        Ok(Ok(Plan { by: by.to_owned(), commands, named: None, route: None }))
    }

    pub(super) const fn in_s(&self, seconds: u64) -> UnixSeconds {
        self.now.plus(seconds)
    }

    /// `by`'s view of its channel with `peer`.
    #[must_use]
    pub fn view(&self, by: &str, peer: &str) -> Option<&xln_core::channel::Channel> {
        let peer = self.id(peer).ok()?;
        self.party(by).ok()?.node().ok()?.channel(&peer)
    }

    /// The subchannels between two: those that are open, else the one of the first chain.
    ///
    /// # Errors
    /// [`RunError::Unknown`] for another chain.
    pub fn keys(&self, by: &str, peer: &str, chain: Option<&str>) -> Result<Vec<SubchannelKey>, RunError> {
        if let Some(chain) = chain {
            return Ok(vec![self.ground.place(chain)?.client.deployment().key()]);
        }
        self.id(peer)?;
        let open = self.view(by, peer).map(|c| c.state().subchannels.keys().copied().collect::<Vec<_>>());
        match open.filter(|keys| !keys.is_empty()) {
            Some(keys) => Ok(keys),
            None => Ok(vec![self.ground.place("a")?.client.deployment().key()]),
        }
    }

    /// The number of a token in a channel: of several NFTs the one that `payer` can pay, else its own.
    pub(super) fn channel_token(&self, token: &str, payer: &str, peer: &str) -> Result<TokenId, RunError> {
        let (place, key) = (self.ground.find(token)?, self.ground.key(token)?);
        self.id(payer)?;
        let can_pay = |id: &&TokenId| {
            let channel = self.view(payer, peer);
            let found = channel.and_then(|c| Some((c.side(), c.state().token(&key, **id)?)));
            found.is_some_and(|(side, token)| token.out_capacity(side).is_ok_and(|c| c > 0))
        };
        if let [only] = place.ids.as_slice() {
            return Ok(*only);
        }
        place
            .ids
            .iter()
            .find(can_pay)
            .or_else(|| self.own_nft(&place.ids, payer))
            .copied()
            .ok_or(RunError::Value("no token"))
    }

    pub(super) fn own_nft<'i>(&self, ids: &'i [TokenId], owner: &str) -> Option<&'i TokenId> {
        ids.get(self.parties.keys().position(|name| name == owner)?)
    }

    fn plan_lock(
        &self,
        name: &str,
        (by, peer): (&str, &str),
        (token, amount): (&str, Amount),
        expires_in_s: Option<u64>,
        hash: Hashing,
    ) -> Result<Planned, RunError> {
        let (key, token) = (self.ground.key(token)?, self.channel_token(token, by, peer)?);
        let Some(amount) = amount.unsigned() else { return Ok(Err(out_of_range(amount))) };
        let kind = match hash {
            Hashing::Keccak256 => HashKind::Keccak256,
            Hashing::Sha256 => HashKind::Sha256,
        };
        let secret = secret(name);
        let expiry = self.in_s(expires_in_s.unwrap_or(DAY_S));
        let transition =
            Transition::AddPayment { key, token, amount, kind, hash: secret.hash(kind), expiry, onion: Vec::new() };
        self.named_plan(name, (by, peer), key, Some((secret, kind)), transition)
    }

    fn named_plan(
        &self,
        name: &str,
        (by, peer): (&str, &str),
        key: SubchannelKey,
        secret: Option<(Secret, HashKind)>,
        transition: Transition,
    ) -> Result<Planned, RunError> {
        let named = Named { by: by.to_owned(), peer: peer.to_owned(), key, secret, asked: None, id: None };
        let planned = self.propose(by, peer, transition)?;
        Ok(planned.map(|plan| Plan { named: Some((name.to_owned(), named)), ..plan }))
    }

    fn plan_settle(&self, payment: &str, by: Option<&str>, tried: Option<&str>) -> Result<Planned, RunError> {
        let lock = self.named("payment", payment)?;
        let by = by.unwrap_or(&lock.peer);
        let Some((right, _)) = lock.secret else {
            return Err(RunError::Unknown { kind: "payment", name: payment.to_owned() });
        };
        let secret = self.tried(right, tried);
        self.on_named(&lock, by, |key, id| Transition::SettlePayment { key, id, secret })
    }

    pub(super) fn tried(&self, right: Secret, tried: Option<&str>) -> Secret {
        match tried {
            None => right,
            // The secret of another payment is a wrong one too.
            Some(name) => match self.named.get(name).and_then(|n| n.secret) {
                Some((secret, _)) => secret,
                None => secret(&format!("not the secret: {name}")),
            },
        }
    }

    /// A transition on something that was made before; what never came to be is not pending.
    pub(super) fn on_named(
        &self,
        named: &Named,
        by: &str,
        transition: impl FnOnce(SubchannelKey, u64) -> Transition,
    ) -> Result<Planned, RunError> {
        let peer = if by == named.by { &named.peer } else { &named.by };
        self.propose(by, peer, transition(named.key, named.id.unwrap_or(u64::MAX)))
    }

    fn plan_offer(
        &self,
        name: &str,
        (by, peer): (&str, &str),
        (give, want): (&(String, Amount), &(String, Amount)),
        expires_in_s: Option<u64>,
        min_fill: Option<Amount>,
    ) -> Result<Planned, RunError> {
        let key = self.ground.key(&give.0)?;
        if key != self.ground.key(&want.0)? {
            return Ok(Err(Refusal::named("UnknownToken", "both tokens of a swap must be in one subchannel")));
        }
        let give_token = self.channel_token(&give.0, by, peer)?;
        let want_token = if give.0 == want.0 { give_token } else { self.channel_token(&want.0, peer, by)? };
        let amounts = (give.1.unsigned(), want.1.unsigned(), min_fill.unwrap_or_default().unsigned());
        let (Some(give), Some(want), Some(min_fill)) = amounts else { return Ok(Err(out_of_range(give.1))) };
        let expiry = self.in_s(expires_in_s.unwrap_or(DAY_S));
        let transition = Transition::OfferSwap { key, give_token, give, want_token, want, min_fill, expiry };
        self.named_plan(name, (by, peer), key, None, transition)
    }

    fn plan_settlement(
        &self,
        (by, peer): (&str, &str),
        diffs: &[Diff],
        forgive: &[String],
        submit: bool,
        expires_in_s: Option<u64>,
    ) -> Result<Planned, RunError> {
        let mut keys = Vec::new();
        for token in diffs.iter().map(|d| &d.token).chain(forgive) {
            keys.push(self.ground.key(token)?);
        }
        keys.sort_unstable();
        keys.dedup();
        let [key] = keys.as_slice() else {
            return Ok(Err(Refusal::named("InvalidSettlement", "a settlement concerns one subchannel")));
        };
        let Some(pair) = self.pair(by, peer)? else {
            return Ok(Err(Refusal::named("UnknownPeer", "no channel with that entity is possible")));
        };
        let mut wide = Vec::new();
        for diff in diffs {
            let token = self.channel_token(&diff.token, by, peer)?;
            let rest = || Amount(alloy_primitives::I256::ZERO.wrapping_sub(diff.left.0).wrapping_sub(diff.right.0));
            let collateral = diff.collateral.unwrap_or_else(rest);
            let all = (diff.left.signed(), diff.right.signed(), collateral.signed(), diff.ondelta.signed());
            let (Some(left), Some(right), Some(collateral), Some(ondelta)) = all else {
                return Ok(Err(out_of_range(diff.left)));
            };
            wide.push((token, left, right, collateral, ondelta));
        }
        wide.sort_unstable_by_key(|(token, ..)| *token);
        if let Err(refusal) = self.can_pay_in(&pair, key, &wide)? {
            return Ok(Err(refusal));
        }
        let update = match balanced(&wide, self.debts_between(&pair, forgive)?) {
            Ok(update) => update,
            Err(error) => return Ok(Err(Refusal::of(&error))),
        };
        let expiry = self.in_s(expires_in_s.unwrap_or(DAY_S));
        let transition = Transition::ProposeSettlement { key: *key, update, expiry };
        self.actions(by, peer, vec![Action::Propose { transition, submit }])
    }

    /// A sane node looks at the reserves before it proposes what they must pay: else it would only lock itself a hold.
    fn can_pay_in(
        &self,
        pair: &Pair,
        key: &SubchannelKey,
        diffs: &[(TokenId, i128, i128, i128, i128)],
    ) -> Result<Verdict, RunError> {
        let Some(place) = self.ground.place_of(key) else { return Ok(Ok(())) };
        for (token, left, right, ..) in diffs {
            for (entity, diff) in [(pair.left(), *left), (pair.right(), *right)] {
                let needed = diff.min(0).unsigned_abs();
                if needed > now(place.client.reserve(&entity, *token))? {
                    return Ok(Err(Refusal::named(
                        "InsufficientReserve",
                        "a reserve does not hold what the settlement takes",
                    )));
                }
            }
        }
        Ok(Ok(()))
    }

    /// All debts between two sides in some tokens, as a settlement forgives them.
    fn debts_between(&self, pair: &Pair, tokens: &[String]) -> Result<Vec<Forgiven>, RunError> {
        let mut forgiven = Vec::new();
        for name in tokens {
            let token = self.ground.find(name)?;
            let client = &self.ground.place(&token.chain)?.client;
            for (id, debtor) in token.ids.iter().flat_map(|id| [(*id, Side::Right), (*id, Side::Left)]) {
                let page = now(client.debts(&pair.entity(debtor), id, 0, 1024))?;
                let creditor = pair.entity(debtor.other());
                let between = page.entries.iter().filter(|entry| entry.creditor == creditor);
                forgiven.extend(between.map(|entry| Forgiven { token: id, debtor, index: entry.index }));
            }
        }
        forgiven.sort_unstable_by_key(|f| (f.token, f.debtor.is_left(), f.index));
        Ok(forgiven)
    }

    /// Encoded fills of named offers.
    ///
    /// # Errors
    /// [`RunError::Unknown`] for an offer that was never made.
    pub fn fills(&self, arguments: &Arguments) -> Result<Result<Vec<u8>, Refusal>, RunError> {
        let mut fills = Vec::new();
        for (name, amount) in &arguments.fills {
            let Some(fill) = amount.unsigned() else { return Ok(Err(out_of_range(*amount))) };
            let id = self.named("swap", name)?.id.unwrap_or(u64::MAX);
            fills.push((id, fill));
        }
        fills.sort_unstable();
        Ok(Fills(fills).encode().map_err(|error| Refusal::of(&error)))
    }

    /// Arguments of a start or an answer.
    ///
    /// # Errors
    /// As [`World::fills`].
    pub fn shown(&self, arguments: &Arguments) -> Result<Result<Shown, Refusal>, RunError> {
        Ok(self.fills(arguments)?.map(|fills| Shown { evidence: None, fills, body: None }))
    }
}
