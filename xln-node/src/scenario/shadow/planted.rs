//! Mistakes that tests plant into the reckoning, to see that histories find them. Outside of tests there are none.

/// A mistake.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mistake {
    /// What a close leaves owing is not taken from the debtor's reserve first.
    ReserveSpared,
    /// An answer is too late in the last second of the window.
    DeadlineEarly,
    /// A secret counts from its second reveal.
    LastRevealCounts,
    /// A payment to the other side is credited to nobody.
    TransferLost,
    /// A fact counts whenever it was recorded.
    LateFactCounts,
    /// A replaced board's states count no more at once.
    NoGrace,
    /// What has vested is rounded up.
    VestedUp,
    /// The fees of a route are rounded down.
    FeeDown,
}

#[cfg(test)]
thread_local! {
    /// The present one of this thread.
    pub(crate) static PLANTED: std::cell::Cell<Option<Mistake>> = const { std::cell::Cell::new(None) };
}

/// Whether a mistake is to be made.
#[cfg(test)]
pub(crate) fn is_planted(mistake: Mistake) -> bool {
    PLANTED.get() == Some(mistake)
}

/// Whether a mistake is to be made: never.
#[cfg(not(test))]
pub(crate) const fn is_planted(_: Mistake) -> bool {
    false
}
