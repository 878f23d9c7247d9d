//! The second half of the conformance kit: what [`check`] says that an instrument decides must be what its contract decides,
//! within the gas that a clause has (`docs/protocol.md` section 8). It runs any pair of an `Instrument` and an `IInstrument` on an
//! embedded chain.

use alloy_primitives::{Bytes, I256, U256};
use alloy_sol_types::SolCall;
use xln_core::limits::CLAUSE_GAS;
use xln_core::subcontract::conformance::{Case, Sample, Violation, check};
use xln_core::subcontract::{Answer, Instrument, Question, Terms};
use xln_core::types::{Address, UnixSeconds};

use crate::chain::Transaction;
use crate::contracts::subcontract_provider::{ISubcontractProvider, SubcontractProvider};
use crate::embedded::EmbeddedChain;
use crate::error::ChainError;

/// The world in which an instrument is tried.
pub trait Ground {
    /// A fresh chain with the provider and all that the terms name, always the same, younger than every time of the sample.
    fn chain(&self) -> EmbeddedChain;

    /// The provider on it.
    fn provider(&self) -> Address;

    /// Makes the answer to a question so, and has it recorded now: the chain's time is the answer's. False if that answer
    /// cannot be; what waits for it is left out.
    fn record(&self, chain: &EmbeddedChain, question: &Question, answer: &Answer) -> bool;
}

/// What was tried.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// Cases in which both decided alike.
    pub cases: usize,
    /// Cases left out, for facts that cannot be.
    pub left_out: usize,
    /// Encodings near the sample's on which both agree whether they are terms.
    pub encodings: usize,
    /// The most gas that a case used.
    pub gas: u64,
}

/// Where the two differ.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Disagreement {
    /// The instrument itself is wrong.
    #[error(transparent)]
    Violation(#[from] Violation),
    /// The contract moves or waits otherwise.
    #[error("contract moves {moves:?}, undecided until {undecided_until:?}, where the instrument says {case:?}")]
    Differs {
        /// What the instrument says.
        case: Box<Case>,
        /// The contract's moves.
        moves: Vec<I256>,
        /// Until when the contract waits.
        undecided_until: Option<UnixSeconds>,
    },
    /// One of the two takes these bytes for terms.
    #[error("only the {} takes these for terms: {data}", if *.by_contract { "contract" } else { "instrument" })]
    Encoding {
        /// The bytes.
        data: Bytes,
        /// The contract does.
        by_contract: bool,
    },
    /// A case used more gas than a clause has.
    #[error("{used} gas for one clause")]
    Gas {
        /// Gas used.
        used: u64,
    },
    /// The chain failed.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// A sample beyond what can be tried.
    #[error("the sample cannot be tried")]
    Sample,
}

/// Runs every case of a sample in both, and every encoding that differs from the sample's in one bit or byte.
///
/// # Errors
/// [`Disagreement`] names the first difference.
pub fn compare(instrument: &dyn Instrument, sample: &Sample, ground: &dyn Ground) -> Result<Report, Disagreement> {
    let mut cases = check(instrument, sample)?;
    cases.sort_by(|a, b| facts_key(a).cmp(&facts_key(b)).then(a.now.cmp(&b.now)));
    let mut report = Report::default();
    let mut rest = cases.as_slice();
    while let Some(first) = rest.first() {
        let same = rest.iter().take_while(|case| case.facts == first.facts).count();
        let (group, others) = rest.split_at(same);
        rest = others;
        run_group(sample, ground, group, &mut report)?;
    }
    compare_encodings(instrument, sample, ground, &mut report)?;
    Ok(report)
}

fn facts_key(case: &Case) -> Vec<(u64, u128, &[u8])> {
    case.facts.iter().map(|(question, answer)| (answer.at.0, answer.value, question.question.as_slice())).collect()
}

