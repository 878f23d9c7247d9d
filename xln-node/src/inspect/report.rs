//! The report: plain data, the same for tables and JSON. Hashes and entities are hex text, amounts decimal text.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Serialize;
use xln_core::chain::ChainCall;
use xln_core::channel::{Channel, ChannelConfig};
use xln_core::limits::MAX_LOCK_S;
use xln_core::machine::{Effect, Machine};
use xln_core::state::{Pending, SettlementAction};
use xln_core::transition::Transition;
use xln_core::types::{ChainId, Secret, SubchannelKey, UnixSeconds};
use xln_storage::Backend;

use super::Look;
use super::deadlines::{Deadline, deadlines};
use super::money::{TokenReport, tokens};
use crate::driver::StoredNode;

/// Everything.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Report {
    /// The store.
    pub store: StoreReport,
    /// The confirmed heads of the chains.
    pub chains: Vec<ChainReport>,
    /// The channels, by peer.
    pub channels: Vec<ChannelReport>,
    /// Effects that have not been completed.
    pub outbox: Vec<OutboxReport>,
    /// Locks of others that this node has answered for and that are not gone yet.
    pub forwards: usize,
    /// The earliest of all deadlines.
    pub earliest: Option<Deadline>,
    /// When the node itself wants to be called next, in unix seconds.
    pub next_tick: Option<u64>,
}

/// The store.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct StoreReport {
    /// The folder.
    pub path: String,
    /// The engine.
    pub backend: String,
    /// Whose node it is.
    pub entity: String,
    /// The Depositories that it is pinned to, `chain:address`.
    pub depositories: Vec<String>,
    /// Whether it was imported from a backup and not opened since.
    pub from_backup: bool,
    /// Position of the last record.
    pub seq: u64,
    /// Records after the last snapshot.
    pub records: usize,
    /// Root over the whole machine: two stores that hold the same have the same.
    pub root: String,
}

/// A confirmed head.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ChainReport {
    /// EIP-155 chain id.
    pub chain: u64,
    /// Number of the last confirmed block.
    pub number: u64,
    /// Its time, in unix seconds.
    pub time: u64,
}

/// One channel.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ChannelReport {
    /// The other entity.
    pub peer: String,
    /// `left` or `right`: which side the store's owner is.
    pub side: &'static str,
    /// Height of the last agreed state.
    pub height: u64,
    /// Its nonce.
    pub nonce: u64,
    /// Hash of its block.
    pub block: String,
    /// Whether it waits for the peer after a backup was restored, and signs nothing.
    pub recovering: bool,
    /// Whether a block of this side waits for the peer's answer.
    pub in_flight: bool,
    /// Commands that wait for a block.
    pub queue: Vec<QueuedReport>,
    /// The greatest nonce that this side has signed, by the machine and by the store's own guard.
    pub signed: SignedReport,
    /// States that this side has signed and that nothing agreed outranks: the peer may show any of them.
    pub live: Vec<LiveReport>,
    /// The subchannels.
    pub subchannels: Vec<SubchannelReport>,
}

/// A waiting command.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct QueuedReport {
    /// Its number.
    pub command: u64,
    /// What it asks for.
    pub transition: String,
}

/// The greatest signed nonce.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct SignedReport {
    /// As the replayed log has it.
    pub machine: u64,
    /// As the store's guard has it; none if nothing was signed.
    pub guard: Option<u64>,
}

/// A live signature.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct LiveReport {
    /// Height of the state.
    pub height: u64,
    /// Its nonce.
    pub nonce: u64,
    /// Whether both have signed it.
    pub agreed: bool,
}

