//! The steps of a scenario file, as they are written. Unknown fields are refused by name.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::amount::{Amount, Count};
use super::file::{chain_a, yes};

/// One step with what any step may say.
#[derive(Clone, Debug)]
pub struct Step {
    /// What the file calls it.
    pub name: String,
    /// What to do.
    pub act: Act,
    /// Whether it must be refused.
    pub refused: Refused,
    /// Whether both sides take note of the chain afterwards.
    pub observe: bool,
}

/// What a step says about being refused.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Refused {
    /// It must work.
    #[default]
    No,
    /// It must be refused, whatever the error.
    Yes,
    /// It must be refused with this error.
    With(String),
    /// Either; a refusal changes nothing. No file says so: random histories do.
    Maybe,
}

/// What a step does.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
#[expect(missing_docs, reason = "the language's own words, specified in docs/scenarios.md")]
pub enum Act {
    Deposit {
        by: String,
        token: String,
        amount: Amount,
    },
    Withdraw {
        by: String,
        token: String,
        amount: Amount,
    },
    Transfer {
        by: String,
        to: String,
        token: String,
        amount: Amount,
    },
    Collateral {
        by: String,
        #[serde(default)]
        peer: Option<String>,
        token: String,
        #[serde(default)]
        amount: Option<Amount>,
        #[serde(default, rename = "for")]
        receiver: Option<String>,
        #[serde(default)]
        to: Vec<(String, Amount)>,
    },
    Observe {},
    Credit {
        by: String,
        peer: String,
        token: String,
        amount: Amount,
    },
    Pay {
        by: String,
        peer: String,
        token: String,
        amount: Amount,
        #[serde(default)]
        times: Option<Count>,
    },
    Lock {
        #[serde(rename = "as")]
        name: String,
        by: String,
        peer: String,
        token: String,
        amount: Amount,
        #[serde(default)]
        expires_in_s: Option<u64>,
        #[serde(default)]
        hash: Hashing,
    },
    Settle {
        payment: String,
        #[serde(default)]
        by: Option<String>,
        #[serde(default)]
        secret: Option<String>,
    },
    Cancel {
        payment: String,
        #[serde(default)]
        by: Option<String>,
    },
    Reveal {
        payment: String,
        #[serde(default)]
        by: Option<String>,
        #[serde(default)]
        secret: Option<String>,
    },
    Route {
        by: String,
        #[serde(default)]
        via: Vec<String>,
        to: String,
        token: String,
        amount: Amount,
        #[serde(default)]
        fee_ppm: u32,
        #[serde(default)]
        expires_in_s: Option<u64>,
        #[serde(default)]
        hash: Hashing,
    },
    Offer {
        #[serde(rename = "as")]
        name: String,
        by: String,
        peer: String,
        give: (String, Amount),
        want: (String, Amount),
        #[serde(default)]
        expires_in_s: Option<u64>,
        #[serde(default)]
        min_fill: Option<Amount>,
    },
    Fill {
        swap: String,
        give: Amount,
        #[serde(default)]
        by: Option<String>,
    },
    Unoffer {
        swap: String,
        #[serde(default)]
        by: Option<String>,
    },
    Clause(Box<Clause>),
    Answer {
        name: String,
        #[serde(default = "yes")]
        value: bool,
        #[serde(default)]
        chain: Option<String>,
    },
    Record {
        clause: String,
        #[serde(default)]
        by: Option<String>,
    },
    Exercise {
        clause: String,
        #[serde(default)]
        by: Option<String>,
    },
    Drop {
        clause: String,
        #[serde(default)]
        by: Option<String>,
    },
    Board {
        of: String,
        #[serde(default)]
        threshold: Option<u32>,
        #[serde(default)]
        members: Vec<(String, u32)>,
        #[serde(default)]
        delegate: Option<Delegate>,
        #[serde(default)]
        revoke: Option<String>,
    },
    Settlement {
        by: String,
        peer: String,
        #[serde(default)]
        diffs: Vec<Diff>,
        #[serde(default)]
        forgive: Vec<String>,
        #[serde(default = "yes")]
        submit: bool,
        #[serde(default)]
        expires_in_s: Option<u64>,
    },
    Submit {
        by: String,
        peer: String,
        #[serde(default)]
        chain: Option<String>,
    },
    Close {
        by: String,
        peer: String,
        #[serde(default = "yes")]
        submit: bool,
        #[serde(default)]
        expires_in_s: Option<u64>,
        #[serde(default)]
        chain: Option<String>,
    },
    Remember {
        by: String,
        peer: String,
        #[serde(rename = "as")]
        name: String,
        #[serde(default)]
        both: bool,
        #[serde(default)]
        forged: bool,
    },
    Dispute {
        by: String,
        peer: String,
        #[serde(default, rename = "with")]
        state: Option<String>,
        #[serde(default)]
        empty: Option<Vec<String>>,
        #[serde(default)]
        arguments: Arguments,
        #[serde(default)]
        chain: Option<String>,
    },
    Counter(Answer),
    Accept(Answer),
    Finalize(Answer),
    Enforce {
        of: String,
        token: String,
        #[serde(default)]
        max: Option<Count>,
        #[serde(default)]
        by: Option<String>,
    },
    Together {
        steps: Vec<Value>,
    },
    OneBlock {
        steps: Vec<Value>,
    },
    Backup {
        of: String,
        #[serde(rename = "as")]
        name: String,
    },
    Crash {
        of: String,
        #[serde(default)]
        backup: Option<String>,
    },
    Cut {
        between: (String, String),
    },
    Heal {
        between: (String, String),
    },
    Tamper {
        by: String,
        peer: String,
        how: How,
    },
    Advance {
        seconds: u64,
    },
    Reorg {
        #[serde(default = "chain_a")]
        chain: String,
        depth: u64,
    },
    Expect(Box<Expect>),
}

