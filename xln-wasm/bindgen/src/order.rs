//! Which function stands after which. gzip finds what is alike only within the last 32 kilobytes, so that functions made of
//! the same pieces should stand close together; compilers leave them in no such order.

use std::collections::{BTreeMap, HashMap, VecDeque};

/// A piece is this many bytes of a body; half of all pieces are looked at.
const PIECE: usize = 4;
/// What stands in more functions than this says nothing about any of them.
const COMMON: usize = 200;
/// So many functions back is looked for the pieces of the next one.
const BACK: usize = 100;
/// With each function back a piece counts for this many hundredths of what it counted before.
const FADES_TO: u64 = 98;

/// A function's distinct pieces, and whether it has its place.
struct Function {
    pieces: Vec<u32>,
    placed: bool,
}

/// The bodies' places in an order in which each is like those shortly before it. The same bodies give the same order.
pub(crate) fn by_likeness(bodies: &[&[u8]]) -> Vec<usize> {
    let mut functions: Vec<Function> =
        bodies.iter().map(|body| Function { pieces: pieces(body), placed: false }).collect();
    let mut holders: HashMap<u32, Vec<usize>> = HashMap::new();
    for (index, function) in functions.iter().enumerate() {
        for piece in &function.pieces {
            holders.entry(*piece).or_default().push(index);
        }
    }
    holders.retain(|_, functions| (2..=COMMON).contains(&functions.len()));

    let mut order = Vec::with_capacity(functions.len());
    let mut recent: VecDeque<usize> = VecDeque::with_capacity(BACK);
    let mut unplaced = 0;
    let mut next = (!functions.is_empty()).then_some(0);
    while let Some(index) = next {
        if let Some(function) = functions.get_mut(index) {
            function.placed = true;
        }
        order.push(index);
        recent.truncate(BACK.saturating_sub(1));
        recent.push_front(index);
        next = likest(&functions, &holders, &recent).or_else(|| {
            while functions.get(unplaced).is_some_and(|function| function.placed) {
                unplaced = unplaced.saturating_add(1);
            }
            (unplaced < functions.len()).then_some(unplaced)
        });
    }
    order
}

fn pieces(body: &[u8]) -> Vec<u32> {
    let all = body.windows(PIECE).filter_map(|window| window.try_into().ok().map(u32::from_le_bytes));
    let mut half: Vec<u32> = all.filter(|piece| piece.wrapping_mul(0x9E37_79B1) >> 31 == 0).collect();
    half.sort_unstable();
    half.dedup();
    half
}

/// Of those without a place the one of which most is found in the recent ones, for its size.
fn likest(functions: &[Function], holders: &HashMap<u32, Vec<usize>>, recent: &VecDeque<usize>) -> Option<usize> {
    let mut scores: BTreeMap<usize, u64> = BTreeMap::new();
    let mut seen = std::collections::HashSet::new();
    let mut strength = 1_u64 << 20;
    for function in recent.iter().filter_map(|index| functions.get(*index)) {
        for piece in function.pieces.iter().filter(|piece| seen.insert(**piece)) {
            let Some(holding) = holders.get(piece) else { continue };
            let rarity = u64::try_from(holding.len()).unwrap_or(u64::MAX).saturating_mul(1 << 20).isqrt().max(1);
            let weight = strength.saturating_mul(1 << 10).checked_div(rarity).unwrap_or(0);
            for index in holding.iter().filter(|index| functions.get(**index).is_some_and(|other| !other.placed)) {
                let score = scores.entry(*index).or_default();
                *score = score.saturating_add(weight);
            }
        }
        strength = strength.saturating_mul(FADES_TO).checked_div(100).unwrap_or(0);
    }
    let per_piece = |(index, score): (usize, u64)| {
        let size = functions.get(index).map_or(0, |function| function.pieces.len()).saturating_add(4);
        (score.checked_div(u64::try_from(size).unwrap_or(u64::MAX)).unwrap_or(0), std::cmp::Reverse(index))
    };
    scores.into_iter().map(per_piece).max().map(|(_, std::cmp::Reverse(index))| index)
}

#[cfg(test)]
mod tests {
    use super::by_likeness;

    /// Bytes without pattern, the same for the same seed.
    fn noise(mut seed: u64) -> Vec<u8> {
        let mut next = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            seed.to_be_bytes()[0]
        };
        (0..400).map(|_| next()).collect()
    }

    #[test]
    fn what_is_alike_stands_together_and_every_function_has_one_place() {
        // Ten families of five, dealt out so that no two of one family are neighbours.
        let family = |member: usize| noise(u64::try_from(member % 10).unwrap());
        let bodies: Vec<Vec<u8>> = (0..50)
            .map(|member| [family(member), noise(1000 + u64::try_from(member).unwrap())[..40].to_vec()].concat())
            .collect();
        let order = by_likeness(&bodies.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let mut places = order.clone();
        places.sort_unstable();
        assert_eq!(places, (0..50).collect::<Vec<_>>());
        let changes = order.windows(2).filter(|pair| pair[0] % 10 != pair[1] % 10).count();
        assert_eq!(changes, 9, "{order:?}");
    }

    #[test]
    fn nothing_and_what_is_like_nothing() {
        assert!(by_likeness(&[]).is_empty());
        assert_eq!(by_likeness(&[b"", b"ab", b""]), [0, 1, 2]);
    }
}