/// One subchannel.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct SubchannelReport {
    /// EIP-155 chain id.
    pub chain: u64,
    /// The Depository.
    pub depository: String,
    /// Epoch of the agreed state; none before the first.
    pub epoch: Option<u32>,
    /// The newest state with the peer's signature that the chain would take: its nonce. None leaves the empty state.
    pub provable: Option<u64>,
    /// Closed off chain.
    pub closed: bool,
    /// Why it must not be touched, if so.
    pub frozen: Option<String>,
    /// A dispute on chain.
    pub dispute: Option<DisputeReport>,
    /// An open settlement or close.
    pub settlement: Option<SettlementReport>,
    /// Pending subcontracts.
    pub pending: Vec<PendingReport>,
    /// The tokens.
    pub tokens: Vec<TokenReport>,
    /// Until when at the latest the money is bound if the peer vanishes now and a dispute is started at once, in unix
    /// seconds, the time to get a transaction into a block not counted; none if the window is not known.
    pub bound_until: Option<u64>,
    /// What must happen by when, earliest first.
    pub deadlines: Vec<Deadline>,
}

/// A dispute.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct DisputeReport {
    /// Nonce of the shown state.
    pub nonce: u64,
    /// Whether this side started it.
    pub own: bool,
    /// Whether it was answered.
    pub answered: bool,
    /// Chain time of the start.
    pub started_at: u64,
}

/// An open settlement or close.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct SettlementReport {
    /// Its id.
    pub id: u64,
    /// `update` or `close`.
    pub kind: &'static str,
    /// Whether this side's signature exists.
    pub own_signature: bool,
    /// Whether the peer's is here.
    pub peer_signature: bool,
    /// Last second at which it can be submitted.
    pub expiry: u64,
}

/// A pending subcontract.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct PendingReport {
    /// Its id.
    pub id: u64,
    /// `payment`, `swap`, or `instrument N`.
    pub kind: String,
    /// Whether this side made it: a payment then goes out.
    pub own: bool,
    /// What it is about.
    pub what: String,
    /// Last second at which it can still move money.
    pub expiry: u64,
    /// For payments to this side: whether its secret is known here.
    pub secret_known: bool,
    /// The secret, if it is known and was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

/// An effect that has not been completed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct OutboxReport {
    /// Its number.
    pub effect: u64,
    /// What it does.
    pub what: String,
}

pub(super) fn report(dir: &Path, backend: Backend, stored: &StoredNode, machine: &Machine, look: Look) -> Report {
    let channels: Vec<ChannelReport> =
        machine.channels().map(|(_, channel)| channel_report(machine.config(), stored, channel, look)).collect();
    let deadlines = channels.iter().flat_map(|c| &c.subchannels).flat_map(|s| &s.deadlines);
    let depository = |d: &xln_storage::Depository| format!("{}:{}", d.chain_id, hex(&d.address));
    let chains: BTreeSet<ChainId> = stored.pins.depositories.iter().map(|d| ChainId(d.chain_id)).collect();
    let head = |chain: ChainId| {
        let head = machine.chain(chain)?.head()?;
        Some(ChainReport { chain: chain.0, number: head.number, time: head.timestamp.0 })
    };
    Report {
        store: StoreReport {
            path: dir.display().to_string(),
            backend: backend.name().to_owned(),
            entity: stored.entity.to_string(),
            depositories: stored.pins.depositories.iter().map(depository).collect(),
            from_backup: stored.from_backup,
            seq: stored.seq(),
            records: stored.records.len(),
            root: machine.root().map_or_else(|_| String::new(), |root| root.to_string()),
        },
        chains: chains.into_iter().filter_map(head).collect(),
        earliest: deadlines.min().cloned(),
        outbox: machine
            .pending_effects()
            .map(|(id, effect)| OutboxReport { effect: id.0, what: effect_text(effect, look.secrets) })
            .collect(),
        forwards: machine.routes(),
        next_tick: machine.poll_timeout().map(|at| at.0),
        channels,
    }
}