/// Cases with the same facts, ascending in time, on one chain.
fn run_group(sample: &Sample, ground: &dyn Ground, group: &[Case], report: &mut Report) -> Result<(), Disagreement> {
    let chain = ground.chain();
    let mut facts: Vec<_> = group.first().map(|case| case.facts.iter().collect()).unwrap_or_default();
    facts.sort_by_key(|(_, answer)| answer.at);
    for (question, answer) in facts {
        chain.set_time(answer.at);
        if chain.now() != answer.at || !ground.record(&chain, question, answer) {
            report.left_out = report.left_out.saturating_add(group.len());
            return Ok(());
        }
    }
    for case in group {
        chain.set_time(case.now);
        if chain.now() != case.now {
            return Err(Disagreement::Sample);
        }
        let (moves, undecided_until, used) =
            apply(&chain, ground, sample, &sample.data, (case.started_at, case.deadline))?;
        let agreed = match &case.moves {
            Some(expected) => {
                undecided_until.is_none()
                    && expected.iter().map(|moved| I256::try_from(*moved).ok()).eq(moves.iter().copied().map(Some))
            }
            None => undecided_until == case.undecided_until,
        };
        if !agreed {
            return Err(Disagreement::Differs { case: Box::new(case.clone()), moves, undecided_until });
        }
        if used > CLAUSE_GAS {
            return Err(Disagreement::Gas { used });
        }
        report.cases = report.cases.saturating_add(1);
        report.gas = report.gas.max(used);
    }
    Ok(())
}

fn compare_encodings(
    instrument: &dyn Instrument,
    sample: &Sample,
    ground: &dyn Ground,
    report: &mut Report,
) -> Result<(), Disagreement> {
    let chain = ground.chain();
    let flip = |bit: usize| {
        let mut data = sample.data.clone();
        let mask = 1_u8.checked_shl(u32::try_from(bit.checked_rem(8)?).ok()?)?;
        *data.get_mut(bit.checked_div(8)?)? ^= mask;
        Some(data)
    };
    let mut near: Vec<Vec<u8>> = (0..sample.data.len().saturating_mul(8)).filter_map(flip).collect();
    near.push([&sample.data[..], &[0]].concat());
    near.extend(sample.data.split_last().map(|(_, shorter)| shorter.to_vec()));
    let over = UnixSeconds((1 << 40) - 1);
    for data in near {
        let terms = Terms { key: sample.key, tokens: &sample.tokens, data: &data };
        let ours = instrument.quote(&terms).is_ok();
        let theirs = match apply(&chain, ground, sample, &data, (over, over)) {
            Ok(_) => true,
            Err(Disagreement::Chain(ChainError::Reverted { .. })) => false,
            Err(other) => return Err(other),
        };
        if ours != theirs {
            return Err(Disagreement::Encoding { data: data.into(), by_contract: theirs });
        }
        report.encodings = report.encodings.saturating_add(1);
    }
    Ok(())
}

/// The provider's answer, as to the sample's Depository: moves, until when it is undecided, gas without a transaction's own.
fn apply(
    chain: &EmbeddedChain,
    ground: &dyn Ground,
    sample: &Sample,
    data: &[u8],
    (started_at, deadline): (UnixSeconds, UnixSeconds),
) -> Result<(Vec<I256>, Option<UnixSeconds>, u64), Disagreement> {
    let count = u8::try_from(sample.tokens.len()).map_err(|_| Disagreement::Sample)?;
    let mut batch = sample.id.to_be_bytes().to_vec();
    batch.push(count);
    batch.extend(0..count);
    batch.extend_from_slice(data);
    let time = |time: UnixSeconds| time.0.try_into().map_err(|_| Disagreement::Sample);
    let context = ISubcontractProvider::Context {
        startedAt: time(started_at)?,
        deadline: time(deadline)?,
        leftFills: Bytes::new(),
        leftFillsAt: time(UnixSeconds(0))?,
        rightFills: Bytes::new(),
        rightFillsAt: time(UnixSeconds(0))?,
    };
    let call = SubcontractProvider::applyBatchCall {
        deltas: vec![I256::ZERO; count.into()],
        collaterals: vec![U256::ZERO; count.into()],
        batch: batch.into(),
        context,
    };
    let calldata: Bytes = call.abi_encode().into();
    let intrinsic = calldata.iter().fold(21_000_u64, |sum, byte| sum.saturating_add(if *byte == 0 { 4 } else { 16 }));
    let (output, used) = chain.simulate(sample.key.depository, &Transaction::call(ground.provider(), calldata))?;
    let found = SubcontractProvider::applyBatchCall::abi_decode_returns_validate(&output).map_err(ChainError::from)?;
    let until = Some(UnixSeconds(found.pendingUntil.to())).filter(|until| until.0 != 0);
    Ok((found.newDeltas, until, used.saturating_sub(intrinsic)))
}
