//! What bytes make a machine's owner ask for.

use xln_core::channel::Arguments;
use xln_core::machine::{Action, Input};
use xln_core::proof::{SettlementUpdate, TokenDiff};
use xln_core::route::{ExpectedPayment, Hop, Lock, Route};
use xln_core::state::Pending;
use xln_core::subcontract::{ConditionTerms, CreditDefaultSwapTerms, ScheduleTerms};
use xln_core::transition::Transition;
use xln_core::types::{Address, HashKind, Secret, Side, TokenId, UnixSeconds};

use super::signers::onion_public;
use super::world::World;
use super::{Choices, KEY, PROVIDER, TOKENS};

impl World {
    /// A payment through the one in the middle, which its recipient may expect.
    pub(super) fn send_through(&mut self, c: &mut Choices<'_>) {
        let (from, to) = if c.below(2) == 0 { (0, 2) } else { (2, 0) };
        let (amount, secret, kind) = (c.amount().min(1 << 100), Secret([3 + c.below(3); 32]), HashKind::Sha256);
        let lock = Lock { kind, hash: secret.hash(kind), expiry: UnixSeconds(self.now + u64::from(c.byte()) * 40) };
        if c.below(4) != 0 {
            let until = UnixSeconds(self.now + 9_000);
            let expected = ExpectedPayment { key: KEY, token: TOKENS[0], amount, kind, secret, until };
            self.stage(to, vec![Input::Expect(expected)]);
        }
        let gap_s = 600 * u64::from(c.below(3));
        let hop = |i: usize| Hop {
            entity: self.id(i),
            onion_key: onion_public(i),
            key: KEY,
            token: TOKENS[0],
            fee_ppm: 1_000,
            gap_s,
        };
        if let Ok(route) = Route::new(&[hop(1), hop(to)], amount, &lock, &[c.byte(); 32]) {
            self.propose(from, 1, route.payment);
        }
    }

    /// What only the chain can do.
    pub(super) fn ask_the_chain(&mut self, i: usize, j: usize, c: &mut Choices<'_>) {
        let (key, arguments) = (KEY, Arguments::default());
        let action = match c.below(9) {
            0 | 1 => Action::StartDispute { key, arguments },
            2 => Action::StartEmptyDispute { key, tokens: TOKENS[..usize::from(c.below(3))].to_vec() },
            3 => Action::CounterDispute { key, arguments },
            4 => Action::AcceptDispute { key, arguments },
            5 => Action::FinalizeDispute { key, arguments },
            6 => Action::SubmitSettlement { key },
            7 => Action::Reveal { key, provider: PROVIDER, kind: HashKind::Sha256, secret: Secret([c.below(6); 32]) },
            _ => {
                let small = |byte: u8| i128::from(byte) - 128;
                let diff = TokenDiff { token: TOKENS[0], left: small(c.byte()), right: small(c.byte()), ondelta: 0 };
                Action::Consent { key, update: SettlementUpdate { diffs: vec![diff], forgiven: vec![] } }
            }
        };
        self.command(i, j, action);
    }

    pub(super) fn transition(&self, i: usize, j: usize, c: &mut Choices<'_>) -> Transition {
        let token = TOKENS[usize::from(c.below(2))];
        let expiry = UnixSeconds(self.now + u64::from(c.byte()) * 8);
        let id = u64::from(c.below(12));
        let pending =
            self.state(i, j).subchannels.get(&KEY).and_then(|s| s.pending.iter().nth(usize::from(c.below(4))));
        let id = pending.map_or(id, |(id, _)| *id);
        let secret = Secret([c.below(3); 32]);
        let kind = if c.below(2) == 0 { HashKind::Keccak256 } else { HashKind::Sha256 };
        match c.below(17) {
            0 | 1 => Transition::DirectPayment { key: KEY, token, amount: c.amount() },
            2 | 3 => Transition::AddPayment {
                key: KEY,
                token,
                amount: c.amount(),
                kind,
                hash: secret.hash(kind),
                expiry,
                onion: vec![0; 3],
            },
            4 => match pending {
                Some((_, Pending::Payment(p))) => {
                    let known = (0..3).map(|s| Secret([s; 32])).find(|s| s.hash(p.kind) == p.hash);
                    Transition::SettlePayment { key: KEY, id, secret: known.unwrap_or(secret) }
                }
                _ => Transition::SettlePayment { key: KEY, id, secret },
            },
            5 => Transition::CancelPayment { key: KEY, id },
            6 => Transition::OfferSwap {
                key: KEY,
                give_token: token,
                give: c.amount(),
                want_token: TOKENS[1],
                want: c.amount(),
                min_fill: c.amount(),
                expiry,
            },
            7 => Transition::FillSwap { key: KEY, id, fill: c.amount() },
            8 => Transition::CancelSwap { key: KEY, id },
            9 => Transition::SetCreditLimit { key: KEY, token, limit: c.amount() },
            10 => {
                let small = |byte: u8| i128::from(byte) - 128;
                let diff = TokenDiff { token, left: small(c.byte()), right: small(c.byte()), ondelta: small(c.byte()) };
                Transition::ProposeSettlement {
                    key: KEY,
                    update: SettlementUpdate { diffs: vec![diff], forgiven: vec![] },
                    expiry,
                }
            }
            11 if c.below(8) == 0 => Transition::ProposeClose { key: KEY, expiry },
            12 => Transition::SettleSubcontract { key: KEY, id },
            13 => Transition::CancelSubcontract { key: KEY, id },
            14 | 15 => self.subcontract(c, token, expiry),
            _ => Transition::Memo { data: vec![c.byte(); 2] },
        }
    }

    /// A subcontract of some instrument, with terms that are mostly valid.
    fn subcontract(&self, c: &mut Choices<'_>, token: TokenId, expiry: UnixSeconds) -> Transition {
        let payer = if c.below(2) == 0 { Side::Left } else { Side::Right };
        let (amount, not_before) = (c.amount(), UnixSeconds(self.now));
        let instrument = 3 + u16::from(c.below(3));
        let terms = match instrument {
            3 => {
                let (reference, debt_token) = ([c.below(3); 32], token);
                CreditDefaultSwapTerms { payer, amount, expiry, not_before, reference, debt_token }.encode()
            }
            4 => {
                let (cancellable, paid, steps) = (c.below(2) == 0, c.amount() / 2, u16::from(c.below(4)));
                let (start, duration_s, cliff_s) = (not_before, u64::from(c.byte()), u64::from(c.below(20)));
                ScheduleTerms { payer, cancellable, amount, paid, start, duration_s, cliff_s, steps }.encode()
            }
            _ => {
                let (fallback, target, calldata) = (c.amount(), Address([c.below(3); 20]), vec![]);
                ConditionTerms { payer, amount, fallback, expiry, not_before, target, calldata }.encode()
            }
        };
        let terms = terms.unwrap_or_else(|_| vec![c.byte(); 9]);
        Transition::AddSubcontract { key: KEY, provider: PROVIDER, instrument, tokens: vec![token], terms }
    }
}
