//! The step `route`: a payment over several hops, from its first lock to its last settlement, on the nodes' own machinery.

use xln_core::channel::{End, Ended};
use xln_core::machine::{Action, Input};
use xln_core::route::{ExpectedPayment, Hop, Lock, OnionKey, Route, RoutingPolicy};
use xln_core::types::{EntityId, Hash, HashKind};
use xln_merkle::keccak256;

use super::amount::Amount;
use super::file::Scenario;
use super::plan::{Plan, Planned, out_of_range};
use super::refusal::{Refusal, RunError};
use super::step::Hashing;
use super::world::{World, secret};

/// A day, in seconds.
const DAY_S: u64 = 86_400;
/// How much later the incoming lock of a node expires if it relies on another registry, in seconds.
const GAP_S: u64 = 3600;

/// What the others must know before a route is paid.
#[derive(Clone, Debug)]
pub struct RoutePlan {
    /// Who receives.
    to: String,
    /// What it expects.
    expected: ExpectedPayment,
    /// Who forwards.
    via: Vec<String>,
    /// At which fee.
    fee_ppm: u32,
    /// To read a failure.
    route: Route,
}

/// A route that the present step has sent.
#[derive(Clone, Debug)]
pub struct SentRoute {
    /// Its sender.
    by: EntityId,
    /// The hash of its lock.
    hash: Hash,
    route: Route,
    names: Vec<String>,
    /// The inner step that it belongs to.
    part: Option<usize>,
}

/// The step as the file says it.
pub(super) struct RouteStep<'a> {
    pub(super) by: &'a str,
    pub(super) via: &'a [String],
    pub(super) to: &'a str,
    pub(super) token: &'a str,
    pub(super) amount: Amount,
    pub(super) fee_ppm: u32,
    pub(super) expires_in_s: Option<u64>,
    pub(super) hash: Hashing,
}

/// The key with which a party opens its layers, by its name.
fn onion_key(name: &str) -> Result<OnionKey, RunError> {
    let seed = keccak256(&[b"xln scenario onion".as_slice(), name.as_bytes()].concat());
    OnionKey::derive(&seed).map_err(|_| RunError::Value("a key is out of range"))
}

/// How a party forwards before a route says which fee it takes.
pub(super) fn policy(name: &str, scenario: &Scenario) -> Result<RoutingPolicy, RunError> {
    Ok(RoutingPolicy {
        onion_key: onion_key(name)?,
        forwards: true,
        fee_ppm: 0,
        gap_s: GAP_S,
        // All hops of a route rely on one registry and share one expiry: what a settlement leaves is the margin.
        reveal_s: scenario.settle_margin_s,
        equivalent: Vec::new(),
    })
}

impl World {
    pub(super) fn plan_route(&self, step: &RouteStep<'_>) -> Result<Planned, RunError> {
        let key = self.ground.key(step.token)?;
        let Some(amount) = step.amount.unsigned() else { return Ok(Err(out_of_range(step.amount))) };
        let kind = match step.hash {
            Hashing::Keccak256 => HashKind::Keccak256,
            Hashing::Sha256 => HashKind::Sha256,
        };
        let number = self.routes_made.get().wrapping_add(1);
        self.routes_made.set(number);
        let name = format!("route {number}");
        let secret = secret(&name);
        let expiry = self.in_s(step.expires_in_s.unwrap_or(DAY_S));
        let lock = Lock { kind, hash: secret.hash(kind), expiry };
        let mut hops = Vec::new();
        let mut from = step.by;
        for to in step.via.iter().map(String::as_str).chain([step.to]) {
            hops.push(Hop {
                entity: self.id(to)?,
                onion_key: onion_key(to)?.public().map_err(|_| RunError::Value("an onion key"))?,
                key,
                token: self.channel_token(step.token, from, to)?,
                fee_ppm: step.fee_ppm,
                gap_s: 0,
            });
            from = to;
        }
        let session = keccak256(&[b"xln scenario session".as_slice(), name.as_bytes()].concat());
        let route = match Route::new(&hops, amount, &lock, &session) {
            Ok(route) => route,
            Err(error) => return Ok(Err(Refusal::of(&error))),
        };
        let token = hops.last().map(|hop| hop.token).ok_or(RunError::Value("a route"))?;
        let expected = ExpectedPayment { key, token, amount, kind, secret, until: expiry };
        let first = step.via.first().map_or(step.to, String::as_str);
        let action = Action::Propose { transition: route.payment.clone(), submit: false };
        let (to, via, fee_ppm) = (step.to.to_owned(), step.via.to_vec(), step.fee_ppm);
        let plan = RoutePlan { to, expected, via, fee_ppm, route };
        Ok(self.actions(step.by, first, vec![action])?.map(|made| Plan { route: Some(plan), ..made }))
    }

    /// The recipient's invoice and the fees of the hops, before the first lock is offered.
    ///
    /// # Errors
    /// [`RunError`] of nodes.
    pub(super) fn announce_route(&mut self, plan: &Plan, part: Option<usize>) -> Result<(), RunError> {
        let Some(RoutePlan { to, expected, via, fee_ppm, route }) = plan.route.clone() else { return Ok(()) };
        for name in &via {
            let mut config = self.party(name)?.config().clone();
            if let Some(policy) = &mut config.routing {
                policy.fee_ppm = fee_ppm;
            }
            self.feed(name, vec![Input::Configure(config)])?;
        }
        self.feed(&to, vec![Input::Expect(expected)])?;
        let (_, hash) = expected.lock();
        let names = via.into_iter().chain([to]).collect();
        self.sent_routes.push(SentRoute { by: self.id(&plan.by)?, hash, route, names, part });
        Ok(())
    }

    /// A payment of somebody's own has ended: of a route of this step a failure is a refusal.
    pub(super) fn on_ended(&mut self, by: EntityId, ended: &Ended) {
        let End::Failed(reason) = &ended.end else { return };
        let sent = self.sent_routes.iter().find(|sent| sent.by == by && sent.hash == ended.hash && ended.outgoing);
        let Some(sent) = sent else { return };
        let refusal = match sent.route.open_failure(reason) {
            Some((hop, code)) => {
                let who = sent.names.get(hop).map_or("", String::as_str);
                Refusal::named(&format!("{code:?}"), format!("{who}: {code}"))
            }
            None => Refusal::named("NextHopFailed", "the first hop gave it back without a word"),
        };
        self.failures.push((sent.part, refusal));
    }
}
