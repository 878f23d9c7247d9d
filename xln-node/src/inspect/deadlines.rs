//! What must happen by when, and why.

use serde::Serialize;
use xln_core::channel::{Channel, ChannelConfig};
use xln_core::state::{Pending, Subchannel};
use xln_core::types::{SubchannelKey, UnixSeconds};

/// A moment after which something is lost, bound or free.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
pub struct Deadline {
    /// Unix time in seconds.
    pub at: u64,
    /// Whether it has passed.
    pub overdue: bool,
    /// The peer of the channel.
    pub peer: String,
    /// What it is.
    pub reason: String,
}

/// All deadlines of one subchannel.
pub(super) fn deadlines(
    config: &ChannelConfig,
    channel: &Channel,
    key: &SubchannelKey,
    now: UnixSeconds,
) -> Vec<Deadline> {
    let peer = channel.pair().entity(channel.side().other()).to_string();
    let mut found: Vec<(UnixSeconds, String)> = Vec::new();
    found.extend(dispute(config, channel, key));
    if let Some(subchannel) = channel.state().subchannels.get(key) {
        for (id, pending) in &subchannel.pending {
            found.push(pending_deadline(config, channel, key, *id, pending));
        }
        found.extend(settlement(subchannel));
    }
    let deadline =
        |(at, reason): (UnixSeconds, String)| Deadline { at: at.0, overdue: at < now, peer: peer.clone(), reason };
    found.into_iter().map(deadline).collect()
}

fn dispute(config: &ChannelConfig, channel: &Channel, key: &SubchannelKey) -> Option<(UnixSeconds, String)> {
    let (_, dispute) = channel.watch(key)?.dispute()?;
    let best = channel.best_evidence(key).filter(|best| best.body_hash() != dispute.body_hash);
    let best = best.map(|best| best.nonce.0).filter(|nonce| *nonce > dispute.nonce);
    let reason = match best {
        Some(best) => format!("counter the dispute at nonce {} with nonce {best}", dispute.nonce),
        None => format!("the dispute at nonce {} can be finalized after it", dispute.nonce),
    };
    // Without the window only the start is certain.
    Some((dispute.started_at.plus(config.window_s(key).unwrap_or(0)), reason))
}

fn pending_deadline(
    config: &ChannelConfig,
    channel: &Channel,
    key: &SubchannelKey,
    id: u64,
    pending: &Pending,
) -> (UnixSeconds, String) {
    let me = channel.side();
    match pending {
        Pending::Payment(p) if p.payer == me => {
            (p.expiry, format!("payment {id} of {} goes out or can be taken back after it", p.amount))
        }
        Pending::Payment(p) if channel.secret(key, id).is_some() => {
            (p.expiry.minus(config.reveal_margin_s), format!("payment {id} of {} must be revealed on chain", p.amount))
        }
        Pending::Payment(p) => (p.expiry, format!("payment {id} of {} comes in or is lost", p.amount)),
        Pending::Swap(s) if s.maker == me => (s.expiry, format!("swap offer {id} ends")),
        Pending::Swap(s) => (s.expiry, format!("swap offer {id} of the peer ends")),
        Pending::Subcontract(s) => (s.last, format!("subcontract {id} of instrument {} ends", s.instrument)),
    }
}

fn settlement(subchannel: &Subchannel) -> Option<(UnixSeconds, String)> {
    let open = subchannel.settlement.as_ref()?;
    Some((open.expiry, format!("settlement {} can be submitted until then", open.id)))
}
