//! What can happen, as short lines that can be kept in a file, shortened and played again. Numbers mean what fits the moment:
//! "the a-th lock that there is", so that a step that lost its cause does nothing instead of something else.

use rand::Rng;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident $word:literal $weight:literal),* $(,)?) => {
        /// The kinds of steps.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        pub(crate) enum Kind { $($(#[$doc])* $name),* }

        /// All kinds, with their word and how often they are drawn.
        pub(crate) const KINDS: &[(Kind, &str, u32)] = &[$((Kind::$name, $word, $weight)),*];
    };
}

kinds! {
    /// A message arrives.
    Deliver "deliver" 300,
    /// Up to c messages arrive.
    Flush "flush" 90,
    /// Time passes, with blocks and ticks.
    Wait "wait" 50,
    /// A message is lost in silence.
    Drop "drop" 8,
    /// A message is repeated behind all others.
    Duplicate "duplicate" 8,
    /// A message is overtaken.
    Reorder "reorder" 8,
    /// A damaged copy of a message arrives before it.
    Tamper "tamper" 10,
    /// A message of long ago arrives again.
    Replay "replay" 6,
    /// Two lose their connection and what was on its way.
    Cut "cut" 8,
    /// They have one again.
    Heal "heal" 16,
    /// A direct payment.
    Pay "pay" 70,
    /// Several payments in one frame.
    Burst "burst" 8,
    /// A lock without an onion.
    Lock "lock" 24,
    /// The beneficiary of a lock shows its secret, now and then a wrong one.
    Settle "settle" 24,
    /// The beneficiary gives a lock up, or the payer tries to.
    Cancel "cancel" 6,
    /// A payment over several hops.
    Route "route" 26,
    /// Another credit limit.
    Credit "credit" 8,
    /// A swap offer, its fill, its end.
    Offer "offer" 12,
    Fill "fill" 16,
    Unoffer "unoffer" 4,
    Memo "memo" 4,
    /// A settlement on chain.
    Update "update" 8,
    /// A co-signed close.
    Close "close" 4,
    /// What was closed or not opened yet is opened, tokens added.
    Open "open" 6,
    /// A node starts a dispute with its latest state.
    Dispute "dispute" 4,
    /// Or the empty one.
    Empty "empty" 4,
    /// A party shows an old state behind the back of its own node.
    Cheat "cheat" 4,
    /// Or a state that was proposed to it and that it has not answered.
    Snatch "snatch" 4,
    Deposit "deposit" 4,
    Withdraw "withdraw" 3,
    Fund "fund" 8,
    Transfer "transfer" 4,
    Enforce "enforce" 4,
    /// A process dies and comes back after c seconds.
    Crash "crash" 8,
    /// A write fails and nothing of it is kept.
    WriteLost "write-lost" 5,
    /// A write fails and all of it is kept.
    WriteKept "write-kept" 5,
    /// A read fails.
    ReadFails "read-fails" 3,
    /// A write is torn: an engine without atomic batches.
    Torn "torn" 3,
    /// A node does nothing for a while: its disk is slow.
    Stall "stall" 4,
    Backup "backup" 3,
    Restore "restore" 4,
    /// The last blocks of a chain are replaced.
    Reorganise "reorganise" 5,
    /// No transactions get into blocks for a while.
    Congest "congest" 3,
    /// Those of one party do not.
    Censor "censor" 4,
    /// A node's view of a chain falls behind.
    Lag "lag" 4,
}

/// One step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Step {
    pub(crate) kind: Kind,
    pub(crate) a: u32,
    pub(crate) b: u32,
    pub(crate) c: u32,
}

impl Step {
    /// Draws one.
    pub(crate) fn draw(rng: &mut impl Rng) -> Self {
        let total: u32 = KINDS.iter().map(|(_, _, weight)| weight).sum();
        let mut at = rng.random_range(0..total);
        let mut kind = Kind::Deliver;
        for (found, _, weight) in KINDS {
            kind = *found;
            if at < *weight {
                break;
            }
            at -= weight;
        }
        let small = |rng: &mut _| Rng::random_range(rng, 0..10_000_u32);
        Self { kind, a: small(rng), b: small(rng), c: small(rng) }
    }

    /// As a line.
    pub(crate) fn line(&self) -> String {
        format!("{} {} {} {}", self.kind.word(), self.a, self.b, self.c)
    }

    /// A line of a file.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let word = words.next()?;
        let (kind, ..) = KINDS.iter().find(|(_, name, _)| *name == word)?;
        let mut number = || words.next()?.parse().ok();
        Some(Self { kind: *kind, a: number()?, b: number()?, c: number()? })
    }
}

impl Kind {
    /// Its word.
    pub(crate) fn word(self) -> &'static str {
        KINDS.iter().find(|(kind, ..)| *kind == self).map_or("", |(_, word, _)| word)
    }
}
