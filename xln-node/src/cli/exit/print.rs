//! What `xln exit` says.
#![cfg_attr(not(feature = "rpc"), allow(dead_code, reason = "only a build that reaches a chain has something to say"))]

use alloy_primitives::hex;
use comfy_table::{Table, presets};
use serde_json::{Value, json};
use xln_core::types::UnixSeconds;

use crate::exit::{Estate, Executed, Progress, Report, Step, SubchannelReport, Way};

/// All reports, as tables or as one JSON document.
pub(super) fn report(estate: &Estate, reports: &[Report], as_json: bool) -> String {
    if as_json {
        let found: Vec<Value> = reports.iter().map(report_json).collect();
        let backup = estate.is_from_backup();
        return format!(
            "{:#}\n",
            json!({"entity": estate.entity().to_string(), "from_backup": backup, "depositories": found})
        );
    }
    let mut out = format!("entity {}\n", estate.entity());
    if estate.is_from_backup() {
        out.push_str("from a backup: the peers may hold later states than these\n");
    }
    reports.iter().for_each(|report| out.push_str(&tables(report)));
    out
}

fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY).set_header(head);
    let mut empty = true;
    for row in rows {
        table.add_row(row);
        empty = false;
    }
    if empty { String::new() } else { format!("{table}\n") }
}

fn tables(report: &Report) -> String {
    let key = report.deployment.key();
    let mut out = format!(
        "\nchain {} depository {} at block {}, chain time {}\n",
        key.chain.0, key.depository, report.block, report.now.0
    );
    let totals = report.tokens().into_iter().map(|token| {
        let (now, worst) = report.total(token);
        let reserve = report.reserves.iter().find(|r| r.token == token);
        let (amount, debts) = reserve.map_or((0, 0), |r| (r.amount, r.debts));
        let numbers = [amount, debts, now, worst].map(|n| n.to_string());
        std::iter::once(token.0.to_string()).chain(numbers).collect()
    });
    out += &table(&["token", "reserve", "own debts", "comes home", "at worst"], totals);
    let rows = report.subchannels.iter().flat_map(|s| {
        s.tokens.iter().map(move |t| {
            let numbers = [t.collateral, t.expected, t.worst, t.claim, t.owes].map(|n| n.to_string());
            let names = [s.peer.to_string(), way(s), t.token.0.to_string()];
            names.into_iter().chain(numbers).collect()
        })
    });
    out += &table(&["peer", "way", "token", "collateral", "expected", "at worst", "claim", "owes"], rows);
    let locks = report.subchannels.iter().flat_map(|s| {
        s.locks.iter().map(move |l| {
            let direction = if l.incoming { "in" } else { "out" };
            let secret = match (l.revealed_at, l.secret_known) {
                (Some(at), _) => format!("revealed at {}", at.0),
                (None, true) => "known".to_owned(),
                (None, false) => "unknown".to_owned(),
            };
            let text = [s.peer.to_string(), l.id.to_string(), direction.to_owned(), l.token.0.to_string()];
            text.into_iter().chain([l.amount.to_string(), secret, l.expiry.0.to_string()]).collect()
        })
    });
    out += &table(&["peer", "lock", "way", "token", "amount", "secret", "until"], locks);
    let claims = report
        .claims
        .iter()
        .map(|c| vec![c.debtor.to_string(), c.token.0.to_string(), c.amount.to_string(), c.covered_by.to_string()]);
    out += &table(&["debtor", "token", "owes on chain", "its reserve"], claims);
    let steps = report.steps.iter().map(|step| {
        let (now, deadline) = (report.now, step.deadline.map_or(String::new(), |d| d.0.to_string()));
        let when = if step.is_ready(now) { "now".to_owned() } else { when(step, now) };
        vec![step.kind.name().to_owned(), step.what.clone(), when, deadline, step.kind.usual_gas().to_string()]
    });
    out += &table(&["step", "of", "from", "until", "gas, about"], steps);
    if report.is_done() {
        out.push_str("nothing is left to do\n");
    }
    out
}

fn when(step: &Step, now: UnixSeconds) -> String {
    if step.not_before > now { step.not_before.0.to_string() } else { "after the steps before".to_owned() }
}

fn way(subchannel: &SubchannelReport) -> String {
    match subchannel.way {
        Way::Nothing => "nothing".to_owned(),
        Way::Close => "co-signed close".to_owned(),
        Way::Settle => "co-signed settlement".to_owned(),
        Way::Start { nonce } => format!("dispute, nonce {nonce}"),
        Way::StartEmpty => "dispute, empty state".to_owned(),
        Way::Running { shown, best: Some(best), .. } => format!("disputed, nonce {shown}, own {best}"),
        Way::Running { shown, best: None, .. } => format!("disputed, nonce {shown}"),
        Way::Blocked => "disputed, body unknown".to_owned(),
    }
}

