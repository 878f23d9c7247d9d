//! Numbers that look random and are the same on every run (SplitMix64), or that bytes have chosen, and what is interesting
//! about amounts.

pub enum Random {
    Seeded(u64),
    /// The rest of the bytes, the last one first. Behind their end all is zero.
    Chosen(Vec<u8>),
}

impl Random {
    pub fn new(seed: u64) -> Self {
        Self::Seeded(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(0x1234_5678))
    }

    #[allow(dead_code, reason = "the test has seeds, a fuzzer has bytes")]
    pub fn chosen(bytes: &[u8]) -> Self {
        Self::Chosen(bytes.iter().rev().copied().collect())
    }

    #[allow(dead_code, reason = "the test has seeds, a fuzzer has bytes")]
    pub fn is_spent(&self) -> bool {
        matches!(self, Self::Chosen(rest) if rest.is_empty())
    }

    pub fn next(&mut self) -> u64 {
        let state = match self {
            Self::Seeded(state) => state,
            Self::Chosen(rest) => return (0..8).fold(0, |n, _| n << 8 | u64::from(rest.pop().unwrap_or_default())),
        };
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Small choices take one byte, so that a fuzzer's change of one byte changes one choice.
    pub fn below(&mut self, bound: u64) -> u64 {
        match self {
            Self::Chosen(rest) if bound <= 256 => u64::from(rest.pop().unwrap_or_default()) % bound,
            _ => self.next() % bound,
        }
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }

    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        out.iter_mut().for_each(|b| *b = if let Self::Chosen(_) = self { self.below(256) } else { self.next() } as u8);
        out
    }

    pub fn wide(&mut self) -> u128 {
        (u128::from(self.next()) << 64) | u128::from(self.next())
    }

    /// An amount of up to `bits` bits, of every order of magnitude, not 0.
    pub fn amount(&mut self, bits: u64) -> u128 {
        let bits = 1 + self.below(bits);
        (self.wide() & ((1 << bits) - 1)).max(1)
    }

    pub fn signed(&mut self, bits: u64) -> i128 {
        let amount = self.amount(bits) as i128;
        if self.chance(50) { amount } else { -amount }
    }
}
