//! What an app may ask. Answers are copies, taken between two steps.

use xln_core::channel::{Channel, ChannelConfig};
use xln_core::machine::Machine;
use xln_core::map;
use xln_core::state::{Pending, Subchannel};
use xln_core::types::{EntityId, Hash, SubchannelKey, UnixSeconds};

use super::Wallet;
use super::error::WalletError;
use super::info::{
    ChannelInfo, Deadline, DeadlineKind, DisputeInfo, HistoryEntry, PendingEffect, PendingInfo, SubchannelInfo,
    TokenInfo,
};
use super::keeper::Keeper;
use super::tools::{StoredLog, call_of};

impl Wallet {
    /// All channels, by peer.
    ///
    /// # Errors
    /// [`WalletError`] if the wallet does not work.
    pub async fn channels(&self) -> Result<Vec<ChannelInfo>, WalletError> {
        let all =
            |Keeper { machine, .. }: &Keeper| Ok(machine.channels().map(|(peer, c)| info(machine, peer, c)).collect());
        self.shared.read(all).await
    }

    /// The channel with one peer.
    ///
    /// # Errors
    /// As [`Wallet::channels`].
    pub async fn channel(&self, peer: EntityId) -> Result<Option<ChannelInfo>, WalletError> {
        let one = move |Keeper { machine, .. }: &Keeper| Ok(machine.channel(&peer).map(|c| info(machine, &peer, c)));
        self.shared.read(one).await
    }

    /// Every agreed state that the store keeps of the channel with one peer, by subchannel and nonce.
    ///
    /// # Errors
    /// As [`Wallet::channels`]; [`WalletError::Codec`].
    pub async fn history(&self, peer: EntityId) -> Result<Vec<HistoryEntry>, WalletError> {
        self.shared
            .work(|reply| {
                Box::new(move |keeper| {
                    Box::pin(async move {
                        reply.give(keeper.history(&peer).await);
                        keeper
                    })
                })
            })
            .await
    }

    /// The log that the store holds, every row checked: [`replay`](super::replay) takes it, here or elsewhere.
    ///
    /// # Errors
    /// As [`Wallet::channels`]; [`WalletError::Store`] if the store fails or a row is damaged.
    pub async fn log(&self) -> Result<StoredLog, WalletError> {
        self.shared
            .work(|reply| {
                Box::new(move |keeper| {
                    Box::pin(async move {
                        reply.give(keeper.log().await);
                        keeper
                    })
                })
            })
            .await
    }

    /// What falls due, soonest first.
    ///
    /// # Errors
    /// As [`Wallet::channels`].
    pub async fn deadlines(&self) -> Result<Vec<Deadline>, WalletError> {
        let all = |keeper: &Keeper| {
            let mut all: Vec<Deadline> = Vec::new();
            for (peer, channel) in keeper.machine.channels() {
                for (key, subchannel) in &channel.state().subchannels {
                    let due = due(keeper.machine.config(), channel, key, subchannel);
                    all.extend(due.map(|(at, kind)| Deadline { at, peer: *peer, key: *key, kind }));
                }
            }
            Ok(map::ascending(all))
        };
        self.shared.read(all).await
    }

    /// When to call [`Wallet::tick`] at the latest.
    ///
    /// # Errors
    /// As [`Wallet::channels`].
    pub async fn next_deadline(&self) -> Result<Option<UnixSeconds>, WalletError> {
        self.shared.read(|keeper| Ok(keeper.machine.poll_timeout())).await
    }

    /// What was asked of chains and remote signers and is not done.
    ///
    /// # Errors
    /// As [`Wallet::channels`].
    pub async fn pending_effects(&self) -> Result<Vec<PendingEffect>, WalletError> {
        let all = |Keeper { machine, .. }: &Keeper| {
            let pending = machine.pending_effects().map(|(id, effect)| {
                let call = match effect {
                    xln_core::machine::Effect::Submit(action) => call_of(machine.config(), action),
                    _ => None,
                };
                PendingEffect { id, effect: effect.clone(), call }
            });
            Ok(pending.collect())
        };
        self.shared.read(all).await
    }