/// Amounts are text: they may not fit a JSON reader's numbers.
fn report_json(report: &Report) -> Value {
    let text = |amount: u128| amount.to_string();
    let key = report.deployment.key();
    let totals: Vec<Value> = report
        .tokens()
        .into_iter()
        .map(|token| {
            let (now, worst) = report.total(token);
            json!({"token": token.0, "comes_home": text(now), "at_worst": text(worst)})
        })
        .collect();
    let reserves: Vec<Value> = report
        .reserves
        .iter()
        .map(|r| json!({"token": r.token.0, "reserve": text(r.amount), "own_debts": text(r.debts)}))
        .collect();
    let claims: Vec<Value> = report
        .claims
        .iter()
        .map(|c| {
            let (debtor, amount, reserve) = (c.debtor.to_string(), text(c.amount), text(c.covered_by));
            json!({"debtor": debtor, "token": c.token.0, "amount": amount, "debtor_reserve": reserve})
        })
        .collect();
    let subchannels: Vec<Value> = report.subchannels.iter().map(subchannel_json).collect();
    let steps: Vec<Value> = report.steps.iter().map(|step| step_json(step, report.now)).collect();
    json!({
        "chain": key.chain.0, "depository": key.depository.to_string(), "block": report.block,
        "chain_time": report.now.0, "totals": totals, "reserves": reserves, "subchannels": subchannels,
        "claims": claims, "steps": steps, "done": report.is_done(),
    })
}

fn subchannel_json(subchannel: &SubchannelReport) -> Value {
    let text = |amount: u128| amount.to_string();
    let tokens: Vec<Value> = subchannel
        .tokens
        .iter()
        .map(|t| {
            json!({
                "token": t.token.0, "collateral": text(t.collateral), "expected": text(t.expected),
                "at_worst": text(t.worst), "claim": text(t.claim), "owes": text(t.owes),
                "owes_at_worst": text(t.worst_owes),
            })
        })
        .collect();
    let locks: Vec<Value> = subchannel
        .locks
        .iter()
        .map(|l| {
            json!({
                "id": l.id, "incoming": l.incoming, "token": l.token.0, "amount": text(l.amount), "until": l.expiry.0,
                "secret_known": l.secret_known, "revealed_at": l.revealed_at.map(|at| at.0),
            })
        })
        .collect();
    json!({
        "peer": subchannel.peer.to_string(), "epoch": subchannel.epoch, "way": way(subchannel), "tokens": tokens,
        "locks": locks,
    })
}

fn step_json(step: &Step, now: UnixSeconds) -> Value {
    let transaction = step.transaction.as_ref().map(|tx| {
        let to = tx.to.map(|to| to.to_string());
        json!({"chain": step.chain().0, "to": to, "value": tx.value.to_string(), "data": hex::encode_prefixed(&tx.data)})
    });
    json!({
        "step": step.kind.name(), "of": step.what, "peer": step.peer.map(|peer| peer.to_string()),
        "ready": step.is_ready(now), "not_before": step.not_before.0, "deadline": step.deadline.map(|d| d.0),
        "gas_about": step.kind.usual_gas(), "transaction": transaction,
    })
}

/// What could be sent now, in order.
pub(super) fn transactions(reports: &[Report], as_json: bool) -> String {
    let ready = reports
        .iter()
        .flat_map(|report| report.steps.iter().filter(|step| step.is_ready(report.now)).map(|step| (step, report.now)));
    if as_json {
        let steps: Vec<Value> = ready.map(|(step, now)| step_json(step, now)).collect();
        return format!("{:#}\n", Value::Array(steps));
    }
    let lines = ready.filter_map(|(step, _)| {
        let tx = step.transaction.as_ref()?;
        let until = step.deadline.map_or(String::new(), |deadline| format!(", until {}", deadline.0));
        let to = tx.to.map(|to| to.to_string()).unwrap_or_default();
        let data = hex::encode_prefixed(&tx.data);
        Some(format!(
            "# {}: {}{until}\nchain {} to {to} value {} data {data}\n",
            step.kind.name(),
            step.what,
            step.chain().0,
            tx.value
        ))
    });
    lines.collect()
}

/// A step that was sent.
pub(super) fn executed(done: &Executed, as_json: bool) -> String {
    let transaction = done.transaction.map(|hash| hash.to_string());
    if as_json {
        let (step, of) = (done.step.kind.name(), &done.step.what);
        return format!("{}\n", json!({"step": step, "of": of, "transaction": transaction, "refused": done.refused}));
    }
    let outcome = match (transaction, done.refused) {
        (_, Some(name)) => format!("refused: {name}"),
        (Some(hash), None) => hash,
        (None, None) => "sent".to_owned(),
    };
    format!("{}: {}: {outcome}\n", done.step.kind.name(), done.step.what)
}

/// What is left, and when to come back.
pub(super) fn waiting(progress: &Progress, as_json: bool) -> String {
    let (left, next) = (progress.report.steps.len(), progress.next().map(|at| at.0));
    if as_json {
        return format!("{}\n", json!({"left": left, "next": next, "chain_time": progress.report.now.0}));
    }
    match next {
        Some(at) => format!("{left} steps are left, the next from chain time {at}; it is {}\n", progress.report.now.0),
        None => format!("{left} steps are left\n"),
    }
}
