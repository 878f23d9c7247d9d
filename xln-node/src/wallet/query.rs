//! What an app may ask. Answers are copies, taken between two steps.

use xln_core::channel::{Channel, ChannelConfig};
use xln_core::machine::Machine;
use xln_core::map;
use xln_core::state::{Pending, Subchannel};
use xln_core::types::{EntityId, Hash, SubchannelKey, UnixSeconds};

use super::Wallet;
use super::error::WalletError;
use super::host::Movable;
use super::info::{
    ChannelInfo, Deadline, DeadlineKind, DisputeInfo, HistoryEntry, PendingEffect, PendingInfo, SubchannelInfo,
    TokenInfo,
};
use super::keeper::Keeper;
use super::tools::{StoredLog, call_of};

/// A wallet between two steps: everything that is asked of one view belongs together.
pub struct View<'a> {
    machine: &'a Machine,
}

impl View<'_> {
    /// All channels, by peer.
    #[must_use]
    pub fn channels(&self) -> Vec<ChannelInfo> {
        self.machine.channels().map(|(peer, channel)| info(self.machine, peer, channel)).collect()
    }

    /// The channel with one peer.
    #[must_use]
    pub fn channel(&self, peer: &EntityId) -> Option<ChannelInfo> {
        self.machine.channel(peer).map(|channel| info(self.machine, peer, channel))
    }

    /// What falls due, soonest first.
    #[must_use]
    pub fn deadlines(&self) -> Vec<Deadline> {
        let mut all: Vec<Deadline> = Vec::new();
        for (peer, channel) in self.machine.channels() {
            for (key, subchannel) in &channel.state().subchannels {
                let due = due(self.machine.config(), channel, key, subchannel);
                all.extend(due.map(|(at, kind)| Deadline { at, peer: *peer, key: *key, kind }));
            }
        }
        map::ascending(all)
    }

    /// When to call [`Wallet::tick`] at the latest.
    #[must_use]
    pub fn next_deadline(&self) -> Option<UnixSeconds> {
        self.machine.poll_timeout()
    }

    /// What was asked of chains and remote signers and is not done.
    #[must_use]
    pub fn pending_effects(&self) -> Vec<PendingEffect> {
        let pending = self.machine.pending_effects().map(|(id, effect)| {
            let call = match effect {
                xln_core::machine::Effect::Submit(action) => call_of(self.machine.config(), action),
                _ => None,
            };
            PendingEffect { id, effect: effect.clone(), call }
        });
        pending.collect()
    }

    /// keccak256 over the whole machine: two wallets with the same log have the same.
    ///
    /// # Errors
    /// [`WalletError::Codec`] for a state that has no encoding, which none within the protocol's limits is.
    pub fn machine_root(&self) -> Result<Hash, WalletError> {
        Ok(self.machine.root()?)
    }
}

impl Wallet {
    /// Several questions at one moment: what the closure makes of the wallet as it is between two steps.
    ///
    /// # Errors
    /// [`WalletError`] if the wallet does not work.
    pub async fn view<T, F>(&self, view: F) -> Result<T, WalletError>
    where
        T: Movable + 'static,
        F: FnOnce(View<'_>) -> T + Movable + 'static,
    {
        self.shared.read(move |Keeper { machine, .. }: &Keeper| Ok(view(View { machine }))).await
    }

    /// All channels, by peer.
    ///
    /// # Errors
    /// As [`Wallet::view`].
    pub async fn channels(&self) -> Result<Vec<ChannelInfo>, WalletError> {
        self.view(|view| view.channels()).await
    }

    /// The channel with one peer.
    ///
    /// # Errors
    /// As [`Wallet::view`].
    pub async fn channel(&self, peer: EntityId) -> Result<Option<ChannelInfo>, WalletError> {
        self.view(move |view| view.channel(&peer)).await
    }

    /// Every agreed state that the store keeps of the channel with one peer, by subchannel and nonce.
    ///
    /// # Errors
    /// As [`Wallet::view`]; [`WalletError::Codec`].
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
    /// As [`Wallet::view`]; [`WalletError::Store`] if the store fails or a row is damaged.
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
    /// As [`Wallet::view`].
    pub async fn deadlines(&self) -> Result<Vec<Deadline>, WalletError> {
        self.view(|view| view.deadlines()).await
    }

    /// When to call [`Wallet::tick`] at the latest.
    ///
    /// # Errors
    /// As [`Wallet::view`].
    pub async fn next_deadline(&self) -> Result<Option<UnixSeconds>, WalletError> {
        self.view(|view| view.next_deadline()).await
    }

    /// What was asked of chains and remote signers and is not done.
    ///
    /// # Errors
    /// As [`Wallet::view`].
    pub async fn pending_effects(&self) -> Result<Vec<PendingEffect>, WalletError> {
        self.view(|view| view.pending_effects()).await
    }

    /// keccak256 over the whole machine: two wallets with the same log have the same.
    ///
    /// # Errors
    /// As [`Wallet::view`].
    pub async fn machine_root(&self) -> Result<Hash, WalletError> {
        self.view(|view| view.machine_root()).await?
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
