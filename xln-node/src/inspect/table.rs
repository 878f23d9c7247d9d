//! The report for people.

use std::io::{self, Write};

use comfy_table::Table;
use comfy_table::presets::NOTHING;

use super::report::{ChannelReport, Report, SubchannelReport};

/// Writes a report as text and tables.
///
/// # Errors
/// If it cannot be written.
pub fn write_table(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let store = &report.store;
    writeln!(out, "store      {} ({})", store.path, store.backend)?;
    writeln!(out, "entity     {}", store.entity)?;
    writeln!(out, "log        {} records, {} after the snapshot", store.seq, store.records)?;
    if store.from_backup {
        writeln!(out, "backup     imported and not opened since: it will sign nothing before its peers have answered")?;
    }
    for depository in &store.depositories {
        writeln!(out, "depository {depository}")?;
    }
    for chain in &report.chains {
        writeln!(out, "chain      {}: block {} of {}", chain.chain, chain.number, chain.time)?;
    }
    match &report.earliest {
        Some(deadline) => {
            let late = if deadline.overdue { ", OVERDUE" } else { "" };
            writeln!(out, "earliest   {}{late}: {}, with {}", deadline.at, deadline.reason, deadline.peer)?;
        }
        None => writeln!(out, "earliest   no deadline")?,
    }
    if report.forwards > 0 {
        writeln!(out, "forwards   {}", report.forwards)?;
    }
    for effect in &report.outbox {
        writeln!(out, "outbox     {}: {}", effect.effect, effect.what)?;
    }
    report.channels.iter().try_for_each(|channel| write_channel(channel, out))
}

fn write_channel(channel: &ChannelReport, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "\nchannel with {}, as {}", channel.peer, channel.side)?;
    let guard = channel.signed.guard.map_or_else(|| "nothing".to_owned(), |nonce| nonce.to_string());
    let (height, nonce) = (channel.height, channel.nonce);
    writeln!(
        out,
        "  height {height}, nonce {nonce}; signed up to {}, the store's guard holds {guard}",
        channel.signed.machine
    )?;
    if channel.recovering {
        writeln!(out, "  recovering: signs nothing before the peer has answered")?;
    }
    for live in channel.live.iter().filter(|live| !live.agreed && live.nonce > 0) {
        writeln!(out, "  live signature at height {}, nonce {}", live.height, live.nonce)?;
    }
    for queued in &channel.queue {
        writeln!(out, "  waits: {} {}", queued.command, queued.transition)?;
    }
    channel.subchannels.iter().try_for_each(|subchannel| write_subchannel(subchannel, out))
}

fn write_subchannel(subchannel: &SubchannelReport, out: &mut impl Write) -> io::Result<()> {
    let SubchannelReport { chain, depository, .. } = subchannel;
    let provable = subchannel.provable.map_or_else(|| "the empty state".to_owned(), |nonce| format!("nonce {nonce}"));
    writeln!(out, "  subchannel {chain}:{depository}, provable: {provable}")?;
    if subchannel.closed {
        writeln!(out, "    closed off chain")?;
    }
    if let Some(frozen) = &subchannel.frozen {
        writeln!(out, "    frozen: {frozen}")?;
    }
    if let Some(dispute) = &subchannel.dispute {
        let who = if dispute.own { "this side" } else { "the peer" };
        let answered = if dispute.answered { "answered" } else { "not answered" };
        writeln!(out, "    dispute at nonce {} by {who} at {}, {answered}", dispute.nonce, dispute.started_at)?;
    }
    if let Some(open) = &subchannel.settlement {
        let (own, peer) = (signature(open.own_signature), signature(open.peer_signature));
        writeln!(out, "    {} {} until {}: own signature {own}, peer's {peer}", open.kind, open.id, open.expiry)?;
    }
    if let Some(until) = subchannel.bound_until {
        writeln!(out, "    if the peer vanishes now the money is bound until {until} at the latest")?;
    }
    for deadline in &subchannel.deadlines {
        writeln!(
            out,
            "    by {}{}: {}",
            deadline.at,
            if deadline.overdue { ", OVERDUE" } else { "" },
            deadline.reason
        )?;
    }
    if !subchannel.pending.is_empty() {
        let mut table = Table::new();
        table.load_preset(NOTHING).set_header(["id", "pending", "made by", "what", "expiry", "secret"]);
        for pending in &subchannel.pending {
            let known = if pending.secret_known { "known" } else { "" };
            let secret = pending.secret.clone().unwrap_or_else(|| known.to_owned());
            let by = if pending.own { "this side" } else { "the peer" };
            let (id, expiry) = (pending.id.to_string(), pending.expiry.to_string());
            table.add_row([id, pending.kind.clone(), by.to_owned(), pending.what.clone(), expiry, secret]);
        }
        write_indented(&table, out)?;
    }
    let mut table = Table::new();
    table.load_preset(NOTHING).set_header(["", "amount", " ", "amount "]);
    for t in &subchannel.tokens {
        table.add_row([format!("token {}", t.token), String::new(), String::new(), String::new()]);
        let rows = [
            ("delta", &t.delta, "collateral", &t.collateral),
            ("position", &t.position, "secured by it", &t.secured),
            ("own limit", &t.own_limit, "this side owes", &t.owes),
            ("peer's limit", &t.peer_limit, "the peer owes", &t.exposure),
            ("own hold", &t.own_hold, "peer's hold", &t.peer_hold),
            ("can pay", &t.out_capacity, "can receive", &t.in_capacity),
            ("LOSS if the peer vanishes now", &t.loss, "at most, at its limit", &t.exposure_at_limit),
            ("guaranteed by a dispute", &t.guaranteed, "may come to owe", &t.may_owe),
        ];
        for (a, one, b, other) in rows {
            table.add_row([a, one, b, other]);
        }
    }
    write_indented(&table, out)
}

const fn signature(there: bool) -> &'static str {
    if there { "made" } else { "missing" }
}

fn write_indented(table: &Table, out: &mut impl Write) -> io::Result<()> {
    table.lines().try_for_each(|line| writeln!(out, "    {}", line.trim_end()))
}
