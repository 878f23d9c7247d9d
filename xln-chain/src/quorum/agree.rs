//! Asking every endpoint the same, and taking the answer that enough of them give.

use std::fmt;

use futures_util::stream::{FuturesUnordered, StreamExt};

use crate::error::ChainError;

/// What the endpoints of a quorum said where too few said the same. Who is wrong it cannot tell.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Disagreement {
    /// What was asked.
    pub question: String,
    /// How many same answers it takes.
    pub required: usize,
    /// What each endpoint said, in the order in which they were given to the quorum: an answer, or why there is none.
    pub answers: Vec<String>,
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} endpoints had to agree on {}:", self.required, self.question)?;
        self.answers.iter().enumerate().try_for_each(|(index, answer)| write!(f, " [{index}] {answer};"))
    }
}

impl std::error::Error for Disagreement {}

/// The longest answer that an error quotes, in characters.
const QUOTED: usize = 200;

pub(super) fn quote(text: &str) -> String {
    let mut quoted: String = text.chars().take(QUOTED).collect();
    if quoted.len() < text.len() {
        quoted.push('…');
    }
    quoted
}

/// Whether two answers are one. A refusal of a contract is an answer; that nobody was reached is none, and agrees with nothing.
fn is_same<T>(
    a: &Result<T, ChainError>,
    b: &Result<T, ChainError>,
    same: &(impl Fn(&T, &T) -> bool + Send + Sync),
) -> bool {
    match (a, b) {
        (Ok(a), Ok(b)) => same(a, b),
        (Err(ChainError::Reverted { data: a, .. }), Err(ChainError::Reverted { data: b, .. })) => a == b,
        (Err(ChainError::Halted), Err(ChainError::Halted)) => true,
        (Err(ChainError::UnknownBlock(a)), Err(ChainError::UnknownBlock(b)))
        | (Err(ChainError::UnknownTransaction(a)), Err(ChainError::UnknownTransaction(b)))
        | (Err(ChainError::Pending(a)), Err(ChainError::Pending(b))) => a == b,
        _ => false,
    }
}

/// The answer that `required` endpoints give, as soon as that many have. Who is silent is waited for only as long as it
/// takes others to agree.
pub(super) async fn agree<'a, C: Sync, T: fmt::Debug + Send, F>(
    endpoints: &'a [C],
    required: usize,
    question: impl FnOnce() -> String + Send,
    same: impl Fn(&T, &T) -> bool + Send + Sync,
    ask: impl Fn(&'a C) -> F + Send,
) -> Result<T, ChainError>
where
    F: Future<Output = Result<T, ChainError>> + Send,
{
    let asked = endpoints.iter().map(&ask).enumerate();
    let mut coming: FuturesUnordered<_> = asked.map(|(index, answer)| async move { (index, answer.await) }).collect();
    let mut answers: Vec<(usize, Result<T, ChainError>)> = Vec::new();
    while let Some((index, answer)) = coming.next().await {
        let votes = answers.iter().filter(|(_, other)| is_same(&answer, other, &same)).count();
        // An answer that does not even equal itself is none.
        if is_same(&answer, &answer, &same) && votes.saturating_add(1) >= required {
            return answer;
        }
        answers.push((index, answer));
    }
    answers.sort_by_key(|(index, _)| *index);
    settle(answers.into_iter().map(|(_, answer)| answer).collect(), required, question, same)
}

/// The answer among these that occurs often enough.
pub(super) fn settle<T: fmt::Debug>(
    answers: Vec<Result<T, ChainError>>,
    required: usize,
    question: impl FnOnce() -> String,
    same: impl Fn(&T, &T) -> bool + Send + Sync,
) -> Result<T, ChainError> {
    let votes = |answer| answers.iter().filter(|other| is_same(answer, other, &same)).count();
    if let Some(place) = answers.iter().position(|answer| votes(answer) >= required) {
        return answers.into_iter().nth(place).unwrap_or(Err(ChainError::OutOfRange));
    }
    let answers = answers.into_iter().map(|answer| match answer {
        Ok(answer) => quote(&format!("{answer:?}")),
        Err(error) => quote(&error.to_string()),
    });
    let answers = answers.collect();
    Err(Box::new(Disagreement { question: question(), required, answers }).into())
}