impl Act {
    /// Whether it is one action of one party, which happens or does not.
    #[must_use]
    pub const fn is_single(&self) -> bool {
        !matches!(
            self,
            Self::Observe {}
                | Self::Enforce { .. }
                | Self::Together { .. }
                | Self::OneBlock { .. }
                | Self::Crash { .. }
                | Self::Heal { .. }
                | Self::Cut { .. }
                | Self::Advance { .. }
                | Self::Reorg { .. }
        )
    }
}

/// Counter, accept and finalize: by a party against its peer, or by anyone in a named channel.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// Who acts.
    pub by: String,
    /// Against whom.
    #[serde(default)]
    pub peer: Option<String>,
    /// In which channel, `"a-b"`.
    #[serde(default)]
    pub channel: Option<String>,
    /// The state to show.
    #[serde(default, rename = "with")]
    pub state: Option<String>,
    /// Fills of swap offers.
    #[serde(default)]
    pub arguments: Arguments,
    /// On which chain; all where a dispute runs.
    #[serde(default)]
    pub chain: Option<String>,
}

/// What a party gives with a start or an answer.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    /// Offer -> amount of its give.
    #[serde(default)]
    pub fills: BTreeMap<String, Amount>,
}

/// A subcontract of an instrument: `by` may have to pay, `peer` benefits.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clause {
    #[serde(rename = "as")]
    pub name: String,
    pub kind: ClauseKind,
    pub by: String,
    pub peer: String,
    pub token: String,
    pub amount: Amount,
    #[serde(default)]
    pub expires_in_s: Option<u64>,
    /// Of a credit default swap: whose debt.
    #[serde(default)]
    pub reference: Option<String>,
    /// Of a schedule.
    #[serde(default)]
    pub start_in_s: Option<u64>,
    #[serde(default)]
    pub duration_s: Option<u64>,
    #[serde(default)]
    pub cliff_s: Option<u64>,
    #[serde(default)]
    pub steps: Option<u16>,
    #[serde(default)]
    pub cancellable: bool,
    /// Of a condition: the name of its flag, and what it pays if the flag is never seen set.
    #[serde(default)]
    pub answer: Option<String>,
    #[serde(default)]
    pub fallback: Option<Amount>,
}