    /// keccak256 over the whole machine: two wallets with the same log have the same.
    ///
    /// # Errors
    /// As [`Wallet::channels`].
    pub async fn machine_root(&self) -> Result<Hash, WalletError> {
        self.shared.read(|keeper| Ok(keeper.machine.root()?)).await
    }
}

fn info(machine: &Machine, peer: &EntityId, channel: &Channel) -> ChannelInfo {
    let tip = channel.tip();
    let subchannels = tip.state.subchannels.iter();
    ChannelInfo {
        peer: *peer,
        side: channel.side(),
        channel_key: channel.pair().channel_key(),
        height: tip.state.height,
        nonce: tip.state.nonce,
        timestamp: tip.state.timestamp,
        state_root: tip.commitment.root,
        digest: tip.commitment.digest,
        in_flight: channel.is_in_flight(),
        queued: u64::try_from(channel.queued()).unwrap_or(u64::MAX),
        recovering: channel.is_recovering(),
        subchannels: subchannels.map(|(key, subchannel)| part(machine.config(), channel, key, subchannel)).collect(),
    }
}

fn part(config: &ChannelConfig, channel: &Channel, key: &SubchannelKey, subchannel: &Subchannel) -> SubchannelInfo {
    let side = channel.side();
    let tokens = subchannel.tokens.iter().map(|(token, state)| TokenInfo {
        token: *token,
        side,
        state: state.clone(),
        // No state within the protocol's range lacks them.
        capacities: state.derive(side).unwrap_or_default(),
    });
    let pending = subchannel.pending.iter().map(|(id, what)| PendingInfo { id: *id, what: what.clone() });
    SubchannelInfo {
        key: *key,
        opened_by: subchannel.opened_by,
        providers: subchannel.providers.clone(),
        settle_margin_s: subchannel.settle_margin_s,
        closed: subchannel.closed,
        epoch: subchannel.epoch,
        frozen: channel.frozen(key),
        tokens: tokens.collect(),
        pending: pending.collect(),
        settlement: subchannel.settlement.clone(),
        settlement_ready: channel.settlement(key).is_some_and(|open| open.call().is_some()),
        confirmed: channel.watch(key).and_then(|watch| watch.facts()).cloned(),
        dispute: dispute(config, channel, key),
    }
}

fn dispute(config: &ChannelConfig, channel: &Channel, key: &SubchannelKey) -> Option<DisputeInfo> {
    let (epoch, fact) = channel.watch(key)?.dispute().copied()?;
    Some(DisputeInfo {
        epoch,
        fact,
        mine: fact.starter == channel.side(),
        best: channel.best_nonce(key),
        until: config.window_s(key).map(|window| fact.started_at.plus(window)),
    })
}

fn due<'a>(
    config: &ChannelConfig,
    channel: &Channel,
    key: &SubchannelKey,
    subchannel: &'a Subchannel,
) -> impl Iterator<Item = (UnixSeconds, DeadlineKind)> + 'a {
    let pending = subchannel.pending.iter().map(|(id, pending)| match pending {
        Pending::Payment(payment) => (payment.expiry, DeadlineKind::Payment { id: *id }),
        Pending::Swap(swap) => (swap.expiry, DeadlineKind::Swap { id: *id }),
        Pending::Subcontract(subcontract) => (subcontract.last, DeadlineKind::Subcontract { id: *id }),
    });
    let settlement = subchannel.settlement.iter().map(|s| (s.expiry, DeadlineKind::Settlement { id: s.id }));
    let dispute = dispute(config, channel, key).and_then(|dispute| dispute.until);
    pending.chain(settlement).chain(dispute.map(|until| (until, DeadlineKind::Dispute)))
}