fn channel_report(config: &ChannelConfig, stored: &StoredNode, channel: &Channel, look: Look) -> ChannelReport {
    let (pair, me) = (channel.pair(), channel.side());
    let keys: BTreeSet<SubchannelKey> = channel.state().subchannels.keys().chain(channel.watched()).copied().collect();
    let queued = channel.queue().map(|(id, transition)| QueuedReport { command: id.0, transition: brief(transition) });
    let live = channel.live().map(|signed| LiveReport {
        height: signed.state.height,
        nonce: signed.state.nonce.0,
        agreed: signed.left.is_some() && signed.right.is_some(),
    });
    ChannelReport {
        peer: pair.entity(me.other()).to_string(),
        side: if me.is_left() { "left" } else { "right" },
        height: channel.state().height,
        nonce: channel.state().nonce.0,
        block: channel.state().block_hash.to_string(),
        recovering: channel.is_recovering(),
        in_flight: channel.is_in_flight(),
        queue: queued.collect(),
        signed: SignedReport {
            machine: channel.max_signed().0,
            guard: stored.signed.get(&pair.channel_key()).map(|(nonce, _)| nonce.0),
        },
        live: live.collect(),
        subchannels: keys.iter().map(|key| subchannel_report(config, channel, key, look)).collect(),
    }
}

fn subchannel_report(config: &ChannelConfig, channel: &Channel, key: &SubchannelKey, look: Look) -> SubchannelReport {
    let (me, agreed) = (channel.side(), channel.state().subchannels.get(key));
    let settlement = agreed.and_then(|s| s.settlement.as_ref()).map(|open| {
        let signatures = channel.settlement(key);
        let has = |side| signatures.is_some_and(|s| s.signature(side).is_some());
        SettlementReport {
            id: open.id,
            kind: if matches!(open.action, SettlementAction::Close) { "close" } else { "update" },
            own_signature: has(me),
            peer_signature: has(me.other()),
            expiry: open.expiry.0,
        }
    });
    let dispute = channel.watch(key).and_then(|watch| watch.dispute()).map(|(_, dispute)| DisputeReport {
        nonce: dispute.nonce,
        own: dispute.starter == me,
        answered: dispute.answered,
        started_at: dispute.started_at.0,
    });
    let mut deadlines = deadlines(config, channel, key, look.now);
    deadlines.sort();
    SubchannelReport {
        chain: key.chain.0,
        depository: key.depository.to_string(),
        epoch: agreed.map(|s| s.epoch),
        provable: channel.best_nonce(key).map(|nonce| nonce.0),
        closed: agreed.is_some_and(|s| s.closed),
        frozen: channel.frozen(key).map(|freeze| format!("{freeze:?}")),
        bound_until: bound_until(config, channel, key, look.now).map(|at| at.0),
        dispute,
        settlement,
        pending: agreed
            .iter()
            .flat_map(|s| &s.pending)
            .map(|(id, pending)| pending_report(channel, key, *id, pending, look.secrets))
            .collect(),
        tokens: tokens(channel, key),
        deadlines,
    }
}

/// The window, and the latest expiry of an undecided payment, which defers a finalize by at most [`MAX_LOCK_S`].
fn bound_until(
    config: &ChannelConfig,
    channel: &Channel,
    key: &SubchannelKey,
    now: UnixSeconds,
) -> Option<UnixSeconds> {
    let start = channel.watch(key).and_then(|watch| watch.dispute()).map_or(now, |(_, dispute)| dispute.started_at);
    let over = start.plus(config.window_s(key)?);
    let pending = channel.state().subchannels.get(key).into_iter().flat_map(|s| s.pending.values());
    let undecided = pending.filter_map(|pending| match pending {
        Pending::Payment(p) if p.revealed_at.is_none() => Some(p.expiry.min(over.plus(MAX_LOCK_S))),
        _ => None,
    });
    Some(undecided.max().map_or(over, |expiry| expiry.max(over)))
}