/// The instruments of the language.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClauseKind {
    /// Pays in full once the reference has any debt in the token.
    Cds,
    /// Pays what has vested.
    Schedule,
    /// Pays if the flag is set.
    Condition,
}

/// What a board delegates.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delegate {
    /// To whose key.
    pub operator: String,
    /// `states`, `dispute`, `withdraw`, `govern`; all if none is named.
    #[serde(default)]
    pub permissions: Vec<String>,
    /// For how long; a year by default.
    #[serde(default)]
    pub expires_in_s: Option<u64>,
}

/// A diff of a settlement.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Diff {
    /// The token.
    pub token: String,
    /// Change of left's reserve.
    #[serde(default)]
    pub left: Amount,
    /// Change of right's reserve.
    #[serde(default)]
    pub right: Amount,
    /// Change of collateral; what the other two leave, if it is not given.
    #[serde(default)]
    pub collateral: Option<Amount>,
    /// Change of ondelta.
    #[serde(default)]
    pub ondelta: Amount,
}

/// Hash function of a lock.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hashing {
    #[default]
    Keccak256,
    Sha256,
}

/// What happens to a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    FlipByte,
    Truncate,
    Replay,
    Impersonate,
}

/// Token -> amount.
pub(super) type Amounts = BTreeMap<String, Amount>;
/// Entity, pair or direction -> token -> amount.
pub(super) type Table = BTreeMap<String, Amounts>;

/// What must hold.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expect {
    pub reserve: Table,
    pub debt: Table,
    pub external: Table,
    pub collateral: Table,
    pub ondelta: Table,
    pub offdelta: Table,
    pub delta: Table,
    pub left_hold: Table,
    pub right_hold: Table,
    pub out_capacity: Table,
    pub in_capacity: Table,
    pub epoch: BTreeMap<String, u64>,
    pub in_dispute: BTreeMap<String, bool>,
    pub pending: BTreeMap<String, u64>,
    pub agree: BTreeMap<String, bool>,
}

/// Why a step cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// It is no object with a `do`.
    #[error("a step is an object with a \"do\"")]
    NoDo,
    /// `refused` is neither a flag nor a name, or `observe` is no flag.
    #[error("\"{0}\" must be true, false, or for \"refused\" the name of an error")]
    Flag(&'static str),
    /// A field is missing, unknown or malformed.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

impl Step {
    /// Reads one step.
    ///
    /// # Errors
    /// [`StepError`] names what is wrong.
    pub fn parse(value: &Value) -> Result<Self, StepError> {
        let mut fields = value.as_object().cloned().ok_or(StepError::NoDo)?;
        let name = fields.get("do").and_then(Value::as_str).ok_or(StepError::NoDo)?.to_owned();
        let refused = take_refused(&mut fields)?;
        let observe = match fields.remove("observe") {
            None => true,
            Some(value) => value.as_bool().ok_or(StepError::Flag("observe"))?,
        };
        fields.remove("comment");
        let act = serde_json::from_value(Value::Object(fields))?;
        Ok(Self { name, act, refused, observe })
    }

    /// Reads a list of steps.
    ///
    /// # Errors
    /// As [`Step::parse`].
    pub fn parse_all(values: &[Value]) -> Result<Vec<Self>, StepError> {
        values.iter().map(Self::parse).collect()
    }
}

fn take_refused(fields: &mut Map<String, Value>) -> Result<Refused, StepError> {
    match fields.remove("refused") {
        None | Some(Value::Bool(false)) => Ok(Refused::No),
        Some(Value::Bool(true)) => Ok(Refused::Yes),
        Some(Value::String(name)) => Ok(Refused::With(name)),
        Some(_) => Err(StepError::Flag("refused")),
    }
}
