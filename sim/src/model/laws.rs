//! What must always hold, and what must have happened for the run to mean anything.

use std::sync::Arc;

/// A law of the model, and the property of the same name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Law {
    /// States that both agreed form one line.
    Agreement,
    /// No side signs twice at one nonce, or a nonce that is not greater than all before.
    Signing,
    /// On chain an honest side gets no less than its last agreed state gives, less what it offered itself.
    Outcome,
    /// Everything that can complete does, once messages flow.
    Completion,
    /// No signature of a settlement leaves before its hold is agreed.
    Hold,
    /// No panic, no step that cannot be made, no impossible state, a log that restores what it was.
    Sound,
    /// The first state of an epoch is blank: no credit, nothing pending, nothing paid.
    Blank,
    /// What is recorded of the chain never goes back.
    Forward,
    /// Every command ends once, and as it was reported.
    Reports,
    /// What does not verify changes nothing.
    Authentic,
    /// A node asks the chain for nothing that its role forbids.
    Role,
}

impl Law {
    /// All of them.
    pub(super) const ALL: [Self; 11] = [
        Self::Agreement,
        Self::Signing,
        Self::Outcome,
        Self::Completion,
        Self::Hold,
        Self::Sound,
        Self::Blank,
        Self::Forward,
        Self::Reports,
        Self::Authentic,
        Self::Role,
    ];

    /// The property's name.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Agreement => "agreed states form one line",
            Self::Signing => "nobody signs twice at one nonce or goes back",
            Self::Outcome => "the chain gives an honest side no less than agreed",
            Self::Completion => "everything that can complete does",
            Self::Hold => "no signature is live without its hold",
            Self::Sound => "no panic, no impossible state, a log that restores",
            Self::Blank => "an epoch begins blank",
            Self::Forward => "the recorded chain never goes back",
            Self::Reports => "commands end once and as reported",
            Self::Authentic => "what does not verify changes nothing",
            Self::Role => "nobody asks the chain for what its role forbids",
        }
    }
}

/// A law that was broken, and how.
#[derive(Debug)]
pub(super) struct Fault {
    /// Which.
    pub(super) law: Law,
    /// How.
    pub(super) text: String,
}

impl Fault {
    /// A new one.
    #[expect(clippy::unnecessary_wraps, reason = "every caller returns an option")]
    pub(super) fn new(law: Law, text: &str) -> Option<Arc<Self>> {
        Some(Arc::new(Self { law, text: text.to_owned() }))
    }
}

/// Something that must have happened somewhere in a run, or it has shown nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mark {
    /// A command was agreed.
    Agreed,
    /// Both proposed at once, and right gave way.
    Collided,
    /// A block was refused.
    Refused,
    /// A later state was taken over whole.
    TakenOver,
    /// A side came back from a backup.
    Recovered,
    /// Both signatures of a settlement or close were there.
    Signed,
    /// A settlement or close was executed.
    Executed,
    /// A dispute was started with a state that is not the latest.
    StaleStart,
    /// It was countered.
    Countered,
    /// A dispute came to its end.
    Finalized,
    /// A dispute left a debt.
    Debt,
    /// The peer's SyncChain that goes back was refused.
    WentBack,
    /// An old image of a machine tried to write to the present store.
    Haunted,
}

impl Mark {
    /// Its bit.
    pub(super) const fn bit(self) -> u32 {
        1 << self.number()
    }

    const fn number(self) -> u32 {
        match self {
            Self::Agreed => 0,
            Self::Collided => 1,
            Self::Refused => 2,
            Self::TakenOver => 3,
            Self::Recovered => 4,
            Self::Signed => 5,
            Self::Executed => 6,
            Self::StaleStart => 7,
            Self::Countered => 8,
            Self::Finalized => 9,
            Self::Debt => 10,
            Self::WentBack => 11,
            Self::Haunted => 12,
        }
    }
}