fn pending_report(channel: &Channel, key: &SubchannelKey, id: u64, pending: &Pending, tell: bool) -> PendingReport {
    let (kind, what, expiry, hash) = match pending {
        Pending::Payment(p) => {
            let what = format!("{} of token {} under {}", p.amount, p.token.0, p.hash);
            ("payment".to_owned(), what, p.expiry, true)
        }
        Pending::Swap(s) => {
            let what = format!(
                "{} of {} in token {} for {} in token {}",
                s.remaining, s.give, s.give_token.0, s.want, s.want_token.0
            );
            ("swap".to_owned(), what, s.expiry, false)
        }
        Pending::Subcontract(s) => {
            let me = channel.side();
            let holds: Vec<String> =
                s.tokens.iter().zip(&s.holds).map(|(t, hold)| format!("{} of token {}", hold.of(me), t.0)).collect();
            (format!("instrument {}", s.instrument), format!("holds {} of this side", holds.join(", ")), s.last, false)
        }
    };
    let secret = channel.secret(key, id).filter(|_| hash);
    PendingReport {
        id,
        kind,
        own: pending.author() == channel.side(),
        what,
        expiry: expiry.0,
        secret_known: secret.is_some(),
        secret: secret.filter(|_| tell).map(secret_text),
    }
}

fn secret_text(secret: &Secret) -> String {
    hex(&secret.0)
}

fn hex(bytes: &[u8]) -> String {
    alloy_primitives::hex::encode_prefixed(bytes)
}

/// A transition by its name and its amount: never a secret, never an onion.
fn brief(transition: &Transition) -> String {
    let text = format!("{transition:?}");
    let name = text.split([' ', '{', '(']).next().unwrap_or_default().to_owned();
    match transition {
        Transition::DirectPayment { token, amount, .. } | Transition::AddPayment { token, amount, .. } => {
            format!("{name} {amount} of token {}", token.0)
        }
        Transition::SetCreditLimit { token, limit, .. } => format!("{name} {limit} of token {}", token.0),
        Transition::SettlePayment { id, .. } | Transition::CancelPayment { id, .. } => format!("{name} {id}"),
        _ => name,
    }
}

fn effect_text(effect: &Effect, tell: bool) -> String {
    match effect {
        Effect::Send { to, bytes } => format!("send {} bytes to {to}", bytes.len()),
        Effect::Sign { peer, digest, .. } => format!("sign {digest} in the channel with {peer}"),
        Effect::Submit(action) => {
            let place = format!("on chain {} at {}", action.key.chain.0, action.key.depository);
            let call = match &action.call {
                ChainCall::CooperativeUpdate { expiry, .. } => format!("execute a settlement until {}", expiry.0),
                ChainCall::CooperativeClose { expiry, .. } => format!("execute a close until {}", expiry.0),
                ChainCall::StartDispute { evidence, .. } => format!("start a dispute with nonce {}", evidence.nonce.0),
                ChainCall::StartEmptyDispute { .. } => "start a dispute with the empty state".to_owned(),
                ChainCall::AcceptDispute { dispute, .. } => format!("accept the dispute at nonce {}", dispute.nonce),
                ChainCall::CounterDispute { dispute, evidence, .. } => {
                    format!("counter the dispute at nonce {} with nonce {}", dispute.nonce, evidence.nonce.0)
                }
                ChainCall::FinalizeDispute { dispute, .. } => {
                    format!("finalize the dispute at nonce {}", dispute.nonce)
                }
                ChainCall::Reveal { kind, secret, .. } if tell => {
                    format!("reveal {} for {}", secret_text(secret), secret.hash(*kind))
                }
                ChainCall::Reveal { kind, secret, .. } => format!("reveal the secret of {}", secret.hash(*kind)),
                ChainCall::Record { instrument, .. } => format!("record a fact for instrument {instrument}"),
            };
            format!("{call} {place}")
        }
        _ => "an effect of a newer version".to_owned(),
    }
}
